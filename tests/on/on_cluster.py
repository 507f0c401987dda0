"""What the tests of `--on` share: a job, the client's process, and whether anything is left of it."""
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster"))
from cluster import ClusterTest, DEADLINE, TRIREME, wait_until  # noqa: E402

EXAMPLE = os.path.join(os.path.dirname(TRIREME), "example_wordcount")
# A word count that goes on until the file $GATE is there, each map task for itself.
HELD = "while [ ! -e '{gate}' ]; do sleep 0.05; done; tr -s ' ' '\\n' | sed 's/$/\\t1/'"


def processes_with(text):
    """Ids of the processes on whose command line it is, this one apart."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read()
        except OSError:
            continue
        if text.encode() in line and int(pid) != os.getpid():
            found.append((int(pid), line.replace(b"\0", b" ").decode(errors="replace")))
    return found


class OnTest(ClusterTest):
    """A job with `--on`; ON is how, its scratch directory is below the test's."""

    def setUp(self):
        super().setUp()
        self.scratch = self.path("scratch")
        self.clients = []

    def remove(self):
        for client in self.clients:
            client.kill()
            client.wait()
            for pipe in filter(None, (client.stdin, client.stdout, client.stderr)):
                pipe.close()
        super().remove()

    def on(self):
        """The arguments that say where."""
        raise NotImplementedError

    def command(self, *arguments, program=(TRIREME, "mr", "run")):
        return [*program, *arguments, *self.on(), "--dir", self.scratch, "--no-progress"]

    def run_on(self, *arguments, check=0, program=(TRIREME, "mr", "run"), env=None):
        done = subprocess.run(self.command(*arguments, program=program), text=True,
                              capture_output=True, timeout=DEADLINE * 2,
                              env={**os.environ, **(env or {})})
        if check is not None:
            self.assertEqual(done.returncode, check, done.stderr)
        return done

    def start_on(self, *arguments):
        client = subprocess.Popen(self.command(*arguments), text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        self.clients.append(client)
        return client

    def held_job(self, output="out"):
        """Starts a job whose maps wait for `open_gate`; returns once one waits."""
        mapper = HELD.format(gate=self.path("gate"))
        client = self.start_on("--mapper", mapper, "--reducer", "cat", "--input",
                               self.make_input(files=4, lines=100), "--output",
                               self.path(output), "--reduces", "2")
        wait_until(lambda: self.held() or client.poll() is not None, "a map task runs")
        self.assertIsNone(client.poll(), "the job has ended")
        return client

    def held(self):
        return [pid for pid, line in processes_with(self.path("gate")) if line.startswith("sh ")]

    def open_gate(self):
        self.write("gate", "")

    def workers_left(self):
        return [p for p in processes_with(self.scratch) if "--coordinator" in p[1]]

    def assert_nothing_left(self):
        wait_until(lambda: not self.workers_left(), "the workers have left")
        self.assertFalse(self.held())

    def logs(self, output="out"):
        directory = self.path(output + ".workers")
        text = ""
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
            with open(os.path.join(directory, name)) as file:
                text += file.read()
        return text

    def worker_pids(self):
        return [pid for pid, line in self.workers_left() if line.startswith(TRIREME)]

    def check_end_of_held(self, client, said):
        """That the job of `held_job` ends well, has counted every word, and said so."""
        _, err = client.communicate(timeout=DEADLINE * 2)
        self.assertEqual(client.returncode, 0, err)
        self.assertIn(said, err)
        counted = b"".join(self.parts(self.path("out")).values()).count(b"\t1\n")
        self.assertEqual(counted, 4 * 100 * 8)
        self.assert_nothing_left()

    # ---- What every way of starting workers must do

    def check_word_count(self):
        job = ["--input", self.make_input(), "--reduces", "3", "--split-size", "20K"]
        expected = self.embedded("wordcount", *job)
        done = self.run_on("wordcount", *job, "--output", self.path("out"))
        self.assert_same(self.path("out"), expected)
        self.assertFalse(os.path.exists(self.path("out.workers")))
        self.assert_nothing_left()
        return done

    def check_own_program(self):
        job = ["--input", self.make_input(), "--reduces", "3", "--split-size", "20K"]
        expected = self.embedded("wordcount", *job)
        self.run_on(*job, "--output", self.path("out"), program=(EXAMPLE,))
        self.assert_same(self.path("out"), expected)
        self.assert_nothing_left()

    def check_existing_coordinator(self):
        self.start_coordinator(tcp=True)
        job = ["--input", self.make_input(files=2), "--reduces", "2"]
        expected = self.embedded("wordcount", *job)
        self.run_on("wordcount", *job, "--output", self.path("out"), "--coordinator", self.address)
        self.assert_same(self.path("out"), expected)
        self.assert_nothing_left()
        self.assertEqual([j["state"] for j in self.status()["jobs"]], ["succeeded"])

    def check_interrupted(self):
        client = self.held_job()
        client.send_signal(signal.SIGINT)
        client.communicate(timeout=DEADLINE)
        self.assertEqual(client.returncode, 130)
        self.assertFalse(os.path.exists(self.path("out")))
        self.assertFalse(os.path.exists(self.path("out.workers")))
        self.assert_nothing_left()

    def check_killed_client(self):
        client = self.held_job()
        client.kill()
        client.communicate()
        self.assert_nothing_left()
