"""Hadoop Streaming's conventions."""
import collections
import json
import pathlib
import shlex
import subprocess
import unittest

import harness

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "python"


class Streaming(harness.Case):
    def stream(self, mapper, reducer, text, *more, json_too=True):
        path = self.file("in.txt", text)
        done = self.succeed("--mapper", mapper, "--reducer", reducer, "--input", path, "--output",
                            self.out, "--json", "--overwrite", *more)
        return self.json_of(done)

    def test_cat_sorts_lines_and_keeps_them(self):
        lines = ["b x", "a\tq", "a", "zz", "b\t", "", "\tempty key"]
        self.stream("cat", "cat", "\n".join(lines))  # the last without a newline
        self.assertEqual(self.lines(), sorted(lines))

    def test_python_word_count(self):
        text = "the cat the dog\nthe end\n" * 500
        mapper = f"python3 {EXAMPLES}/mapper.py"
        reducer = f"python3 {EXAMPLES}/reducer.py"
        expected = sorted(f"{w}\t{n}" for w, n in collections.Counter(text.split()).items())
        self.stream(mapper, reducer, text)
        self.assertEqual(self.lines(), expected)
        report = self.stream(mapper, reducer, text, "--combiner", reducer)
        self.assertEqual(self.lines(), expected)
        self.assertEqual(report["counters"]["mapreduce"]["map output records"], 4)

    def test_reporter_lines(self):
        mapper = ("cat; echo reporter:counter:my group,lines,read,3 >&2;"
                  "echo reporter:counter:g,n,4 >&2; echo reporter:counter:g,n,-1 >&2;"
                  "echo reporter:status:busy >&2; echo reporter:counter:broken >&2")
        report = self.stream(mapper, "cat", "a\n")
        self.assertEqual(report["counters"]["my group"], {"lines,read": 3})
        self.assertEqual(report["counters"]["g"], {"n": 3})
        self.assertEqual(report["counters"]["trireme"], {"malformed reporter lines": 1})

    def test_malformed_reporter_lines_are_ordinary_ones_too(self):
        message = self.fail_with(
            1, "--mapper", "echo reporter:counter:g,n,many >&2; echo reporter:hello >&2; exit 9",
            "--reducer", "cat", "--input", self.file("in.txt", "a\n"), "--output", self.out)
        self.assertIn("\nreporter:counter:g,n,many\nreporter:hello\n", message)

    def test_stderr_tail_is_shown(self):
        path = self.file("in.txt", "a\n")
        message = self.fail_with(
            1, "--mapper", "echo reporter:status:hid-den | tr -d - >&2; seq 100000 >&2; exit 9", "--reducer",
            "cat", "--input", path, "--output", self.out)
        self.assertIn("exited with status 9", message)
        self.assertIn("failed 4 times", message)
        self.assertIn("\n100000\n", message)
        self.assertNotIn("hidden", message)
        self.assertLess(len(message), 10_000)

    def test_environment(self):
        self.stream("env", "cat", "a\n", "--name", "envjob", "--set", "my.param=7", "--reduces", 2)
        variables = dict(l.split("=", 1) for l in self.lines() if "=" in l)
        self.assertEqual(variables["mapreduce_job_name"], "envjob")
        self.assertEqual(variables["mapreduce_task_partition"], "0")
        self.assertEqual(variables["mapreduce_task_ismap"], "true")
        self.assertEqual(variables["mapreduce_job_reduces"], "2")
        self.assertEqual(variables["mapreduce_map_input_file"], str(self.dir / "in.txt"))
        self.assertEqual(variables["mapreduce_map_input_start"], "0")
        self.assertEqual(variables["mapreduce_map_input_length"], "2")
        self.assertEqual(variables["my_param"], "7")
        self.assertRegex(variables["mapreduce_task_id"], r"^task_.*_m_000000$")
        self.assertRegex(variables["mapreduce_task_attempt_id"], r"^attempt_.*_m_000000_0$")

    def test_each_file_has_its_name_in_the_environment(self):
        for name in ("one", "two", "three"):
            self.file(f"in/{name}", "x\n")
        mapper = 'while read line; do printf "%s\\t1\\n" "$(basename $mapreduce_map_input_file)"; done'
        self.succeed("--mapper", mapper, "--reducer", "cat", "--input", self.dir / "in",
                     "--output", self.out)
        self.assertEqual(self.lines(), ["one\t1", "three\t1", "two\t1"])

    def test_mapper_that_reads_only_the_beginning(self):
        self.stream("head -n 1", "cat", "first\n" + "x" * 100 + "\n" * 2_000_000)
        self.assertEqual(self.lines(), ["first"])

    def test_reducer_that_reads_only_the_beginning(self):
        self.stream("cat", "head -n 2", "".join(f"{i:07}\n" for i in range(500_000)), "--reduces", 1)
        self.assertEqual(self.lines(), ["0000000", "0000001"])

    def test_output_larger_than_input_and_pipes(self):
        # Both pipes full at once must not lock up.
        self.stream("awk '{for (i = 0; i < 200; i++) print $0 \"\\t\" i}'", "wc -l",
                    "0123456789\n" * 20_000, "--reduces", 1)
        self.assertEqual([l.strip() for l in self.lines()], [str(200 * 20_000)])

    def test_memory_of_commands_is_limited(self):
        path = self.file("in.txt", "a\n")
        eat = "python3 -c 'x = bytearray(600 << 20); input()'"
        message = self.fail_with(1, "--mapper", eat, "--reducer", "cat", "--input", path,
                                 "--output", self.out, "--memory", "200M", "--max-attempts", 1)
        self.assertIn("MiB of memory, a slot may use", message)

    def test_hanging_command_runs_into_the_timeout(self):
        path = self.file("in.txt", "a\n")
        message = self.fail_with(1, "--mapper", "sleep 1000", "--reducer", "cat", "--input", path,
                                 "--output", self.out, "--task-timeout", "300ms",
                                 "--max-attempts", 1)
        self.assertIn("no progress for", message)

    def test_cpp_job_as_streaming_executable(self):
        program = shlex.quote(str(harness.BIN / "example_wordcount"))
        text = "the cat the dog\nthe end\n" * 50
        expected = sorted(f"{w}\t{n}" for w, n in collections.Counter(text.split()).items())
        path = self.file("in.txt", text)
        pipeline = (f"{program} --as-mapper < {path} | LC_ALL=C sort | {program} --as-combiner |"
                    f" {program} --as-reducer")
        done = subprocess.run(["sh", "-c", pipeline], capture_output=True, text=True, check=True)
        self.assertEqual(sorted(done.stdout.splitlines()), expected)
        self.stream(f"{program} --as-mapper", f"{program} --as-reducer", text, "--combiner",
                    f"{program} --as-combiner")
        self.assertEqual(self.lines(), expected)


if __name__ == "__main__":
    unittest.main()
