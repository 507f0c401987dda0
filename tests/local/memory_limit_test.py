"""A limit on the address space, as `ulimit -v` sets it. Not for sanitized programs, which need terabytes
of it."""
import resource
import subprocess
import unittest

import harness


class MemoryLimit(harness.Case):
    def test_refused_memory_fails_the_job_with_size_and_remedy(self):
        path = self.file("in.txt", "".join(f"{i} words\n" for i in range(3000)))

        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        for isolation in ("thread", "process"):
            for job in ("wordcount", "sort"):
                done = subprocess.run(
                    self.command(harness.TRIREME, "mr", "run", job, "--input", path, "--output",
                                 self.out, "--memory", "6G", "--slots", 1, "--isolation", isolation,
                                 "--max-attempts", 2),
                    capture_output=True, text=True, timeout=100, preexec_fn=limit)
                self.assertEqual(done.returncode, 1, done.stderr)
                for part in (" MiB of memory", "--memory", "ulimit -v"):
                    self.assertIn(part, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertFalse(self.out.exists())
                self.assert_nothing_temporary()


if __name__ == "__main__":
    unittest.main()
