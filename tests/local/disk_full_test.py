"""A full disk: a clear error, nothing half-written, nothing temporary left."""
import ctypes
import os
import resource
import subprocess
import unittest

import harness


class DiskFull(harness.Case):
    """A file may not grow beyond a limit: write(2) fails as on a full disk (EFBIG for ENOSPC)."""

    def run_limited(self, bytes_max, *arguments):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, bytes_max))
        line = self.command(harness.TRIREME, "mr", "run", *arguments)
        return subprocess.run(line, capture_output=True, text=True, preexec_fn=limit, timeout=100)

    def check(self, *job):
        text = "".join(f"{i * 7919 % 1000003:07} some text to fill the line\n"
                       for i in range(60_000))
        path = self.file("in.txt", text)
        done = self.run_limited(1 << 20, *job, "--input", path, "--output", self.out,
                                "--max-attempts", 2)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("write", done.stderr)
        self.assertIn("File too large", done.stderr)
        self.assertFalse(self.out.exists())
        self.assert_nothing_temporary()

    def test_intermediate_file(self):
        self.check("sort", "--memory", "32M")

    def test_part_file(self):
        self.check("--mapper", "cat", "--reducer", "NONE")


class TmpfsFull(harness.Case):
    """The same with a real file system that is full; needs the right to mount."""

    def setUp(self):
        super().setUp()
        self.mounted = self.dir / "small"
        self.mounted.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", self.mounted],
                              capture_output=True)
        self.can_mount = done.returncode == 0
        if self.can_mount:
            self.addCleanup(subprocess.run, ["umount", self.mounted], check=True)

    def test_output_on_a_full_file_system(self):
        if not self.can_mount:
            return  # DiskFull above checks the same path through the code
        text = "".join(f"{i:07} some text to fill the line\n" for i in range(60_000))
        self.out = self.mounted / "out"
        message = self.fail_with(1, "sort", "--input", self.file("in.txt", text), "--output",
                                 self.out)
        self.assertIn("No space left on device", message)
        self.assertEqual(list(self.mounted.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
