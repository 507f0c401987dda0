"""The printed tables and verdicts."""
import os
import platform
import statistics


def print_machine(options):
    model = "unknown processor"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    print(f"{os.cpu_count()} cores, {model}, Linux {platform.release()}; data in {options.dir}")
    pinned = f"on core {options.core}" if options.core >= 0 else "on any core"
    print(f"three members of each on loopback; load by one io thread {pinned}, to "
          f"{'all members in turn' if options.to == 'all' else 'the leader'}; medians of {options.rounds} "
          f"rounds of {options.seconds:g} s, in turn")


def median(runs, measure):
    values = [run[measure] for run in runs if run.get(measure) is not None]
    return statistics.median(values) if values else None


def number(value, digits):
    return "-" if value is None else f"{value:,.{digits}f}"


def milliseconds(value):
    return "-" if value is None else f"{value:,.2f}" if value < 9.995 else f"{value:,.1f}"


def print_head(row):
    print(f"\n{row.title}")
    print(f"  {'clients':>7}  {'':<12} {row.unit + 's/s':>11} {'p50 ms':>8} {'p99 ms':>8} {'p99.9 ms':>8} "
          f"{'server us':>9} {'load us':>8} {'fsyncs':>7} {'res. MiB':>8}")


def print_line(clients, name, runs):
    values = {measure: median(runs, measure) for measure in runs[0]
              if isinstance(runs[0][measure], (int, float))}
    cells = (f"{number(values['per_second'], 0):>11} {milliseconds(values['p50_ms']):>8} "
             f"{milliseconds(values['p99_ms']):>8} {milliseconds(values['p999_ms']):>8} "
             f"{number(values['server_cpu_us'], 1):>9} {number(values['own_cpu_us'], 1):>8} "
             f"{number(values.get('fsyncs'), 3):>7} {number(values.get('resident_mib'), 0):>8}")
    print(f"  {clients:>7}  {name:<12} {cells}")


def print_ratio(ours, others):
    """How ours compares with the best of the others, measure by measure."""
    def ratio(measure, best):
        theirs = [median(runs, measure) for runs in others]
        theirs = [value for value in theirs if value]
        mine = median(ours, measure)
        return mine / best(theirs) if theirs and mine is not None else None
    print(f"  {'':>7}  {'ratio':<12} {number(ratio('per_second', max), 2):>11} "
          f"{number(ratio('p50_ms', min), 3):>8} {number(ratio('p99_ms', min), 3):>8} "
          f"{number(ratio('p999_ms', min), 3):>8} {number(ratio('server_cpu_us', min), 3):>9} {'':>8} "
          f"{number(ratio('fsyncs', min), 2):>7} {number(ratio('resident_mib', min), 2):>8}")


def print_verdict(text, measured, met):
    """Whether the target was met, or None when there is nothing to compare."""
    shown = "-" if measured is None else f"{measured:.3g}"
    verdict = "-" if measured is None else "met" if met else "MISSED"
    print(f"  {text:<64} {shown:>8}  {verdict}")
    return measured is None or met


def print_legend():
    print("\nserver us: CPU microseconds of all members for each of what is counted; load us: of the load "
          "generator\nitself; fsyncs: of all members' logs for each request; res.: the largest member; ratio: "
          "ours over the\nbetter etcd. docs/benchmarks.md says more")
