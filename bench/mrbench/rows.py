"""The rows of the benchmark: for each job, who runs it how, what the results must agree on, and the
targets. Targets are data: the table prints each beside what was measured."""
import dataclasses
import glob
import os
import typing

from mrbench import peers

MIB = 1 << 20
NEEDLE = "zqjxvkw"
OURS = "trireme"
HAND = "hand-written"


@dataclasses.dataclass
class Target:
    """What `who` must reach. Kinds:
    ratio       its wall time divided by that of `against`, at most `limit`
    resident    its peak memory, at most `limit` bytes
    beyond      its peak memory beyond mapped input, at most `limit` bytes
    rate        input bytes per second and core, at least `limit`
    wall        seconds, at most `limit`
    per_byte    its wall time per input byte divided by that of `against`, at most `limit`
    """
    kind: str
    limit: float
    who: str = OURS
    against: str = HAND


@dataclasses.dataclass
class Contender:
    name: str
    group: str                     # handwritten, coreutils, ...; "ours" for ours
    command: typing.Callable       # (inputs, out) -> argv, or raises peers.Unavailable
    inputs: list
    stdout_is_result: bool = False
    check: bool = True             # its result is compared with the hand-written program's
    order: str = "none"            # the order that its result must have, as in baseline_check
    runs_max: int = 1000           # slow peers run once
    sampled: bool = False          # runs on a part of the input, and its time is scaled
    env: dict = dataclasses.field(default_factory=lambda: {"LC_ALL": "C"})
    servers: str = ""              # "cluster": needs the coordinator and workers


@dataclasses.dataclass
class Row:
    name: str
    title: str
    contenders: list
    targets: list
    reference: typing.Callable = None  # (inputs, out) -> argv: what the results are compared with
    normalise: tuple = ()              # options for baseline_check
    runs_min: int = 0


def size_of(paths):
    return sum(os.path.getsize(path) for path in paths)


def result_files(out):
    """A result is one file or a folder of part files."""
    if os.path.isdir(out):
        return sorted(glob.glob(os.path.join(glob.escape(out), "part-*")))
    return [out] if os.path.exists(out) else []


class Rows:
    """Builds the rows for one set of data and options."""

    def __init__(self, data, options):
        self.data = data
        self.options = options
        self.python = peers.PythonPackages(data.root)
        self.text = data.text(options.text_files)
        self.text_dir = data.text_dir(options.text_files)
        self.part = self.text[:max(1, options.text_files // 8)]
        self.peer_dir = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers")

    # ---- how each contender is called ----

    def hand(self, program, *before):
        path = os.path.join(self.options.bin_dir, "baseline_" + program)
        return lambda inputs, out: [path, *before, out, *inputs]

    def trireme(self, *job, input_path=None):
        def command(inputs, out):
            path = input_path or inputs
            where = [path] if isinstance(path, str) else path
            return [self.options.trireme, "mr", "run", *job, "--input", *where, "--output", out]
        return command

    def shell(self, text):
        """`text` with "$@" as the inputs; the standard output is the result."""
        return lambda inputs, out: ["bash", "-o", "pipefail", "-c", text, "bash", *inputs]

    def duckdb(self, job, memory="none"):
        script = os.path.join(self.peer_dir, "duckdb_peer.py")
        return lambda inputs, out: [self.python.require("duckdb"), script, job, out, memory, *inputs]

    def polars(self, job):
        script = os.path.join(self.peer_dir, "polars_peer.py")
        return lambda inputs, out: [self.python.require("polars"), script, job, out, *inputs]

    def spark(self, job):
        script = os.path.join(self.peer_dir, "spark_peer.py")

        def command(inputs, out):
            peers.debian_program("java", "default-jre-headless")
            return [self.python.require("pyspark"), script, job, out, *inputs]
        return command

    def ours(self, name, command, inputs, order="keys", **more):
        return Contender(name, "ours", command, inputs, order=order, **more)

    def databases(self, job, inputs, order="none"):
        """DuckDB, Polars and Spark, once each."""
        kinds = (("DuckDB", "duckdb", self.duckdb), ("Polars", "polars", self.polars),
                 ("Spark", "spark", self.spark))
        return [Contender(title, group, make(job), inputs, order=order, runs_max=1)
                for title, group, make in kinds]

    # ---- the rows ----

    def wordcount(self):
        mawk = self.shell("exec mawk '{for (i = 1; i <= NF; i++) n[$i]++} "
                          "END {for (w in n) print w \"\\t\" n[w]}' \"$@\"")
        uniq = self.shell("cat \"$@\" | tr -s ' ' '\\n' | sort -S 2G --parallel=$(nproc) | uniq -c | "
                          "sed -E 's/^ *([0-9]+) (.*)$/\\2\\t\\1/'")
        contenders = [
            Contender(HAND, "handwritten", self.hand("wordcount"), self.text, order="keys"),
            self.ours(OURS, self.trireme("wordcount", input_path=self.text_dir), self.text),
            Contender(HAND + ", fsync", "handwritten", self.hand("wordcount", "--fsync"), self.text),
            self.ours("user's C++ Map", self.example("example_wordcount"), self.text),
            Contender("cat to /dev/null", "coreutils", self.shell("cat \"$@\" | cat > /dev/null"), self.text,
                      check=False),
            *self.databases("wordcount", self.text, "none"),
            Contender("mawk", "mawk", self.needs("mawk", "mawk", mawk), self.part, True, sampled=True,
                      runs_max=1),
            Contender("tr | sort | uniq -c", "coreutils", uniq, self.part, True, sampled=True, runs_max=1),
        ]
        self.add_no_sync(contenders, "wordcount", self.text_dir, self.text)
        targets = [Target("ratio", 1.5), Target("ratio", 0.2, against="DuckDB"),
                   Target("ratio", 2.2, who="user's C++ Map"), Target("beyond", 400 * MIB)]
        return Row("wordcount", f"word count, {self.describe(self.text)}", contenders, targets,
                   self.hand("wordcount"))

    def sort(self):
        records = [self.data.records(self.options.records_bytes)]
        hand = lambda *before: lambda inputs, out: [
            os.path.join(self.options.bin_dir, "baseline_sort"), *before, inputs[0], out]
        gnu = self.shell("exec sort --parallel=$(nproc) -S 2G \"$@\"")
        total = {"order": "total"}
        contenders = [
            Contender(HAND, "handwritten", hand(), records, **total),
            self.ours(OURS, self.trireme("sort", "--format", "fixed:100"), records, **total),
            Contender(HAND + ", fsync", "handwritten", hand("--fsync"), records, **total),
            Contender("cp", "coreutils", lambda inputs, out: ["cp", *inputs, out], records),
            *self.databases("sort", records, "total"),
            Contender("GNU sort", "coreutils", gnu, records, True, runs_max=1, **total),
        ]
        self.add_no_sync(contenders, "sort", None, records, "--format", "fixed:100", **total)
        targets = [Target("ratio", 1.4), Target("ratio", 0.25, against="DuckDB")]
        return Row("sort", f"total-order sort of 100-byte records, {self.describe(records)}", contenders,
                   targets, hand(), ("--records", "100"))

    def index(self):
        mawk = self.shell(
            "exec mawk 'FNR == 1 {f = FILENAME; sub(/.*\\//, \"\", f)} {for (i = 1; i <= NF; i++) "
            "if (!(($i, f) in seen)) {seen[$i, f] = 1; l[$i] = l[$i] (n[$i]++ ? \",\" : \"\") f}} "
            "END {for (w in n) print w \"\\t\" n[w] \" \" l[w]}' \"$@\"")
        contenders = [
            Contender(HAND, "handwritten", self.hand("index"), self.text, order="keys"),
            self.ours(OURS, self.trireme("index", input_path=self.text_dir), self.text),
            *self.databases("index", self.text),
            Contender("mawk", "mawk", self.needs("mawk", "mawk", mawk), self.part, True, sampled=True,
                      runs_max=1),
        ]
        return Row("index", f"inverted index, {self.describe(self.text)}", contenders,
                   [Target("ratio", 1.6)], self.hand("index"), ("--base-names",))

    def grep(self):
        ripgrep = self.shell(f"exec rg --no-config -F -I -N {NEEDLE} \"$@\"")
        hand = self.hand("grep", NEEDLE)
        contenders = [
            Contender(HAND, "handwritten", hand, self.text),
            Contender("ripgrep", "ripgrep", self.needs("rg", "ripgrep", ripgrep), self.text, True),
            self.ours(OURS, self.trireme("grep", "--pattern", NEEDLE, input_path=self.text_dir), self.text,
                      order="none"),
            *self.databases("grep", self.text),
        ]
        return Row("grep", f"grep, a rare fixed string, {self.describe(self.text)}", contenders,
                   [Target("ratio", 1.5, against="ripgrep")], hand, ("--needle", NEEDLE))

    def ngrams(self):
        text = self.text[:4]
        memory = self.options.ngrams_memory
        size = f"{memory // MIB}M"
        hand = lambda inputs, out: [os.path.join(self.options.bin_dir, "baseline_ngrams"), "3", out,
                                    os.path.dirname(out), *inputs]
        gnu = self.shell("mawk '{for (i = 3; i <= NF; i++) print $(i-2), $(i-1), $i}' \"$@\" | "
                         f"sort -S {size} --parallel=$(nproc) | uniq -c | "
                         "sed -E 's/^ *([0-9]+) (.*)$/\\2\\t\\1/'")
        contenders = [
            Contender(HAND, "handwritten", hand, text),
            self.ours(OURS, self.trireme("ngrams", "--n", "3", "--memory", size), text),
            Contender(f"DuckDB, {size}", "duckdb", self.duckdb("ngrams", f"{memory // 1000000}MB"), text,
                      runs_max=1),
            Contender(f"mawk | sort -S {size} | uniq", "coreutils", gnu, text[:1], True, sampled=True,
                      runs_max=1),
        ]
        targets = [Target("ratio", 2.0), Target("resident", memory * 1.1)]
        return Row("ngrams", f"3-grams in {size} of memory, {self.describe(text)}", contenders, targets, hand)

    def streaming(self):
        text = self.text[:max(1, self.options.text_files // 4)]
        job = ("--mapper", "cat", "--reducer", "cat")
        contenders = [
            self.ours(OURS, self.trireme(*job), text, order="none"),
            Contender("cat | GNU sort | cat", "coreutils", self.shell(
                "cat \"$@\" | sort -S 2G --parallel=$(nproc) | cat"), text[:max(1, len(text) // 4)], True,
                      sampled=True, runs_max=1),
        ]
        return Row("streaming", f"streaming through cat and cat, {self.describe(text)}", contenders,
                   [Target("rate", 200e6)], lambda inputs, out: ["bash", "-c", "cat \"$@\" > \"$0\"", out,
                                                                *inputs], ("--trim-tab",))

    def cluster(self):
        embedded = "embedded, 2 slots"
        contenders = [
            self.ours(embedded, self.trireme("wordcount", "--slots", "2", input_path=self.text_dir),
                      self.text),
            self.ours("2 workers of 1 slot", lambda inputs, out: self.trireme(
                "wordcount", "--coordinator", self.options.coordinator, input_path=self.text_dir)(
                    inputs, out), self.text, servers="cluster"),
        ]
        return Row("cluster", f"word count on a cluster, {self.describe(self.text)}", contenders,
                   [Target("ratio", 1.15, "2 workers of 1 slot", embedded)], self.hand("wordcount"))

    def linear(self):
        contenders = []
        counts = [n for n in (8, 16, 32, 64) if n <= self.options.linear_files]
        for files in counts:
            text = self.data.text(files)
            label = f"{size_of(text) / (1 << 30):.2g} GiB"
            contenders.append(Contender(f"{HAND}, {label}", "handwritten", self.hand("wordcount"), text))
            contenders.append(self.ours(f"{OURS}, {label}", self.trireme(
                "wordcount", input_path=self.data.text_dir(files)), text))
        first, last = (f"{OURS}, {size_of(self.data.text(n)) / (1 << 30):.2g} GiB"
                       for n in (counts[0], counts[-1]))
        return Row("linear", "word count, cost by size", contenders,
                   [Target("per_byte", 1.25, last, first)], self.hand("wordcount"))

    def tiny(self):
        tiny = [self.data.tiny()]
        contenders = [Contender(HAND, "handwritten", self.hand("wordcount"), tiny),
                      self.ours(OURS, self.trireme("wordcount"), tiny)]
        return Row("tiny", "word count of one tiny file", contenders, [Target("wall", 0.050)],
                   self.hand("wordcount"), runs_min=11)

    # ---- helpers ----

    def example(self, program):
        path = os.path.join(self.options.bin_dir, program)

        def command(inputs, out):
            if not os.path.exists(path):
                raise peers.Unavailable(f"{path} is not built")
            return [path, "--input", self.text_dir, "--output", out]
        return command

    def needs(self, program, package, command):
        def checked(inputs, out):
            peers.debian_program(program, package)
            return command(inputs, out)
        return checked

    def add_no_sync(self, contenders, job, input_path, inputs, *more, order="keys"):
        """Without fsync, as the hand-written programs run by default, when the product offers it."""
        if not self.options.has_no_sync:
            return
        command = self.trireme(job, *more, "--no-sync", input_path=input_path)
        contenders.insert(3, self.ours(OURS + " --no-sync", command, inputs, order=order))

    @staticmethod
    def describe(paths):
        size = size_of(paths)
        amount = f"{size / (1 << 30):.2g} GiB" if size >= 1 << 29 else f"{size / MIB:.0f} MiB"
        return f"{amount} in {len(paths)} file{'s' if len(paths) > 1 else ''}"


NAMES = ("wordcount", "sort", "index", "grep", "ngrams", "streaming", "cluster", "linear", "tiny")
