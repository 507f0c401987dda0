"""The same jobs on Hadoop Streaming: the output of Hadoop's own engine beside ours."""
import os
import subprocess

from engine import EXAMPLE, PYTHON, EngineTest, main


class HadoopClusterTest(EngineTest):
    def hadoop(self, reduces, **roles):
        """Runs a streaming job in Hadoop's LocalJobRunner; returns the part files' contents."""
        output = self.path("hadoop")
        command = ["java", "-Xmx512m", "-cp", os.environ["HADOOP"] + "/*",
                   "org.apache.hadoop.streaming.HadoopStreaming",
                   "-D", "mapreduce.framework.name=local", "-D", "fs.defaultFS=file:///",
                   "-D", f"hadoop.tmp.dir={self.path('tmp')}",
                   "-D", f"mapreduce.job.reduces={reduces}",
                   "-input", self.text(), "-output", output]
        for role, program in roles.items():
            command += ["-" + role, program]
        done = subprocess.run(command, capture_output=True, text=True, timeout=280)
        self.assertEqual(done.returncode, 0, done.stderr[-4000:] + done.stdout[-4000:])
        names = sorted(n for n in os.listdir(output) if not n.startswith("."))
        self.assertEqual(names, ["_SUCCESS", *("part-%05d" % n for n in range(reduces))])
        return self.contents(output)

    def test_a_job_in_cpp(self):
        hadoop = self.hadoop(1, mapper=EXAMPLE + " --as-mapper", combiner=EXAMPLE + " --as-combiner",
                             reducer=EXAMPLE + " --as-reducer")
        # One reduce: both say the keys in the order of their bytes.
        self.assertEqual(hadoop, self.ours(1, "wordcount"))

    def test_a_job_in_python(self):
        roles = {role: f"python3 {PYTHON}/{role}.py" for role in ("mapper", "reducer")}
        hadoop = self.hadoop(3, **roles)
        self.assertTrue(all(hadoop), "each reduce has a part of the words")
        ours = self.ours(3, "--mapper", roles["mapper"], "--reducer", roles["reducer"])
        # Hadoop deals keys to reduces by a hash of its own.
        self.assertEqual(self.lines(hadoop), self.lines(ours))


if __name__ == "__main__":
    main()
