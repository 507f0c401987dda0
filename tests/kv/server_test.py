"""Debian's etcdctl on three members of ours and on three of Debian's etcd: the same scripts have to
print the same. What differs by its nature is named here and in docs/etcd-compatibility.md."""
import contextlib
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ctl  # noqa: E402
import scripts  # noqa: E402

ETCD, OURS = ["etcd"], [ctl.TRIREME, "kv", "serve"]


def ask(endpoint, *words):
    done = subprocess.run([ctl.ETCDCTL, "--endpoints", endpoint, "--command-timeout", "60s", *words],
                          env=ctl.environment(), capture_output=True, text=True,
                          timeout=ctl.PATIENCE_SECONDS)
    return done.stdout if done.returncode == 0 else ""


def lead(servers):
    """The first of them leads from here on."""
    while True:
        text = ask(",".join(s.endpoint for s in servers), "endpoint", "status", "-w", "json")
        statuses = [one["Status"] for one in json.loads(text or "[]")]
        if len(statuses) != len(servers):
            continue
        first, leader = statuses[0]["header"]["member_id"], statuses[0]["leader"]
        if first == leader and all(s["leader"] == leader for s in statuses):
            return
        for server, status in zip(servers, statuses):
            if status["header"]["member_id"] == leader:
                ask(server.endpoint, "move-leader", f"{first:x}")


@contextlib.contextmanager
def three(command, ports):
    """Three members; their ids depend on the ports alone."""
    members = list(zip(ports[:3], ports[3:]))
    with contextlib.ExitStack() as stack:
        servers = []
        for member in members:
            servers.append(ctl.Server(member, members=members, command=command))
            stack.callback(servers[-1].stop)
        for server in servers:
            server.await_serving()
        while ask(servers[0].endpoint, "member", "list").count(", started, ") < 3:
            pass
        lead(servers)
        stack.pop_all()
    try:
        yield servers
    finally:
        for server in servers:
            server.stop()


class EtcdServersClusterTest(unittest.TestCase):
    maxDiff = None

    @staticmethod
    def run_both(ports, script):
        printed = []
        for command in (ETCD, OURS):
            with tempfile.TemporaryDirectory() as directory, three(command, ports) as servers:
                printed.append(ctl.run_script(ctl.ETCDCTL, servers[0].endpoint, script, directory))
        return printed

    def same(self, script, differing=()):
        """`differing`: patterns of what may differ, which is then left out."""
        printed = ctl.with_ports(lambda ports: self.run_both(ports, script), count=6)
        for pattern in differing:
            printed = [re.sub(pattern, "<differs>", text, flags=re.M) for text in printed]
        theirs, ours = (ctl.masked(text).splitlines() for text in printed)
        self.assertGreater(len(ours), 2 * len(script.strip().splitlines()) - 1)
        if theirs != ours:
            diff = difflib.unified_diff(theirs, ours, "etcd", "trireme", lineterm="", n=4)
            self.fail("they differ:\n" + "\n".join(diff))

    def test_put_and_get(self):
        self.same(scripts.PUT_AND_GET)

    def test_ranges(self):
        self.same(scripts.RANGES)

    def test_transactions(self):
        self.same(scripts.TRANSACTIONS)

    def test_leases(self):
        self.same(scripts.LEASES)

    def test_cluster(self):
        self.same(scripts.CLUSTER)

    def test_snapshots(self):
        self.same(scripts.SNAPSHOTS)

    def test_watches(self):
        self.same(scripts.WATCHES)

    def test_locks_and_elections(self):
        self.same(scripts.LOCKS_AND_ELECTIONS)


if __name__ == "__main__":
    unittest.main()
