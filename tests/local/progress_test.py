"""What a person sees of a running job: a bar on a terminal, lines elsewhere."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import unittest

import harness

REWRITE = "\r\x1b[K"
SECONDS = 40  # that any condition may take


class Progress(harness.Case):
    def setUp(self):
        super().setUp()
        self.gate = self.dir / "gate"
        for i in range(4):
            self.file(f"in/{i}.txt", "some words in a line\n" * 1000)

    def start(self, terminal, env=None):
        """A job whose maps wait for the gate; its standard error is `terminal`."""
        mapper = f"while [ ! -e {self.gate} ]; do sleep 0.02; done; cat"
        line = self.command(harness.TRIREME, "mr", "run", "--mapper", mapper, "--reducer", "cat",
                            "--input", self.dir / "in", "--split-size", "16K", "--slots", 2,
                            "--output", self.out)
        process = subprocess.Popen(line, stderr=terminal, env={**os.environ, **(env or {})})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def on_terminal(self, columns, until, term="xterm"):
        """All that a terminal of that width was sent; the gate opens once `until` is in it."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = self.start(theirs, {"TERM": term})
        os.close(theirs)
        sent = b""
        while True:
            ready, _, _ = select.select([ours], [], [], SECONDS)
            self.assertTrue(ready, f"nothing more came after {sent}")
            try:
                got = os.read(ours, 4096)
            except OSError:  # its last user has gone
                break
            if not got:
                break
            sent += got
            if re.search(until, sent.decode(errors="ignore")):
                self.gate.touch()
        os.close(ours)
        self.assertEqual(process.wait(SECONDS), 0)
        return sent.decode().replace("\r\n", "\n")

    def lines_of(self, sent, columns):
        """The bar's successive lines, none of which is too wide; the summary comes after them."""
        *rewrites, after = sent.split(REWRITE)
        self.assertEqual(rewrites[0], "", "something came before the bar")
        for line in rewrites[1:]:
            self.assertLess(len(line), columns)
            self.assertNotIn("\n", line)
        self.assertTrue(after.startswith("streaming: succeeded"), after[:100])
        return rewrites[1:]

    def test_a_bar_on_a_terminal(self):
        lines = self.lines_of(self.on_terminal(140, r"maps 0/\d"), 140)
        self.assertRegex(lines[0], r"^\|[█▏▎▍▌▋▊▉ ]{24}\| +\d+%  maps 0/\d+  reduces 0/\d+  "
                                   r"[\d.]+ (Ki)?B of 82.0 KiB  [\d.]+ (Ki)?B/s")
        shares = [int(re.search(r"(\d+)%", line).group(1)) for line in lines]
        self.assertEqual(shares, sorted(shares))

    def test_a_narrow_terminal_leaves_out_what_matters_least(self):
        for columns, shown in ((60, r" \d+%  maps 0/\d+  reduces 0/\d+  ((?! of ).)*$"),
                               (30, r"^[^B]* \d+%  maps 0/\d+[^B]*$"),
                               (8, r"^ +\d+%$")):
            with self.subTest(columns=columns):
                self.gate.unlink(missing_ok=True)
                subprocess.run(["rm", "-rf", str(self.out)], check=True)
                lines = self.lines_of(self.on_terminal(columns, r"\d%"), columns)
                self.assertRegex(lines[0], shown)

    def test_lines_where_there_is_no_terminal(self):
        process = self.start(subprocess.PIPE)
        first = process.stderr.readline().decode()
        self.gate.touch()
        rest = process.stderr.read().decode()
        self.assertEqual(process.wait(SECONDS), 0)
        process.stderr.close()
        self.assertRegex(first, r"^ +\d+%  maps 0/\d+  reduces 0/\d+  [\d.]+ (Ki)?B of 82.0 KiB  "
                                r"[\d.]+ (Ki)?B/s.*\n$")
        self.assertNotIn("\r", first + rest)
        self.assertNotIn("\x1b", first + rest)
        self.assertIn("streaming: succeeded", rest)

    def test_lines_on_a_terminal_that_cannot_rewrite(self):
        sent = self.on_terminal(140, r"maps 0/\d.*\n", term="dumb")
        self.assertNotIn("\x1b", sent)
        self.assertRegex(sent.splitlines()[0], r"^ +\d+%  maps 0/\d+")


if __name__ == "__main__":
    unittest.main()
