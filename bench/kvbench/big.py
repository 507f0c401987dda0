"""Many keys: memory, files, restart, and the writes' pause while everything overwritten is discarded."""
import os
import signal
import time

from kvbench import cluster, report, rows

THREE_MEMBERS_KEYS_MAX = 2_000_000


class Big:
    def __init__(self, options, products):
        self.options = options
        self.products = products
        self.members = 3 if options.keys <= THREE_MEMBERS_KEYS_MAX else 1
        self.found = {}
        self.failures = []

    def run(self):
        print(f"\n{self.options.keys:,} keys, 256-byte values, {self.members} member(s); put by transactions of "
              f"100; all put again\nbefore the compaction, which runs under the puts of 50 clients")
        print(f"  {'':<12} {'keys/s':>9} {'res. MiB':>8} {'anon.':>7} {'files MiB':>9} {'stop+start s':>12} "
              f"{'kill+start s':>12} {'compact s':>9} {'pause ms':>8} {'before':>7} {'p99 ms':>7} {'before':>7}")
        for product in self.products:
            try:
                self.found[product.name] = self.measure(product)
            except cluster.ClusterError as error:
                self.failures.append(product.name)
                print(f"  {product.name:<12} FAILED: {error}")
                continue
            self.print(product.name)

    def measure(self, product):
        folder = os.path.join(self.options.scratch, "big")
        with cluster.Cluster(product, folder, self.options.load, self.members) as one:
            fill = ["fill", "--keys", self.options.keys, "--clients", 20, "--connections", 10, "--leader-only"]
            started = time.monotonic()
            one.load(*fill)
            result = {"keys_per_second": self.options.keys / (time.monotonic() - started)}
            result["resident"], result["anonymous"] = one.resident_mib()
            result["files"] = one.disk_mib()
            victim = one.members - 1
            result["stop"] = one.restart_seconds(victim, signal.SIGTERM)
            result["kill"] = one.restart_seconds(victim, signal.SIGKILL)
            one.await_ready(range(one.members))
            one.load(*fill)
            result["compaction"] = one.load(
                "compact", "--keys", self.options.keys, "--random", "--clients", 50, "--connections", 10,
                "--seconds", 0.2 if self.options.smoke else 2, "--leader-only")
            return result

    def print(self, name):
        one = self.found[name]
        before, during = one["compaction"]["before"], one["compaction"]["during"]
        print(f"  {name:<12} {one['keys_per_second']:>9,.0f} {one['resident']:>8,.0f} {one['anonymous']:>7,.0f} "
              f"{one['files']:>9,.0f} {one['stop']:>12.2f} {one['kill']:>12.2f} "
              f"{one['compaction']['compaction_seconds']:>9.2f} {during['pause_ms']:>8.1f} "
              f"{before['pause_ms']:>7.1f} {during['p99_ms']:>7.1f} {before['p99_ms']:>7.1f}")

    def judge(self):
        ours = [self.found[p.name] for p in self.products if p.ours and p.name in self.found]
        others = [self.found[p.name] for p in self.products if not p.ours and p.name in self.found]
        missed = 0
        for measure, limit, text in (("resident", rows.MEMORY_LIMIT, "resident memory"),
                                     ("stop", rows.RESTART_LIMIT, "restart"),
                                     ("kill", rows.RESTART_LIMIT, "restart after a kill")):
            ratio = ours[0][measure] / min(o[measure] for o in others) if ours and others else None
            missed += not report.print_verdict(
                f"{self.options.keys:,} keys: {text} at most {limit:g} x etcd's", ratio,
                ratio is not None and ratio <= limit)
        pause = ours[0]["compaction"]["during"]["max_ms"] if ours else None
        missed += not report.print_verdict(
            f"the longest put during a full compaction under {rows.PAUSE_LIMIT_MS} ms", pause,
            pause is not None and pause < rows.PAUSE_LIMIT_MS)
        return missed
