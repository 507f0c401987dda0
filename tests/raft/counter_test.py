"""Three processes of examples/raft_counter.cc on loopback, any of them killed at any time: no
acknowledged addition is lost, and none counts twice."""
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from free_ports import free_ports  # noqa: E402

COUNTER = os.environ["RAFT_COUNTER"]
PATIENCE_SECONDS = 60


class Node:
    def __init__(self, number, directory, members):
        self.arguments = [COUNTER, str(number), os.path.join(directory, str(number)), *members]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)
        self.answers = queue.Queue()
        self.listener = threading.Thread(target=self.listen, args=(self.process, self.answers))
        self.listener.start()

    @staticmethod
    def listen(process, answers):
        for line in process.stdout:
            answers.put(line.strip())
        answers.put(None)

    def ask(self, line):
        """The answer, or None when there is none: the process has died, or it is a refusal."""
        process, answers = self.process, self.answers
        try:
            process.stdin.write(line + "\n")
        except (BrokenPipeError, ValueError):
            return None
        answer = answers.get(timeout=PATIENCE_SECONDS)
        if answer is None:
            answers.put(None)
            return None
        return int(answer[3:]) if answer.startswith("is ") else None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.listener.join()
        self.process.stdout.close()
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass


class CounterCluster(unittest.TestCase):
    def setUp(self):
        self.here = tempfile.TemporaryDirectory()
        ports = free_ports(3)
        members = [f"{i + 1}=127.0.0.1:{port}" for i, port in enumerate(ports)]
        self.nodes = [Node(i + 1, self.here.name, members) for i in range(3)]
        for node in self.nodes:
            node.start()

    def tearDown(self):
        for node in self.nodes:
            node.kill()
        self.here.cleanup()

    def ask_until_answered(self, line, first=0):
        """Of one node after the other, the very same line."""
        until = time.monotonic() + PATIENCE_SECONDS
        count = len(self.nodes)
        for i in range(first, 1 << 30):
            answer = self.nodes[i % count].ask(line)
            if answer is not None:
                return answer, i % count
            self.assertLess(time.monotonic(), until, line)
            if i % count == count - 1:
                time.sleep(0.005)  # not a hot loop while there is no leader

    def add_ones(self, count, killing=None):
        session, at = self.ask_until_answered("open")
        for n in range(1, count + 1):
            if killing and n == count // 2:
                self.nodes[killing(at)].kill()
            answer, at = self.ask_until_answered(f"add {session} {n} 1", at)
        return answer

    def everywhere(self):
        return [self.ask_until_answered("get", i)[0] for i in range(len(self.nodes))]


class CounterClusterTest(CounterCluster):
    def test_adds_reach_all(self):
        self.assertEqual(self.add_ones(50), 50)
        self.assertEqual(self.everywhere(), [50, 50, 50])

    def test_kill_any_of_them(self):
        total = 0
        for choose in (lambda leader: leader, lambda leader: (leader + 1) % 3) * 3:
            killed = []
            answer = self.add_ones(40, lambda at: killed.append(choose(at)) or killed[0])
            total += 40
            self.assertEqual(answer, total)
            self.nodes[killed[0]].start()
        self.assertEqual(self.everywhere(), [total] * 3)

    def test_kill_all_at_once(self):
        self.add_ones(20)
        for node in self.nodes:
            node.kill()
        for node in self.nodes:
            node.start()
        self.assertEqual(self.add_ones(1), 21)

    def test_repeated_lines_count_once(self):
        session, at = self.ask_until_answered("open")
        for _ in range(5):
            answer, at = self.ask_until_answered(f"add {session} 1 7", at)
            self.assertEqual(answer, 7)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
