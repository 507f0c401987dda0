#!/usr/bin/env python3
"""Checks that the benchmark measures what it says and notices wrong results, with stand-ins for the
product.

usage: mrbench_test.py BIN_DIR
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.path.abspath(sys.argv.pop(1) if len(sys.argv) > 1 else "build/bin")
sys.path.insert(0, BENCH)
sys.dont_write_bytecode = True

from mrbench import data, measure  # noqa: E402

# Word count through the hand-written program, its output edited by a sed command; a coordinator that
# listens and workers that wait, for nothing.
STAND_IN = """#!/bin/bash
case $2 in
  coordinator) exec {python} -c 'import signal, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1][5:]); s.listen(); signal.pause()' "$4";;
  worker) exec sleep 1000;;
esac
[ "$2 $3" = "run wordcount" ] || {{ echo "no such job" >&2; exit 2; }}
while [ "$1" != --input ]; do shift; done
mkdir -p "$4" && {bin}/baseline_wordcount "$4/part-r-00000" $(find "$2" -type f | sort)
sed -i '{edit}' "$4/part-r-00000"
"""


class MeasureTest(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)

    def hold(self):
        """Code that waits until a sample has been taken that began after it was reached."""
        reached, seen = (os.path.join(self.scratch.name, name) for name in ("reached", "seen"))
        sample = measure.Sampler.sample

        def sample_and_tell(sampler):
            held = os.path.exists(reached)
            sample(sampler)
            if held:
                open(seen, "w").close()
        patch = unittest.mock.patch.object(measure.Sampler, "sample", sample_and_tell)
        patch.start()
        self.addCleanup(patch.stop)
        return (f"import os, time; open({reached!r}, 'w').close()\n"
                f"while not os.path.exists({seen!r}): time.sleep(0.001)\n")

    def measure(self, code, **more):
        return measure.measure([sys.executable, "-S", "-c", code], self.scratch.name, **more)

    def test_time_and_memory_of_a_tree(self):
        child = "x = bytearray(b'x') * (100 << 20); sum(range(5_000_000))\n" + self.hold()
        code = (f"import os, subprocess, sys; x = bytearray(b'x') * (50 << 20); "
                f"subprocess.run([sys.executable, '-S', '-c', {child!r}], check=True)")
        result = self.measure(code)
        self.assertTrue(result.ok, result.stderr_tail)
        self.assertGreaterEqual(result.beyond_bytes, 150 << 20)
        self.assertLess(result.beyond_bytes, 200 << 20)
        self.assertGreaterEqual(result.resident_bytes, result.beyond_bytes)
        self.assertGreater(result.cpu_s, 0.02)

    def test_mapped_file_is_resident_but_not_beyond(self):
        path = os.path.join(self.scratch.name, "mapped")
        with open(path, "wb") as file:
            file.write(b"x" * (64 << 20))
        code = (f"import mmap, os; m = mmap.mmap(os.open({path!r}, os.O_RDONLY), 0, prot=mmap.PROT_READ); "
                "m[:: 4096]\n") + self.hold()
        result = self.measure(code)
        self.assertGreaterEqual(result.resident_bytes, 64 << 20)
        self.assertLess(result.beyond_bytes, 32 << 20)

    def test_cpu_of_a_process_that_nobody_waits_for(self):
        path = os.path.join(self.scratch.name, "done")
        child = ("import time\nwhile time.process_time() < 0.3: pass\n" + self.hold() +
                 f"open({path!r}, 'w').close()")
        code = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-S', '-c', {child!r}]); " \
               f"import os, time\nwhile not os.path.exists({path!r}): time.sleep(0.01)\nos._exit(0)"
        self.assertGreater(self.measure(code).cpu_s, 0.15)

    def test_nothing_is_left_running(self):
        path = os.path.join(self.scratch.name, "written")
        child = f"import time; time.sleep(0.3); open({path!r}, 'w').close()"
        code = f"import os, subprocess, sys; subprocess.Popen([sys.executable, '-S', '-c', {child!r}]); os._exit(0)"
        self.measure(code)
        self.assertTrue(os.path.exists(path))

    def test_failure_is_told(self):
        result = self.measure("import sys; sys.exit('the reason')")
        self.assertFalse(result.ok)
        self.assertEqual(result.failure(), "status 1: the reason")

    def test_time_limit(self):
        result = self.measure("while True: pass", timeout_s=0.2)
        self.assertIn("took more than 0.2 s", result.failure())

    def test_memory_limit(self):
        result = self.measure("x = []\nwhile True: x.append(bytearray(1 << 20))", memory_max=200 << 20)
        self.assertIn("GiB of memory", result.failure())


class RunnerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.environment = dict(os.environ, TRIREME_BENCH_DIR=os.path.join(cls.scratch.name, "data"))

    def bench(self, *arguments):
        command = [os.path.join(BENCH, "mr"), "--quick", "--gib", "0.016", "--bin-dir", BIN,
                   "--peers", "handwritten", "--only", "wordcount", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment, check=False)

    def stand_in(self, edit):
        path = os.path.join(self.scratch.name, "trireme")
        with open(path, "w") as file:
            file.write(STAND_IN.format(bin=BIN, edit=edit, python=sys.executable))
        os.chmod(path, 0o755)
        return path

    def test_right_results_pass(self):
        report = os.path.join(self.scratch.name, "report.json")
        result = self.bench("--trireme", self.stand_in(""), "--json", report)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertRegex(result.stdout, r"(?m)^  trireme +\d.* same$")
        with open(report) as file:
            row = json.load(file)["rows"][0]
        self.assertEqual({c["result"] for c in row["contenders"] if c["runs"]}, {"same"})
        verdicts = {t["target"]: t["verdict"] for t in row["targets"]}
        self.assertEqual(verdicts["trireme at most 0.2 x DuckDB"], "-")
        self.assertEqual(verdicts["trireme under 400 MiB beyond mapped input"], "pass")

    def test_wrong_results_fail(self):
        for edit in ("7d", r"7s/[0-9]*$/1234567/", "1{h;d};2G"):  # a word lost, a count wrong, disorder
            result = self.bench("--trireme", self.stand_in(edit))
            self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
            self.assertIn("FAILED: wrong result", result.stdout)

    def test_cluster(self):
        trireme = self.stand_in("")
        result = self.bench("--trireme", trireme, "--only", "cluster")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertRegex(result.stdout, r"(?m)^  2 workers of 1 slot +\d.* same$")
        self.assertRegex(result.stdout, r"2 workers of 1 slot at most 1.15 x embedded, 2 slots +\d")
        left = subprocess.run(["pgrep", "-f", self.environment["TRIREME_BENCH_DIR"]], check=False,
                              capture_output=True, text=True)
        self.assertEqual(left.stdout, "")

    def test_cluster_that_does_not_start(self):
        path = self.stand_in("")
        with open(path) as file:
            script = file.read()
        with open(path, "w") as file:
            file.write(script.replace("case $2 in", "case $2 in coordinator) echo no luck >&2; exit 1;;"))
        result = self.bench("--trireme", path, "--only", "cluster")
        self.assertEqual(result.returncode, 1)
        self.assertIn("the coordinator does not listen: no luck", result.stdout)

    def test_missing_product_is_skipped(self):
        result = self.bench("--trireme", "/nonexistent")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("skipped: /nonexistent is not there", result.stdout)

    def test_unknown_row(self):
        result = self.bench("--only", "sorting")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("unknown row 'sorting'", result.stderr)

    def test_foreign_folder_is_left_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "precious"), "w"):
                pass
            for arguments in ((), ("--clean",)):
                command = [os.path.join(BENCH, "mr"), "--quick", "--bin-dir", BIN, *arguments]
                result = subprocess.run(command, capture_output=True, text=True, check=False,
                                        env=dict(os.environ, TRIREME_BENCH_DIR=folder))
                self.assertEqual(result.returncode, 2)
                self.assertIn("not made by this benchmark", result.stderr)
            self.assertEqual(os.listdir(folder), ["precious"])


class DataTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.TemporaryDirectory()
        self.addCleanup(self.root.cleanup)
        self.data = data.Data(os.path.join(self.root.name, "d"), BIN, BENCH, 1 << 20)
        self.data.open()
        self.addCleanup(lambda: self.data.lock.close())

    def test_one_at_a_time(self):
        with self.assertRaisesRegex(data.DataError, "another benchmark"):
            data.Data(self.data.root, BIN, BENCH, 1 << 20).open()

    def test_only_what_is_missing_is_made(self):
        self.data.require(3, 1 << 20, lambda text: None)
        before = [os.stat(path).st_mtime_ns for path in self.data.text(3)]
        with open(self.data.text(3)[1], "rb") as file:
            content = file.read()
        os.truncate(self.data.text(3)[1], 1000)
        self.data.require(3, 1 << 20, lambda text: None)
        after = [os.stat(path).st_mtime_ns for path in self.data.text(3)]
        self.assertEqual([b == a for b, a in zip(before, after)], [True, False, True])
        with open(self.data.text(3)[1], "rb") as file:
            self.assertEqual(file.read(), content)

    def test_links_follow_files_that_were_made_again(self):
        self.data.require(2, 0, lambda text: None)
        folder = self.data.text_dir(2)
        os.remove(self.data.text(2)[0])
        self.data.require(2, 0, lambda text: None)
        folder = self.data.text_dir(2)
        self.assertTrue(os.path.samefile(os.path.join(folder, "text-00.txt"), self.data.text(2)[0]))

    def test_too_little_space(self):
        with self.assertRaisesRegex(data.DataError, "TRIREME_BENCH_DIR"):
            self.data.check_space(1 << 60)


if __name__ == "__main__":
    unittest.main()
