"""User code that crashes, hangs, exits, throws or eats memory: the attempt fails, nothing else."""
import collections
import unittest

import harness

LINES = [f"line {i % 100}" for i in range(1000)]
TEXT = "\n".join(LINES[:500] + ["bad"] + LINES[500:]) + "\n"
BAD_OFFSET = len("\n".join(LINES[:500])) + 1


class UserCode(harness.Case):
    def bad(self, deed, *more, status=1):
        path = self.file("in.txt", TEXT)
        return self.fail_with(status, "--input", path, "--output", self.out, "--set", f"do={deed}",
                              *more, program=harness.BAD_JOB)

    def assert_names_record(self, message):
        self.assertIn("in.txt", message)
        self.assertIn(f"offset {BAD_OFFSET}", message)

    def test_segfault_fails_the_job_after_four_attempts(self):
        message = self.bad("segv")
        self.assertIn("failed 4 times", message)
        self.assertIn("signal 11", message)
        self.assertIn("about to crash", message)
        self.assert_names_record(message)
        self.assertFalse(self.out.exists())

    def test_exit_is_a_failure(self):
        self.assertIn("exited with status 7", self.bad("exit"))

    def test_abort(self):
        message = self.bad("abort", "--max-attempts", 2)
        self.assertIn("failed 2 times", message)
        self.assertIn("signal 6", message)

    def test_exception_in_a_process_and_in_a_thread(self):
        for isolation in ("process", "thread"):
            message = self.bad("throw", "--isolation", isolation)
            self.assertIn("thrown on purpose", message)
            self.assertIn("failed 4 times", message)

    def test_fail(self):
        for isolation in ("process", "thread"):
            self.assertIn("failed on purpose", self.bad("fail", "--isolation", isolation))

    def test_memory_beyond_the_budget(self):
        message = self.bad("eat", "--memory", "256M", "--slots", 2, "--max-attempts", 2)
        self.assertIn("MiB of memory, a slot may use", message)
        self.assertIn("--memory", message)
        self.assert_names_record(message)

    def test_hang_runs_into_the_timeout(self):
        message = self.bad("hang", "--task-timeout", "300ms", "--max-attempts", 2)
        self.assertIn("no progress for", message)

    def test_hang_in_a_thread_does_not_hold_the_job(self):
        message = self.bad("hang", "--task-timeout", "300ms", "--max-attempts", 1, "--isolation",
                           "thread")
        self.assertIn("no progress for", message)

    def test_one_crash_is_repaired(self):
        path = self.file("in.txt", TEXT)
        done = self.succeed("--input", path, "--output", self.out, "--set", "do=once", "--json",
                            program=harness.BAD_JOB)
        report = self.json_of(done)
        self.assertEqual(report["state"], "succeeded")
        self.assertEqual(report["counters"]["mapreduce"]["failed attempts"], 1)
        # Counters of the failed attempt do not count.
        self.assertEqual(report["counters"]["user"]["lines"], 1001)
        self.assert_counted(TEXT.splitlines())

    def assert_counted(self, lines):
        expected = sorted(f"{line}\t{n}" for line, n in collections.Counter(lines).items())
        self.assertEqual(self.lines(), expected)

    def test_bad_record_is_skipped_and_counted(self):
        path = self.file("in.txt", TEXT)
        for deed in ("segv", "throw", "fail"):
            with self.subTest(deed):
                done = self.succeed("--input", path, "--output", self.out, "--set", f"do={deed}",
                                    "--skip-bad-records", "--overwrite", "--json",
                                    program=harness.BAD_JOB)
                counters = self.json_of(done)["counters"]
                skipped = [v for group in counters.values() for k, v in group.items()
                           if "skipped" in k]
                self.assertIn(1, skipped)
                self.assert_counted(LINES)

    def test_crash_in_reduce(self):
        path = self.file("in.txt", TEXT)
        message = self.fail_with(1, "--input", path, "--output", self.out, "--set", "reduce=segv",
                                 program=harness.BAD_JOB)
        self.assertIn("reduce task", message)
        self.assertIn("signal 11", message)
        self.assertFalse(self.out.exists())


if __name__ == "__main__":
    unittest.main()
