"""Makes the pictures of docs/pages.md: a word count with all its troubles, and an election under load."""
import os
import pathlib
import subprocess
import sys
import threading

from kv_page_test import KvPage, kv_cluster
from mr_page_test import MrPage, wait_until

OUT = pathlib.Path(os.environ["TRIREME_PICTURES"])


class Pictures:
    def picture(self, name, width=1280, dark=False, height=900, at=None):
        self.browser.look(width, dark, height=height)
        self.browser.run("scrollTo(0, 0); const e = document.querySelector(arguments[0] || 'none');"
                         "if (e) e.scrollIntoView()", at)
        self.browser.picture(str(OUT / name))
        self.browser.look(1280, False)


class JobPictures(MrPage, Pictures):
    def runTest(self):
        self.make_input(files=72, lines=4000)
        slow, gate = self.path("slow"), self.path("gate")
        mapper = self.write("split-words", f"""#!/bin/sh
            case $mapreduce_task_attempt_id in *_m_000031_0|*_m_000052_0)
              sleep 0.3; echo 'Traceback (most recent call last):
  File "words.py", line 12, in <module>
UnicodeDecodeError: invalid start byte' >&2; exit 1;; esac
            n=$(echo $mapreduce_task_attempt_id | tr -dc 0-9 | tail -c 6)
            sleep 0.$(expr 2 + $n % 7)
            [ -z "$SLOW" ] || while [ ! -e {slow} ]; do sleep 0.05; done
            tr -s ' ' '\\n' | sed 's/$/\\t1/'""")
        reducer = self.write("add-up", f"""#!/bin/sh
            n=$(echo $mapreduce_task_attempt_id | tr -dc 0-9 | tail -c 3)
            sleep 1.$(expr $n % 9)
            case $mapreduce_task_attempt_id in *_r_00000[4567]_*) while [ ! -e {gate} ]; do sleep 0.05; done;; esac
            uniq -c""")
        for script in (mapper, reducer):
            os.chmod(script, 0o755)
        self.start_coordinator("--http", "0")
        self.start_workers(3, slots=3)
        self.start_workers(1, slots=2)
        self.http = self.http.rstrip("/") + "/"
        self.trireme("run", "wordcount", "--input", self.path("in"), "--coordinator", self.address, "--reduces",
                     "4", "--output", self.path("first"), "--quiet")
        self.start_workers(1, env={"SLOW": "1"})
        job = self.submit("--mapper", mapper, "--reducer", reducer, "--name", "words of the archive", "--reduces", "8",
                          "--input", self.path("in"), "--output", self.path("words"), "--split-size", "128K")
        self.open()
        wait_until(lambda: self.status(job)["maps"]["succeeded"] > 40, "half of the maps are done")
        self.workers[0].kill()
        wait_until(lambda: self.text("#workers .chip").count("lost") == 1, "its end is seen")
        self.picture("mr-jobs.png", height=1060)
        self.open(f"jobs/{job}")
        wait_until(lambda: self.status(job)["reduces"]["succeeded"] >= 3, "reduces are done", deadline=90)
        self.picture("mr-job.png", height=1230)
        self.picture("mr-job-phone.png", width=390, dark=True, height=844, at="[aria-labelledby=h-phases]")
        self.open_gate()
        self.wait(job)


class ElectionPictures(KvPage, Pictures):
    def runTest(self):
        made = self.cluster()
        leader = made.leader()
        watcher = next(m for m in made.members if m is not leader)
        url, over = watcher.url, threading.Event()
        for key, value in (("/config/limits/workers", "64"), ("/config/owner", "harbour team"),
                           ("/services/api/node-1", "10.0.0.11:8080"), ("/services/api/node-2", "10.0.0.12:8080")):
            made.ctl("put", key, value, at=watcher)
        made.ctl("lease", "grant", "600", at=watcher)

        def ask(*words):
            while not over.is_set():
                subprocess.run(["etcdctl", "--endpoints", url, *words], capture_output=True,
                               env=kv_cluster.ctl.environment(), check=False)
        loops = [threading.Thread(target=ask, args=words) for words in
                 (("get", "/config", "--prefix"), ("get", "/services", "--prefix"),
                  ("put", "/services/api/node-1", "10.0.0.11:8080"))]
        others = [subprocess.Popen(["etcdctl", "--endpoints", url, *words], env=kv_cluster.ctl.environment(),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                  for words in (("check", "perf", "--load", "s"), ("watch", "/services", "--prefix"))]
        for loop in loops:
            loop.start()
        try:
            self.open(watcher)
            points = "return document.querySelector('#rate path').getAttribute('d').split(/[ML]/).length"
            wait_until(lambda: self.browser.run(points) > 40, "there is a past", deadline=90)
            leader.kill()
            wait_until(lambda: self.browser.run(points) > 50, "there is more", deadline=90)
            self.picture("kv-election.png", height=1200)
            leader.start(made.members)
            wait_until(lambda: self.chips()[leader.name] == "follower", "it is back")
            self.picture("kv-phone.png", width=390, dark=True, height=844, at="[aria-labelledby=h-members]")
        finally:
            over.set()
            for process in others:
                process.kill()
                process.wait()
            for loop in loops:
                loop.join()


def main():
    import unittest
    suite = unittest.TestSuite(case() for case in (JobPictures, ElectionPictures)
                               if not sys.argv[1:] or case.__name__ in sys.argv[1:])
    sys.exit(not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful())


if __name__ == "__main__":
    main()
