"""Runs trireme's programs in a directory of the test's own."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

BIN = pathlib.Path(os.environ["TRIREME_BIN"]).resolve()
TRIREME = str(BIN / "trireme")
BAD_JOB = str(BIN / "bad_job")


class Case(unittest.TestCase):
    def setUp(self):
        self._directory = tempfile.TemporaryDirectory(prefix="trireme-test-")
        self.addCleanup(self._directory.cleanup)
        self.dir = pathlib.Path(self._directory.name)
        self.scratch = self.dir / "scratch"
        self.scratch.mkdir()
        self.out = self.dir / "out"

    def file(self, name, text):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    def command(self, program, *arguments):
        line = [program] + [str(a) for a in arguments]
        if "--dir" not in line:
            line += ["--dir", str(self.scratch)]
        return line

    def run_job(self, *arguments, program=None, env=None):
        """`trireme mr run ARGUMENTS --dir SCRATCH`, or a job's own program."""
        line = [program] if program else [TRIREME, "mr", "run"]
        return subprocess.run(self.command(line[0], *line[1:], *arguments), env=env,
                              capture_output=True, text=True, timeout=100)

    def succeed(self, *arguments, **how):
        done = self.run_job(*arguments, **how)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_nothing_temporary()
        return done

    def fail_with(self, status, *arguments, **how):
        done = self.run_job(*arguments, **how)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assert_nothing_temporary()
        return done.stderr

    def json_of(self, done):
        return json.loads(done.stdout)

    def assert_nothing_temporary(self):
        self.assertEqual(list(self.scratch.iterdir()), [])
        names = [p.name for p in self.out.rglob("*")] if self.out.exists() else []
        self.assertEqual([n for n in names if n.startswith("_") and n != "_SUCCESS"], [])

    def parts(self, out=None):
        """Part name to contents; the output must be complete."""
        out = out or self.out
        self.assertTrue((out / "_SUCCESS").exists())
        return {p.name: p.read_bytes() for p in sorted(out.iterdir()) if p.name != "_SUCCESS"}

    def lines(self, out=None):
        return sorted(b"".join(self.parts(out).values()).decode().splitlines())
