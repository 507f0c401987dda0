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

    def check(self, *job, lines=60_000, bytes_max=1 << 20):
        text = "".join(f"{i * 7919 % 1000003:07} some text to fill the line\n"
                       for i in range(lines))
        path = self.file("in.txt", text)
        done = self.run_limited(bytes_max, *job, "--input", path, "--output", self.out,
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

    def test_large_part_file_past_the_page_cache(self):
        for bytes_max in (3 << 20, (3 << 20) + 777):
            self.check("--mapper", "cat", "--reducer", "NONE", lines=160_000, bytes_max=bytes_max)


class FileSystemFull(harness.Case):
    """The same with real file systems that are full; needs the right to mount. Where there is none,
    DiskFull above checks the same paths through the code."""

    def mount(self, *arguments):
        mounted = self.dir / "small"
        mounted.mkdir()
        if subprocess.run(["mount", *arguments, mounted], capture_output=True).returncode != 0:
            return None
        self.addCleanup(subprocess.run, ["umount", mounted], check=True)
        return mounted

    def check(self, mounted, *job, lines):
        before = sorted(mounted.iterdir())
        text = "".join(f"{i:07} some text to fill the line\n" for i in range(lines))
        self.out = mounted / "out"
        message = self.fail_with(1, *job, "--input", self.file("in.txt", text), "--output", self.out)
        self.assertIn("No space left on device", message)
        self.assertEqual(sorted(mounted.iterdir()), before)

    def test_tmpfs(self):
        mounted = self.mount("-t", "tmpfs", "-o", "size=1m", "none")
        if mounted:
            self.check(mounted, "sort", lines=60_000)

    def test_disk_past_the_page_cache(self):
        image = self.dir / "image"
        with open(image, "wb") as file:
            file.truncate(8 << 20)
        made = subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], capture_output=True)
        mounted = self.mount("-o", "loop", image) if made.returncode == 0 else None
        if mounted:
            self.check(mounted, "sort", lines=400_000)
            self.check(mounted, "sort", "--format", "fixed:70", lines=400_000)
            self.check(mounted, "sort", "--no-sync", lines=400_000)


if __name__ == "__main__":
    unittest.main()
