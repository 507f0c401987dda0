"""Coordinators that share a KV: killed, stopped and cut off, with the KV's own leader or without."""
import concurrent.futures
import datetime
import importlib.util
import json
import os
import re
import signal
import sys
import time

from cluster import ClusterTest, Proxy, main, wait_until

KV_TESTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "kv")
sys.path.append(KV_TESTS)
import ctl  # noqa: E402


def load(name):
    """A module of the KV's tests whose name is taken here."""
    spec = importlib.util.spec_from_file_location("kv_" + name, os.path.join(KV_TESTS, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


members = load("cluster")


def load_beside_members(name):
    """A module of the KV's tests that imports theirs of the name taken here."""
    ours = sys.modules["cluster"]
    sys.modules["cluster"] = members
    try:
        return load(name)
    finally:
        sys.modules["cluster"] = ours


tls = load_beside_members("tls_test")

# At default settings it is three; the rest is for machines with much else to do.
TAKEN_OVER_SECONDS = 3 + 7


class Coordinator:
    """One of those that share a KV, and what its log says of it."""

    def __init__(self, test, name, kv, *flags):
        self.test, self.name = test, name
        self.flags = ["coordinator", "--listen", "unix:" + test.path(name + ".sock"), "--http",
                      "127.0.0.1:0", "--kv", kv, "--log-level", "info", *flags]
        self.restart()

    def restart(self):
        self.process = self.test.start(self.flags, self.name)
        self.address = self.process.line("listening on ")
        self.http = self.process.line("pages on ")
        return self

    def events(self, name):
        """When its log has told of it, as seconds since the epoch."""
        with open(self.test.path(self.name + ".err"), errors="replace") as log:
            lines = [line for line in log if re.search(rf'event="?{name}"?( |$)', line)]
        stamps = [re.search(r"time=(\S+?)([+-]\d\d):?(\d\d) ", line) for line in lines]
        return [datetime.datetime.strptime(f"{s[1]}{s[2]}{s[3]}", "%Y-%m-%dT%H:%M:%S.%f%z")
                .timestamp() for s in stamps]

    def metric(self, name):
        text = members.urllib.request.urlopen(self.http + "metrics", timeout=30).read().decode()
        return int(re.search(rf"^{name} (\d+)$", text, re.MULTILINE)[1])

    def page(self, path):
        try:
            return members.urllib.request.urlopen(self.http + path, timeout=30).read().decode()
        except members.urllib.error.HTTPError as error:
            with error:
                return error.read().decode()

    def leads(self):
        return (self.process.process.poll() is None and
                self.metric("trireme_mr_leader") == 1)


class KvClusterTest(ClusterTest):
    def start_kv(self, size=3):
        self.store = members.Cluster(size)
        self.store.__enter__()
        self.addCleanup(self.store.__exit__)
        self.kv = ",".join(m.url.removeprefix("http://") for m in self.store.members)
        return self.kv

    def start_coordinators(self, count=2, *flags, kv=None):
        self.coordinators = [Coordinator(self, f"c{i}", kv or self.kv, *flags)
                             for i in range(count)]
        return self.leader()

    def leader(self, *others):
        """The one that leads, once it is none of the others."""
        def find():
            return next((c for c in self.coordinators if c not in others and c.leads()), None)
        return wait_until(find, "a coordinator leads")

    def await_taken_over(self, old, since):
        """The coordinator that leads in place of `old`, and how long that took."""
        new = self.leader(old)
        seconds = max(new.events("leads")) - since
        print(f"taken over after {seconds:.2f} s", file=sys.stderr)
        self.assertGreater(seconds, 0)
        self.assertLess(seconds, TAKEN_OVER_SECONDS)
        return new

    # ---- A job whose tasks say when they begin and end

    def gated_job(self, gate, phase, *more, files=6):
        """A count of words whose tasks of that phase end once the gate is open."""
        self.make_input(files=files, lines=300)
        said = self.path("said")

        def noted(letter, command, gated):
            wait = f"while [ ! -e {gate} ]; do sleep 0.02; done; " if gated else ""
            task = f"{letter}$mapreduce_task_partition"
            return f"echo begin {task} >> {said}; {command}; {wait}echo end {task} >> {said}"
        mapper = noted("m", "tr -s ' ' '\\n' | sed 's/$/\\t1/'", phase == "map")
        reducer = noted("r", "awk -F'\\t' '{c[$1]+=$2} END {for (w in c) print w FS c[w]}' | "
                        "LC_ALL=C sort", phase == "reduce")
        return ["--mapper", mapper, "--reducer", reducer, "--input", self.path("in"), "--reduces",
                "3", *more]

    def prepare(self, phase, *more, **options):
        gate = self.write("gate", "")
        job = self.gated_job(gate, phase, *more, **options)
        expected = self.embedded(*job)
        os.unlink(gate)
        os.unlink(self.path("said"))
        return gate, job, expected

    def open(self, gate):
        self.write(os.path.basename(gate), "")

    def said(self):
        if not os.path.exists(self.path("said")):
            return []
        with open(self.path("said")) as file:
            return [tuple(line.split()) for line in file.read().splitlines()]

    def assert_nothing_finished_was_redone(self):
        ended = set()
        for what, task in self.said():
            if what == "end":
                ended.add(task)
            else:
                self.assertNotIn(task, ended, f"it was done, and is begun again: {self.said()}")

    def assert_every_task_ran_once(self, job):
        begun = [task for what, task in self.said() if what == "begin"]
        self.assertEqual(sorted(begun), sorted(set(begun)))
        self.assertEqual(len(begun), job["maps"]["total"] + job["reduces"]["total"])

    def finish(self, job, expected, output="out"):
        ended = self.wait(job)
        self.assertEqual(ended["state"], "succeeded")
        self.assert_same(self.path(output), expected)
        self.assert_nothing_finished_was_redone()
        self.assertEqual(self.ask("counters", job)["mapreduce"]["map input bytes"],
                         ended["input_bytes"], "each map's counters are there once")
        self.assert_no_leftovers()
        return ended


class Failover(KvClusterTest):
    def lose_leader(self, phase, lose):
        """A job that is in that phase when `lose(leader)` happens."""
        self.start_kv()
        gate, job, expected = self.prepare(phase)
        old = self.start_coordinators()
        self.start_workers(2, slots=2)
        number = self.submit(*job, "--output", self.path("out"))
        self.busy_worker(number, phase)
        since = time.time()
        lose(old)
        new = self.await_taken_over(old, since)
        wait_until(lambda: len(self.status(number)["running"]) > 0, "the workers have come back")
        self.open(gate)
        self.assert_every_task_ran_once(self.finish(number, expected))
        return old, new

    def test_leader_killed_while_mapping(self):
        old, new = self.lose_leader("map", lambda leader: leader.process.kill())
        self.assertEqual(new.metric("trireme_mr_epoch"), 2)
        # It comes back to stand by, and takes over in its turn.
        old.restart()
        self.assertEqual(old.metric("trireme_mr_leader"), 0)
        since = time.time()
        new.process.kill()
        self.await_taken_over(new, since)
        self.assertEqual(old.metric("trireme_mr_epoch"), 3)
        self.assertEqual(len(self.ask("list")), 1)

    def test_leader_killed_while_reducing(self):
        self.lose_leader("reduce", lambda leader: leader.process.kill())

    def test_the_report_tells_of_all_leaders_attempts(self):
        """A worker is lost, then the leader: what either gave out, and what came of it, is in the
        report of the one that takes over, from the job's own start."""
        self.start_kv(1)
        gate, job, expected = self.prepare("reduce")
        old = self.start_coordinators()
        self.start_workers(2, slots=2)
        run = self.start(["run", *job, "--output", self.path("out"), "--kv", self.kv, "--quiet",
                          "--json"], "run")
        since = time.time()
        number = wait_until(lambda: [j["job"] for j in self.ask("list")], "it is known")[0]
        lost = self.busy_worker(number, "reduce")
        lane = next(w["host"] for w in self.status()["workers"]
                    if w["host"].endswith(f":{lost.pid}"))
        lost.kill()
        wait_until(lambda: sum(w["alive"] for w in self.status()["workers"]) == 1, "it is missed")
        self.busy_worker(number, "reduce")
        # What nobody waits for is written with what somebody does.
        self.ask("cancel", self.submit(*job, "--output", self.path("other")))
        killed = time.time()
        old.process.kill()
        new = self.await_taken_over(old, killed)
        wait_until(lambda: len(self.status(number)["running"]) > 0, "the worker has come back")
        self.open(gate)
        self.assertEqual(run.process.wait(timeout=60), 0)
        report = json.loads(run.process.stdout.read())
        self.assert_same(self.path("out"), expected)
        tasks = {}
        for attempt in report["attempts"]:
            tasks.setdefault((attempt["phase"], attempt["task"]), []).append(attempt)
        self.assertEqual(len(tasks), report["maps"] + report["reduces"])
        ends = set()
        for task, attempts in tasks.items():
            self.assertEqual([a["attempt"] for a in attempts], list(range(len(attempts))), task)
            self.assertEqual([a["kind"] for a in attempts],
                             ["normal", "retry", "retry", "retry"][:len(attempts)], task)
            self.assertEqual(attempts[-1]["end"], "succeeded", task)
            ends |= {a["end"] for a in attempts}
            for attempt in attempts:
                self.assertLessEqual(0, attempt["start_ms"])
                self.assertLessEqual(attempt["start_ms"], attempt["end_ms"])
                self.assertLessEqual(attempt["end_ms"], report["total_ms"])
        self.assertEqual(ends, {"succeeded", "lost worker"})
        first = [attempts[0] for (phase, _), attempts in tasks.items() if phase == "map"]
        self.assertTrue(all(a["input_bytes"] > 0 for a in first))
        self.assertTrue(any(a["lane"] == f"worker {lane}" for a in report["attempts"]),
                        "the lost worker has its name")
        before = (killed - since) * 1000
        self.assertLess(max(a["end_ms"] for a in first), before)
        self.assertLess(report["maps_ms"], before)
        self.assertGreater(report["total_ms"], before)
        page = json.loads(new.page(f"jobs/{number}.json"))
        self.assertEqual(page["attempts"], len(report["attempts"]))
        self.assertEqual(page["timeline"]["maps_ms"], report["maps_ms"])
        # The next after this one has it all from the journal alone.
        new.process.kill()
        old.restart()
        self.leader(new)
        again = json.loads(old.page(f"jobs/{number}.json"))
        self.assertEqual(again["timeline"], page["timeline"])
        self.assertEqual(again["elapsed_ms"], page["elapsed_ms"])

    def test_leader_that_stops_hands_over_at_once(self):
        self.start_kv()
        old = self.start_coordinators()
        since = time.time()
        self.assertEqual(old.process.stop(), 0)
        self.await_taken_over(old, since)

    def test_leader_stopped_and_woken_commits_nothing(self):
        old, new = self.lose_leader("map", lambda leader: leader.process.send(signal.SIGSTOP))
        before = {name: os.stat(self.path("out", name)).st_mtime_ns
                  for name in os.listdir(self.path("out"))}
        written = self.store.ctl("get", "--prefix", "trireme/mr/journal", "-w", "json")
        old.process.send(signal.SIGCONT)
        wait_until(lambda: old.events("stands by"), "the old leader knows")
        self.assertEqual(old.metric("trireme_mr_leader"), 0)
        self.assertTrue(new.leads())
        self.assertEqual(
            json.loads(self.store.ctl("get", "--prefix", "trireme/mr/journal", "-w", "json"))["kvs"],
            json.loads(written)["kvs"], "it has written nothing")
        self.assertEqual(before, {name: os.stat(self.path("out", name)).st_mtime_ns
                                  for name in os.listdir(self.path("out"))})

    def test_output_of_a_stopped_leaders_job_is_made_anew_once_it_knows(self):
        """The next finishes the output whose directory the stopped one holds; another job gets it
        when the old leader has let it go."""
        old, _ = self.lose_leader("reduce", lambda leader: leader.process.send(signal.SIGSTOP))
        again = ["run", "wordcount", "--input", self.path("in"), "--output", self.path("out"),
                 "--overwrite", "--quiet", "--kv", self.kv]
        self.assertIn(f"process {old.process.process.pid}",
                      self.trireme(*again, check=1).stderr)
        old.process.send(signal.SIGCONT)
        wait_until(lambda: old.events("stands by"), "the old leader knows")
        wait_until(lambda: self.trireme(*again, check=None).returncode == 0, "it has let go")

    def test_leader_cut_off_from_the_kv(self):
        self.start_kv()
        proxies = [Proxy(endpoint) for endpoint in self.kv.split(",")]
        for proxy in proxies:
            self.addCleanup(proxy.close)
        gate, job, expected = self.prepare("map")
        first = Coordinator(self, "cut", ",".join(p.address for p in proxies))
        self.coordinators = [first]
        self.leader()
        self.coordinators.append(Coordinator(self, "whole", self.kv))
        self.start_workers(2, slots=2)
        number = self.submit(*job, "--output", self.path("out"))
        self.busy_worker(number, "map")
        since = time.time()
        for proxy in proxies:
            proxy.cut.set()
        self.await_taken_over(first, since)
        wait_until(lambda: first.events("stands by"), "it has noticed by its own clock")
        self.assertEqual(first.metric("trireme_mr_leader"), 0)
        self.open(gate)
        self.assert_every_task_ran_once(self.finish(number, expected))

    def test_kv_leader_killed(self):
        self.start_kv()
        gate, job, expected = self.prepare("map")
        self.start_coordinators()
        self.start_workers(2, slots=2)
        number = self.submit(*job, "--output", self.path("out"))
        self.busy_worker(number, "map")
        self.store.leader().kill()
        self.open(gate)
        self.finish(number, expected)

    def test_kv_leader_and_coordinator_killed(self):
        self.start_kv()
        gate, job, expected = self.prepare("reduce")
        old = self.start_coordinators()
        self.start_workers(2, slots=2)
        number = self.submit(*job, "--output", self.path("out"))
        self.busy_worker(number, "reduce")
        self.store.leader().kill()
        old.process.kill()
        self.leader(old)
        self.open(gate)
        self.finish(number, expected)

    def test_leaders_killed_again_and_again(self):
        """In the middle of tasks that end all the time."""
        self.start_kv()
        gate, job, expected = self.prepare("none", files=24)
        job[1] = job[1].replace("tr -s", "sleep 0.05; tr -s")
        job[3] = job[3].replace("awk", "sleep 0.2; awk")
        self.start_coordinators(3)
        self.start_workers(2, slots=2)
        run = self.start(["run", *job, "--output", self.path("out"), "--kv", self.kv, "--quiet"],
                         "run")
        kills = 0
        for tasks in (4, 12, 20):
            wait_until(lambda: run.process.poll() is not None or
                       sum(what == "end" for what, _ in self.said()) >= tasks, "tasks have ended")
            old = self.leader()
            old.process.kill()
            kills += run.process.poll() is None
            self.leader(old)
            old.restart()
        self.assertEqual(run.process.wait(timeout=60), 0)
        self.assertGreaterEqual(kills, 2)
        self.assert_same(self.path("out"), expected)
        self.assert_nothing_finished_was_redone()
        self.assertEqual(len(self.ask("list")), 1)
        self.assert_no_leftovers()

    def test_debian_etcd(self):
        etcd = ctl.with_ports(
            lambda ports: ctl.Server(ports, command=["etcd"]).await_serving())
        self.addCleanup(etcd.stop)
        self.kv = etcd.endpoint
        gate, job, expected = self.prepare("map")
        old = self.start_coordinators()
        self.start_workers(2, slots=2)
        number = self.submit(*job, "--output", self.path("out"))
        self.busy_worker(number, "map")
        since = time.time()
        old.process.kill()
        self.await_taken_over(old, since)
        self.open(gate)
        self.assert_every_task_ran_once(self.finish(number, expected))


class Store(KvClusterTest):
    def revision(self):
        return json.loads(self.store.ctl("get", "x", "-w", "json"))["header"]["revision"]

    def test_writes_of_a_job_are_few(self):
        self.start_kv(1)
        leader = self.start_coordinators(1)
        self.start_workers(2, slots=2)
        wait_until(lambda: self.ask("list") == [], "it answers")
        data = self.make_input(files=100, lines=2)
        before, counted, since = (self.revision(), leader.metric("trireme_mr_kv_writes_total"),
                                  time.monotonic())
        self.trireme("run", "wordcount", "--input", data, "--split-size", "1K", "--reduces", "50",
                     "--output", self.path("out"), "--quiet", "--kv", self.kv)
        seconds = time.monotonic() - since
        writes = self.revision() - before
        tasks = sum(self.ask("list")[0][phase]["total"] for phase in ("maps", "reduces"))
        print(f"{writes} writes in {seconds:.2f} s for {tasks} tasks", file=sys.stderr)
        self.assertGreaterEqual(tasks, 100)
        # Phases: admitted, the output made, ended, finished.
        self.assertLessEqual(writes, seconds / 0.1 + 1 + 4)
        self.assertEqual(leader.metric("trireme_mr_kv_writes_total") - counted, writes)

    def test_commands_that_ask_a_standby_are_led_on(self):
        self.start_kv(1)
        leader = self.start_coordinators(2)
        standby = next(c for c in self.coordinators if c is not leader)
        self.start_worker(coordinator=standby.address)
        wait_until(lambda: self.status()["workers"], "the worker has found the leader")
        self.kv, self.address = None, standby.address
        data = self.make_input(files=2, lines=10)
        self.trireme("run", "wordcount", "--input", data, "--output", self.path("out"), "--quiet",
                     "--coordinator", standby.address)
        self.assertEqual([job["state"] for job in self.ask("list")], ["succeeded"])

    def test_a_standby_shows_where_the_leaders_pages_are(self):
        self.start_kv(1)
        leader = self.start_coordinators(2)
        standby = next(c for c in self.coordinators if c is not leader)
        link = f'<a href="{leader.http}">{leader.http}</a>'
        wait_until(lambda: link in standby.page(""), "it knows who leads")
        self.assertNotIn("<table>", standby.page(""))
        self.assertIn("<table>", leader.page(""))
        self.assertIn(leader.http, standby.page("jobs/1"))
        self.assertIn("job 1 is not known", leader.page("jobs/1"))

    def one_line(self, *arguments, check=2):
        done = self.trireme(*arguments, check=check)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stderr

    def test_wrong_use_says_what_to_do(self):
        listen = ("coordinator", "--listen", "unix:" + self.path("x.sock"))
        port = ctl.free_ports(1)[0]
        nobody = f"127.0.0.1:{port}"
        self.assertIn(f"--kv {nobody}", self.one_line(*listen, "--kv", nobody))
        unreachable = self.one_line("list", "--kv", nobody)
        self.assertIn(f"--kv {nobody}", unreachable)
        self.assertIn("Connection refused", unreachable)
        self.assertIn("--state and --kv", self.one_line(*listen, "--kv", nobody, "--state", "s"))
        self.assertIn("--kv ','", self.one_line(*listen, "--kv", ","))
        self.assertIn("--kv-prefix", self.one_line(*listen, "--kv", nobody, "--kv-prefix", "/"))
        self.assertIn("--kv", self.one_line("list", "--kv", "no:port:here"))
        self.assertIn("--coordinator and --kv",
                      self.one_line("list", "--kv", nobody, "--coordinator", nobody))
        self.assertIn("--kv-cert and --kv-key",
                      self.one_line("list", "--kv", nobody, "--kv-cert", "c"))
        self.assertIn("--kv-cacert", self.one_line("list", "--kv", nobody, "--kv-cacert", "none"))
        for flag in ("--kv-ttl", "--kv-write-interval"):
            self.assertIn("--kv-ttl, --kv-write-interval", self.one_line(*listen, flag, "3s"))
        self.assertIn("go with --kv", self.one_line("list", "--coordinator", nobody, "--kv-cert",
                                                    "c", "--kv-key", "k"))
        self.start_kv(1)
        self.start_coordinators(1)
        self.assertIn("prefix 'other'", self.one_line("list", "--kv", self.kv, "--kv-prefix",
                                                      "other"))

    def test_damage_is_refused(self):
        self.start_kv(1)
        self.start_coordinators(1)
        self.start_workers(1)
        data = self.make_input(files=1, lines=10)
        self.trireme("run", "wordcount", "--input", data, "--output", self.path("out"), "--quiet",
                     "--kv", self.kv)
        self.assertEqual(self.coordinators[0].process.stop(), 0)
        chunk = "trireme/mr/journal/0000000000000001/0000000000000001"
        self.store.ctl("put", chunk, "damaged")
        refused = self.start(["coordinator", "--listen", "unix:" + self.path("y.sock"), "--kv",
                              self.kv], "refused")
        self.assertEqual(refused.process.wait(timeout=60), 1)
        with open(self.path("refused.err")) as text:
            said = text.read()
        self.assertEqual(said.count("\n"), 1, said)
        self.assertIn(chunk, said)
        # Another program's key where the head should be.
        self.store.ctl("put", "elsewhere/journal/head", "hello")
        stranger = self.start(["coordinator", "--listen", "unix:" + self.path("z.sock"), "--kv",
                               self.kv, "--kv-prefix", "elsewhere"], "stranger")
        self.assertEqual(stranger.process.wait(timeout=60), 1)
        with open(self.path("stranger.err")) as text:
            self.assertIn("elsewhere/journal/head", text.read())


class Secured(KvClusterTest):
    """Coordinators, workers and commands show the KV certificates, and see its own."""

    def flags(self, identity="client", authority="ca"):
        shown = [] if identity is None else ["--kv-cert", self.store.file(identity + ".pem"),
                                             "--kv-key", self.store.file(identity + ".key")]
        return ["--kv-cacert", self.store.file(authority + ".pem"), *shown]

    @property
    def where(self):
        return ["--kv", self.kv, *self.flags()]

    def test_a_job_over_a_kv_with_client_certificates(self):
        self.store = tls.SecureCluster(1)
        self.addCleanup(self.store.__exit__)
        self.store.start(self.store.members[0])
        self.store.await_serving()
        self.kv = self.store.members[0].url
        data = self.make_input(files=4, lines=50)
        expected = self.embedded("wordcount", "--input", data, "--reduces", "2")
        self.coordinators = [Coordinator(self, f"c{i}", self.kv, *self.flags()) for i in range(2)]
        old = self.leader()
        self.start_workers(1, slots=2)
        run = ("run", "wordcount", "--input", data, "--reduces", "2", "--quiet", *self.where)
        self.trireme(*run, "--output", self.path("out"))
        self.assert_same(self.path("out"), expected)
        old.process.kill()
        self.leader(old)
        self.trireme(*run, "--output", self.path("again"))
        self.assert_same(self.path("again"), expected)
        self.assertEqual([job["state"] for job in self.ask("list")], ["succeeded", "succeeded"])
        # Each is tried for a while: at once.
        with concurrent.futures.ThreadPoolExecutor() as threads:
            refused = list(threads.map(
                lambda flags: self.trireme("list", "--kv", self.kv, *flags, check=2).stderr,
                [self.flags(identity=None), self.flags(identity="stranger"),
                 self.flags(authority="other-ca")]))
        for said in refused:
            self.assertEqual(said.count("\n"), 1, said)
            self.assertRegex(said, "(?i)tls|certificate")


if __name__ == "__main__":
    main()
