"""The job report in a browser: what the pictures show, in every size and theme."""
import collections
import json
import os
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cluster"))
from browser import Browser  # noqa: E402
from cluster import ClusterTest, TRIREME, wait_until  # noqa: E402

CHECKS = (HERE / "checks.js").read_text()
LOOKS = [(1280, False), (1280, True), (390, False), (390, True)]
BYTES_MAX = 2_000_000

BARS = """
const lanes = {};
for (const lane of document.querySelectorAll("#timeline g[data-lane]"))
  lanes[lane.dataset.lane] = [...lane.querySelectorAll("rect.bar")].map(bar => ({
    look: bar.getAttribute("class"), attempts: Number(bar.dataset.n),
    title: bar.querySelector("title").textContent,
    left: bar.getBoundingClientRect().left, right: bar.getBoundingClientRect().right,
    top: bar.getBoundingClientRect().top}));
return lanes;"""


def marks(browser, name):
    return browser.run("return document.querySelectorAll("
                       f"'#timeline g[data-lane] use[href=\"#m-{name}\"]').length")


def text_of(browser, selector):
    return browser.run("return [...document.querySelectorAll(arguments[0])]"
                       ".map(e => e.textContent)", selector)


class Report(ClusterTest):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.close)

    def run_job(self, *arguments, check=0):
        page = self.path("report.html")
        done = subprocess.run(
            [TRIREME, "mr", "run", *arguments, "--output", self.path("out"), "--report", page,
             "--json", "--quiet"], capture_output=True, text=True, timeout=100)
        self.assertEqual(done.returncode, check, done.stderr)
        self.assertLess(os.path.getsize(page), BYTES_MAX)
        return page, json.loads(done.stdout)

    def check_page(self, page):
        """What must hold of every page, in every look; ends with the first look."""
        for width, dark in reversed(LOOKS):
            with self.subTest(width=width, dark=dark):
                self.browser.look(width, dark)
                self.browser.open(page)
                self.assertEqual(self.browser.run(CHECKS, width), [])
                self.assertEqual(self.browser.console(), [])
                self.assertEqual(self.browser.requests(), ["file://" + page])

    def check_bars(self, report):
        """Every attempt is on its slot's or worker's lane, and bars of a row do not overlap. Each has
        a bar of its own unless some are too short to be seen."""
        seen = report["total_ms"] / 300
        one_by_one = all(a["end_ms"] - a["start_ms"] > seen for a in report["attempts"])
        bars = self.browser.run(BARS)
        expected = collections.Counter(a["lane"] for a in report["attempts"])
        self.assertEqual({lane: sum(b["attempts"] for b in drawn)
                          for lane, drawn in bars.items() if drawn}, dict(expected))
        if one_by_one:
            self.assertEqual(sum(map(len, bars.values())), len(report["attempts"]))
        for drawn in bars.values():
            rows = collections.defaultdict(list)
            for bar in drawn:
                rows[bar["top"]].append(bar)
            for row in rows.values():
                row.sort(key=lambda b: b["left"])
                for before, after in zip(row, row[1:]):
                    self.assertLessEqual(before["right"], after["left"] + 2.5)
        return bars

    # ---- Jobs

    def test_embedded(self):
        page, report = self.run_job("wordcount", "--input", self.make_input(), "--split-size",
                                    "64K", "--reduces", "3", "--slots", "2")
        self.check_page(page)
        bars = [b for drawn in self.check_bars(report).values() for b in drawn]
        looks = collections.Counter()
        for bar in bars:
            looks[bar["look"].split()[1]] += bar["attempts"]
        self.assertEqual(looks, {"map": report["maps"], "reduce": 3})
        self.assertEqual(marks(self.browser, "failed") + marks(self.browser, "retry"), 0)
        self.assertEqual(len(text_of(self.browser, "#slowest li")),
                         min(12, len(report["attempts"])))
        self.assertIn("map phase", " ".join(text_of(self.browser, ".key")))
        counters = " ".join(text_of(self.browser, ".counters li"))
        for name, value in report["counters"]["mapreduce"].items():
            self.assertIn(f"{name}{value:,}", counters)

    def test_a_cluster_with_a_retry_and_a_straggler(self):
        self.make_input(files=9, lines=50)
        never = self.path("never")
        script = self.write("map.sh", f"""
            case $mapreduce_task_attempt_id in *_m_000002_0) echo '<b>no</b>' >&2; exit 3;; esac
            [ -z "$SLOW" ] || while [ ! -e {never} ]; do sleep 0.05; done
            cat""")
        self.start_coordinator()
        self.start_workers(1, slots=2)
        self.start_workers(1)
        self.start_workers(1, env={"SLOW": "1"})
        page, report = self.run_job(
            "--coordinator", self.address, "--mapper", "sh " + script, "--reducer", "cat",
            "--reduces", "2", "--input", self.path("in"), "--split-size", "1M")
        kinds = collections.Counter((a["kind"], a["end"]) for a in report["attempts"])
        self.assertGreaterEqual(kinds["backup", "succeeded"], 1, kinds)
        self.assertGreaterEqual(kinds["retry", "succeeded"], 1, kinds)
        self.check_page(page)
        bars = [b for drawn in self.check_bars(report).values() for b in drawn]
        looks = [b["look"].split() for b in bars]
        backed_up = {a["task"] for a in report["attempts"] if a["kind"] == "backup"}
        slow = [a for a in report["attempts"]
                if a["task"] in backed_up and a["kind"] != "backup" and a["phase"] == "map"]
        self.assertEqual(sum("straggler" in look for look in looks), len(slow))
        self.assertEqual(sum("backup" in look for look in looks), kinds["backup", "succeeded"])
        self.assertEqual(sum("failed" in look for look in looks), kinds["normal", "failed"])
        self.assertEqual(marks(self.browser, "failed"), kinds["normal", "failed"])
        self.assertEqual(marks(self.browser, "straggler"), len(slow))
        self.assertEqual(marks(self.browser, "retry"), kinds["retry", "succeeded"])
        told = text_of(self.browser, "#troubled li")
        self.assertTrue(any("map 2" in line and "exited with status 3" in line for line in told), told)
        self.assertTrue(any("(straggler)" in line and "(backup)" in line for line in told), told)

    def test_one_task(self):
        path = self.write("one.txt", "a word\n")
        page, report = self.run_job("--mapper", "cat", "--reduces", "0", "--input", path)
        self.assertEqual(len(report["attempts"]), 1)
        self.check_page(page)
        self.check_bars(report)

    def test_thousands_of_tasks(self):
        path = self.write("many.txt", "several words in a line\n" * 100_000)
        page, report = self.run_job("wordcount", "--input", path, "--split-size", "1K",
                                    "--isolation", "thread", "--slots", "3")
        self.assertGreater(len(report["attempts"]), 2000)
        self.check_page(page)
        bars = self.check_bars(report)
        self.assertLess(sum(map(len, bars.values())), 2000)

    def test_a_failed_job(self):
        path = self.write("one.txt", "a word\n")
        page, report = self.run_job("--mapper", "echo '<script>alert(1)</script>' >&2; exit 7",
                                    "--reducer", "cat", "--input", path, check=1)
        self.check_page(page)
        self.check_bars(report)
        self.assertEqual(marks(self.browser, "failed"), 4)
        self.assertIn("<script>alert(1)</script>", text_of(self.browser, ".error")[0])

    # ---- Hands and tools

    def test_by_keyboard(self):
        page, _ = self.run_job("wordcount", "--input", self.make_input(files=2))
        self.browser.look(390, False)
        self.browser.open(page)
        seen = []
        for _ in range(3):
            self.browser.press("\ue004")  # Tab
            seen.append(self.browser.run(
                "const e = document.activeElement; if (e.matches('summary')) return 'table';"
                "return e.getAttribute('aria-label')"))
            if seen[-1] == "table":
                self.browser.press("\ue007")  # Enter
                self.assertTrue(self.browser.run("return document.querySelector('details').open"))
        self.assertEqual(seen, ["table", "Attempts by slot or worker", "Settings"])
        self.assertEqual(self.browser.run(CHECKS, 390), [])  # with the table open

    def test_the_checks_can_fail(self):
        page, _ = self.run_job("wordcount", "--input", self.make_input(files=2))
        self.browser.look(390, True)
        for harm, complaint in (
                ("document.body.append(Object.assign(document.createElement('p'), "
                 "{textContent: 'wide', style: 'width:500px'}))", "leaves the window"),
                ("document.querySelector('h2').style.color = '#444'", "text has contrast"),
                ("document.querySelector('rect.bar').style.fill = '#222'", "shape has contrast"),
                ("document.querySelector('[role=img]').removeAttribute('aria-label')",
                 "without a text"),
                ("document.querySelector('.scroll').removeAttribute('tabindex')", "mouse only")):
            self.browser.open(page)
            self.browser.run(harm)
            wrong = self.browser.run(CHECKS, 390)
            self.assertTrue(any(complaint in line for line in wrong), (harm, wrong))
        self.browser.open(page)
        self.browser.run("console.error('bad'); fetch('http://127.0.0.1:9/').catch(() => 0)")
        wait_until(lambda: any("bad" in line for line in self.browser.console()), "it is heard")
        self.browser.open(page)
        self.browser.run("fetch('http://127.0.0.1:9/').catch(() => 0)")
        asked = []
        wait_until(lambda: asked.extend(self.browser.requests()) or
                   "http://127.0.0.1:9/" in asked, "the request is seen")


if __name__ == "__main__":
    unittest.main(verbosity=2)
