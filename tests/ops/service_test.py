"""The units of systemd: sound by systemd's own judgement, and what the servers tell it."""
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / "cluster"), str(ROOT / "tests")]
from cluster import ClusterTest, DEADLINE, TRIREME, main  # noqa: E402
from free_ports import free_ports  # noqa: E402

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
# systemd's exposure, in tenths: 15 has least, 100 all. A worker runs users' programs.
EXPOSURE_MAX = {"trireme-kv": 20, "trireme-mr-coordinator": 25, "trireme-mr-worker": 35}


class UnitsClusterTest(ClusterTest):
    def test_units_are_sound_and_confined(self):
        self.assertEqual([unit.stem for unit in UNITS], sorted(EXPOSURE_MAX))
        for unit in UNITS:
            here = self.write(unit.name, unit.read_text().replace("/usr/bin/trireme", TRIREME))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", here],
                                  capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), unit.name)
            done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                                   f"--threshold={EXPOSURE_MAX[unit.stem]}", here],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout[-200:])

    def command_of(self, unit):
        """What systemd would run, with its environment, in this test's folder and on free ports."""
        text = (ROOT / "deploy/systemd" / f"{unit}.service").read_text()
        settings = re.findall(r"^Environment=(.+)$", text, re.MULTILINE)
        name = re.search(r"^EnvironmentFile=-?/etc/default/(.+)$", text, re.MULTILINE).group(1)
        defaults = (ROOT / "deploy/default" / name).read_text()
        settings += re.findall(r"^([A-Z_]+=.*)$", defaults, re.MULTILINE)
        environment = {}
        for setting in settings:
            key, value = setting.split("=", 1)
            environment[key] = self.here(value.strip('"'))
        command = self.here(re.search(r"^ExecStart=(.+)$", text, re.MULTILINE).group(1))
        words = [w for word in shlex.split(command)
                 for w in (environment[word[1:]].split() if word.startswith("$") else [word])]
        self.assertEqual(words[0], "/usr/bin/trireme")
        return [TRIREME, *words[1:]], {**os.environ, **environment}

    def here(self, text):
        text = re.sub(r"127.0.0.1:(7071|7072)", "127.0.0.1:0", text)
        text = text.replace("127.0.0.1:7070", self.coordinator_at)
        return text.replace("/var/lib/trireme", self.path("state"))

    def start_unit(self, unit, **variables):
        command, environment = self.command_of(unit)
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(self.path(unit))
        notify.settimeout(DEADLINE)
        environment.update(NOTIFY_SOCKET=self.path(unit), WATCHDOG_USEC="200000", **variables)
        with open(self.path(unit + ".err"), "wb") as errors:
            process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL,
                                       stderr=errors)
        self.addCleanup(notify.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, notify

    def await_word(self, notify, word):
        while True:
            said = notify.recv(4096).decode()
            if said.startswith(word):
                return said

    def check_life(self, unit, **variables):
        """Ready, alive as long as it is well, and stopping when it is told to."""
        process, notify = self.start_unit(unit, **variables)
        ready = notify.recv(4096).decode()
        self.assertTrue(ready.startswith("READY=1\nSTATUS="), ready)
        for _ in range(3):
            self.await_word(notify, "WATCHDOG=1")
        return process, notify

    def stop(self, process, notify):
        process.send_signal(signal.SIGTERM)
        self.await_word(notify, "STOPPING=1")
        self.assertEqual(process.wait(timeout=DEADLINE), 0)

    def setUp(self):
        super().setUp()
        self.coordinator_at = "127.0.0.1:%d" % free_ports(1)[0]

    def test_a_member_of_a_kv(self):
        client, peer = free_ports(2)
        url = f"http://127.0.0.1:{client}"
        process, notify = self.check_life(
            "trireme-kv", ETCD_LISTEN_CLIENT_URLS=url, ETCD_ADVERTISE_CLIENT_URLS=url,
            ETCD_LISTEN_PEER_URLS=f"http://127.0.0.1:{peer}",
            ETCD_INITIAL_ADVERTISE_PEER_URLS=f"http://127.0.0.1:{peer}",
            ETCD_INITIAL_CLUSTER=f"default=http://127.0.0.1:{peer}")
        with urllib.request.urlopen(url + "/version") as answer:  # it serves when it says so
            self.assertIn("etcdserver", answer.read().decode())
        self.assertTrue(os.path.exists(self.path("state", "kv", "IDENTITY")))
        self.stop(process, notify)

    def test_a_coordinator_and_a_worker(self):
        coordinator = self.check_life("trireme-mr-coordinator")
        worker = self.check_life("trireme-mr-worker")
        self.trireme("run", "wordcount", "--input", self.make_input(1, 10), "--output",
                     self.path("out"), "--quiet", "--coordinator", self.coordinator_at)
        self.assertTrue(os.path.exists(self.path("state", "mr-worker")))
        self.stop(*worker)
        self.stop(*coordinator)

    def test_no_child_inherits_the_socket(self):
        """A job's program must not be able to tell systemd anything in the worker's name."""
        self.check_life("trireme-mr-coordinator")
        self.check_life("trireme-mr-worker")
        self.trireme("run", "--mapper", "sh -c 'cat > /dev/null; env'", "--reducer", "cat",
                     "--input", self.make_input(1, 10), "--output", self.path("out"), "--quiet",
                     "--coordinator", self.coordinator_at)
        said = b"".join(self.parts(self.path("out")).values()).decode()
        self.assertIn("PATH=", said)
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC"):
            self.assertNotIn(name, said)


if __name__ == "__main__":
    main()
