"""Which stores are measured, and where etcd's programs come from: Debian's package, and the newest by
the Go module proxy, built once into a folder outside of the tree."""
import dataclasses
import os
import re
import shutil
import subprocess
import sys

BUILD_TIMEOUT_S = 900
SERVER_MODULE = "go.etcd.io/etcd/server/v3"
TOOL_MODULE = "go.etcd.io/etcd/v3/tools/benchmark"
OURS = "trireme"


class Unavailable(Exception):
    """It cannot be had here; says why."""


@dataclasses.dataclass
class Product:
    name: str        # as in the tables
    command: list    # the server's, to which the flags of a member are added
    ours: bool = False
    lacks: tuple = ()  # flags of etcd's that it does not have yet


def output_of(command, timeout_s=20):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False,
                              stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(str(error)) from None
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise Unavailable(f"{os.path.basename(command[0])}: {last[0][:160]}")
    return done.stdout


def version_of(etcd):
    found = re.search(r"etcd Version: (\S+)", output_of([etcd, "--version"]))
    if not found:
        raise Unavailable(f"{etcd} does not say its version")
    return found.group(1)


def debians():
    path = shutil.which("etcd")
    if not path:
        raise Unavailable("etcd is not installed; try: apt-get install etcd-server")
    return Product(f"etcd {version_of(path)}", [path])


class GoBuilder:
    """Programs of public Go modules, built when first asked for and kept."""

    def __init__(self, root):
        self.root = os.path.join(root, "go")

    def program(self, name, package):
        folder = os.path.join(self.root, name)
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
        if not shutil.which("go"):
            raise Unavailable("there is no go to build it with; try: apt-get install golang")
        os.makedirs(folder, exist_ok=True)
        print(f"building {package} in {folder}", file=sys.stderr)
        # The module only names its one requirement: a replacement inside of that does not count here.
        with open(os.path.join(folder, "go.mod"), "w") as file:
            file.write("module bench\n")
        self.go(folder, "get", package + "@latest")
        self.go(folder, "build", "-o", path + ".new", package)
        os.rename(path + ".new", path)
        return path

    @staticmethod
    def go(folder, *arguments):
        try:
            subprocess.run(["go", *arguments], cwd=folder, check=True, timeout=BUILD_TIMEOUT_S,
                           capture_output=True, text=True, env=dict(os.environ, GOFLAGS="-mod=mod"))
        except (OSError, subprocess.SubprocessError) as error:
            text = (getattr(error, "stderr", None) or str(error)).strip()
            raise Unavailable("by the Go module proxy: " + text.splitlines()[-1][:160]) from None

    def newest(self):
        path = self.program("etcd", SERVER_MODULE)
        return Product(f"etcd {version_of(path)}", [path])

    def tool(self):
        return self.program("benchmark", TOOL_MODULE)


def ours(trireme):
    if not os.path.exists(trireme):
        raise Unavailable(f"{trireme} is not built; try: ./dev build")
    known = output_of([trireme, "kv", "serve", "--help"])
    lacks = tuple(flag for flag in ("--initial-cluster-state", "--quota-backend-bytes") if flag not in known)
    return Product(OURS, [trireme, "kv", "serve"], ours=True, lacks=lacks)


def find(peers, trireme, go, say):
    """The products of the wanted peers, ours last. What cannot be had is skipped with a line."""
    found = []
    for name, get in (("debian", debians), ("newest", go.newest), ("trireme", lambda: ours(trireme))):
        if name not in peers and name != "trireme":
            continue
        try:
            product = get()
        except Unavailable as error:
            say(f"{name}: skipped: {error}")
            continue
        if product.name not in [other.name for other in found]:
            found.append(product)
    return found
