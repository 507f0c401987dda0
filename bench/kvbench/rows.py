"""What is measured: the loads, and the targets that hold ours against the better etcd."""
import dataclasses


@dataclasses.dataclass
class Row:
    name: str
    title: str
    arguments: list          # of the load generator
    clients: tuple
    unit: str = "request"    # what is counted
    fill: bool = True        # needs the key space to be there


ALL_CLIENTS = (1, 100, 500, 1000)

ROWS = [
    Row("put", "put, 8-byte keys, 256-byte values", ["put", "--random"], ALL_CLIENTS),
    Row("range", "linearizable range of one key", ["range", "--random"], ALL_CLIENTS),
    Row("serial", "serializable range of one key", ["serial-range", "--random"], ALL_CLIENTS),
    Row("txn", "transaction of one put", ["txn-put", "--random"], ALL_CLIENTS),
    Row("cas", "compare-and-swap: compare the revision, put", ["cas"], ALL_CLIENTS),
    Row("mix", "90 linearizable ranges to 10 puts", ["mix", "--random"], ALL_CLIENTS),
    Row("watch1", "1,000 watchers on one key; latency from put to event", ["watch", "--watched-keys", 1],
        (4,), unit="event"),
    Row("watch1000", "1,000 watchers on 1,000 keys; latency from put to event",
        ["watch", "--watched-keys", 1000], (100,), unit="event"),
    Row("lease", "keep-alives of 10,000 leases", ["lease"], (500,)),
    Row("wide", "linearizable range over 10,000 keys", ["wide-range"], (1, 10)),
]
NAMES = [row.name for row in ROWS]
PARTS = ["tool", "big"]

# Of one measurement; the median of the rounds is shown.
MEASURES = ("per_second", "p50_ms", "p99_ms", "p999_ms", "server_cpu_us", "own_cpu_us", "fsyncs", "resident_mib")


@dataclasses.dataclass
class Target:
    row: str
    clients: int
    measure: str
    limit: float             # of ours over the best of the others
    at_least: bool

    def text(self):
        names = {"per_second": "throughput", "server_cpu_us": "server CPU", "p99_ms": "p99"}
        relation = "at least" if self.at_least else "at most"
        return f"{self.row}, {self.clients} clients: {names[self.measure]} {relation} {self.limit:g} x etcd's"


TARGETS = [Target(row, 500, measure, limit, at_least) for row, measure, limit, at_least in (
    ("put", "per_second", 5, True), ("put", "server_cpu_us", 1 / 8, False), ("put", "p99_ms", 1 / 4, False),
    ("range", "per_second", 5, True), ("range", "server_cpu_us", 1 / 8, False),
    ("serial", "per_second", 5, True), ("serial", "server_cpu_us", 1 / 8, False),
    ("txn", "per_second", 8, True), ("cas", "per_second", 8, True))]
ONE_CLIENT_LIMIT = 1.3      # of the floor
MEMORY_LIMIT = 1 / 4        # of the best etcd's
RESTART_LIMIT = 1 / 10
PAUSE_LIMIT_MS = 100
