"""Runs a command and measures it with all its descendants: wall time, CPU time, peak memory."""
import contextlib
import dataclasses
import os
import signal
import subprocess
import threading
import time

SAMPLE_SECONDS_MIN = 0.01
# Sampling takes at most this share of one core: the pause grows with what a sample costs.
SAMPLE_SHARE_MAX = 0.02
STDERR_TAIL_BYTES = 2000
LINGER_SECONDS_MAX = 10
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Measurement:
    wall_s: float
    cpu_s: float
    resident_bytes: int  # peak of all processes together, shared pages counted once
    beyond_bytes: int    # of these, the peak of anonymous and shared memory: not mapped files
    status: int
    stderr_tail: str
    killed_for: str = ""  # why the benchmark ended it early

    @property
    def ok(self):
        return self.status == 0 and not self.killed_for

    def failure(self):
        if self.killed_for:
            return self.killed_for
        last = self.stderr_tail.strip().splitlines()[-1:] or [""]
        return f"status {self.status}: {last[0][:200]}"


def read_fields(path, wanted):
    """The wanted "Name:  N kB" lines of a /proc file, in bytes."""
    values = dict.fromkeys(wanted, 0)
    with open(path) as file:
        for line in file:
            name, _, rest = line.partition(":")
            if name in values:
                values[name] = int(rest.split()[0]) * 1024
    return values


def descendants(root):
    """`root` and every process below it, as far as they are alive."""
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as file:
                    queue.extend(map(int, file.read().split()))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def memory_of(pid, alone):
    """(resident, beyond mapped files). A process that may share pages with others needs the slower
    proportional figures, which divide a shared page among those who map it."""
    if alone:
        values = read_fields(f"/proc/{pid}/status", ("VmHWM", "RssAnon", "RssShmem"))
        return values["VmHWM"], values["RssAnon"] + values["RssShmem"]
    values = read_fields(f"/proc/{pid}/smaps_rollup", ("Pss", "Pss_Anon", "Pss_Shmem"))
    return values["Pss"], values["Pss_Anon"] + values["Pss_Shmem"]


def cpu_seconds(pid, with_children=True):
    """User and system time of a process, and of its children that it has waited for."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(map(int, fields[11:15 if with_children else 13])) / TICKS_PER_SECOND


def tree_cpu_seconds(root):
    total = 0.0
    for pid in descendants(root):
        try:
            total += cpu_seconds(pid)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return total


class Sampler(threading.Thread):
    """Keeps the peaks of the memory of some process trees until stopped; calls too_much() once when the
    memory beyond mapped files is above a limit."""

    def __init__(self, roots, beyond_max, too_much):
        super().__init__(daemon=True)
        self.roots = roots
        self.beyond_max = beyond_max
        self.too_much = too_much
        self.resident = self.beyond = 0
        self.cpu_of = {}  # what every process seen had used by itself when last seen
        self.stopped = threading.Event()

    def run(self):
        while True:
            started = time.monotonic()
            self.sample()
            if self.beyond > self.beyond_max:
                return self.too_much()
            cost = time.monotonic() - started
            if self.stopped.wait(max(SAMPLE_SECONDS_MIN, cost / SAMPLE_SHARE_MAX)):
                return

    def sample(self):
        pids = [pid for root in self.roots for pid in descendants(root)]
        resident = beyond = 0
        for pid in pids:
            try:
                one = memory_of(pid, alone=len(pids) == 1)
                self.cpu_of[pid] = cpu_seconds(pid, with_children=False)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue  # it has just ended
            resident += one[0]
            beyond += one[1]
        self.resident = max(self.resident, resident)
        self.beyond = max(self.beyond, beyond)

    def stop(self):
        self.stopped.set()
        self.join()


class Limits:
    """Ends a process group that takes too long or too much memory, and remembers why."""

    def __init__(self, pid, timeout_s, memory_max):
        self.pid = pid
        self.memory_max = memory_max
        self.killed_for = ""
        self.timer = threading.Timer(timeout_s, self.kill, (f"took more than {timeout_s:g} s",))
        self.timer.start()

    def kill(self, reason):
        self.killed_for = reason
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def too_much_memory(self):
        self.kill(f"took more than {self.memory_max / (1 << 30):.1f} GiB of memory")


def tail_of(path):
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - STDERR_TAIL_BYTES))
        return file.read().decode(errors="replace")


def end_group(leader):
    """Waits for what a command left running, some of which may still write, and ends what stays."""
    deadline = time.monotonic() + LINGER_SECONDS_MAX
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(leader, 0)
            time.sleep(0.05)
        os.killpg(leader, signal.SIGKILL)


def measure(argv, scratch, servers=(), timeout_s=600, memory_max=1 << 62, env=None, stdout=None):
    """Runs `argv` to its end. `servers` are pids of processes that work for it: their memory is counted,
    and the CPU time they spend meanwhile. The standard output goes to the file `stdout`, or nowhere."""
    stderr_path = os.path.join(scratch, "stderr")
    with open(stderr_path, "wb") as stderr, open(stdout or os.devnull, "wb") as out:
        servers_before = sum(map(tree_cpu_seconds, servers))
        server_pids = {pid for root in servers for pid in descendants(root)}
        started = time.monotonic()
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=stderr,
                                   start_new_session=True, env=dict(os.environ, **(env or {})))
        limits = Limits(process.pid, timeout_s, memory_max)
        sampler = Sampler([process.pid, *servers], memory_max, limits.too_much_memory)
        sampler.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            limits.kill("interrupted")
            raise
        finally:
            wall = time.monotonic() - started
            limits.timer.cancel()
            sampler.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
    end_group(process.pid)
    # A process that nobody waited for is not in the usage; the samples have nearly all of it.
    unwaited = sum(cpu for pid, cpu in sampler.cpu_of.items() if pid not in server_pids)
    cpu = max(usage.ru_utime + usage.ru_stime, unwaited)
    cpu += sum(map(tree_cpu_seconds, servers)) - servers_before
    return Measurement(wall, cpu, sampler.resident, sampler.beyond, process.returncode,
                       tail_of(stderr_path), limits.killed_for)
