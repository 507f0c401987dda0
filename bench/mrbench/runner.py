"""Runs the contenders of a row in turn, checks that their results agree, and judges the targets."""
import contextlib
import os
import shutil
import statistics
import subprocess
import sys

from mrbench import cluster, data, measure, peers, rows

CHECK_TIMEOUT_S = 600


class Outcome:
    """What is known of one contender after its runs."""

    def __init__(self, contender, scale):
        self.contender = contender
        self.scale = scale  # its time is multiplied by this: above 1 when it ran on a part of the input
        self.runs = []
        self.skipped = ""
        self.failure = ""
        self.result = ""    # "same", "DIFFERENT: ..."

    @property
    def ok(self):
        return bool(self.runs) and not self.failure

    def median(self, field):
        return statistics.median(getattr(run, field) for run in self.runs)

    @property
    def wall(self):
        return self.median("wall_s") * self.scale

    @property
    def resident(self):
        return max(run.resident_bytes for run in self.runs)

    @property
    def beyond(self):
        return max(run.beyond_bytes for run in self.runs)

    def as_json(self):
        return {"name": self.contender.name, "skipped": self.skipped, "failure": self.failure,
                "result": self.result, "scale": self.scale, "input_bytes": rows.size_of(self.contender.inputs),
                "runs": [vars(run) for run in self.runs],
                "wall_s_median": self.wall if self.runs else None}


class Runner:
    def __init__(self, options, bench_data):
        self.options = options
        self.data = bench_data
        self.checker = os.path.join(options.bin_dir, "baseline_check")
        self.references = {}

    def run(self, row):
        """Outcomes of all contenders that were asked for, in the row's order."""
        wanted = [c for c in row.contenders if c.group == "ours" or c.group in self.options.peers]
        whole = max(rows.size_of(c.inputs) for c in row.contenders)
        outcomes = [Outcome(c, whole / rows.size_of(c.inputs) if c.sampled else 1) for c in wanted]
        with contextlib.ExitStack() as stack:
            servers = self.start_servers(stack, row, outcomes)
            data.warm({path for c in wanted for path in c.inputs})
            for turn in range(max(self.options.runs, row.runs_min)):
                for outcome in outcomes:
                    if turn < outcome.contender.runs_max and not outcome.skipped and not outcome.failure:
                        self.run_once(row, outcome, servers)
        return outcomes

    def start_servers(self, stack, row, outcomes):
        need = [o for o in outcomes if o.contender.servers == "cluster"]
        if not need or not os.path.exists(self.options.trireme):
            return ()
        try:
            started = stack.enter_context(cluster.Cluster(self.options.trireme, self.data.scratch))
        except (cluster.ClusterError, OSError) as error:
            for outcome in need:
                outcome.failure = str(error)
            return ()
        self.options.coordinator = started.address
        return started.pids()

    def run_once(self, row, outcome, servers):
        contender = outcome.contender
        out = os.path.join(self.data.scratch, "out")
        try:
            argv = contender.command(contender.inputs, out)
            if not shutil.which(argv[0]):
                raise peers.Unavailable(f"{argv[0]} is not there")
        except peers.Unavailable as error:
            outcome.skipped = str(error)
            return
        self.say(f"{row.name}: {contender.name}")
        self.remove_outputs(out)
        ours = contender.group in ("ours", "handwritten")
        timeout_s = self.options.timeout if ours else self.options.peer_timeout
        result = measure.measure(argv, self.data.scratch, servers if contender.servers else (),
                                 timeout_s, self.options.memory_max, contender.env,
                                 out if contender.stdout_is_result else None)
        if not result.ok:
            outcome.failure = result.failure()
        else:
            outcome.runs.append(result)
            if contender.check:
                self.check(row, outcome, out)
        self.remove_outputs(out)

    def remove_outputs(self, out):
        for path in (out, out + ".tmp"):
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.remove(path)

    # ---- results ----

    def check(self, row, outcome, out):
        if row.reference is None:
            return
        expected = self.reference(row, outcome.contender.inputs)
        found = self.signature(row, out, outcome.contender.order)
        if found == expected:
            outcome.result = outcome.result or "same"
        else:
            outcome.result = f"DIFFERENT: {found}, expected {expected}"
            outcome.failure = "wrong result"

    def reference(self, row, inputs):
        """The signature of the hand-written program's result on the same input."""
        key = (row.name, tuple(inputs))
        if key not in self.references:
            out = os.path.join(self.data.scratch, "reference")
            subprocess.run(row.reference(inputs, out), check=True, stdout=subprocess.DEVNULL)
            self.references[key] = self.signature(row, out, "none")
            self.remove_outputs(out)
        return self.references[key]

    def signature(self, row, out, order):
        """Equal for equal results, whatever the order and the division into files; "disorder" in it when
        the result lacks the order that it must have."""
        files = rows.result_files(out)
        if row.normalise[:1] == ("--needle",):
            return needle_signature(files, row.normalise[1])
        if not files:
            return "no result"
        found = subprocess.run([self.checker, *row.normalise, "--order", order, *files], check=False,
                               capture_output=True, text=True, timeout=CHECK_TIMEOUT_S)
        records, _, unordered = found.stdout.strip().partition(" unordered ")
        if found.returncode != 0:
            return f"{records} disorder: {unordered or found.stderr.strip()[-200:]}"
        return records

    # ---- targets ----

    def judge(self, row, outcomes):
        """(target's text, measured, verdict) of each target; the verdict is pass, miss or "-"."""
        by_name = {o.contender.name: o for o in outcomes}
        return [self.judge_one(target, by_name) for target in row.targets]

    def judge_one(self, target, by_name):
        who, against = by_name.get(target.who), by_name.get(target.against)
        needs_peer = target.kind in ("ratio", "per_byte")
        known = who is not None and who.ok and (not needs_peer or (against is not None and against.ok))
        text, measured, good = describe_target(target, who if known else None, against)
        verdict = "-" if not known else "pass" if good else "MISS"
        return text, measured, verdict

    @staticmethod
    def say(text):
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def needle_signature(files, needle):
    """The matching lines, found in whichever tab-separated field of the output they are."""
    lines = []
    for path in files:
        with open(path, "rb") as file:
            for line in file.read().split(b"\n"):
                lines.extend(field for field in line.split(b"\t") if needle.encode() in field)
    lines.sort()
    return f"{len(lines)} lines, hash {hash(tuple(lines)):x}"


def describe_target(target, who, against):
    """(text, measured, whether it is reached); without `who`, only the text."""
    mib = rows.MIB
    texts = {
        "ratio": f"{target.who} at most {target.limit:g} x {target.against}",
        "per_byte": f"{target.who} at most {target.limit:g} x {target.against}, per byte",
        "resident": f"{target.who} at most {target.limit / mib:.0f} MiB resident",
        "beyond": f"{target.who} under {target.limit / mib:.0f} MiB beyond mapped input",
        "rate": f"{target.who} at least {target.limit / 1e6:.0f} MB/s per core",
        "wall": f"{target.who} within {target.limit * 1000:.0f} ms",
    }
    if who is None:
        return texts[target.kind], "", False
    if target.kind == "ratio":
        value = who.wall / against.wall
        shown = f"{value:.2f} x"
    elif target.kind == "per_byte":
        value = (who.wall / rows.size_of(who.contender.inputs)) / (
            against.wall / rows.size_of(against.contender.inputs))
        shown = f"{value:.2f} x"
    elif target.kind in ("resident", "beyond"):
        value = getattr(who, target.kind)
        shown = f"{value / mib:.0f} MiB"
    elif target.kind == "rate":
        value = rows.size_of(who.contender.inputs) / who.wall / os.cpu_count()
        return texts["rate"], f"{value / 1e6:.0f} MB/s", value >= target.limit
    else:
        value = who.wall
        shown = f"{value * 1000:.0f} ms"
    return texts[target.kind], shown, value <= target.limit
