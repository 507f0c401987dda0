"""Members of a KV cluster as processes on loopback, driven by Debian's etcdctl."""
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import ctl


class Member:
    """A process of `trireme kv serve`; its ports and directory stay its own over restarts."""

    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name
        client, peer = ctl.free_ports(2)
        self.url, self.peer = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
        self.directory = os.path.join(cluster.directory, name)
        self.errors = os.path.join(cluster.directory, name + ".err")
        self.process = None

    def flags(self, members, state="new"):
        return ["--name", self.name, "--data-dir", self.directory,
                "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
                "--listen-peer-urls", self.peer, "--initial-advertise-peer-urls", self.peer,
                "--initial-cluster", ",".join(f"{m.name}={m.peer}" for m in members),
                "--initial-cluster-state", state, "--heartbeat-interval", "20",
                "--election-timeout", "200"]

    def start(self, members, *more, state="new", **variables):
        with open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(
                [ctl.TRIREME, "kv", "serve", *self.flags(members, state), *more],
                env={**os.environ, **variables}, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=errors)
        return self

    def said(self):
        with open(self.errors, errors="replace") as errors:
            return errors.read()

    def page(self, path):
        """Status and text of an HTTP page."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=ctl.PATIENCE_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Cluster:
    def __init__(self, size):
        self.directory = tempfile.mkdtemp(prefix="trireme-kv-")
        self.members = [Member(self, f"m{i}") for i in range(size)]
        self.all = list(self.members)

    def __enter__(self):
        for member in self.members:
            member.start(self.members)
        self.await_serving()
        return self

    def __exit__(self, *_):
        for member in self.all:
            member.kill()
        shutil.rmtree(self.directory)

    def new_member(self, name):
        self.all.append(Member(self, name))
        return self.all[-1]

    def ctl(self, *words, at=None, check=True, text=None):
        """etcdctl's standard output; with check=False (status, output, errors)."""
        url = (at or self.members[0]).url
        done = subprocess.run(["etcdctl", "--endpoints", url, *words], input=text,
                              env=ctl.environment(), capture_output=True, text=True,
                              timeout=ctl.PATIENCE_SECONDS)
        if not check:
            return done.returncode, done.stdout, done.stderr
        if done.returncode != 0:
            raise AssertionError(f"etcdctl {words}: {done.stderr}\n" +
                                 "\n".join(m.said() for m in self.all))
        return done.stdout

    def leader(self):
        """The member that says that it leads."""
        for member in self.members:
            status = json.loads(self.ctl("endpoint", "status", "-w", "json", at=member))[0]["Status"]
            if status["leader"] == status["header"]["member_id"]:
                return member
        raise AssertionError("nobody leads")

    def await_serving(self):
        for member in self.members:
            await_true(lambda: self.ctl("get", "x", at=member, check=False)[0] == 0,
                       f"{member.name} serves")


class Stopped(Cluster):
    """Whose members the test starts."""

    def __enter__(self):
        return self


def await_true(condition, what):
    deadline = time.monotonic() + ctl.PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain: {what}")
        time.sleep(0.02)
