"""The printed table and the JSON file."""
import json
import os
import platform

MIB = 1 << 20


def print_machine(options, data):
    model = "unknown processor"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) / (1 << 20)
    print(f"{os.cpu_count()} cores, {model}, {memory:.0f} GiB, Linux {platform.release()}")
    print(f"median of up to {options.runs} runs in turn, page cache warm, data in {data.dir}")


def seconds(value):
    return f"{value:.3f}" if value < 0.995 else f"{value:.2f}"


def ratios(outcome, ours):
    """How much more wall and CPU time ours takes than this one."""
    if ours is None or not ours.ok or outcome is ours or not outcome.contender.check:
        return "", ""
    cpu = outcome.median("cpu_s") * outcome.scale
    return f"{ours.wall / outcome.wall:.2f}", f"{ours.median('cpu_s') / cpu:.2f}" if cpu else ""


def outcome_line(outcome, ours):
    name = outcome.contender.name
    if outcome.skipped:
        return f"  {name:<26} skipped: {outcome.skipped}"
    if outcome.failure:
        return f"  {name:<26} FAILED: {outcome.failure} {outcome.result}".rstrip()
    walls = [run.wall_s * outcome.scale for run in outcome.runs]
    spread = f"{seconds(min(walls))}-{seconds(max(walls))}" if len(walls) > 1 else "one run"
    scaled = f"~ x{outcome.scale:.3g}" if outcome.scale > 1 else ""
    cpu = outcome.median("cpu_s") * outcome.scale
    wall_ratio, cpu_ratio = ratios(outcome, ours)
    return (f"  {name:<26} {seconds(outcome.wall):>8} {spread:>15} {seconds(cpu):>8} "
            f"{outcome.resident / MIB:>9.0f} {outcome.beyond / MIB:>9.0f} {wall_ratio:>9} "
            f"{cpu_ratio:>6}  {outcome.result or '-':<5} {scaled}").rstrip()


def print_row(row, outcomes, verdicts, ours):
    print(f"\n{row.title}")
    print(f"  {'':<26} {'wall s':>8} {'min-max':>15} {'cpu s':>8} {'res. MiB':>9} {'beyond':>9} "
          f"{'ours/this':>9} {'cpu':>6}  result")
    for outcome in outcomes:
        print(outcome_line(outcome, ours))
    for text, measured, verdict in verdicts:
        print(f"  target: {text:<62} {measured:>10}  {verdict}")


def print_legend():
    print("\nres.: peak resident memory of all processes; beyond: of that, not mapped files; ours/this: our "
          "wall time\nover this one's; ~: ran on a part of the input, times multiplied; "
          "docs/benchmarks.md says more")


def write_json(path, options, results):
    document = {"machine": {"cores": os.cpu_count(), "kernel": platform.release()},
                "options": {"runs": options.runs, "quick": options.quick, "gib": options.gib}, "rows": []}
    for row, outcomes, verdicts in results:
        document["rows"].append({
            "name": row.name, "title": row.title, "contenders": [o.as_json() for o in outcomes],
            "targets": [dict(zip(("target", "measured", "verdict"), v)) for v in verdicts]})
    with open(path, "w") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
