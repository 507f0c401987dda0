"""`trireme kv` beside Debian's etcdctl: the same scripts, each against a fresh server, have to print
the same bytes and end with the same statuses and `Error: ` lines."""
import difflib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ctl  # noqa: E402
import scripts  # noqa: E402


class EtcdctlClusterTest(unittest.TestCase):
    maxDiff = None

    @staticmethod
    def run_both(ports, script):
        printed = []
        for client in (ctl.ETCDCTL, ctl.OURS):
            with tempfile.TemporaryDirectory() as directory, \
                    ctl.Server(ports, *ctl.FAST) as server:
                printed.append(ctl.run_script(client, server.endpoint, script, directory))
        return printed

    def same(self, script):
        printed = ctl.with_ports(lambda ports: self.run_both(ports, script))
        theirs, ours = (ctl.masked(text).splitlines() for text in printed)
        self.assertGreater(len(ours), 2 * len(script.strip().splitlines()) - 1)
        if theirs != ours:
            diff = difflib.unified_diff(theirs, ours, "etcdctl", "trireme kv", lineterm="", n=4)
            self.fail("they differ:\n" + "\n".join(diff))

    def test_put_and_get(self):
        self.same(scripts.PUT_AND_GET)

    def test_ranges(self):
        self.same(scripts.RANGES)

    def test_transactions(self):
        self.same(scripts.TRANSACTIONS)

    def test_environment(self):
        self.same(scripts.ENVIRONMENT)

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

    def test_a_lock_ends_as_its_command(self):
        """As in etcdctl 3.5; 3.4 ends with 1."""
        server = ctl.serving()
        self.addCleanup(server.stop)
        for command, status, error in [("exit 7", 7, "exit status 7"),
                                       ("kill -9 $$", 255, "signal: killed")]:
            done = subprocess.run([ctl.TRIREME, "kv", "--endpoints", server.endpoint, "lock",
                                   "l", "--", "sh", "-c", command], env=ctl.environment(),
                                  capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (status, f"Error: {error}\n"))

    def test_a_watch_goes_on_after_its_server_came_back(self):
        server = ctl.serving()
        self.addCleanup(server.stop)
        ask = [ctl.TRIREME, "kv", "--endpoints", server.endpoint]
        subprocess.run([*ask, "put", "k", "before"], env=ctl.environment(), check=True,
                       stdout=subprocess.DEVNULL)
        watch = subprocess.Popen([*ask, "watch", "k", "--rev", "2"], env=ctl.environment(),
                                 stdout=subprocess.PIPE, text=True)
        self.addCleanup(watch.kill)
        self.assertEqual([watch.stdout.readline() for _ in range(3)], ["PUT\n", "k\n", "before\n"])
        server.kill()
        server.start()
        server.await_serving()
        subprocess.run([*ask, "put", "k", "after"], env=ctl.environment(), check=True,
                       stdout=subprocess.DEVNULL)
        self.assertEqual([watch.stdout.readline() for _ in range(3)], ["PUT\n", "k\n", "after\n"])
        watch.send_signal(signal.SIGINT)
        self.assertEqual(watch.communicate(timeout=ctl.PATIENCE_SECONDS)[0], "")

    def test_tls(self):
        """One script on a server with TLS; it need not be compared, but for who is trusted."""
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        for name in ("one", "other"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                            "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                            "-keyout", f"{name}.key", "-out", f"{name}.pem"], cwd=directory,
                           check=True, stderr=subprocess.DEVNULL)
        file = {name: os.path.join(directory, name) for name in ("one.pem", "one.key", "other.pem")}
        server = ctl.serving("--cert-file", file["one.pem"], "--key-file", file["one.key"],
                             "--client-cert-auth", "--trusted-ca-file", file["one.pem"],
                             scheme="https", ready_flags=("--cacert", file["one.pem"], "--cert",
                                                          file["one.pem"], "--key",
                                                          file["one.key"]))
        self.addCleanup(server.stop)
        identity = ["--cert", file["one.pem"], "--key", file["one.key"]]
        for endpoint, flags, status in [
                (server.endpoint, [*identity, "--cacert", file["one.pem"]], 0),
                (server.url, [*identity, "--cacert", file["one.pem"]], 0),
                (server.endpoint, [*identity, "--insecure-skip-tls-verify"], 0),
                (server.endpoint, [*identity, "--cacert", file["other.pem"]], 1),
                (server.endpoint, identity, 1),
                (server.url, ["--cacert", file["one.pem"]], 1),
                (f"http://{server.endpoint}", [*identity, "--cacert", file["one.pem"]], 1)]:
            done = subprocess.run([ctl.TRIREME, "kv", "put", "k", "v", "--endpoints", endpoint,
                                   "--command-timeout", "60s" if status == 0 else "300ms", *flags],
                                  env=ctl.environment(), capture_output=True, text=True)
            self.assertEqual(done.returncode, status, (flags, done.stderr))
            self.assertEqual(done.stdout, "OK\n" if status == 0 else "")

    def test_words_that_are_not_there(self):
        with tempfile.TemporaryDirectory() as directory:
            for words, status, error in [
                    ("get k --bogus", 1, "unknown flag: --bogus"),
                    ("--bogus get k", 1, "unknown flag: --bogus"),
                    ("get -x k", 1, "unknown shorthand flag: 'x' in -x"),
                    ("get k -w", 1, "flag needs an argument: 'w' in -w"),
                    ("get k --rev x", 1, "invalid argument \"x\" for \"--rev\" flag: "
                                         "strconv.ParseInt: parsing \"x\": invalid syntax"),
                    ("bogus", 1, 'unknown command "bogus" for "trireme kv": see '
                                 "`trireme kv help`"),
                    ("lease bogus", 1, 'unknown command "bogus" for "trireme kv lease": see '
                                       "`trireme kv lease --help`"),
                    ("user list", 1, "user: authentication comes later; there are no users and "
                                     "roles yet"),
                    ("get k --discovery-srv x", 128, "--discovery-srv is not supported: name the "
                                                     "members with --endpoints"),
                    ("import", 128, "import needs --from: the endpoints of the cluster to copy")]:
                done = subprocess.run(f"{ctl.OURS} {words}", shell=True, cwd=directory,
                                      env=ctl.environment(), capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stdout, done.stderr),
                                 (status, "", f"Error: {error}\n"), words)

    def test_help(self):
        for words, expected in [("help", "lease grant"), ("--help", "lease grant"),
                                ("lease", "lease grant"), ("help get", "--print-value-only"),
                                ("get --help", "--print-value-only"), ("-h", "--endpoints")]:
            done = subprocess.run(f"{ctl.OURS} {words}", shell=True, env=ctl.environment(),
                                  capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), words)
            self.assertIn(expected, done.stdout)


class ImportClusterTest(unittest.TestCase):
    """From one server to another."""

    def setUp(self):
        self.source, self.destination = (
            ctl.serving("--initial-cluster-token", token)
            for token in ("source", "destination"))
        self.addCleanup(self.source.stop)
        self.addCleanup(self.destination.stop)

    def ours(self, *words, endpoint=None, **more):
        done = subprocess.run([ctl.TRIREME, "kv", *words], capture_output=True, text=True,
                              env=ctl.environment(ETCDCTL_COMMAND_TIMEOUT=ctl.COMMAND_TIMEOUT),
                              timeout=ctl.PATIENCE_SECONDS, **more)
        return done.returncode, done.stdout, done.stderr

    def run_import(self, *flags):
        return self.ours("import", "--from", self.source.endpoint, "--to",
                         self.destination.endpoint, *flags)

    def ask(self, server, *words):
        status, out, err = self.ours("--endpoints", server.endpoint, *words)
        self.assertEqual(status, 0, err)
        return out

    def fill(self, count, size):
        for first in range(0, count, 100):
            puts = "".join(f"put k{i:06} {'v' * size}{i}\n"
                           for i in range(first, min(first + 100, count)))
            self.ours("--endpoints", self.source.endpoint, "txn", input=f"\n{puts}\n\n")

    def pairs(self, server, *flags):
        reply = json.loads(self.ask(server, "get", "--prefix", "", "-w", "json", *flags))
        return [(kv["key"], kv.get("value"), kv.get("lease")) for kv in reply.get("kvs", [])]

    def test_copies_keys_values_and_leases(self):
        self.fill(2000, 3000)  # Over several pages and transactions.
        self.ask(self.source, "del", "k000007")
        lease = self.ask(self.source, "lease", "grant", "500").split()[1]
        self.ask(self.source, "put", "leased", "x", "--lease", lease)
        self.ask(self.source, "put", "empty", "--", "")
        status, out, err = self.run_import()
        self.assertEqual(status, 0, err)
        self.assertRegex(out, r"^copied 2001 keys \(\d+ bytes\) and 1 leases of .* at revision \d+; "
                              r"read back and compared\n$")
        self.assertEqual(self.pairs(self.source), self.pairs(self.destination))
        self.assertIn("granted with TTL(500s)",
                      self.ask(self.destination, "lease", "timetolive", lease))

    def test_takes_a_prefix_and_asks_before_it_replaces(self):
        self.fill(150, 1)
        self.ask(self.source, "put", "other", "x")
        self.ask(self.destination, "put", "k9", "in the way")
        self.ask(self.destination, "put", "z", "elsewhere")
        status, _, err = self.run_import("--prefix", "k")
        self.assertEqual((status, err), (1, "Error: the destination has 1 keys in that range "
                                            "already: --replace deletes them first\n"))
        status, out, err = self.run_import("--prefix", "k", "--replace", "--batch-keys", "7")
        self.assertEqual(status, 0, err)
        keys = self.ask(self.destination, "get", "--prefix", "", "--keys-only").split()
        self.assertEqual(len(keys), 151)
        self.assertEqual(keys[-1], "z")

    def test_refuses_what_cannot_be(self):
        status, _, err = self.ours("import", "--from", self.source.endpoint, "--to",
                                   self.source.endpoint)
        self.assertEqual((status, err), (128, "Error: source and destination are the same "
                                              "cluster\n"))
        status, _, err = self.ours("import", "--from", "127.0.0.1:1", "--to",
                                   self.destination.endpoint, "--command-timeout", "300ms")
        self.assertEqual(status, 1)
        self.assertTrue(err.startswith("Error: context deadline exceeded: 127.0.0.1:1 "), err)

    def test_follows(self):
        self.fill(10, 1)
        process = subprocess.Popen(
            [ctl.TRIREME, "kv", "import", "--from", self.source.endpoint, "--to",
             self.destination.endpoint, "--follow"], env=ctl.environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        self.assertIn("copied 10 keys", process.stdout.readline())
        self.fill(20, 2)
        self.ask(self.source, "del", "k000003")
        lease = self.ask(self.source, "lease", "grant", "500").split()[1]
        self.ask(self.source, "put", "leased", "x", "--lease", lease)
        deadline = time.monotonic() + ctl.PATIENCE_SECONDS
        while self.pairs(self.source) != self.pairs(self.destination):
            self.assertLess(time.monotonic(), deadline)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=ctl.PATIENCE_SECONDS)
        self.assertEqual((process.returncode, out), (0, "followed with 22 changes\n"), err)


if __name__ == "__main__":
    unittest.main()
