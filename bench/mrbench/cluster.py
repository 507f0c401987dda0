"""A coordinator and workers on this machine, for the row that compares them with the embedded mode."""
import os
import signal
import socket
import subprocess
import time

START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 10


class ClusterError(Exception):
    pass


class Cluster:
    """`trireme mr coordinator` and `workers` one-slot workers, until the with block ends."""

    def __init__(self, trireme, root, workers=2):
        self.trireme = trireme
        self.dir = os.path.join(root, "cluster")
        self.workers = workers
        self.processes = []
        self.socket = os.path.join(self.dir, "socket")
        self.address = "unix:" + self.socket

    def __enter__(self):
        os.makedirs(self.dir, exist_ok=True)
        try:
            self.start("coordinator", "--listen", self.address, "--state", os.path.join(self.dir, "state"))
            self.wait_until_listening()
            for i in range(self.workers):
                self.start("worker", "--coordinator", self.address, "--slots", "1",
                           "--dir", os.path.join(self.dir, f"worker-{i}"))
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self, role, *arguments):
        log = open(os.path.join(self.dir, f"{role}-{len(self.processes)}.log"), "wb")
        with log:
            self.processes.append(subprocess.Popen([self.trireme, "mr", role, *arguments], stdout=log,
                                                   stderr=log, stdin=subprocess.DEVNULL,
                                                   start_new_session=True))

    def pids(self):
        return [process.pid for process in self.processes]

    def wait_until_listening(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.processes[0].poll() is not None:
                break
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    return probe.connect(self.socket)
                except OSError:
                    time.sleep(0.02)
        with open(os.path.join(self.dir, "coordinator-0.log"), errors="replace") as log:
            raise ClusterError("the coordinator does not listen: " + log.read()[-300:].strip())

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.processes = []
