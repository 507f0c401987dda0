"""Members of one cluster on loopback, started with the same flags whatever the product is."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

READY_TIMEOUT_S = 60
POLL_S = 0.05
STOP_TIMEOUT_S = 30
LOAD_TIMEOUT_S = 900
QUOTA_BYTES = 32 << 30
FSYNCS = "etcd_disk_wal_fsync_duration_seconds_count"
MIB = 1 << 20


class ClusterError(Exception):
    pass


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Cluster:
    """Runs until the with block ends; its folder is deleted then."""

    def __init__(self, product, folder, load_program, members=3):
        self.product = product
        self.folder = folder
        self.load_program = load_program
        self.members = members
        ports = free_ports(2 * members)
        self.clients, self.peers = ports[:members], ports[members:]
        self.processes = [None] * members

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        try:
            for i in range(self.members):
                self.start(i)
            self.await_ready(range(self.members))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for i in range(self.members):
            self.end(i, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- Members

    def flags(self, i):
        client, peer = (f"http://127.0.0.1:{ports[i]}" for ports in (self.clients, self.peers))
        everybody = ",".join(f"m{n}=http://127.0.0.1:{port}" for n, port in enumerate(self.peers))
        wanted = ["--name", f"m{i}", "--data-dir", self.data_folder(i), "--listen-client-urls", client,
                "--advertise-client-urls", client, "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--initial-cluster", everybody,
                "--initial-cluster-token", "bench", "--initial-cluster-state", "new",
                "--quota-backend-bytes", str(QUOTA_BYTES), "--log-level", "error"]
        pairs = zip(wanted[::2], wanted[1::2])
        return [word for pair in pairs if pair[0] not in self.product.lacks for word in pair]

    def data_folder(self, i):
        return os.path.join(self.folder, f"m{i}")

    def start(self, i):
        with open(os.path.join(self.folder, f"m{i}.log"), "ab") as log:
            self.processes[i] = subprocess.Popen([*self.product.command, *self.flags(i)], stdout=log,
                                                 stderr=log, stdin=subprocess.DEVNULL)

    def end(self, i, how):
        process = self.processes[i]
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.processes[i] = None

    def restart_seconds(self, i, how):
        """Ends a member, starts it and waits until it answers from its own store."""
        self.end(i, how)
        started = time.monotonic()
        self.start(i)
        self.await_ready([i], serializable=self.members > 1)
        return time.monotonic() - started

    def await_ready(self, members, serializable=False):
        arguments = ["--ready-timeout", str(READY_TIMEOUT_S)] + ["--serializable"] * serializable
        asking = subprocess.Popen(self.command("ready", *arguments, members=members), stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
        with asking:
            while asking.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    asking.wait(POLL_S)
                if any(self.processes[i].poll() is not None for i in members):
                    asking.kill()
            error = asking.stderr.read().strip()
        if asking.returncode != 0:
            raise ClusterError(f"{self.product.name} is not ready: {error or 'it ended'}; {self.log_tail()}")

    def log_tail(self):
        lines = []
        for i in range(self.members):
            with open(os.path.join(self.folder, f"m{i}.log"), errors="replace") as log:
                lines += [f"m{i}: {line}" for line in log.read().strip().splitlines()[-2:]]
        return " | ".join(lines)[:600] or "it logged nothing"

    # ---- What they have used

    def pids(self):
        return [process.pid for process in self.processes if process is not None]

    def addresses(self, members=None):
        chosen = range(self.members) if members is None else members
        return [f"127.0.0.1:{self.clients[i]}" for i in chosen]

    def resident_mib(self):
        """Of the largest member: all, and what is not mapped files."""
        largest = (0, 0)
        for pid in self.pids():
            with open(f"/proc/{pid}/status") as file:
                kib = {line.split(":")[0]: line.split()[1] for line in file if line.startswith(("VmRSS", "RssFile"))}
            resident, mapped = int(kib["VmRSS"]), int(kib["RssFile"])
            largest = max(largest, (resident / 1024, (resident - mapped) / 1024))
        return largest

    def disk_mib(self):
        """Of the first member's files."""
        total = 0
        for folder, _, names in os.walk(self.data_folder(0)):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    total += os.stat(os.path.join(folder, name)).st_blocks * 512
        return total / MIB

    def fsyncs(self):
        """Of all members' logs; None when a member does not count them."""
        total = 0
        for port in self.clients:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
                    text = page.read().decode()
            except OSError:
                return None
            values = [line.split()[1] for line in text.splitlines() if line.startswith(FSYNCS + " ")]
            if not values:
                return None
            total += float(values[0])
        return total

    # ---- Load

    def command(self, *arguments, members=None):
        return [self.load_program, *map(str, arguments), "--servers", ",".join(self.addresses(members))]

    def load(self, *arguments):
        """Runs the load generator to its end; its result."""
        command = self.command(*arguments, "--processes", ",".join(map(str, self.pids())))
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_TIMEOUT_S, check=False,
                                  stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            raise ClusterError(f"{arguments[0]} took more than {LOAD_TIMEOUT_S} s") from None
        if done.returncode != 0:
            raise ClusterError(f"{arguments[0]}: {done.stderr.strip()[-300:]}")
        result = json.loads(done.stdout)
        if result.get("failures"):
            raise ClusterError(f"{arguments[0]}: {result['failures']} requests failed, the first: "
                               f"{result.get('first_failure')}")
        return result

    def measured(self, *arguments):
        """The result of a load with the log's fsyncs and the memory beside it."""
        before = self.fsyncs()
        result = self.load(*arguments)
        after = self.fsyncs()
        if before is not None and after is not None:
            result["fsyncs"] = (after - before) / max(1, result["all_requests"])
        result["resident_mib"] = self.resident_mib()[0]
        return result
