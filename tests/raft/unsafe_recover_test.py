"""`trireme raft unsafe-recover` on three processes of examples/raft_counter.cc: two directories are lost for
good, and the third node goes on alone."""
import hashlib
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from counter_test import CounterCluster  # noqa: E402

TRIREME = os.environ["TRIREME"]


def contents(directory):
    """Every file's name, size and bytes."""
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(Path(directory).rglob("*")) if path.is_file()}


class UnsafeRecoverClusterTest(CounterCluster):
    def recover(self, *more):
        return subprocess.run([TRIREME, "raft", "unsafe-recover", self.survivor, "--node", "3",
                               "--survivors", "3", *more], capture_output=True, text=True)

    def test_the_survivor_of_three_goes_on(self):
        self.survivor = os.path.join(self.here.name, "3")
        self.assertEqual(self.add_ones(20), 20)
        self.assertEqual(self.everywhere(), [20, 20, 20])

        running = self.recover("--accept-data-loss")
        self.assertEqual(running.returncode, 1, running)
        for node in self.nodes:
            node.kill()
        for lost in ("1", "2"):
            shutil.rmtree(os.path.join(self.here.name, lost))

        before = contents(self.survivor)
        dry = self.recover()
        self.assertEqual(dry.returncode, 0, dry)
        self.assertIn("would write the survivors' configuration", dry.stdout)
        self.assertIn("WARNING", dry.stderr)
        self.assertEqual(contents(self.survivor), before)
        wrong = subprocess.run([TRIREME, "raft", "unsafe-recover", self.survivor, "--node", "2",
                                "--survivors", "2", "--accept-data-loss"],
                               capture_output=True, text=True)
        self.assertEqual(wrong.returncode, 1, wrong)
        self.assertEqual(contents(self.survivor), before)

        done = self.recover("--accept-data-loss")
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("wrote the survivors' configuration", done.stdout)
        self.assertNotEqual(contents(self.survivor), before)
        self.nodes[2].start()
        self.nodes = self.nodes[2:]
        self.assertEqual(self.add_ones(1), 21)
        self.assertEqual(self.everywhere(), [21])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
