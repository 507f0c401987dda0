"""What an operator or a machine can do to a member that is not right: each has etcd's error, or one
line that names the thing and the remedy; nothing acknowledged is lost."""
import base64
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cluster  # noqa: E402
import ctl  # noqa: E402

VALUE = base64.b64encode(random.Random(1).randbytes(750_000)).decode()  # Hard to compress.


def put_large(kv, key):
    """Whether it was acknowledged; if not, what etcdctl said."""
    status, _, said = kv.ctl("put", key, check=False, text=VALUE)
    return status == 0, said


class SmallDisk:
    """A member whose data directory is a file system of its own in memory, seen by it alone."""

    def __init__(self, kv, megabytes):
        self.kv, self.member = kv, kv.members[0]
        os.makedirs(self.member.directory)
        serve = [ctl.TRIREME, "kv", "serve", *self.member.flags(kv.members)]
        mount = f"mount -t tmpfs -o size={megabytes}m none {self.member.directory}"
        root = [] if os.getuid() == 0 else ["-r"]
        with open(self.member.errors, "ab") as errors:
            self.member.process = subprocess.Popen(
                ["unshare", "-m", *root, "sh", "-c", f'{mount} && exec "$@"', "sh", *serve],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        kv.await_serving()

    def megabytes_used(self):
        disk = os.statvfs(f"/proc/{self.member.process.pid}/root{self.member.directory}")
        return (disk.f_blocks - disk.f_bfree) * disk.f_frsize // 2**20

    def resize(self, megabytes):
        user = [] if os.getuid() == 0 else ["-U", "--preserve-credentials"]
        subprocess.run(["nsenter", "-t", str(self.member.process.pid), "-m", *user, "mount", "-o",
                        f"remount,size={megabytes}m", "none", self.member.directory], check=True)


class BadInputClusterTest(unittest.TestCase):
    def start_fails(self, kv, *words):
        """The member ends by itself with one line that has the words."""
        member = kv.members[0]
        done = subprocess.run([ctl.TRIREME, "kv", "serve", *member.flags(kv.members)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=ctl.PATIENCE_SECONDS)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_full_disk(self):
        with cluster.Stopped(1) as kv:
            disk = SmallDisk(kv, megabytes=600)
            kv.ctl("put", "before", "1")
            disk.resize(disk.megabytes_used() + 8)
            acknowledged, said = [], ""
            for i in range(300):
                done, said = put_large(kv, f"large{i}")
                if not done:
                    break
                acknowledged.append(f"large{i}")
            self.assertIn("etcdserver: mvcc: database space exceeded", said)
            self.assertEqual(kv.ctl("get", "before", "--print-value-only"), "1\n")
            cluster.await_true(lambda: "NOSPACE" in kv.ctl("alarm", "list"), "the alarm")
            disk.resize(megabytes=1200)
            cluster.await_true(lambda: put_large(kv, "after")[0], "puts go on with more room")
            keys = kv.ctl("get", "large", "--prefix", "--keys-only").split()
            self.assertEqual(set(acknowledged) - set(keys), set())
            self.assertEqual(kv.ctl("alarm", "list"), "")

    def test_requests_over_the_limits(self):
        with cluster.Cluster(1) as kv:
            kv.ctl("put", "k", "before")
            status, _, said = kv.ctl("put", "k", check=False, text="v" * 1_600_000)
            self.assertNotEqual(status, 0)
            self.assertIn("etcdserver: request is too large", said)
            puts = "".join(f"put k{i} v\n" for i in range(129))
            said = kv.ctl("txn", check=False, text=f"\n{puts}\n\n")[2]
            self.assertIn("etcdserver: too many operations in txn request", said)
            said = kv.ctl("put", "", "v", check=False)[2]
            self.assertIn("etcdserver: key is not provided", said)
            self.assertEqual(kv.ctl("get", "k", "--prefix", "--print-value-only"), "before\n")

    def test_damaged_files_are_named(self):
        with cluster.Cluster(1) as kv:
            member = kv.members[0]
            for i in range(20):
                kv.ctl("put", f"k{i}", "v" * 20_000)
            member.process.send_signal(signal.SIGTERM)
            self.assertEqual(member.process.wait(timeout=ctl.PATIENCE_SECONDS), 0)
            whole = member.directory + ".whole"
            shutil.copytree(member.directory, whole)
            for name, at, words in [
                    (os.path.join("raft", "wal-0000000000000001"), 50_000, ["damaged at offset"]),
                    (os.path.join("raft", "identity"), 3, ["damaged"]),
                    (os.path.join("kv", "CURRENT"), 0, ["restore this member"]),
                    (os.path.join("kv", "1", "CURRENT"), 5, ["cannot open the store", "restore"]),
                    ("IDENTITY", 20, ["damaged"])]:
                with open(os.path.join(member.directory, name), "r+b") as file:
                    file.seek(at)
                    byte = file.read(1)[0]
                    file.seek(at)
                    file.write(bytes([byte ^ 0x55]))
                self.start_fails(kv, os.path.dirname(os.path.join(member.directory, name)), *words)
                shutil.rmtree(member.directory)
                shutil.copytree(whole, member.directory)
            member.start(kv.members)
            kv.await_serving()
            self.assertEqual(len(kv.ctl("get", "k", "--prefix", "--keys-only").split()), 20)

    def test_a_data_directory_in_use(self):
        with cluster.Cluster(1) as kv:
            kv.ctl("put", "a", "1")
            self.start_fails(kv, kv.members[0].directory, "in use by another process")
            self.assertEqual(kv.ctl("get", "a", "--print-value-only"), "1\n")

    def test_taken_ports_are_named(self):
        with cluster.Cluster(1) as kv:
            first = kv.members[0]
            for taken in ("url", "peer"):
                second = cluster.Member(kv, "m0")
                second.directory += ".other"
                setattr(second, taken, getattr(first, taken))
                kv.members = [second]
                self.start_fails(kv, getattr(first, taken).split("//")[1], "in use")
                kv.members = [first]
            self.assertEqual(kv.ctl("get", "a"), "")

    def test_compaction_by_time(self):
        with cluster.Cluster(1) as kv:
            member = kv.members[0]
            member.kill()
            member.start(kv.members, "--auto-compaction-mode=periodic",
                         "--auto-compaction-retention=0.5s")
            kv.await_serving()
            for i in range(5):
                kv.ctl("put", "a", str(i))
            cluster.await_true(lambda: "has been compacted" in
                               kv.ctl("get", "a", "--rev", "4", check=False)[2], "compacted")
            self.assertEqual(kv.ctl("get", "a", "--print-value-only"), "4\n")


if __name__ == "__main__":
    unittest.main()
