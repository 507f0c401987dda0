"""What the tests on other people's engines share: the input, and the same job's output as ours."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "cluster"))
from cluster import ClusterTest, TRIREME, main  # noqa: E402, F401

EXAMPLE = os.path.join(os.path.dirname(TRIREME), "example_wordcount")
PYTHON = os.path.join(HERE, "..", "..", "examples", "python")


class EngineTest(ClusterTest):
    def text(self):
        if not os.path.isdir(self.path("in")):
            self.make_input(files=3, lines=1000)
            self.write("in/names.txt", "Zürich naïve Ελλάδα 東京 😀 a\n" * 50)
        return self.path("in")

    def ours(self, reduces, *job):
        output = self.path("ours")
        self.trireme("run", *job, "--input", self.text(), "--output", output, "--reduces",
                     str(reduces), "--quiet")
        return self.contents(output)

    def contents(self, output):
        parts = []
        for name in sorted(os.listdir(output)):
            if name.startswith("part-"):
                with open(os.path.join(output, name), "rb") as file:
                    parts.append(file.read())
        return parts

    def lines(self, parts):
        return sorted(b"".join(parts).splitlines())
