#!/usr/bin/env python3
"""A job on four one-slot workers, undisturbed and with one of them slowed tenfold.

    TRIREME=build/bin/trireme bench/straggler.py

The maps sleep instead of computing, so that the ratio does not depend on the number of cores. The
target: with the slow worker at most 1.5 times the undisturbed time.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "cluster"))
from cluster import ClusterTest  # noqa: E402

MAPS = 48
MAP_S = 0.5


class Straggler(ClusterTest):
    def measure(self, name, slow):
        self.start_coordinator(address="unix:" + self.path(name + ".sock"))
        self.workers = []
        self.start_workers(4 - slow)
        if slow:
            self.start_worker(env={"SLOW_FACTOR": "10"})
            while sum(w["alive"] for w in self.status()["workers"]) < 4:
                time.sleep(0.01)
        # The sleep is cut up, between lines, so that progress shows as it does in a real map.
        mapper = ("while read -r line; do echo \"$line\"; "
                  f"sleep $(awk \"BEGIN {{print {MAP_S} / 50 * ${{SLOW_FACTOR:-1}}}}\"); done")
        begin = time.monotonic()
        job = self.submit("--mapper", mapper, "--reducer", "cat", "--input", self.path("in"),
                          "--output", self.path("out-" + name))
        ended = self.wait(job)
        seconds = time.monotonic() - begin
        for process in self.processes:
            process.kill()
        print(f"{name:<28} {seconds:6.2f} s   backups {ended['backups']}, won "
              f"{ended['backups_won']}")
        return seconds

    def runTest(self):
        for number in range(MAPS):
            self.write("in/f%02d.txt" % number, "a line of text\n" * 50)
        calm = self.measure("undisturbed", 0)
        slow = self.measure("one of four slowed tenfold", 1)
        print(f"ratio {slow / calm:.2f} (at most 1.5)")


if __name__ == "__main__":
    test = Straggler()
    test.setUp()
    try:
        test.runTest()
    finally:
        test._outcome = None
        test.failed = lambda: False
        test.doCleanups()
