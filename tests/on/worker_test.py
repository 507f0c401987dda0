"""What a worker does that was started for one job: it leaves by itself."""
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


if __name__ == "__main__":
    main()
