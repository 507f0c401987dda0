"""What a worker does that was started for one job: it leaves by itself."""
import os
import signal
import subprocess
import time

from on_cluster import OnTest
from cluster import DEADLINE, TRIREME, main, wait_until


class WorkerClusterTest(OnTest):
    def worker(self, *arguments, **options):
        worker = subprocess.Popen([TRIREME, "mr", "worker", "--coordinator", self.address, "--dir",
                                   self.scratch, *arguments], stderr=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, text=True, **options)
        self.clients.append(worker)
        return worker

    def attached(self):
        return [w for w in self.status()["workers"] if w["alive"]]

    def test_leaves_when_the_coordinator_is_gone(self):
        self.start_coordinator(tcp=True)
        worker = self.worker("--leave-after", "500ms", "--listen", "auto")
        wait_until(self.attached, "the worker is attached")
        self.coordinator.kill()
        _, err = worker.communicate(timeout=DEADLINE)
        self.assertEqual(worker.returncode, 1)
        self.assertRegex(err, f"no coordinator at {self.address} for [0-9]+ ms; this worker leaves")

    def test_being_stopped_is_no_silence_of_the_coordinator(self):
        self.start_coordinator("--worker-lease", "300ms", tcp=True)
        worker = self.worker("--leave-after", "2s")
        wait_until(self.attached, "the worker is attached")
        worker.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        wait_until(lambda: not self.attached() and time.monotonic() - stopped > 2.5,
                   "its lease is over, and as much time as it waits")
        worker.send_signal(signal.SIGCONT)
        wait_until(self.attached, "it is attached again")
        self.assertIsNone(worker.poll())

    def test_stops_when_its_input_ends(self):
        self.start_coordinator(tcp=True)
        worker = self.worker("--stop-on-eof", stdin=subprocess.PIPE)
        wait_until(self.attached, "the worker is attached")
        worker.stdin.write("what is said to it is passed over\n")
        worker.stdin.flush()
        self.assertTrue(self.attached())
        worker.stdin.close()
        self.assertEqual(worker.wait(timeout=DEADLINE), 0)
        self.assertFalse(self.attached())


class WrongUseClusterTest(OnTest):
    def refused(self, said, *arguments):
        done = self.trireme("run", "wordcount", "--input", self.path("in"), "--output",
                            self.path("out"), *arguments, check=2)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(said, done.stderr)
        self.assertFalse([n for n in os.listdir(self.root) if n.startswith("out.")])

    def test_wrong_use_is_one_line_and_leaves_nothing(self):
        self.make_input(files=1)
        listen = ("--on-listen", "127.0.0.1:0")
        self.refused("--on 'torque': give slurm", "--on", "torque", *listen)
        self.refused("host '-x' begins with '-'", "--on", "ssh:-x", *listen)
        self.refused("cannot read the file of hosts", "--on", "ssh:@" + self.path("none"), *listen)
        self.refused("--workers is for Slurm", "--on", "ssh:a", "--workers", "2", *listen)
        self.refused("--on slurm: '--x' is no option", "--on", "slurm:--x", *listen)
        self.refused("--on-listen: address 'here'", "--on", "ssh:a", "--on-listen", "here")
        self.refused("--workers '0': give", "--on", "slurm", "--workers", "0")
        os.mkdir(self.path("out"))
        self.write("out/old", "")
        self.refused("out", "--on", "ssh:a", *listen)


if __name__ == "__main__":
    main()
