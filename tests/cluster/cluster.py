"""A cluster of real processes on loopback, for tests. Waits for conditions, never for time."""
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TRIREME = os.environ.get("TRIREME") or sys.exit("set TRIREME to the binary")
DEADLINE = 40  # seconds that any condition may take on a loaded machine


def wait_until(condition, what, deadline=DEADLINE):
    """Returns the first true value of `condition()`."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"gave up waiting until {what}")
        time.sleep(0.01)


class Process:
    def __init__(self, arguments, log, env=None, file_bytes_max=None):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes_max, file_bytes_max))
        self.log = log
        self.err = open(log + ".err", "ab")
        self.process = subprocess.Popen(
            [TRIREME, "mr", *arguments], stdout=subprocess.PIPE, stderr=self.err, text=True,
            env={**os.environ, **(env or {})},
            # Without the signal a write beyond the limit fails, as on a full disk.
            restore_signals=file_bytes_max is None,
            preexec_fn=limit if file_bytes_max else None)

    def line(self, prefix):
        """The rest of the first line on stdout that begins so."""
        while True:
            line = self.process.stdout.readline()
            if not line:
                self.process.wait()
                raise AssertionError(
                    f"ended ({self.process.returncode}) before '{prefix}': "
                    + open(self.log + ".err").read())
            if line.startswith(prefix):
                return line[len(prefix):].strip()

    def send(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.send_signal(signal.SIGCONT)
        self.process.wait()
        self.close()

    def close(self):
        self.process.stdout.close()
        self.err.close()

    def stop(self):
        """A clean end; returns the exit status."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=DEADLINE)
        finally:
            self.kill()
        return status


class Proxy:
    """A TCP proxy that can swallow everything, as a network that is cut does. A connection that has
    lost bytes stays silent for ever: TCP never goes on behind a gap."""

    def __init__(self, target):
        host, port = target.rsplit(":", 1)
        self.target = (host, int(port))
        self.cut = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.sockets = [self.listener]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.target)
            except OSError:
                return
            self.sockets += [near, far]
            silent = threading.Event()
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(a, b, silent), daemon=True).start()

    def pump(self, source, sink, silent):
        try:
            while data := source.recv(65536):
                if self.cut.is_set():
                    silent.set()
                if not silent.is_set():
                    sink.sendall(data)
        except OSError:
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        for one in self.sockets:
            one.close()


class ClusterTest(unittest.TestCase):
    """Starts clusters in a directory of its own, and sees that nothing is left of them."""

    def setUp(self):
        # Short, for the sockets' names; on a disk, for the journal's fsync.
        self.root = tempfile.mkdtemp(prefix="trc-", dir=os.environ.get("TMPDIR", "/tmp"))
        self.processes = []
        self.workers = []
        self.coordinator = None
        self.address = None
        self.http = None
        self.kv = None  # endpoints, of a cluster that has one
        self.addCleanup(self.remove)

    def remove(self):
        for process in self.processes:
            process.kill()
        if sys.exc_info()[0] is not None or self.failed():
            for name in sorted(os.listdir(self.root)):
                if name.endswith(".err"):
                    with open(self.path(name)) as text:
                        sys.stderr.write(f"--- {name}\n{text.read()[-2000:]}\n")
        shutil.rmtree(self.root, ignore_errors=True)

    def failed(self):
        result = self._outcome.result
        return any(test is self for test, _ in result.failures + result.errors)

    def path(self, *names):
        return os.path.join(self.root, *names)

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    # ---- Processes

    def start(self, arguments, name, env=None, **options):
        process = Process(arguments, self.path(name), env, **options)
        self.processes.append(process)
        return process

    def start_coordinator(self, *arguments, tcp=False, state=None, address=None, **options):
        where = address or ("127.0.0.1:0" if tcp else "unix:" + self.path("c.sock"))
        all_arguments = ["coordinator", "--listen", where, *arguments]
        if state:
            all_arguments += ["--state", self.path(state)]
        self.coordinator = self.start(all_arguments, "coordinator", **options)
        self.address = self.coordinator.line("listening on ")
        if "--http" in arguments:
            self.http = self.coordinator.line("pages on ")
        return self.coordinator

    @property
    def where(self):
        """The flags that name the coordinator, or the KV that knows it."""
        return ["--kv", self.kv] if self.kv else ["--coordinator", self.address]

    def start_worker(self, *arguments, slots=1, coordinator=None, env=None):
        name = "w%d" % len(self.workers)
        where = ["--coordinator", coordinator] if coordinator else self.where
        worker = self.start(["worker", *where, "--slots", str(slots), "--dir", self.path(name),
                             *arguments], name, env)
        worker.directory = self.path(name)
        worker.pid = worker.process.pid
        self.workers.append(worker)
        return worker

    def start_workers(self, count, *arguments, **options):
        workers = [self.start_worker(*arguments, **options) for _ in range(count)]
        alive = count + sum(w.process.poll() is None for w in self.workers) - count
        wait_until(lambda: sum(w["alive"] for w in self.status()["workers"]) >= alive,
                   "all workers are registered")
        return workers

    # ---- Commands

    def trireme(self, *arguments, check=0, env=None):
        done = subprocess.run([TRIREME, "mr", *arguments], capture_output=True, text=True,
                              env={**os.environ, **(env or {})}, timeout=DEADLINE * 2)
        if check is not None:
            self.assertEqual(done.returncode, check, f"{arguments}: {done.stderr}")
        return done

    def ask(self, command, *arguments, **options):
        return json.loads(self.trireme(command, *map(str, arguments), *self.where, "--json",
                                       **options).stdout)

    def status(self, job=None):
        return self.ask("status", *([] if job is None else [job]))

    def submit(self, *arguments, env=None):
        return int(self.trireme("submit", *arguments, *self.where, env=env).stdout)

    def wait(self, job, check=0):
        return json.loads(self.trireme("wait", str(job), "--quiet", "--json", *self.where,
                                       check=check).stdout)

    def worker_of(self, name):
        """The test's worker whom the coordinator calls so."""
        pids = {w["worker"]: int(w["host"].rsplit(":", 1)[1]) for w in self.status()["workers"]}
        return next(w for w in self.workers if w.pid == pids[name])

    def busy_worker(self, job, task):
        """A worker that runs a task of that phase, once there is one."""
        def find():
            status = self.status(job)
            self.assertNotIn(status["state"], ("succeeded", "failed", "cancelled"))
            return next((r for r in status["running"] if r["task"] == task), None)
        return self.worker_of(wait_until(find, f"a {task} task runs")["worker"])

    # ---- Data

    def make_input(self, files=8, lines=2000):
        """Text whose words differ in how often they come, the same at every call."""
        state = 12345
        for number in range(files):
            text = []
            for _ in range(lines):
                words = []
                for _ in range(8):
                    state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
                    words.append("w%d" % ((state >> 33) % (1 + (state >> 50) % 997)))
                text.append(" ".join(words))
            self.write("in/f%02d.txt" % number, "\n".join(text) + "\n")
        return self.path("in")

    def embedded(self, *arguments):
        """What the same job gives without a cluster."""
        output = self.path("embedded-%d" % len(os.listdir(self.root)))
        self.trireme("run", *arguments, "--output", output, "--quiet")
        return self.parts(output)

    def parts(self, output):
        names = sorted(os.listdir(output))
        self.assertIn("_SUCCESS", names)
        parts = {}
        for name in names:
            self.assertTrue(name.startswith("part-") or name == "_SUCCESS", name)
            with open(os.path.join(output, name), "rb") as file:
                parts[name] = file.read()
        return parts

    def assert_same(self, output, expected):
        got = self.parts(output)
        self.assertEqual(sorted(got), sorted(expected))
        for name, content in expected.items():
            self.assertTrue(got[name] == content, f"{name} differs")

    def assert_no_leftovers(self):
        """No job's data on any worker."""
        def left():
            found = []
            for worker in self.workers:
                if worker.process.poll() is not None:
                    continue
                for directory, names, files in os.walk(worker.directory):
                    found += [os.path.join(directory, n) for n in names + files
                              if n.startswith(("job-", "map-", "attempt-", "fetch-"))]
            return found
        try:
            wait_until(lambda: not left(), "the workers have removed the jobs' data")
        except AssertionError as late:
            inside = [(p, os.listdir(p)) for p in left() if os.path.isdir(p)]
            raise AssertionError(f"{late}; left: {left()}, with {inside}") from None


def main():
    unittest.main(verbosity=2)
