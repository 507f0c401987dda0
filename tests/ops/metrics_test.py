"""What real processes show at /metrics: by the format's rules, as documented, and as dashboard and alerts need it."""
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / "cluster"), str(ROOT / "tests")]
from cluster import ClusterTest, TRIREME, main, wait_until  # noqa: E402
from free_ports import free_ports  # noqa: E402

SAMPLE = re.compile(r'([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)$')
# Names and units that are etcd's, which its own dashboards look for.
NOT_OURS = re.compile(r"^(etcd|grpc)_")


def parse(text):
    """Families by name: type, and samples by name and labels. Fails for what the format does not allow."""
    families, family, samples = {}, None, set()
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            family, help_text = line[7:].split(" ", 1)
            assert family not in families and help_text, line
            families[family] = {"type": None, "samples": {}}
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name == family and kind in ("counter", "gauge", "histogram"), line
            families[family]["type"] = kind
        else:
            match = SAMPLE.match(line)
            assert match, f"no sample: {line}"
            name, labels, value = match.groups()
            suffix = name.removeprefix(family)
            of_histogram = families[family]["type"] == "histogram"
            assert suffix in (("_bucket", "_sum", "_count") if of_histogram else ("",)), line
            labels = tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")))
            assert (name, labels) not in samples, f"twice: {line}"
            samples.add((name, labels))
            families[family]["samples"][name, labels] = float(value)
    assert text.endswith("\n")
    return families


def documented():
    """docs/metrics.md: by section {name: (type, labels)}."""
    sections, section = {}, None
    for line in (ROOT / "docs" / "metrics.md").read_text().splitlines():
        if line.startswith("## "):
            section = sections.setdefault(line[3:], {})
        match = re.match(r"\| `(\w+)(?:\{([\w, ]+)\})?` \| (\w+) \| (.+) \|$", line)
        if match:
            name, labels, kind, _ = match.groups()
            assert name not in section, f"docs/metrics.md has {name} twice"
            section[name] = kind, frozenset(re.split(", ?", labels) if labels else [])
    return sections


class MetricsClusterTest(ClusterTest):
    def get(self, url):
        with urllib.request.urlopen(url, timeout=20) as answer:
            self.assertTrue(answer.headers["Content-Type"].startswith("text/plain"))
            return answer.read().decode()

    def start_kv(self):
        client, peer = free_ports(2)
        url = f"http://127.0.0.1:{client}"
        log = open(self.path("kv.err"), "wb")
        member = subprocess.Popen(
            [TRIREME, "kv", "serve", "--data-dir", self.path("kv"), "--listen-client-urls", url,
             "--advertise-client-urls", url, "--listen-peer-urls", f"http://127.0.0.1:{peer}",
             "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
             "--initial-cluster", f"default=http://127.0.0.1:{peer}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        log.close()
        self.addCleanup(member.wait)
        self.addCleanup(member.kill)
        put = [TRIREME, "kv", "put", "a", "b", "--endpoints", url]
        wait_until(lambda: subprocess.run(put, capture_output=True).returncode == 0, "a put works")
        return url + "/metrics"

    def start_mapreduce(self):
        """A job of 8 maps and 3 reduces on two workers that fetch everything from each other."""
        self.start_coordinator("--http", "127.0.0.1:0", tcp=True, state="journal")
        pages = []
        for _ in range(2):
            worker = self.start_worker("--http", "127.0.0.1:0", "--always-fetch")
            pages.append(worker.line("metrics on "))
        wait_until(lambda: sum(w["alive"] for w in self.status()["workers"]) == 2, "both attach")
        self.trireme("run", "wordcount", "--input", self.make_input(), "--output",
                     self.path("out"), "--reduces", "3", "--quiet",
                     "--coordinator", self.address)
        return self.http + "metrics", pages

    def all_pages(self):
        kv = self.start_kv()
        coordinator, workers = self.start_mapreduce()
        leader = self.start(["coordinator", "--listen", "unix:" + self.path("leader.sock"), "--http",
                             "127.0.0.1:0", "--kv", kv.removesuffix("/metrics")], "leader")
        leader = leader.line("pages on ") + "metrics"
        wait_until(lambda: "\ntrireme_mr_leader 1\n" in self.get(leader), "it leads")
        return {"KV": self.get(kv), "coordinator": self.get(coordinator), "leader": self.get(leader),
                "worker": self.get(workers[0])}

    def assert_documented(self, page, families, sections):
        wanted = {}
        for section in sections:
            wanted.update(documented()[section])
        self.assertEqual(sorted(families), sorted(wanted), f"{page}: docs/metrics.md differs")
        for name, (kind, labels) in wanted.items():
            self.assertEqual((name, families[name]["type"]), (name, kind))
            shown = {frozenset(k for k, _ in where) - {"le"} for _, where in families[name]["samples"]}
            self.assertIn(shown, ({labels}, set()), f"{page}: labels of {name}")

    def assert_conventional(self, families):
        for name, family in families.items():
            if NOT_OURS.match(name):
                continue
            self.assertEqual(name.endswith("_total"), family["type"] == "counter", name)
            self.assertNotRegex(name, r"(_ms|_millis|_micros|_kb|_mb|_percent)(_|$)")

    def promtool(self, *words, text=None):
        done = subprocess.run(["promtool", *map(str, words)], input=text, capture_output=True,
                              text=True)
        return done.returncode, done.stdout + done.stderr

    def test_pages_are_documented_and_used_as_they_are(self):
        pages = self.all_pages()
        parsed = {name: parse(text) for name, text in pages.items()}
        self.assert_documented("KV", parsed["KV"], ["KV", "Raft", "Every process"])
        self.assert_documented("coordinator", parsed["coordinator"],
                               ["MapReduce: the coordinator", "Every process"])
        self.assert_documented("leader", parsed["leader"],
                               ["MapReduce: the coordinator", "MapReduce: a coordinator with --kv",
                                "Every process"])
        self.assert_documented("worker", parsed["worker"],
                               ["MapReduce: a worker", "Every process"])
        names = {name for families in parsed.values() for family in families.values()
                 for name, _ in family["samples"]}
        names |= {name for families in parsed.values() for name in families}
        for name, text in pages.items():
            self.assert_conventional(parsed[name])
            status, said = self.promtool("check", "metrics", text=text)
            ours = [line for line in said.splitlines() if not NOT_OURS.match(line)]
            self.assertEqual(ours, [], name)
            self.assertIn(status, (0, 3))  # 3: of etcd's names it has something to say
        self.assert_dashboard_uses(names)
        self.assert_alerts_use(names)

    def metrics_in(self, expression):
        """Names in an expression of PromQL: words that are no functions, labels or keywords."""
        bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]', " ", expression)
        bare = re.sub(r"\b(by|on|without|ignoring)\s*\([^)]*\)", " ", bare)
        words = re.findall(r"\b[a-zA-Z_]\w*\b(?!\s*\()", bare)
        return {w for w in words if w not in ("and", "or", "unless", "bool", "by", "on")}

    def assert_dashboard_uses(self, names):
        dashboard = json.loads((ROOT / "deploy/grafana/trireme.json").read_text())
        expressions = [target["expr"] for panel in dashboard["panels"]
                       for target in panel.get("targets", [])]
        self.assertGreater(len(expressions), 50)
        for expression in expressions:
            used = self.metrics_in(expression)
            self.assertTrue(used, expression)
            self.assertLessEqual(used, names, expression)
            self.assertIn("$instance", expression)
        variables = {v["name"]: v for v in dashboard["templating"]["list"]}
        self.assertEqual(set(variables), {"datasource", "instance"})
        self.assertEqual(variables["datasource"]["type"], "datasource")
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
        for row in ("KV", "Raft", "MapReduce: coordinator", "MapReduce: workers", "Processes"):
            self.assertIn(row, rows)
        self.promql_is_valid(expressions)

    def promql_is_valid(self, expressions):
        rules = {"groups": [{"name": "g", "rules": [
            {"record": f"r{i}", "expr": e.replace("$__rate_interval", "5m")}
            for i, e in enumerate(expressions)]}]}
        path = self.write("rules.yml", json.dumps(rules))  # JSON is YAML
        self.assertEqual(self.promtool("check", "rules", path)[0], 0,
                         self.promtool("check", "rules", path)[1])

    def assert_alerts_use(self, names):
        folder = ROOT / "deploy/prometheus"
        text = (folder / "alerts.yml").read_text()
        expressions = re.findall(r"^ +expr: (.+)$", text, re.MULTILINE)
        alerts = re.findall(r"- alert: (\w+)$", text, re.MULTILINE)
        self.assertEqual(len(expressions), len(alerts))
        for expression in expressions:
            self.assertLessEqual(self.metrics_in(expression), names | {"up"}, expression)
        tested = (folder / "alerts_test.yml").read_text()
        for alert in alerts:
            self.assertIn(f'alertname="{alert}"', tested)
        for words in (("check", "config", folder / "prometheus.yml"),
                      ("test", "rules", folder / "alerts_test.yml")):
            status, said = self.promtool(*words)
            self.assertEqual(status, 0, said)

    def test_numbers_of_a_job(self):
        coordinator, pages = self.start_mapreduce()
        data = self.path("in")
        size = sum(os.path.getsize(os.path.join(data, f)) for f in os.listdir(data))
        output = sum(len(part) for name, part in self.parts(self.path("out")).items())
        jobs = self.numbers(self.get(coordinator))
        self.assertEqual(jobs("trireme_mr_jobs", state="succeeded"), 1)
        self.assertEqual(jobs("trireme_mr_jobs_ended_total", state="succeeded"), 1)
        self.assertEqual(jobs("trireme_mr_workers", health="well"), 2)
        self.assertEqual(jobs("trireme_mr_slots"), 2)
        self.assertEqual(jobs("trireme_mr_attempts_succeeded_total", phase="map"), 8)
        self.assertEqual(jobs("trireme_mr_attempts_succeeded_total", phase="reduce"), 3)
        self.assertEqual(jobs("trireme_mr_attempts_started_total", kind="normal"), 11)
        self.assertEqual(jobs("trireme_mr_bytes_total", phase="input"), size)
        self.assertEqual(jobs("trireme_mr_bytes_total", phase="output"), output)
        self.assertGreater(jobs("trireme_mr_bytes_total", phase="shuffle"), 0)
        self.assertGreater(jobs("trireme_mr_journal_writes_total"), 3)
        self.assertGreater(jobs("trireme_mr_scheduling_delay_seconds_count"), 4)
        self.assertGreater(jobs("trireme_mr_turn_duration_seconds_count"), 4)
        done = [self.numbers(self.get(page)) for page in pages]

        def both(name, **labels):
            return sum(of(name, **labels) for of in done)
        self.assertEqual(both("trireme_mr_worker_attempts_ended_total", outcome="succeeded"), 11)
        self.assertEqual(both("trireme_mr_worker_attempts_started_total"), 11)
        self.assertEqual(both("trireme_mr_worker_bytes_total", phase="input"), size)
        self.assertEqual(both("trireme_mr_worker_bytes_total", phase="output"), output)
        self.assertEqual(both("trireme_mr_worker_bytes_total", phase="spill"),
                         jobs("trireme_mr_bytes_total", phase="map_output"))
        for what in ("partitions", "bytes"):  # each worker made a map output that the other needs
            fetched = both(f"trireme_mr_worker_shuffle_fetched_{what}_total")
            self.assertGreater(fetched, 0)
            self.assertEqual(fetched, both(f"trireme_mr_worker_shuffle_served_{what}_total"))
        self.assertEqual(both("trireme_mr_worker_attached"), 2)
        self.assertGreater(both("trireme_mr_worker_memory_bytes"), 1_000_000)
        self.assertGreater(both("trireme_mr_worker_scratch_free_bytes"), 0)

    def numbers(self, text):
        """The sum of the samples of a name that have the labels given; there must be some."""
        samples = {key: value for family in parse(text).values()
                   for key, value in family["samples"].items()}

        def of(name, **labels):
            found = [value for (sample, where), value in samples.items()
                     if sample == name and labels.items() <= dict(where).items()]
            self.assertTrue(found, f"{name} {labels}")
            return sum(found)
        return of

    def test_a_restarted_coordinator_counts_nothing_twice(self):
        self.start_mapreduce()
        self.coordinator.kill()
        self.start_coordinator("--http", "127.0.0.1:0", address=self.address, state="journal")
        jobs = self.numbers(self.get(self.http + "metrics"))
        self.assertEqual(jobs("trireme_mr_jobs", state="succeeded"), 1)
        self.assertEqual(jobs("trireme_mr_jobs_ended_total"), 0)
        self.assertEqual(jobs("trireme_mr_bytes_total"), 0)
        self.assertEqual(jobs("trireme_mr_epoch"), 2)
        self.trireme("run", "wordcount", "--input", self.path("in"), "--output",
                     self.path("again"), "--reduces", "1", "--quiet", "--coordinator", self.address)
        output = sum(len(part) for part in self.parts(self.path("again")).values())
        jobs = self.numbers(self.get(self.http + "metrics"))
        self.assertEqual(jobs("trireme_mr_jobs_ended_total", state="succeeded"), 1)
        self.assertEqual(jobs("trireme_mr_bytes_total", phase="output"), output)

    def test_a_worker_that_has_lost_its_coordinator_says_so(self):
        coordinator, pages = self.start_mapreduce()
        self.assertEqual(self.get(pages[0].replace("metrics", "healthz")), "ok\n")
        self.coordinator.kill()
        wait_until(lambda: self.numbers(self.get(pages[0]))("trireme_mr_worker_attached") == 0,
                   "the worker notices")

    def test_a_lost_worker_is_counted(self):
        self.start_coordinator("--http", "127.0.0.1:0", "--worker-lease", "300ms")
        self.start_workers(1)
        self.workers[0].kill()
        wait_until(lambda: self.numbers(self.get(self.http + "metrics"))(
            "trireme_mr_workers", health="lost") == 1, "the worker is lost")


if __name__ == "__main__":
    main()
