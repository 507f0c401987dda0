"""The same jobs on Spark's `pipe`, in Spark's own local engine: its output beside ours."""
import os
import subprocess

from engine import EXAMPLE, HERE, PYTHON, EngineTest, main


class SparkClusterTest(EngineTest):
    def spark(self, reduces, **jobs):
        command = [os.environ["SPARK_PYTHON"], os.path.join(HERE, "spark", "pipe.py"), self.text(),
                   str(reduces)]
        for name, (mapper, reducer) in jobs.items():
            command += [mapper, reducer, self.path(name)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=280,
                              env={**os.environ, "SPARK_LOCAL_DIRS": self.path("local"),
                                   "PYSPARK_PYTHON": os.environ["SPARK_PYTHON"]})
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])
        return [self.contents(self.path(name)) for name in jobs]

    def test_jobs_in_cpp_and_in_python(self):
        cpp = [f"{EXAMPLE} --as-{role}" for role in ("mapper", "reducer")]
        python = [f"python3 {PYTHON}/{role}.py" for role in ("mapper", "reducer")]
        ours = self.ours(3, "wordcount")
        for spark in self.spark(3, cpp=cpp, python=python):
            self.assertEqual(len(spark), 3)
            self.assertTrue(all(spark), "each partition has a part of the words")
            # Spark deals keys to partitions by a hash of its own.
            self.assertEqual(self.lines(spark), self.lines(ours))


if __name__ == "__main__":
    main()
