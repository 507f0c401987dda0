"""Where the peers' programs come from: Debian packages, and PyPI into a folder beside the data."""
import os
import shutil
import subprocess
import sys

INSTALL_TIMEOUT_S = 600


class Unavailable(Exception):
    """The peer cannot be had here; says why."""


def install_debian(package):
    """Whether the package could be installed: only when we are root."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", package]
    print(f"installing {package}", file=sys.stderr)
    try:
        subprocess.run(command, check=True, timeout=INSTALL_TIMEOUT_S, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))
    except subprocess.SubprocessError:
        return False
    return True


def debian_program(program, package):
    """The path of a program, whose package is installed when it is missing."""
    path = shutil.which(program) or (install_debian(package) and shutil.which(program))
    if not path:
        raise Unavailable(f"{program} is not installed; try: apt-get install {package}")
    return path


class PythonPackages:
    """A virtual environment with the asked packages, filled on demand and kept."""

    def __init__(self, root):
        self.dir = os.path.join(root, "python")
        self.python = os.path.join(self.dir, "bin", "python")

    def require(self, package):
        """The interpreter that can import `package`."""
        self.create()
        if self.version(package):
            return self.python
        print(f"installing {package} from PyPI", file=sys.stderr)
        try:
            self.run([self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check", package])
        except subprocess.SubprocessError as error:
            raise Unavailable(f"{package} cannot be installed from PyPI ({last_line(error)})") from None
        return self.python

    def create(self):
        if os.path.exists(self.python):
            return
        if not self.try_create() and not (install_debian("python3-venv") and self.try_create()):
            raise Unavailable("python3 cannot make a virtual environment; try: apt-get install python3-venv")

    def try_create(self):
        try:
            self.run([sys.executable, "-m", "venv", self.dir])
        except subprocess.SubprocessError:
            shutil.rmtree(self.dir, ignore_errors=True)
            return False
        return True

    def version(self, package):
        code = f"import importlib.metadata as m; print(m.version({package!r}))"
        result = subprocess.run([self.python, "-c", code], capture_output=True, text=True, check=False)
        return result.stdout.strip() if result.returncode == 0 else None

    @staticmethod
    def run(command):
        subprocess.run(command, check=True, timeout=INSTALL_TIMEOUT_S, capture_output=True, text=True)


def last_line(error):
    text = (getattr(error, "stderr", None) or str(error)).strip()
    return text.splitlines()[-1][:160] if text else type(error).__name__
