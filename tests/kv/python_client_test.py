"""Python's etcd3 from the public registry against a cluster of three processes."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cluster  # noqa: E402
import ctl  # noqa: E402

PYTHON = os.environ["KV_PYTHON"]
CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "python_client", "client.py")


class PythonClientClusterTest(unittest.TestCase):
    """Each scenario is a function of python_client/client.py."""

    def run_scenario(self, name):
        with cluster.Cluster(3) as kv:
            ports = [m.url.rsplit(":", 1)[1] for m in kv.members]
            done = subprocess.run([PYTHON, CLIENT, name, *ports], text=True, capture_output=True,
                                  timeout=ctl.PATIENCE_SECONDS + 10)
            self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done.stderr)

    def test_calls(self):
        self.run_scenario("calls")

    def test_watch(self):
        self.run_scenario("watch")

    def test_lease(self):
        self.run_scenario("lease")

    def test_half_closed(self):
        self.run_scenario("half_closed")

    def test_health(self):
        self.run_scenario("health")

    def test_lock(self):
        self.run_scenario("lock")


if __name__ == "__main__":
    unittest.main()
