"""The loads of some seconds, on all products in turn."""
import contextlib

from kvbench import cluster, report, rows

KEYS = 10_000
SMOKE_LEASES = 500
SMOKE_WATCHERS = 100
SMOKE_TRIES = 3


class Speed:
    def __init__(self, options, clusters):
        self.options = options
        self.clusters = clusters  # by the product's name; all of them run, one is under load
        self.results = {}         # (row, clients) -> name -> the rounds' results
        self.failures = []

    def fill(self):
        for each in self.clusters.values():
            each.load("fill", "--keys", KEYS, "--clients", 10, "--connections", 10, "--leader-only")

    def run(self, chosen):
        for row in chosen:
            report.print_head(row)
            asked = [clients for clients in row.clients if clients in self.options.clients]
            for clients in asked or row.clients:  # a row that has none of them is measured as it is
                self.measure(row, clients)
                self.print(row, clients)

    def arguments(self, row, clients):
        result = [*row.arguments, "--keys", KEYS, "--clients", clients, "--connections",
                  1 if clients == 1 else 50, "--seconds", self.options.seconds, "--warm-up",
                  self.options.seconds / 5, "--core", self.options.core]
        if self.options.smoke:
            result += ["--leases", SMOKE_LEASES, "--watchers", SMOKE_WATCHERS]
        return result if self.options.to == "all" else result + ["--leader-only"]

    def measure(self, row, clients):
        runs = self.results.setdefault((row.name, clients), {name: [] for name in self.clusters})
        failed = set()
        for _ in range(self.options.rounds):
            for name, each in self.clusters.items():
                if name in failed:
                    continue
                try:
                    runs[name].append(self.measured(each, self.arguments(row, clients)))
                except cluster.ClusterError as error:
                    failed.add(name)
                    runs[name] = []
                    self.failures.append(name)
                    print(f"  {clients:>7}  {name:<12} FAILED: {error}")

    def measured(self, each, arguments):
        """A busy machine may lose a leader: the smoke test, which measures nothing, tries again."""
        for _ in range(SMOKE_TRIES - 1 if self.options.smoke else 0):
            with contextlib.suppress(cluster.ClusterError):
                return each.measured(*arguments)
        return each.measured(*arguments)

    def print(self, row, clients):
        runs = self.results[(row.name, clients)]
        for name, each in runs.items():
            if each:
                report.print_line(clients, name, each)
        ours = [runs[name] for name in runs if self.clusters[name].product.ours and runs[name]]
        others = [runs[name] for name in runs if not self.clusters[name].product.ours and runs[name]]
        if ours and others:
            report.print_ratio(ours[0], others)

    def value(self, row, clients, measure, best):
        """(ours, the best of the others); None for what was not measured."""
        runs = self.results.get((row, clients), {})
        medians = {name: report.median(each, measure) for name, each in runs.items() if each}
        mine = [value for name, value in medians.items() if self.clusters[name].product.ours]
        theirs = [value for name, value in medians.items()
                  if not self.clusters[name].product.ours and value is not None]
        return mine[0] if mine else None, best(theirs) if theirs else None

    def judge(self, floor):
        """Prints the targets of what was measured; how many were missed."""
        missed = 0
        for target in rows.TARGETS:
            if (target.row, target.clients) not in self.results:
                continue
            mine, best = self.value(target.row, target.clients, target.measure, max if target.at_least else min)
            ratio = mine / best if mine is not None and best else None
            met = ratio is not None and (ratio >= target.limit if target.at_least else ratio <= target.limit)
            missed += not report.print_verdict(target.text(), ratio, met)
        if floor and ("put", 1) in self.results:
            mine, _ = self.value("put", 1, "p50_ms", min)
            total = floor["second_of_three_ms"] + floor["members_ms"] + floor["client_ms"]
            ratio = mine / total if mine is not None else None
            missed += not report.print_verdict(
                f"put, 1 client: p50 at most {rows.ONE_CLIENT_LIMIT} x the floor", ratio,
                ratio is not None and ratio <= rows.ONE_CLIENT_LIMIT)
        return missed


def print_floor(floor):
    total = floor["second_of_three_ms"] + floor["members_ms"] + floor["client_ms"]
    print(f"\nthe floor of one client's put: {total:.3f} ms = {floor['second_of_three_ms']:.3f} (the second of "
          f"three concurrent fdatasyncs)\n  + {floor['members_ms']:.3f} (a round trip between members) + "
          f"{floor['client_ms']:.3f} (one with the client)")
