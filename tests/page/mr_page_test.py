"""The coordinator's live page in a browser, clicking through a running job on a real cluster."""
import json
import os
import unittest
import urllib.error
import urllib.request

from live import ENTER, HOSTILE, LEFT, LiveClusterTest
from cluster import ClusterTest, wait_until


class MrPage(LiveClusterTest, ClusterTest):
    def open(self, path=""):
        self.browser.look(1280, False)
        self.browser.open(self.http + path)
        wait_until(lambda: self.text("#live") == ["live"] and self.shown("#page"),
                   "the page is live")

    def get(self, path, method="GET", **headers):
        request = urllib.request.Request(self.http + path, method=method, headers=headers,
                                         data=b"{}" if method == "POST" else None)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), error.headers

    def start_job_that_waits(self, *arguments, admin=False):
        """A job with a failed attempt and a straggler, whose reduces wait for open_gate()."""
        self.make_input(files=9, lines=50)
        never, gate = self.path("never"), self.path("gate")
        mapper = self.write("map.sh", f"""
            case $mapreduce_task_attempt_id in *_m_000002_0) echo '<b>no</b> such word' >&2; exit 3;; esac
            [ -z "$SLOW" ] || while [ ! -e {never} ]; do sleep 0.05; done
            cat""")
        reducer = self.write("reduce.sh", f"while [ ! -e {gate} ]; do sleep 0.05; done\ncat")
        self.start_coordinator("--http", "0", *(["--http-admin"] if admin else []))
        self.start_workers(1, slots=2)
        self.start_workers(1)
        self.start_workers(1, env={"SLOW": "1"})
        self.http = self.http.rstrip("/") + "/"
        return self.submit("--mapper", "sh " + mapper, "--reducer", "sh " + reducer, "--name",
                           HOSTILE, "--reduces", "2", "--input", self.path("in"), "--output",
                           self.path("out"), "--split-size", "1M", *arguments)

    def open_gate(self):
        self.write("gate", "")

    def test_through_a_running_job(self):
        job = self.start_job_that_waits()
        self.open()
        wait_until(lambda: any(HOSTILE in t for t in self.text("#jobs .name")), "the job is listed")
        wait_until(lambda: len(self.text("#workers > li")) == 3, "the workers are listed")
        self.assertEqual({t for t in self.text("#workers .chip")}, {"alive"})
        self.browser.click("#jobs a.name")
        wait_until(lambda: self.browser.address().endswith(f"/jobs/{job}"), "its page is open")
        wait_until(lambda: self.text("#live") == ["live"], "it is live")

        # The straggler's backup has won, the failed attempt was made good, the reduces wait.
        done = "return document.querySelector('#phases [role=progressbar]').ariaValueNow === '100'"
        wait_until(lambda: self.browser.run(done), "the maps are done")
        wait_until(lambda: len(self.text("#running li")) == 2 and
                   all(t.startswith("reduce ") for t in self.text("#running li")), "reduces run")
        self.assertEqual(self.text("#name"), [f"{HOSTILE} #{job}"])
        count = "return document.querySelectorAll(arguments[0]).length"
        lanes = self.browser.run(count, "#plot g[data-lane]")
        self.assertEqual(lanes, 3)
        for selector, least in (("#plot rect.failed", 1), ("#plot use[href='#m-failed']", 1),
                                ("#plot rect.straggler", 1), ("#plot rect.backup", 1),
                                ("#plot rect.retry", 1), ("#plot rect.running", 2)):
            self.assertGreaterEqual(self.browser.run(count, selector), least, selector)
        # The picture moves: a bar that runs grows with the job, and others make room.
        total = self.text("#tiles dd span")[0]
        wait_until(lambda: self.text("#tiles dd span")[0] != total, "time goes on")
        told = " ".join(self.text("#trouble li li"))
        self.assertIn("(retry)", told)
        self.assertIn("(backup)", told)
        self.assertIn("(straggler)", told)
        self.assertIn("exited with status 3", told)
        self.assertTrue(any("<b>no</b> such word" in t for t in self.text("#tails pre")))
        self.assertTrue(any("map_input_records" in t or "records" in t
                            for t in self.text("#counters tr")))
        self.assertFalse(self.shown("#report"))
        self.assertFalse(self.shown("#cancel"))  # read-only
        self.check_page(self.http)

        self.open_gate()
        wait_until(lambda: self.text("#state") == ["succeeded"], "the page says that it is done")
        self.assertEqual(self.text("#running li"), ["nothing"])
        self.check_manners(self.http)
        wait_until(lambda: self.shown("#report"), "its report is linked")
        self.browser.click("#report")
        wait_until(lambda: "report" in self.browser.address() and self.text("#timeline"), "the report is open")
        self.assertIn(HOSTILE, self.text("h1")[0])
        self.check_manners(self.http)
        self.open()
        wait_until(lambda: self.text("#jobs .chip") == ["succeeded"], "the list says so too")
        self.check_page(self.http)
        self.check_manners(self.http)

    def test_by_keyboard(self):
        job = self.start_job_that_waits()
        self.open()
        wait_until(lambda: self.text("#jobs .name"), "the job is listed")
        names = self.walk(7)
        self.assertEqual(names[0], "To the jobs")
        self.assertTrue(any(HOSTILE in name for name in names), names)
        self.assertTrue(any(name.startswith("Bytes per second, now") for name in names), names)
        self.assertTrue(any("log" in name for name in names), names)
        wait_until(lambda: self.browser.run(
            "return document.querySelectorAll('#rate text').length > 0"), "there are samples")
        self.browser.run("document.querySelector('#rate .plot').focus()")
        self.browser.press(LEFT)
        label = "return document.querySelector('#rate .plot').getAttribute('aria-label')"
        self.assertIn("Bytes per second, at ", self.browser.run(label))
        self.browser.run("document.querySelector('#jobs a').focus()")
        self.browser.press(ENTER)
        wait_until(lambda: self.browser.address().endswith(f"/jobs/{job}"), "Enter opens the job")

    def test_a_lost_coordinator_comes_back(self):
        self.start_coordinator("--http", "127.0.0.1:0", tcp=True, state="state")
        self.http = self.http.rstrip("/") + "/"
        where, http = self.address, self.http.split("/")[2]
        self.open()
        self.coordinator.kill()
        wait_until(lambda: self.text("#live") == ["no connection"], "the page says so")
        self.assertIn("tries again", self.text("#lost")[0])
        self.assertTrue(self.shown("#lost"))
        self.start_coordinator("--http", http, state="state", address=where)
        wait_until(lambda: self.text("#live") == ["live"], "it is back")
        self.assertFalse(self.shown("#lost"))
        wait_until(lambda: "life 2" in self.text("#who")[0], "it shows the new life")

    def test_cancel_with_http_admin(self):
        job = self.start_job_that_waits(admin=True)
        self.open(f"jobs/{job}")
        wait_until(lambda: self.shown("#cancel"), "it can be cancelled")
        self.browser.run("window.confirm = () => true")
        self.browser.click("#cancel")
        wait_until(lambda: self.text("#state") == ["cancelled"], "it is cancelled")
        self.assertEqual(self.status(job)["state"], "cancelled")
        self.assertFalse(os.path.exists(self.path("out")))

    def test_for_programs(self):
        job = self.start_job_that_waits()
        status, page, headers = self.get("")
        self.assertEqual(status, 200)
        self.assertIn("&lt;img src=x", page)  # what is shown without scripts
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        jobs = json.loads(self.get("jobs.json")[1])["jobs"]
        self.assertEqual([j["name"] for j in jobs], [HOSTILE])
        self.assertEqual(len(json.loads(self.get("workers.json")[1])["workers"]), 3)
        self.assertEqual(json.loads(self.get(f"jobs/{job}.json")[1])["maps"]["total"], 9)
        wait_until(lambda: json.loads(self.get("history.json")[1])["samples"], "there are samples")
        self.assertTrue(any("worker attached" in line["text"]
                            for line in json.loads(self.get("log.json")[1])["log"]))
        self.assertEqual(self.get("jobs/99")[0], 404)
        self.assertEqual(self.get("jobs/1/nothing")[0], 404)
        self.assertEqual(self.get("web/mr.html")[0], 404)
        # Of another site's name the pages know nothing, and nothing may be changed.
        self.assertEqual(self.get("", Host="evil.example")[0], 403)
        status, text, _ = self.get(f"jobs/{job}/cancel", method="POST", Origin=self.http[:-1],
                                   **{"Content-Type": "application/json"})
        self.assertEqual(status, 403)
        self.assertIn("--http-admin", text)
        self.open_gate()
        self.assertEqual(self.wait(job)["state"], "succeeded")


if __name__ == "__main__":
    unittest.main(verbosity=2)
