"""`mr run --on ssh:HOSTS` through a real sshd, on loopback, with keys and configuration of its own."""
import os
import pwd
import signal
import socket
import subprocess
import sys

from on_cluster import OnTest
from cluster import main, wait_until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from free_ports import free_ports  # noqa: E402


class Sshd:
    """Debian's sshd in a directory of its own; four names lead to it, `down` to nobody."""

    def __init__(self, test):
        self.test = test
        self.port, nobody = free_ports(2)
        self.directory = test.path("ssh")
        os.mkdir(self.directory, 0o700)
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(name)],
                           check=True)
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)  # where sshd as root locks its children in
        test.write("ssh/sshd_config", f"""
            ListenAddress 127.0.0.1:{self.port}
            HostKey {self.path("host")}
            AuthorizedKeysFile {self.path("user.pub")}
            PidFile none
            PasswordAuthentication no
            PermitRootLogin prohibit-password
            StrictModes no
            UsePAM no
            MaxStartups 100
            """)
        user = pwd.getpwuid(os.getuid()).pw_name
        with open(self.path("host.pub")) as key:
            test.write("ssh/known_hosts", f"[127.0.0.1]:{self.port} {key.read()}")
        self.config = test.write("ssh/config", f"""
            Host one two three four
              Port {self.port}
            Host down
              Port {nobody}
            Host *
              HostName 127.0.0.1
              User {user}
              IdentityFile {self.path("user")}
              IdentitiesOnly yes
              UserKnownHostsFile {self.path("known_hosts")}
              GlobalKnownHostsFile none
              StrictHostKeyChecking yes
            """)
        self.log = open(self.path("sshd.err"), "wb")
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", self.path("sshd_config")],
                                        stderr=self.log)
        wait_until(self.answers, "sshd listens")

    def path(self, name):
        return os.path.join(self.directory, name)

    def answers(self):
        if self.process.poll() is not None:
            with open(self.path("sshd.err")) as log:
                raise AssertionError("sshd has ended: " + log.read())
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


class SshClusterTest(OnTest):
    def setUp(self):
        super().setUp()
        self.sshd = Sshd(self)
        self.hosts, self.more = "one,two*2", []

    def remove(self):
        super().remove()
        self.sshd.stop()

    def on(self):
        return ["--on", "ssh:" + self.hosts, "--on-listen", "127.0.0.1:0",
                "--ssh-arg=-F" + self.sshd.config, *self.more]

    def test_word_count(self):
        self.check_word_count()

    def test_own_program(self):
        self.hosts = "@" + self.write("hosts", "# the rack\nthree\nfour*2\n")
        self.check_own_program()

    def test_existing_coordinator(self):
        self.check_existing_coordinator()

    def test_interrupted(self):
        self.check_interrupted()

    def test_killed_client(self):
        self.check_killed_client()

    def test_a_host_that_is_down_is_named_and_done_without(self):
        self.hosts = "down,one"
        self.more = ["--worker-logs", self.path("logs")]
        done = self.check_word_count()
        with open(self.path("logs", "workers.log")) as log:
            text = log.read()
        self.assertIn("one: serving map outputs on 127.0.0.1:", text)
        self.assertIn("down: ssh: connect to host", text)
        self.assertRegex(done.stderr, r"trireme: down: ssh: connect to host .*refused.*"
                                      r"the job goes on without this host")

    def test_a_worker_that_is_killed_is_started_again(self):
        client = self.held_job()
        wait_until(lambda: len(self.worker_pids()) == 2, "both workers run")
        for pid in (killed := self.worker_pids()):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: set(self.worker_pids()) - set(killed), "workers are back")
        self.open_gate()
        self.check_end_of_held(client, "its worker is started again")

    def test_no_host_at_all(self):
        self.hosts = "down"
        done = self.run_on("wordcount", "--input", self.make_input(files=1), "--output",
                           self.path("out"), check=1)
        self.assertRegex(done.stderr, r"no worker is left on any of the 1 hosts; first down: ssh: "
                                      r"connect to host .*refused")
        self.assertFalse(os.path.exists(self.path("out")))
        self.assertIn("down: ssh: connect to host", self.logs())
        self.assert_nothing_left()


if __name__ == "__main__":
    main()
