"""The same by etcd's own `benchmark` tool, whose CPU time, larger than the servers', is shown."""
import os
import re
import subprocess

from kvbench import cluster

TOOL_TIMEOUT_S = 60
KEY_SPACE = 10_000
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

LOADS = [
    ("put", ["put", "--key-size=8", "--val-size=256", f"--key-space-size={KEY_SPACE}", "--sequential-keys"]),
    ("range", ["range", "00000001", "--consistency=l"]),
    ("serial", ["range", "00000001", "--consistency=s"]),
    ("txn", ["txn-put", "--key-size=8", "--val-size=256", f"--key-space-size={KEY_SPACE}"]),
]


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            total += sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
    return total / TICKS_PER_SECOND


def run_tool(tool, one, arguments, total):
    """(per second, p50 ms, p99 ms, servers' CPU us, its own CPU us)."""
    command = [tool, "--endpoints", ",".join(one.addresses()), "--target-leader", "--conns", "50", "--clients",
               "500", *arguments, "--total", str(total)]
    before, own_before = cpu_seconds(one.pids()), os.times()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise cluster.ClusterError(f"etcd's tool took more than {TOOL_TIMEOUT_S} s") from None
    after, own_after = cpu_seconds(one.pids()), os.times()
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if done.returncode != 0 or not rate or "Error distribution" in done.stdout:
        text = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise cluster.ClusterError(f"etcd's tool failed: {text}")
    own = own_after.children_user + own_after.children_system - own_before.children_user - own_before.children_system
    quantiles = [1000 * float(re.search(part + r"% in ([\d.]+) secs", done.stdout).group(1)) for part in ("50", "99")]
    return float(rate.group(1)), *quantiles, (after - before) * 1e6 / total, own * 1e6 / total


def run(tool, clusters, total, say):
    """Prints the table; the names of what failed."""
    failures = []
    say(f"\nby etcd's own tool: 500 clients on 50 connections to the leader, {total:,} requests")
    say(f"  {'':<7} {'':<12} {'requests/s':>11} {'p50 ms':>8} {'p99 ms':>8} {'server us':>9} {'tool us':>8}")
    for name, arguments in LOADS:
        for product, one in clusters.items():
            try:
                rate, p50, p99, servers, own = run_tool(tool, one, arguments, total)
            except cluster.ClusterError as error:
                failures.append(product)
                say(f"  {name:<7} {product:<12} FAILED: {error}")
                continue
            say(f"  {name:<7} {product:<12} {rate:>11,.0f} {p50:>8.1f} {p99:>8.1f} {servers:>9.1f} {own:>8.1f}")
    return failures
