"""Completion in real shells, and the manual pages, against what each command's --help says."""
import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
import unittest

TRIREME = os.environ.get("TRIREME") or sys.exit("set TRIREME to the binary")
BUILD = pathlib.Path(TRIREME).resolve().parent.parent
FLAG = re.compile(r"^\s+(?:-(\w), ?)?(--[\w-]+)", re.MULTILINE)
JOBS = ["grep", "index", "join", "ngrams", "sort", "wordcount"]


def help_of(*command):
    done = subprocess.run([TRIREME, *command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def flags_in(text):
    """The long flags that a --help offers: not those that have no effect or are refused."""
    flags = set()
    for line in re.split(r"\n(?=\s+-)", text):
        match = FLAG.match("\n" + line.lstrip("\n") if not line.startswith(" ") else line)
        if match and not re.search(r"\b(no effect|refused): |not supported", line):
            flags.add(match.group(2))
    return flags - {"--help"}


def commands():
    """Every command, as those say who list them."""
    found = ["sim", "kv serve"]
    for group in ("kv", "mr", "raft"):
        text = help_of(group)
        if group == "kv":
            found += ["kv " + " ".join(line.split()) for line in
                      re.findall(r"^  ((?:[a-z-]+ )+)  ", text, re.MULTILINE)]
        else:
            found += [f"{group} {name}" for names in
                      re.findall(rf"^  trireme {group} ([a-z|-]+)", text, re.MULTILINE)
                      for name in names.split("|")]
    return sorted(set(found))


class CompletionClusterTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)
        (pathlib.Path(self.folder.name) / "a_file.txt").write_text("")
        (pathlib.Path(self.folder.name) / "a_folder").mkdir()
        self.script = {}
        for shell in ("bash", "zsh", "fish"):
            name = {"zsh": "_trireme"}.get(shell, "trireme." + shell)
            self.script[shell] = os.path.join(self.folder.name, "scripts", name)
            os.makedirs(os.path.dirname(self.script[shell]), exist_ok=True)
            with open(self.script[shell], "w") as file:
                subprocess.run([TRIREME, "completion", shell], stdout=file, check=True)

    def bash(self, *lines):
        """What bash's function answers to each line's words; the last is being typed. bash cuts at `=`."""
        program = [f"source {self.script['bash']}", "compopt() { :; }",
                   "complete -p trireme | grep -q -- '-F _trireme trireme' || exit 1"]
        for line in lines:
            words = [w for w in re.split(r"(=)| ", line) if w is not None]
            words = [w for i, w in enumerate(words)
                     if w or i == len(words) - 1 and words[i - 1] != "="]
            quoted = " ".join(f"'{w}'" for w in words)
            program.append(f"COMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1}; "
                           "_trireme trireme x y; printf '%s\\n' \"${COMPREPLY[*]}\"")
        done = subprocess.run(["bash", "--norc", "-u", "-c", "\n".join(program)], text=True,
                              capture_output=True, cwd=self.folder.name)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [sorted(line.split()) for line in done.stdout.split("\n")[:-1]]

    def fish(self, line):
        done = subprocess.run(
            ["fish", "--no-config", "-c", f"source {self.script['fish']}; complete -C '{line}'"],
            text=True, capture_output=True, cwd=self.folder.name,
            env={**os.environ, "HOME": self.home.name, "XDG_CONFIG_HOME": self.home.name})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return sorted(candidate.split("\t")[0] for candidate in done.stdout.splitlines())

    # What each shell must answer: the line, and all that may come.
    CASES = [
        ("trireme ", sorted({"help", *re.findall(r"^  trireme ([a-z]+) ", help_of(), re.MULTILINE)})),
        ("trireme mr wor", ["worker"]),
        ("trireme raft ", ["inspect", "unsafe-recover"]),
        ("trireme kv lease ", ["grant", "keep-alive", "list", "revoke", "timetolive"]),
        ("trireme mr run ", JOBS),
        ("trireme mr run --isolation ", ["process", "thread"]),
        ("trireme mr run wordcount --log-level ", ["debug", "error", "info", "warn"]),
        ("trireme kv get --order ", ["ASCEND", "DESCEND"]),
        ("trireme completion ", ["bash", "fish", "zsh"]),
        ("trireme mr worker --dir ", ["a_folder", "scripts"]),
        ("trireme mr run wordcount --input a_fi", ["a_file.txt"]),
        ("trireme mr worker --slots ", []),
    ]

    def test_bash(self):
        for (line, wanted), got in zip(self.CASES, self.bash(*[line for line, _ in self.CASES])):
            self.assertEqual(got, wanted, line)
        got = self.bash("trireme kv serve --pre-vote=", "trireme kv serve --pre-vote=f",
                        "trireme mr run --isolation=th", "trireme kv get -w t",
                        "trireme kv get -w json --order=D", "trireme nonsense --x")
        self.assertEqual(got, [["false", "true"], ["false"], ["thread"], ["table"], ["DESCEND"], []])

    def test_bash_offers_the_flags_that_help_shows(self):
        lines = [f"trireme {command} --" for command in commands()]
        self.assertGreater(len(lines), 40)
        overview = flags_in(help_of("kv"))
        for line, got in zip(lines, self.bash(*lines)):
            command = line.split()[1:-1]
            wanted = flags_in(help_of(*command)) if command != ["mr", "jobs"] else set()
            if command[0] == "kv" and command != ["kv", "serve"]:
                wanted |= overview
            self.assertEqual(got, sorted(wanted | {"--help"}), line)
        for job in JOBS:
            got, = self.bash(f"trireme mr run {job} --")
            self.assertEqual(got, sorted(flags_in(help_of("mr", "run", job)) | {"--help"}), job)

    def test_fish(self):
        for line, wanted in self.CASES:
            got = [name.rstrip("/") for name in self.fish(line)]
            if line.endswith("--dir "):
                got = [name for name in got if not name.startswith(".")]
            self.assertEqual(got, wanted, line)
        wanted = sorted(flags_in(help_of("mr", "run", "grep")) | {"--help"})
        self.assertEqual([f for f in self.fish("trireme mr run grep --")], wanted)

    def test_zsh(self):
        with Terminal(["zsh", "-f", "-i"], self.folder.name, self.home.name) as zsh:
            zsh.say(f"PS1='[a''t]' fpath=({self.folder.name}/scripts $fpath); autoload -U compinit; "
                    f"compinit -u -d {self.home.name}/dump; LISTMAX=9999; "
                    "zstyle ':completion:*' list-separator '#'\n")
            zsh.await_text("[at]")
            for line, wanted in self.CASES:
                if len(wanted) > 1:
                    said = zsh.complete(line)
                    words = set(re.findall(r"[\w.-]+", re.sub("#.*", "", said)))
                    self.assertLessEqual(set(wanted), words, f"{line}: {said}")
            self.assertIn("trireme mr worker ", zsh.complete("trireme mr wor"))
            self.assertIn("--input a_file.txt", zsh.complete("trireme mr run wordcount --input a_fi"))
            said = zsh.complete("trireme mr run grep --")
            for flag in flags_in(help_of("mr", "run", "grep")):
                self.assertIn(flag, said)

    def test_wrong_use_is_one_line(self):
        done = subprocess.run([TRIREME, "completion", "tcsh"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr,
                         "trireme: completion 'tcsh': give bash, zsh or fish\n")


class Terminal:
    """A program at a terminal of its own, typed into."""

    def __init__(self, words, folder, home):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(words[0], words, {**os.environ, "TERM": "dumb", "ZDOTDIR": home,
                                         "COLUMNS": "200", "LINES": "200"})
        self.heard = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)

    def say(self, text):
        os.write(self.fd, text.encode())

    def await_text(self, text):
        """Everything said up to that text; forgets it."""
        deadline = time.monotonic() + 40
        while text not in self.heard:
            if not select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"no '{text}' in: {self.heard}")
            self.heard += os.read(self.fd, 65536).decode(errors="replace")
        said, self.heard = self.heard.split(text, 1)
        return said

    def complete(self, line):
        """What shows after a tab behind `line`, which is then thrown away."""
        self.say(line + "\t")
        # The next line's echo comes once the list has been shown.
        self.say("\x15print zq''zq\n")
        said = self.await_text("zqzq")
        self.await_text("[at]")  # only now is a tab a question again
        return said


class ManualClusterTest(unittest.TestCase):
    PAGES = ["trireme.1", "trireme-kv.1", "trireme-mr.1", "trireme-raft.1", "trireme-sim.1",
             "trireme.7"]

    def read(self, page):
        return (BUILD / "man" / page).read_text()

    def test_pages_are_sound(self):
        for page in self.PAGES:
            path = str(BUILD / "man" / page)
            done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path], capture_output=True,
                                  text=True)
            self.assertEqual((done.returncode, done.stdout), (0, ""))
            done = subprocess.run(["groff", "-mdoc", "-ww", "-z", "-Tutf8", "-rLL=100n", path],
                                  capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_every_command_and_flag_has_its_place(self):
        for command in commands():
            group, *rest = command.split()
            page = subprocess.run(["mandoc", "-Tutf8", "-O", "width=300",
                                   str(BUILD / "man" / f"trireme-{group}.1")],
                                  capture_output=True, text=True, check=True).stdout
            page = re.sub(r".\x08", "", page)  # bold and underlined
            if rest:
                self.assertIn(f"trireme {command}\n", page)
            if command != "mr jobs":
                for flag in flags_in(help_of(*command.split())):
                    self.assertRegex(page, rf"(?m)^ +(-\w, )?{flag}\b", command)

    def test_a_page_of_a_command_that_is_not_there_is_refused(self):
        with tempfile.NamedTemporaryFile("w") as page:
            page.write(".Sh A\n@command mr fly\n")
            page.flush()
            done = subprocess.run([TRIREME, "help", "--man", page.name], capture_output=True,
                                  text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("no such line or command: '@command mr fly'", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
