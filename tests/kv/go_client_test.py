"""Go's etcd client, clientv3 from the public registry, against a cluster of three processes."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cluster  # noqa: E402
import ctl  # noqa: E402

CLIENT = os.environ["KV_GO_CLIENT"]


class GoClientClusterTest(unittest.TestCase):
    """Each scenario is a function of go_client/."""

    def run_scenario(self, name):
        with cluster.Cluster(3) as kv:
            done = subprocess.run([CLIENT, name, *(m.url for m in kv.members)], text=True,
                                  capture_output=True, timeout=ctl.PATIENCE_SECONDS + 10)
            self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done.stderr)

    def test_calls(self):
        self.run_scenario("calls")

    def test_errors(self):
        self.run_scenario("errors")

    def test_watch(self):
        self.run_scenario("watch")

    def test_fragments(self):
        self.run_scenario("fragments")

    def test_cancel(self):
        self.run_scenario("cancel")

    def test_lease(self):
        self.run_scenario("lease")

    def test_lock(self):
        self.run_scenario("lock")

    def test_election(self):
        self.run_scenario("election")

    def test_stm(self):
        self.run_scenario("stm")

    def test_mirror(self):
        self.run_scenario("mirror")

    def test_failover(self):
        """The leader is killed under a watch, a lease and a lock."""
        with cluster.Cluster(3) as kv:
            client = subprocess.Popen([CLIENT, "failover", *(m.url for m in kv.members)], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE)
            self.addCleanup(client.kill)
            self.assertEqual(client.stdout.readline(), "ready\n", kv.members[0].said())
            kv.leader().kill()
            out, errors = client.communicate("\n", timeout=ctl.PATIENCE_SECONDS + 10)
            self.assertEqual((client.returncode, out), (0, "ok\n"), errors)


if __name__ == "__main__":
    unittest.main()
