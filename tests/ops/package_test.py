"""The Debian packages of this build: what is in them, and that what they say they need is enough."""
import os
import pathlib
import re
import stat
import subprocess
import sys
import tempfile
import unittest

TRIREME = os.environ.get("TRIREME") or sys.exit("set TRIREME to the binary")
BUILD = pathlib.Path(TRIREME).resolve().parent.parent
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
UNITS = sorted(unit.name for unit in (ROOT / "deploy/systemd").glob("*.service"))


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{words}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class PackageClusterTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp"))
        cls.addClassCleanup(cls.folder.cleanup)
        cls.here = pathlib.Path(cls.folder.name)
        run(ROOT / "tools/package", BUILD, cls.here / "packages", "--fast")
        cls.packages = {}
        for path in (cls.here / "packages").glob("*.deb"):
            name = path.name.split("_")[0]
            cls.packages[name] = path
            run("dpkg-deb", "-R", path, cls.here / name)

    def field(self, package, name):
        return run("dpkg-deb", "-f", self.packages[package], name).strip()

    def needs(self, package):
        return {need.split()[0] for need in self.field(package, "Depends").split(",")}

    def files(self, package):
        top = self.here / package
        return {str(path.relative_to(top)): path for path in top.rglob("*")
                if not path.is_dir() and "DEBIAN" not in path.parts}

    def test_packages(self):
        self.assertEqual(sorted(self.packages), ["libtrireme-dev", "libtrireme-raft1", "trireme"])
        version = run(TRIREME, "--version").split()[1]
        for name in self.packages:
            self.assertEqual(self.field(name, "Version"), version)
            self.assertEqual(self.field(name, "Architecture"),
                             run("dpkg", "--print-architecture").strip())
        self.check_contents()
        self.check_modes()
        self.check_needs()
        self.check_scripts()
        self.check_installable()

    def check_contents(self):
        files = self.files("trireme")
        wanted = {"usr/bin/trireme", "usr/share/bash-completion/completions/trireme",
                  "usr/share/zsh/vendor-completions/_trireme",
                  "usr/share/fish/vendor_completions.d/trireme.fish",
                  "usr/share/trireme/grafana/trireme.json",
                  "usr/share/trireme/prometheus/alerts.yml",
                  "usr/share/doc/trireme/copyright", "usr/share/doc/trireme/changelog.gz",
                  "usr/share/man/man7/trireme.7.gz"}
        wanted |= {f"usr/share/man/man1/trireme{page}.1.gz"
                   for page in ("", "-kv", "-mr", "-raft", "-sim")}
        wanted |= {f"lib/systemd/system/{unit}" for unit in UNITS}
        wanted |= {"etc/default/" + unit.removesuffix(".service") for unit in UNITS}
        self.assertLessEqual(wanted, set(files))
        conffiles = (self.here / "trireme/DEBIAN/conffiles").read_text().split()
        self.assertEqual(sorted(conffiles), sorted(f"/{f}" for f in files if f.startswith("etc/")))
        dev = set(self.files("libtrireme-dev"))
        self.assertLessEqual({"usr/include/trireme/mapreduce.h", "usr/include/trireme/c/raft.h",
                              "usr/lib/cmake/trireme/trireme-config.cmake",
                              "usr/lib/libtrireme_raft.so"}, dev)
        self.assertTrue(any(f.startswith("usr/lib/libtrireme_raft.so.1")
                            for f in self.files("libtrireme-raft1")))
        for name in self.packages:  # nothing of the machine that built it
            for path, file in self.files(name).items():
                if not file.is_symlink() and not path.endswith((".a", ".gz")):
                    self.assertNotIn(str(ROOT).encode(), file.read_bytes(), path)

    def check_modes(self):
        for name in self.packages:
            for path, file in self.files(name).items():
                if file.is_symlink():
                    continue
                mode = stat.S_IMODE(file.stat().st_mode)
                self.assertEqual(mode, 0o755 if path.startswith("usr/bin/") else 0o644, path)

    def check_needs(self):
        """Every library that the loader will look for is of a package that is declared, or of one
        whose package every system has."""
        for name, path in (("trireme", "usr/bin/trireme"),
                           ("libtrireme-raft1", "usr/lib/libtrireme_raft.so.1")):
            file = self.here / name / path
            sonames = re.findall(r"NEEDED +(\S+)", run("objdump", "-p", file))
            self.assertIn("libc.so.6", sonames)
            linked = dict(re.findall(r"^\s+(\S+) => (/\S+)", run("ldd", file), re.MULTILINE))
            for soname in sonames:
                if soname not in linked:
                    self.assertTrue(soname.startswith("ld-linux"), soname)
                    continue
                self.assertTrue(names_of(owner_of(linked[soname])) & self.needs(name),
                                f"{soname} of {name} is not declared")
        self.assertIn("adduser", self.needs("trireme"))
        self.assertIn("libtrireme-raft1", self.needs("libtrireme-dev"))
        for need in ("libabsl-dev", "libprotobuf-dev", "librocksdb-dev", "libnghttp2-dev"):
            self.assertIn(need, self.needs("libtrireme-dev"))
        environment = {"PATH": "/usr/bin:/bin"}
        said = run(self.here / "trireme/usr/bin/trireme", "--version", env=environment)
        self.assertEqual(said, run(TRIREME, "--version"))

    def check_scripts(self):
        for script in ("postinst", "prerm", "postrm"):
            path = self.here / "trireme/DEBIAN" / script
            run("sh", "-n", path)
            text = path.read_text()
            # Nothing is started, restarted or enabled that the administrator had not enabled.
            self.assertNotRegex(text, r"deb-systemd-invoke.*start|systemctl.* (re)?start|dh_action")
            self.assertEqual(text.count("deb-systemd-helper enable"),
                             text.count("if deb-systemd-helper --quiet was-enabled"))
        self.assertIn("adduser", (self.here / "trireme/DEBIAN/postinst").read_text())
        for unit in UNITS:
            self.assertIn(unit, (self.here / "trireme/DEBIAN/prerm").read_text())

    def check_installable(self):
        """apt finds all that they need."""
        said = run("apt-get", "install", "--simulate", "--no-install-recommends",
                   *self.packages.values())
        for name in self.packages:
            self.assertIn(f"Inst {name} ", said)


def names_of(package):
    """Its own, and those that it provides: a library for one version of another."""
    provided = run("dpkg-query", "-W", "-f", "${Provides}", package)
    return {package} | {name.split()[0] for name in provided.split(",") if name.strip()}


def owner_of(library):
    """The Debian package of a library, which may be known by its place before /usr was merged."""
    places = {library, os.path.realpath(library)}
    places |= {place.removeprefix("/usr") for place in places} | {"/usr" + p for p in places}
    for place in sorted(places):
        done = subprocess.run(["dpkg", "-S", place], capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.split(":")[0]
    raise AssertionError(f"{library} is of no package")


if __name__ == "__main__":
    unittest.main(verbosity=2)
