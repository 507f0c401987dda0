"""Sorting fixed-length records: each of its ways gives the bytes that Python's sort gives."""
import gzip
import random
import unittest

import harness

RECORD = 60


def records(count, distinct, seed):
    """Keys that tie in their first bytes, in many bytes, and wholly; each record is another."""
    source = random.Random(seed)
    keys = [b"%-20s" % bytes(source.choices(b"ab\0\xff", k=source.choice((1, 9, 13, 20))))
            for _ in range(distinct)]
    return [source.choice(keys) + b"%040d" % i for i in range(count)]


class Sort(harness.Case):
    def setUp(self):
        super().setUp()
        self.files = [records(n, distinct, n) for n, distinct in ((9000, 4000), (1, 1), (11000, 3))]
        for i, part in enumerate(self.files):
            self.file(f"in/{i}.dat", b"".join(part))

    def expected(self, key_bytes):
        everything = [record for part in self.files for record in part]
        return b"".join(sorted(everything, key=lambda record: record[:key_bytes]))

    def sort(self, key_bytes, *more, path=None):
        report = self.json_of(self.succeed(
            "sort", "--format", f"fixed:{RECORD}", "--key-bytes", key_bytes, "--input",
            path or self.dir / "in", "--output", self.out, "--overwrite", "--json", "--reduces", 3,
            *(() if "--split-size" in more else ("--split-size", "100K")), *more))
        self.assertEqual(b"".join(self.parts().values()), self.expected(key_bytes))
        self.assertEqual(report["counters"]["mapreduce"]["reduce output records"],
                         sum(len(part) for part in self.files))
        return report["settings"]

    def test_references_in_memory(self):
        for key_bytes in (1, 12, 20, RECORD):
            self.assertIn("in-memory", self.sort(key_bytes))
        self.assertIn("in-memory", self.sort(9, "--isolation", "process"))
        self.assertIn("in-memory", self.sort(9, "--no-sync"))

    def test_references_that_do_not_fit_are_merged(self):
        self.files.append(records(300_000, 90_000, 5))
        self.file("in/3.dat", b"".join(self.files[3]))
        for key_bytes in (1, 20):
            settings = self.sort(key_bytes, "--memory", "20M", "--split-size", "4M")
            self.assertIn("references", settings)
            self.assertNotIn("in-memory", settings)

    def test_one_reduce_may_get_everything(self):
        self.files = [records(30_000, 1, 1)]
        self.file("one/all.dat", b"".join(self.files[0]))
        self.assertIn("in-memory", self.sort(20, path=self.dir / "one"))

    def test_compressed_input_is_carried(self):
        path = self.dir / "in.dat.gz"
        path.write_bytes(gzip.compress(b"".join(r for part in self.files for r in part)))
        self.assertNotIn("references", self.sort(20, path=path))

    def test_without_reduces_records_stay_as_they_are(self):
        self.succeed("sort", "--format", f"fixed:{RECORD}", "--input", self.dir / "in", "--output",
                     self.out, "--reduces", 0)
        everything = b"".join(record for part in self.files for record in part)
        self.assertEqual(b"".join(self.parts().values()), everything)

    def test_compressed_output(self):
        self.succeed("sort", "--format", f"fixed:{RECORD}", "--key-bytes", 20, "--input",
                     self.dir / "in", "--output", self.out, "--overwrite", "--reduces", 3,
                     "--compress", "zstd")
        again = self.dir / "again"
        self.succeed("sort", "--format", f"fixed:{RECORD}", "--key-bytes", 20, "--input", self.out,
                     "--output", again, "--reduces", 3)
        self.assertEqual(b"".join(self.parts(again).values()), self.expected(20))


if __name__ == "__main__":
    unittest.main()
