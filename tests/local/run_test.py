"""Jobs on one machine: right answers, the same in every way of running them, nothing left."""
import collections
import os
import random
import re
import signal
import subprocess
import time
import unittest

import harness

WORDS = [f"w{i:03}" for i in range(400)] + ["a-word-that-is-longer-than-sixteen-bytes"]


def make_text(seed, lines=2000):
    rng = random.Random(seed)
    return "".join(" ".join(rng.choices(WORDS, k=rng.randrange(12))) + "\n" for _ in range(lines))


class Run(harness.Case):
    def inputs(self, files=5):
        self.texts = {}
        for i in range(files):
            text = make_text(i)
            self.texts[self.file(f"in/{i}.txt", text)] = text
        return str(self.dir / "in")

    def test_word_count_equals_a_sequential_run(self):
        self.succeed("wordcount", "--input", self.inputs(), "--output", self.out, "--reduces", 3)
        counts = collections.Counter(w for t in self.texts.values() for w in t.split())
        self.assertEqual(self.lines(), sorted(f"{w}\t{n}" for w, n in counts.items()))
        for part in self.parts().values():
            keys = [line.split(b"\t")[0] for line in part.splitlines()]
            self.assertEqual(keys, sorted(keys))
        self.assertEqual(list(self.parts()), [f"part-r-{i:05}" for i in range(3)])

    def test_index_equals_a_sequential_run(self):
        self.succeed("index", "--input", self.inputs(), "--output", self.out)
        where = collections.defaultdict(set)
        for path, text in self.texts.items():
            for word in text.split():
                where[word].add(path)
        expected = sorted(f"{w}\t{len(p)} {','.join(sorted(p))}" for w, p in where.items())
        self.assertEqual([l.replace("\t", " ").replace(" ", "\t", 1) for l in self.lines()],
                         [l.replace("\t", " ").replace(" ", "\t", 1) for l in expected])

    def test_sort_by_reference_equals_sorted_records(self):
        """Records whose first 16 bytes tie, in several files; large enough to be gathered from them."""
        randomness = random.Random(5)
        files = [[bytes(randomness.choices(b"ab", k=15)) + b"=" + bytes(randomness.choices(b"xyz", k=47))
                  + b"\n" for _ in range(12_000)] for _ in range(3)]
        for i, records in enumerate(files):
            self.file(f"in/{i}", b"".join(records))
        every = [record for records in files for record in records]
        ways = [([], lambda r: r), (["--key-bytes", 16], lambda r: r[:16]),
                (["--key-bytes", 20], lambda r: r[:20]), (["--key-bytes", 3], lambda r: r[:3])]
        for options, key in ways:
            with self.subTest(options=options):
                done = self.succeed("sort", *options, "--format", "fixed:64", "--input",
                                    self.dir / "in", "--output", self.out, "--reduces", 3,
                                    "--overwrite", "--json")
                self.assertEqual(b"".join(self.parts().values()), b"".join(sorted(every, key=key)))
                moved = self.json_of(done)["counters"]["mapreduce"]["map output bytes"]
                self.assertLess(moved, len(every) * 64 // 2, "records travelled whole")

    def test_output_is_the_same_however_it_runs(self):
        path = self.inputs()
        ways = [["--isolation", i, "--slots", s, "--memory", m]
                for i in ("thread", "process") for s in (1, 3) for m in ("24M", "1G")]
        for job in (["wordcount"], ["ngrams", "--n", "2"], ["sort"],
                    ["--mapper", "cat", "--reducer", "cat"]):
            first = None
            for way in ways:
                with self.subTest(job=job, way=way):
                    self.succeed(*job, "--input", path, "--output", self.out, "--reduces", 2,
                                 "--split-size", "20K", "--overwrite", *way)
                    first = first or self.parts()
                    self.assertEqual(self.parts(), first)

    def test_own_program_equals_the_ready_job(self):
        path = self.inputs()
        self.succeed("wordcount", "--input", path, "--output", self.out)
        ready = self.parts()
        for isolation in ("process", "thread"):
            self.succeed("--input", path, "--output", self.out, "--overwrite", "--isolation",
                         isolation, program=str(harness.BIN / "example_wordcount"))
            self.assertEqual(self.parts(), ready)

    def test_plugin(self):
        path = self.file("in.txt", "a 1\nb 22\n\na 333\na 4\n")
        done = self.succeed("--plugin", harness.BIN / "longest_line.so", "--set", "keep=2",
                            "--input", path, "--output", self.out, "--json")
        self.assertEqual(self.lines(), ["a\ta 1", "a\ta 333", "b\tb 22"])
        self.assertEqual(self.json_of(done)["counters"]["user"]["empty lines"], 1)

    def test_empty_input_is_empty_output(self):
        for job in (["wordcount"], ["sort"], ["--mapper", "cat", "--reducer", "cat"]):
            self.succeed(*job, "--input", self.file("empty.txt", ""), "--output", self.out,
                         "--overwrite", "--reduces", 2)
            self.assertEqual(self.parts(), {"part-r-00000": b"", "part-r-00001": b""})

    def test_map_only(self):
        path = self.file("in.txt", "b\na\n")
        self.succeed("--mapper", "cat", "--reducer", "NONE", "--input", path, "--output", self.out)
        self.assertEqual(self.parts(), {"part-m-00000": b"b\na\n"})

    def test_overwrite_replaces_all_parts(self):
        path = self.inputs()
        self.succeed("wordcount", "--input", path, "--output", self.out, "--reduces", 4)
        (self.out / "notes.txt").write_text("mine")
        self.succeed("wordcount", "--input", path, "--output", self.out, "--reduces", 2,
                     "--overwrite")
        self.assertEqual(sorted(p.name for p in self.out.iterdir()),
                         ["_SUCCESS", "notes.txt", "part-r-00000", "part-r-00001"])

    def test_failed_overwrite_keeps_the_old_output(self):
        path = self.inputs()
        self.succeed("wordcount", "--input", path, "--output", self.out)
        old = self.parts()
        self.fail_with(1, "--mapper", "false", "--reducer", "cat", "--input", path, "--output",
                       self.out, "--overwrite")
        self.assertEqual(self.parts(), old)

    def test_compressed_output(self):
        path = self.file("in.txt", "a b a\n")
        self.succeed("wordcount", "--input", path, "--output", self.out, "--compress", "zstd")
        part = self.out / "part-r-00000.zst"
        text = subprocess.run(["zstd", "-dc", part], capture_output=True, check=True).stdout
        self.assertEqual(text, b"a\t2\nb\t1\n")

    def test_each_map_task_runs_once_and_side_by_side(self):
        path = self.inputs(8)
        started = self.dir / "started"
        started.mkdir()
        # Each mapper waits until two of them have begun: with one at a time none would end.
        mapper = (f"touch {started}/$mapreduce_task_attempt_id; "
                  f"until [ $(ls {started} | wc -l) -ge 2 ]; do sleep 0.01; done; cat")
        self.succeed("--mapper", mapper, "--reducer", "cat", "--input", path, "--output", self.out,
                     "--slots", 2, "--split-size", "20K")
        attempts = sorted(p.name for p in started.iterdir())
        tasks = [re.sub("_0$", "", a) for a in attempts]
        self.assertEqual(len(tasks), len(set(tasks)))
        self.assertTrue(all(a.endswith("_0") for a in attempts), attempts)

    def test_json_tells_all(self):
        done = self.succeed("wordcount", "--input", self.inputs(), "--output", self.out, "--json",
                            "--quiet")
        report = self.json_of(done)
        self.assertEqual(done.stderr, "")
        self.assertEqual(report["state"], "succeeded")
        words = sum(len(t.split()) for t in self.texts.values())
        self.assertEqual(report["counters"]["mapreduce"]["map output records"], words)
        self.assertEqual(report["input_files"], 5)
        self.assertEqual(len(report["attempts"]), report["maps"] + report["reduces"])


class Interrupts(harness.Case):
    def start_hanging(self, isolation="process"):
        path = self.file("in.txt", "bad\n")
        flag = self.dir / "flag"
        line = self.command(harness.BAD_JOB, "--input", path, "--output", self.out, "--set",
                            "do=tell", "--set", f"file={flag}", "--isolation", isolation)
        process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        while not (flag.exists() and flag.read_text()):
            time.sleep(0.01)
        return process, int(flag.read_text())

    def wait_until_gone(self, pid):
        while os.path.exists(f"/proc/{pid}"):
            time.sleep(0.01)

    def test_interrupt_stops_cleanly(self):
        for sign in (signal.SIGINT, signal.SIGTERM):
            process, user = self.start_hanging()
            process.send_signal(sign)
            self.assertEqual(process.wait(30), 130)
            self.assertIn("cancelled", process.stderr.read())
            self.assertFalse(self.out.exists())
            self.assert_nothing_temporary()
            self.wait_until_gone(user)
            (self.dir / "flag").unlink()

    def test_second_interrupt_leaves_at_once(self):
        process, _ = self.start_hanging("thread")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(2), 130)
        self.assert_nothing_temporary()

    def test_killed_run_leaves_no_process_and_the_next_cleans_up(self):
        process, user = self.start_hanging()
        process.kill()
        process.wait()
        self.wait_until_gone(user)
        self.assertEqual(len(list(self.scratch.iterdir())), 1)
        path = self.file("in2.txt", "a\n")
        self.succeed("wordcount", "--input", path, "--output", self.out, "--overwrite")


if __name__ == "__main__":
    unittest.main()
