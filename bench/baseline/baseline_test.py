#!/usr/bin/env python3
"""Checks the hand-written programs against plain Python on small, awkward inputs.

usage: baseline_test.py BIN_DIR
"""
import collections
import os
import random
import subprocess
import sys
import tempfile
import unittest

BIN = sys.argv.pop(1) if len(sys.argv) > 1 else "build/bin"
SPACE = b" \t\n\v\f\r"


def run(program, *arguments):
    command = [os.path.join(BIN, "baseline_" + program), *map(str, arguments)]
    environment = dict(os.environ, BASELINE_THREADS="3")
    return subprocess.run(command, capture_output=True, env=environment)


def awkward_text(seed):
    """Words of every length and of every byte, in lines with every kind of white space."""
    draw = random.Random(seed)
    letters = bytes(b for b in range(256) if b not in SPACE)
    common = [bytes(draw.choice(letters) for _ in range(draw.choice((1, 3, 7, 8, 9, 16, 17, 40))))
              for _ in range(300)] + [b"\0", b"\0\0", b"a", b"a\0", b"a\0\0", b"12345678", b"1234567\0",
                                      b"0123456789abcdef", b"0123456789abcdef\0", b"\xff" * 5]
    parts = []
    for _ in range(20000):
        parts.append(draw.choice(common))
        parts.append(draw.choice([b" "] * 12 + [b"\n"] * 2 + [b"  ", b"\t", b"\r\n", b"\n\n", b" \n "]))
    return b"".join(parts) + draw.choice((b"last", b"last\n", b""))


class BaselineTest(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.dir = self.scratch.name
        self.out = os.path.join(self.dir, "out")

    def write(self, name, data):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def run_well(self, program, *arguments):
        result = run(program, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_wordcount(self):
        texts = [awkward_text(seed) for seed in range(3)] + [b"", b" \n", b"x" * 5_000_000 + b" y"]
        paths = [self.write(f"in{i}", text) for i, text in enumerate(texts)]
        self.run_well("wordcount", self.out, *paths)
        counts = collections.Counter(word for text in texts for word in text.split())
        expected = b"".join(b"%s\t%d\n" % item for item in sorted(counts.items()))
        self.assertEqual(self.read(self.out), expected)

    def test_index(self):
        for files in (5, 64, 65, 200):
            texts = {f"in{i}": awkward_text(i)[:3000] for i in range(files)}
            paths = [self.write(*item) for item in texts.items()]
            random.Random(1).shuffle(paths)
            self.run_well("index", self.out, *paths)
            where = collections.defaultdict(set)
            for name, text in texts.items():
                for word in text.split():
                    where[word].add(name)
            expected = b"".join(b"%s\t%d %s\n" % (word, len(names), ",".join(sorted(names)).encode())
                                for word, names in sorted(where.items()))
            self.assertEqual(self.read(self.out), expected)

    def test_ngrams(self):
        texts = [awkward_text(seed) for seed in range(3)]
        paths = [self.write(f"in{i}", text) for i, text in enumerate(texts)]
        for n in (1, 2, 3, 5):
            self.run_well("ngrams", n, self.out, self.dir, *paths)
            counts = collections.Counter()
            for text in texts:
                for line in text.split(b"\n"):
                    words = line.split()
                    counts.update(b" ".join(words[i:i + n]) for i in range(len(words) - n + 1))
            expected = sorted(b"%s\t%d" % item for item in counts.items())
            self.assertEqual(sorted(self.read(self.out).split(b"\n")[:-1]), expected)

    def test_grep(self):
        text = awkward_text(7)
        path = self.write("in", text)
        for pattern in (b"a", b"12345678", b"0123456789abcdef", b"no such word"):
            count = self.run_well("grep", os.fsdecode(pattern), self.out, path)
            expected = [line for line in text.split(b"\n") if pattern in line]
            self.assertEqual(int(count), len(expected))
            self.assertEqual(sorted(self.read(self.out).split(b"\n")[:-1]), sorted(expected))

    def sorted_records(self, records):
        path = self.write("records", b"".join(records))
        self.run_well("sort", path, self.out)
        parts = [os.path.join(self.out, name) for name in sorted(os.listdir(self.out))]
        self.run_well("check", "--records", 100, "--order", "total", *parts)
        return b"".join(map(self.read, parts))

    def test_sort(self):
        draw = random.Random(3)
        uniform = [draw.randbytes(100) for _ in range(30000)]
        skewed = [b"same key...." + draw.randbytes(1).ljust(88) for _ in range(5000)]
        few = [draw.choice((b"aa", b"ab", b"b")).ljust(98, b".") + draw.randbytes(2) for _ in range(5000)]
        for records in (uniform, skewed, few, uniform + skewed + few, []):
            self.assertEqual(self.sorted_records(records), b"".join(sorted(records)))

    def test_sort_refuses_part_of_a_record(self):
        result = run("sort", self.write("records", b"x" * 150), self.out)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"150 bytes", result.stderr)

    def test_generator_is_deterministic(self):
        for name in ("one", "two"):
            os.mkdir(os.path.join(self.dir, name))
            self.run_well("generate", "text", os.path.join(self.dir, name), 0, 2, 1 << 20)
        texts = [self.read(os.path.join(self.dir, "one", f"text-0{i}.txt")) for i in range(3)]
        for i, text in enumerate(texts):
            self.assertGreaterEqual(len(text), 1 << 20)
            self.assertEqual(text, self.read(os.path.join(self.dir, "two", f"text-0{i}.txt")))
        self.assertNotEqual(texts[0][:100], texts[1][:100])
        ranked = collections.Counter(b"".join(texts).split()).most_common(8)
        for rank, (_, count) in enumerate(ranked):  # Zipf's law: the k-th is k times rarer than the first
            self.assertAlmostEqual(count * (rank + 1) / ranked[0][1], 1, delta=0.1)

    def test_generator_records(self):
        self.run_well("generate", "records", self.out, 1_000_050)
        data = self.read(self.out)
        self.assertEqual(len(data), 1_000_000)
        records = data.split(b"\n")[:-1]
        self.assertTrue(all(len(record) == 99 for record in records))
        self.assertGreater(len({record[:10] for record in records}), 9_990)

    def test_check_ignores_division_and_order_of_lines(self):
        lines = awkward_text(5).split(b"\n")
        whole = self.write("whole", b"\n".join(lines) + b"\n")
        shuffled = random.Random(2).sample(lines, len(lines))
        one = self.write("one", b"\n".join(shuffled[:77]) + b"\n")
        two = self.write("two", b"\n".join(shuffled[77:]) + b"\n")
        self.assertEqual(self.run_well("check", whole), self.run_well("check", one, two))
        fewer = self.write("fewer", b"\n".join(lines[1:]) + b"\n")
        self.assertNotEqual(self.run_well("check", whole), self.run_well("check", fewer))

    def test_check_sees_disorder(self):
        lines = sorted(awkward_text(5).split(b"\n"))
        good = self.write("good", b"\n".join(lines) + b"\n")
        self.run_well("check", "--order", "total", good)
        lines[10], lines[-10] = lines[-10], lines[10]
        bad = self.write("bad", b"\n".join(lines) + b"\n")
        self.assertEqual(run("check", "--order", "total", bad).returncode, 1)
        self.assertEqual(run("check", "--order", "total", good, good).returncode, 1)

    def test_check_base_names(self):
        short = self.write("short", b"w/x\t2 b.txt,c.txt\n")
        long = self.write("long", b"w/x\t2 /a/b.txt,d/c.txt\n")
        self.assertEqual(self.run_well("check", "--base-names", short),
                         self.run_well("check", "--base-names", long))
        self.assertNotEqual(self.run_well("check", short), self.run_well("check", long))

    def test_check_trim_tab(self):
        bare = self.write("bare", b"some words\nmore\n")
        tabbed = self.write("tabbed", b"some words\t\nmore\t\n")
        self.assertEqual(self.run_well("check", bare), self.run_well("check", "--trim-tab", tabbed))
        self.assertNotEqual(self.run_well("check", bare), self.run_well("check", tabbed))


if __name__ == "__main__":
    unittest.main()
