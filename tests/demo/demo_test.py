"""`trireme demo` as a user runs it: what it says, what it leaves, and how it ends when it is interrupted."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "cluster"))
from cluster import ClusterTest, TRIREME, main, wait_until  # noqa: E402


def processes_naming(folder):
    """Command lines of living processes that name it."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if folder in line:
            found.append(line)
    return found


class DemoClusterTest(ClusterTest):
    def begin(self, *arguments):
        self.folder = os.path.join(tempfile.mkdtemp(dir=self.root), "demo")
        return subprocess.Popen([TRIREME, "demo", "--dir", self.folder, *arguments], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def gone(self):
        wait_until(lambda: not processes_naming(self.folder), "no process of the demo is left")

    def test_three_are_killed_and_the_output_is_right(self):
        demo = self.begin()
        said = demo.communicate()[0]
        self.assertEqual(demo.returncode, 0, said)
        self.assertEqual(len(re.findall(r"kill -9", said)), 3, said)
        for who in ("a worker in the middle of a task", "the store's leader", "the leading coordinator"):
            self.assertIn(who, said)
        self.assertEqual(said.count("the same, byte by byte"), 2, said)
        self.gone()
        self.assertEqual(sorted(os.listdir(self.folder)), ["index.html", "wordcount.html"])

    def test_interrupted_it_leaves_nothing(self):
        demo = self.begin()
        for line in demo.stdout:
            if "kill -9" in line:
                break
        demo.send_signal(signal.SIGINT)
        demo.communicate()
        self.assertEqual(demo.returncode, 130)
        self.gone()
        self.assertFalse(os.path.exists(self.folder))

    def test_wrong_use_is_one_line(self):
        os.makedirs(os.path.join(self.root, "there"))
        for arguments, what in ((["--dir", os.path.join(self.root, "there")], "there"),
                                (["--input", "/no/such/place"], "/no/such/place"),
                                (["--split-size", "many"], "many")):
            done = subprocess.run([TRIREME, "demo", *arguments], capture_output=True, text=True)
            self.assertIn(done.returncode, (1, 2), done.stderr)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
            self.assertIn(what, done.stderr)


if __name__ == "__main__":
    main()
