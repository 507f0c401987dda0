"""Bad input from the user: one line that names the thing and the remedy, status 2, nothing
written."""
import os
import subprocess
import unittest

import harness


class WrongUse(harness.Case):
    def refuse(self, *arguments, says):
        before = sorted(p for p in self.dir.rglob("*"))
        message = self.fail_with(2, *arguments)
        self.assertEqual(message.count("\n"), 1, message)
        for part in says:
            self.assertIn(part, message)
        self.assertEqual(sorted(p for p in self.dir.rglob("*")), before)

    def input(self):
        return self.file("in.txt", "a b\n")

    def test_no_file_matches(self):
        self.refuse("wordcount", "--input", self.dir / "none*.txt", "--output", self.out,
                    says=["none*.txt"])

    def test_missing_file(self):
        self.refuse("wordcount", "--input", self.dir / "missing", "--output", self.out,
                    says=["missing"])

    def test_output_exists(self):
        self.input()
        self.out.mkdir()
        self.refuse("wordcount", "--input", self.dir / "in.txt", "--output", self.out,
                    says=[str(self.out), "--overwrite"])

    def test_output_is_a_file(self):
        path = self.input()
        self.refuse("wordcount", "--input", path, "--output", path, "--overwrite",
                    says=[path, "not a directory"])

    def test_unknown_job(self):
        self.refuse("wordcout", "--input", self.input(), "--output", self.out,
                    says=["wordcout", "wordcount", "grep"])

    def test_no_job(self):
        self.refuse("--input", self.input(), "--output", self.out, says=["no job"])

    def test_bad_sizes(self):
        path = self.input()
        for option in ("--split-size", "--memory"):
            for size in ("12X", "-1", "", "K", "99999999999999999999", "1.5G"):
                self.refuse("wordcount", "--input", path, "--output", self.out,
                            f"{option}={size}", says=[option])

    def test_bad_options(self):
        path = self.input()
        for option, says in ((["--format", "fixed:0"], "fixed:0"), (["--format", "x"], "'x'"),
                             (["--slots", "0"], "--slots"), (["--reduces", "-3"], "--reduces"),
                             (["--compress", "rar"], "rar"), (["--isolation", "jail"], "jail"),
                             (["--set", "novalue"], "novalue"), (["--colour"], "--colour"),
                             (["--task-timeout", "soon"], "soon"),
                             (["--log-level", "loud"], "loud"),
                             (["--max-attempts", "0"], "--max-attempts")):
            with self.subTest(option):
                self.refuse("wordcount", "--input", path, "--output", self.out, *option,
                            says=[says])

    def test_missing_output(self):
        self.refuse("wordcount", "--input", self.input(), says=["--output"])

    def test_empty_output(self):
        self.refuse("wordcount", "--input", self.input(), "--output", "", says=["--output is ''"])

    def test_input_without_a_size(self):
        self.refuse("wordcount", "--input", "/proc/version", "--output", self.out,
                    says=["/proc/version", "copy it"])

    def test_report_that_cannot_be_written(self):
        for page in (self.dir, self.dir / "missing" / "page.html"):
            self.refuse("wordcount", "--input", self.input(), "--output", self.out, "--report",
                        page, says=["--report", str(page)])

    def test_option_of_the_job_is_required(self):
        self.refuse("grep", "--input", self.input(), "--output", self.out, says=["--pattern"])

    def test_bad_pattern(self):
        self.refuse("grep", "--pattern", "(", "--input", self.input(), "--output", self.out,
                    says=["("])

    def test_fixed_records_do_not_fit(self):
        self.refuse("wordcount", "--input", self.input(), "--output", self.out, "--format",
                    "fixed:3", says=["in.txt"])

    def test_plugin_is_missing_or_no_job(self):
        path = self.input()
        self.refuse("--plugin", self.dir / "none.so", "--input", path, "--output", self.out,
                    says=["none.so"])
        self.refuse("--plugin", path, "--input", path, "--output", self.out, says=["in.txt"])

    def test_unwritable_temporary_directory(self):
        path = self.input()
        self.refuse("wordcount", "--input", path, "--output", self.out, "--dir",
                    path + "/below", says=[path])

    def test_commands_do_not_say_which_record_is_bad(self):
        self.refuse("--mapper", "cat", "--reducer", "cat", "--skip-bad-records", "--input",
                    self.input(), "--output", self.out, says=["--skip-bad-records", "--mapper"])

    def test_commands(self):
        for arguments, says in ((["mr", "fly"], "mr fly"), (["fly"], "fly")):
            done = subprocess.run([harness.TRIREME, *arguments], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn(says, done.stderr)
        for arguments in (["--version"], ["help"], ["mr", "help"], ["mr", "jobs"],
                          ["mr", "run", "--help"], ["mr", "run", "grep", "--help"]):
            done = subprocess.run([harness.TRIREME, *arguments], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0)
            self.assertTrue(done.stdout)


if __name__ == "__main__":
    unittest.main()
