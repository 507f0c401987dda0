"""A server of etcd's API in a process of its own, and scripts for its command-line clients.

The server under test is a parameter: KV_SERVER is the beginning of its command line, `etcd` or
`trireme kv serve`; the rest are etcd's flags. So are the clients: `etcdctl` and `trireme kv`.
"""
import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from free_ports import free_ports  # noqa: E402

TRIREME = os.environ["TRIREME"]
KV_SERVER = os.environ.get("KV_SERVER", "etcd").split()
ETCDCTL = "etcdctl"
OURS = f"'{TRIREME}' kv"
PATIENCE_SECONDS = 100
FAST = ("--heartbeat-interval", "10", "--election-timeout", "50")  # Of a member alone.
COMMAND_TIMEOUT = "60s"  # Of a machine with much else to do.


def die_with_parent():
    """prctl(PR_SET_PDEATHSIG, SIGKILL): a test that is killed leaves no server behind."""
    ctypes.CDLL(None).prctl(1, 9)


class DidNotStart(Exception):
    """The process has ended: most likely somebody took a port of its."""


class Server:
    """One member, with nothing in it, alone or of `members` [(client port, peer port)]. On the same
    ports and token it has the same ids each time."""

    def __init__(self, ports, *flags, scheme="http", members=None, command=None):
        members = members or [ports]
        self.endpoint = f"127.0.0.1:{ports[0]}"
        self.url = f"{scheme}://{self.endpoint}"
        self.command = command or KV_SERVER
        peer = f"http://127.0.0.1:{ports[1]}"
        base = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.directory = tempfile.mkdtemp(prefix="trireme-ctl-", dir=base)
        self.log = open(os.path.join(self.directory, "log"), "wb")
        self.arguments = [
            *self.command, "--name", f"m{members.index(ports)}",
            "--data-dir", os.path.join(self.directory, "data"),
            "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster",
            ",".join(f"m{i}=http://127.0.0.1:{p[1]}" for i, p in enumerate(members)), *flags]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.arguments, stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def await_serving(self, *flags):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            done = subprocess.run([ETCDCTL, "--endpoints", self.url, *flags, "get", "x"],
                                  env=environment(), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if done.returncode == 0 and self.has_decided_its_version():
                return self
            time.sleep(0.02)
        with open(self.log.name, errors="replace") as log:
            text = f"{self.command} does not serve:\n{log.read()[-4000:]}"
        ended = self.process.poll() is not None
        self.stop()
        raise DidNotStart(text) if ended else AssertionError(text)

    def has_decided_its_version(self):
        """etcd writes its cluster's version after it began to serve, and counts it as a key of a
        snapshot. Only it has one to decide, and no server with TLS is asked."""
        if self.command != ["etcd"] or self.url.startswith("https"):
            return True
        with urllib.request.urlopen(f"{self.url}/version") as answer:
            return json.load(answer)["etcdcluster"] != "not_decided"

    def stop(self):
        self.kill()
        self.log.close()
        shutil.rmtree(self.directory)

    def __enter__(self):
        return self.await_serving()

    def __exit__(self, *_):
        self.stop()


def with_ports(use, count=2):
    """What `use(ports)` returns, with other ports when somebody else has taken these meanwhile."""
    for _ in range(5):
        try:
            return use(free_ports(count))
        except DidNotStart as error:
            last = error
    raise last


def serving(*flags, ready_flags=(), scheme="http"):
    return with_ports(
        lambda ports: Server(ports, *FAST, *flags, scheme=scheme).await_serving(*ready_flags))


def environment(**more):
    """This process's, without any variable of etcdctl's own."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith("ETCDCTL_")}
    return {**mine, "ETCDCTL_API": "3", **more}


def run_script(ctl, endpoint, script, directory):
    """Runs the lines in one shell, where CTL is the client; what each printed, with its status and
    the line that says what was wrong."""
    tools = os.path.join(directory, "tools")
    os.mkdir(tools)
    with open(os.path.join(tools, "CTL"), "w", opener=lambda p, f: os.open(p, f, 0o755)) as file:
        file.write(f"#!/bin/sh\nexec {ctl} \"$@\"\n")
    shell = []
    for line in filter(None, map(str.strip, script.splitlines())):
        shell += [f"echo {quoted('$ ' + line)}", f"{{ {line}\n}} 2>err", "echo \"[$?]\"",
                  "grep -a '^Error: ' err | head -1"]
    done = subprocess.run(["bash", "-c", "\n".join(shell)], cwd=directory, timeout=PATIENCE_SECONDS,
                          env=environment(ETCDCTL_ENDPOINTS=endpoint,
                                          ETCDCTL_COMMAND_TIMEOUT=COMMAND_TIMEOUT,
                                          PATH=f"{tools}:{os.environ['PATH']}"),
                          stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout.decode(errors="backslashreplace")


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


# What two runs of the same script on the same server need not have in common.
MASKS = [(re.compile(r"(?<=context deadline exceeded): .*"), "")] + [(re.compile(pattern), mask) for pattern, mask in [
    (r"\b[0-9a-f]{12,16}\b(?!\.)", "<id>"),  # leases (members' ids are the same in both runs)
    (r"(?<=\"ID\":)\d{12,}|(?<=\"id\":)\d{12,}|(?<=\"lease\":)\d{12,}", "<id>"),
    (r"(?<=\"ID\" : )\d{12,}|(?<=Lease\" : )\d{12,}", "<id>"),
    (r"\d+(\.\d+)?(ms|\u00b5s|s)(?=\b|$)(?!\))", "<took>"),
    (r"(?<=remaining\()\d+s", "<rest>"),
    (r"(?<=\"ttl\":)\d+|(?<=\"TTL\" : )\d+", "<rest>"),
]]


def masked(text):
    for pattern, mask in MASKS:
        text = pattern.sub(mask, text)
    return text
