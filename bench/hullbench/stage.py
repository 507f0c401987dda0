"""Stores, coordinators and workers on this machine, for ./dev bench hull."""
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request

from kvbench.cluster import free_ports

WAIT_S = 60
TICK_S = os.sysconf("SC_CLK_TCK")


class StageError(Exception):
    pass


class Stage:
    """`members` of a store (none: the coordinator keeps its state in a directory), coordinators and
    workers, until the with block ends. Everything it writes goes with it."""

    def __init__(self, trireme, folder, members=0, coordinators=1, workers=0, extra=()):
        self.trireme, self.folder, self.extra = trireme, folder, list(extra)
        self.processes = []
        self.store, self.coordinators, self.workers = [], [], []
        ports = iter(free_ports(2 * members + 2 * coordinators))
        self.members = [(next(ports), next(ports)) for _ in range(members)]
        self.addresses = [f"127.0.0.1:{next(ports)}" for _ in range(coordinators)]
        self.pages = [f"127.0.0.1:{next(ports)}" for _ in range(coordinators)]
        self.worker_count = workers

    # ---- Life

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        try:
            for i in range(len(self.members)):
                self.store.append(self.start(f"kv{i}", "kv", "serve", *self.member_flags(i)))
            for i in range(len(self.addresses)):
                self.coordinators.append(self.start_coordinator(i))
            self.until(self.leader, "a coordinator leads")
            for i in range(self.worker_count):
                self.workers.append(self.start(f"w{i}", "mr", "worker", *self.where(), "--slots", "1",
                                               "--dir", os.path.join(self.folder, f"w{i}")))
            self.until(lambda: sum(w["alive"] for w in self.status()["workers"]) >= self.worker_count,
                       "the workers are registered")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, *arguments):
        with open(os.path.join(self.folder, name + ".log"), "ab") as log:
            process = subprocess.Popen([self.trireme, *arguments], stdout=log, stderr=log,
                                       stdin=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def start_coordinator(self, i):
        return self.start(f"coordinator{i}", "mr", "coordinator", "--listen", self.addresses[i],
                          "--http", self.pages[i], *self.keeps(), *self.extra)

    def member_flags(self, i):
        peers = ",".join(f"m{n}=http://127.0.0.1:{peer}" for n, (peer, _) in enumerate(self.members))
        peer, client = self.members[i]
        return ["--name", f"m{i}", "--data-dir", os.path.join(self.folder, f"m{i}"),
                "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
                "--listen-client-urls", f"http://127.0.0.1:{client}",
                "--advertise-client-urls", f"http://127.0.0.1:{client}",
                "--initial-cluster", peers, "--log-level", "error"]

    def endpoints(self):
        return ",".join(f"127.0.0.1:{client}" for _, client in self.members)

    def keeps(self):
        return ["--kv", self.endpoints()] if self.members else [
            "--state", os.path.join(self.folder, "state")]

    def where(self):
        """How workers and users find the coordinator."""
        return ["--kv", self.endpoints()] if self.members else ["--coordinator", self.addresses[0]]

    # ---- Questions

    def until(self, condition, what):
        end = time.monotonic() + WAIT_S
        while not (found := condition()):
            if time.monotonic() > end:
                raise StageError(f"gave up waiting until {what}; see the logs in {self.folder}")
            time.sleep(0.005)
        return found

    def ask(self, *arguments):
        return subprocess.run([self.trireme, "mr", *arguments], capture_output=True, text=True)

    def leads(self, i):
        """Whether coordinator `i` says so itself. (One that stands by leads who asks it on.)"""
        try:
            with urllib.request.urlopen(f"http://{self.pages[i]}/metrics", timeout=1) as page:
                text = page.read().decode()
        except OSError:
            return False
        return not self.members or "\ntrireme_mr_leader 1\n" in text

    def stands_by(self, i):
        try:
            with urllib.request.urlopen(f"http://{self.pages[i]}/metrics", timeout=1) as page:
                return "\ntrireme_mr_leader 0\n" in page.read().decode()
        except OSError:
            return False

    def leader(self):
        """One more than the number of the coordinator that leads; 0: none does."""
        return next((i + 1 for i, process in enumerate(self.coordinators)
                     if process.poll() is None and self.leads(i)), 0)

    def status(self):
        done = self.ask("status", "--json", *self.where())
        return json.loads(done.stdout) if done.returncode == 0 else {"jobs": [], "workers": []}

    def revision(self):
        done = subprocess.run([self.trireme, "kv", "get", "x", "-w", "json", "--endpoints",
                               self.endpoints()], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["header"]["revision"]

    # ---- Jobs

    def run(self, *arguments):
        """The job's seconds, from the command's start to its end."""
        began = time.monotonic()
        done = self.ask("run", *arguments, *self.where(), "--quiet", "--overwrite")
        if done.returncode != 0:
            raise StageError(f"{' '.join(arguments)}: {done.stderr.strip()}")
        return time.monotonic() - began

    def begin(self, *arguments):
        return subprocess.Popen([self.trireme, "mr", "run", *arguments, *self.where(), "--quiet",
                                 "--overwrite"], stdout=subprocess.DEVNULL)


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK_S


def peak_mib(process):
    with open(f"/proc/{process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
