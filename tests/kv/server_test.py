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
TERM = 10
HASH = r"""(?<="hash":)\d+|(?<="Hash" : )\d+|(?<=:\d{5}[,|] )\d{6,}|(?<=:\d{5} [|] )\d{6,}"""
VERSION = r"3\.4\.\d+|3\.5\.0"
ALARM_HEADER = r"(?<={)\"header\":{[^}]*}(?=}$)"  # Of etcd 3.5, not of 3.4.
# etcd waits until all members are connected for a while.
MEMBERS = """
until CTL member add new --peer-urls=http://127.0.0.1:8 --learner > added 2> /dev/null; do sleep 0.1; done
sed 's/^Member *[0-9a-f]*/Member/' added | tr '=,"' '\\n\\n\\n' | sort
CTL member list | cut -d, -f2- | sort
NEW=$(CTL member list | grep unstarted | cut -d, -f1)
CTL member promote $NEW
CTL member remove $NEW | sed 's/^Member *[0-9a-f]*/Member/'
CTL member list
CTL endpoint health --cluster -w json | tr '}' '\\n' | grep -o 'health":.*,' | sort
"""


def without(script, *words):
    """The script without the lines that have one of the words."""
    return "\n".join(line for line in script.splitlines() if not any(w in line for w in words))


def ask(endpoint, *words):
    done = subprocess.run([ctl.ETCDCTL, "--endpoints", endpoint, "--command-timeout", "60s", *words],
                          env=ctl.environment(), capture_output=True, text=True,
                          timeout=ctl.PATIENCE_SECONDS)
    return done.stdout if done.returncode == 0 else ""


def lead(servers):
    """The first of them leads from here on, in the term TERM, which answers show."""
    everywhere = ",".join(s.endpoint for s in servers)
    while True:
        text = ask(everywhere, "endpoint", "status", "-w", "json")
        statuses = [one["Status"] for one in json.loads(text or "[]")]
        leaders = {s["leader"] for s in statuses}
        terms = {s["header"]["raft_term"] for s in statuses}
        if len(statuses) != len(servers) or len(leaders) != 1 or len(terms) != 1:
            continue
        ids = [s["header"]["member_id"] for s in statuses]
        leader, left = ids.index(leaders.pop()), TERM - terms.pop()
        if (leader, left) == (0, 0):
            return
        if left <= (1 if leader == 0 else 0):
            raise ctl.DidNotStart("too many elections")
        to = 0 if left == 1 else 3 - leader if leader else 1
        ask(servers[leader].endpoint, "move-leader", f"{ids[to]:x}")


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
            printed = [re.sub(pattern, "", text, flags=re.M) for text in printed]
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
        # What the last lines do needs a member that may go; `--cluster` answers in any order.
        script = without(scripts.CLUSTER, "$ID", "$NEW", "NEW=", "member add new", "endpoint health --cluster")
        self.same(script, differing=[HASH, VERSION, ALARM_HEADER])

    def test_members(self):
        self.same(MEMBERS)

    def test_snapshots(self):
        # A backup's format is our own: `trireme kv snapshot` reads it, etcdctl does not.
        self.same(without(scripts.SNAPSHOTS, "status s.db", "stat -c"))

    def test_watches(self):
        self.same(scripts.WATCHES)

    def test_locks_and_elections(self):
        self.same(scripts.LOCKS_AND_ELECTIONS)


if __name__ == "__main__":
    unittest.main()
