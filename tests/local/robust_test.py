"""What the outside may do to a run: closed streams, small limits, other jobs, strange files. Each gets
a clear answer, and a run leaves the world as it was."""
import gzip
import os
import resource
import signal
import socket
import subprocess
import time
import unittest

import harness


def few_files(most):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Robust(harness.Case):
    def run_in(self, *arguments, program=None, **how):
        line = [program] if program else [harness.TRIREME, "mr", "run"]
        return subprocess.run(self.command(line[0], *line[1:], *arguments), capture_output=True,
                              text=True, timeout=100, **how)

    def one_line(self, done, status, *says):
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for part in says:
            self.assertIn(str(part), done.stderr)

    def lines_file(self, name="in.txt", lines=3000):
        return self.file(name, "".join(f"{i * 7919 % 1000003:07} some words\n" for i in range(lines)))


class Streams(Robust):
    def test_closed_streams_are_not_given_to_files(self):
        def close():
            for fd in (0, 1, 2):
                os.close(fd)
        # The summary goes to standard error, the object to standard output: neither into the part.
        for job in (["wordcount"], ["--mapper", "cat", "--reducer", "cat"]):
            done = subprocess.run(
                self.command(harness.TRIREME, "mr", "run", *job, "--input",
                             self.file("in.txt", "a\nb\n"), "--output", self.out, "--json",
                             "--overwrite"), preexec_fn=close, timeout=100)
            self.assertEqual(done.returncode, 0)
            self.assertEqual([l.split("\t")[0] for l in self.lines()], ["a", "b"])
        self.assert_nothing_temporary()

    def test_a_reader_that_has_gone_does_not_take_the_job_with_it(self):
        for stream in ("stdout", "stderr"):
            reading, writing = os.pipe()
            os.close(reading)
            done = subprocess.run(
                self.command(harness.TRIREME, "mr", "run", "wordcount", "--input",
                             self.file("in.txt", "a\n"), "--output", self.out, "--overwrite",
                             "--json"), timeout=100,
                **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: writing})
            os.close(writing)
            self.assertEqual(done.returncode, 1 if stream == "stdout" else 0)
            self.assertEqual(self.lines(), ["a\t1"])
            self.assert_nothing_temporary()

    def test_a_full_standard_output_is_said(self):
        with open("/dev/full", "w") as full:
            for command in (["mr", "jobs"], ["--version"], ["mr", "help"]):
                done = subprocess.run([harness.TRIREME, *command], stdout=full, stderr=subprocess.PIPE,
                                      text=True)
                self.one_line(done, 1, "standard output", "No space left")


class Limits(Robust):
    def test_few_open_files_are_enough(self):
        path = self.lines_file()
        for isolation in ("thread", "process"):
            done = self.run_in("sort", "--input", path, "--output", self.out, "--split-size", 500,
                               "--slots", 2, "--memory", "1G", "--overwrite", "--isolation", isolation,
                               "--json", preexec_fn=few_files(64))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertGreater(self.json_of(done)["maps"], 64)
            with open(path) as lines:
                self.assertEqual(self.lines(), sorted(lines.read().splitlines()))

    def test_few_open_files_are_enough_for_commands(self):
        done = self.run_in("--mapper", "cat", "--reducer", "cat", "--input",
                           self.file("in.txt", "b\na\n"), "--output", self.out, "--slots", 2,
                           preexec_fn=few_files(48))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.lines(), ["a", "b"])


class SameOutput(Robust):
    def start_waiting(self, *more):
        """A run whose map waits until `go` exists."""
        go, begun = self.dir / "go", self.dir / "begun"
        process = subprocess.Popen(
            self.command(harness.TRIREME, "mr", "run", "--mapper",
                         f"touch {begun}; until [ -e {go} ]; do sleep 0.01; done; cat", "--reducer",
                         "cat", "--input", self.file("in.txt", "first\n"), "--output", self.out,
                         "--quiet", *more), stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        while not begun.exists():
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        return process, go

    def test_a_second_job_is_refused_and_the_first_keeps_its_work(self):
        self.out.mkdir()
        first, go = self.start_waiting("--overwrite")
        done = self.run_in("wordcount", "--input", self.file("other.txt", "second\n"), "--output",
                           self.out, "--overwrite")
        self.one_line(done, 2, self.out, f"process {first.pid}")
        go.touch()
        self.assertEqual(first.wait(60), 0)
        self.assertEqual(self.lines(), ["first"])

    def test_a_killed_job_does_not_hold_its_output(self):
        first, _ = self.start_waiting()
        first.kill()
        first.wait()
        self.succeed("wordcount", "--input", self.file("other.txt", "second\n"), "--output",
                     self.out, "--overwrite")
        self.assertEqual(self.lines(), ["second\t1"])


class NothingLeft(Robust):
    def everything(self):
        return sorted(str(p.relative_to(self.dir)) for p in self.dir.rglob("*"))

    def fail_and_compare(self, *arguments, env=None, status=1):
        path = self.file("in.txt", "a\n")
        before = self.everything()
        done = subprocess.run(
            [harness.TRIREME, "mr", "run", "--mapper", "false", "--reducer", "cat", "--input", path,
             *map(str, arguments)], capture_output=True, text=True, timeout=100, env=env)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(self.everything(), before)
        return done

    def test_an_empty_output_directory_stays(self):
        self.out.mkdir()
        self.fail_and_compare("--output", self.out, "--overwrite", "--dir", self.scratch)

    def test_parents_of_the_output_go(self):
        self.fail_and_compare("--output", self.dir / "a" / "b" / "c", "--dir", self.scratch)

    def test_parents_that_were_there_stay(self):
        (self.dir / "a").mkdir()
        self.fail_and_compare("--output", str(self.dir / "a" / "b" / "c") + "/", "--dir",
                              self.scratch)

    def test_directories_for_temporary_files_go(self):
        self.fail_and_compare("--output", self.out, "--dir", self.dir / "t" / "u" / "v")
        self.fail_and_compare("--output", self.out, "--dir", str(self.dir / "t") + "/")
        self.fail_and_compare("--output", self.out, env={**os.environ, "TMPDIR": str(self.dir)})

    def test_a_run_that_is_refused_late_leaves_nothing(self):
        path = self.file("file", "x")
        self.fail_and_compare("--output", path + "/out", "--dir", self.dir / "t", status=2)

    def test_a_finished_job_leaves_only_its_output(self):
        path = self.file("in.txt", "a\n")
        before = self.everything()
        done = subprocess.run(
            [harness.TRIREME, "mr", "run", "wordcount", "--input", path, "--output",
             self.dir / "p" / "q", "--dir", self.dir / "t" / "u"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.everything(), sorted(
            before + ["p", "p/q", "p/q/_SUCCESS", "p/q/part-r-00000"]))


class StrangeInput(Robust):
    def refuse(self, path, *says):
        done = self.run_in("wordcount", "--input", path, "--output", self.out)
        self.one_line(done, 2, *says)
        self.assertFalse(self.out.exists())

    def test_what_is_no_file_is_named(self):
        self.file("in/a.txt", "a\n")
        strange = self.dir / "in" / "strange"

        def listen():
            with socket.socket(socket.AF_UNIX) as one:
                here = os.getcwd()
                os.chdir(strange.parent)  # a socket's path must be short
                one.bind(strange.name)
                os.chdir(here)
        for make, says in ((lambda: os.mkfifo(strange), "pipe"), (listen, "socket"),
                           (lambda: strange.symlink_to("nowhere"), "leads nowhere"),
                           (lambda: strange.symlink_to("strange"), "leads nowhere"),
                           (lambda: strange.symlink_to("/dev/null"), "device")):
            make()
            for argument in (strange, self.dir / "in", str(self.dir / "in" / "s*"),
                             str(self.dir / "**" / "*")):
                with self.subTest(says=says, argument=argument):
                    self.refuse(argument, strange, says)
            # A pattern that leaves it out does.
            self.succeed("wordcount", "--input", self.dir / "in" / "*.txt", "--output", self.out,
                         "--overwrite")
            strange.rename(self.dir / "in" / "_hidden")
            self.succeed("wordcount", "--input", self.dir / "in", "--output", self.out,
                         "--overwrite")
            (self.dir / "in" / "_hidden").unlink()
            for left in self.out.iterdir():
                left.unlink()
            self.out.rmdir()

    def test_an_unreadable_file(self):
        path = self.file("closed/in.txt", "a\n")
        os.chmod(path, 0)
        # Root may read everything, so somebody else tries.
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        if os.geteuid() != 0:
            user = []
        for directory in (self.dir, self.scratch):
            os.chmod(directory, 0o777)
        for closed, mode in ((path, 0o600), (self.dir / "closed", 0o700)):
            os.chmod(self.dir / "closed", 0o755)
            os.chmod(closed, mode if user else 0)
            done = subprocess.run([*user, *self.command(harness.TRIREME, "mr", "run", "wordcount",
                                                        "--input", path, "--output", self.out)],
                                  capture_output=True, text=True)
            self.one_line(done, 2, path, "Permission denied")
            self.assertFalse(self.out.exists())
            os.chmod(closed, 0o700)

    def test_corrupt_compressed_input_fails_at_once(self):
        text = "".join(f"{i} words\n" for i in range(20_000)).encode()
        whole = gzip.compress(text)
        for name, data in (("cut.gz", whole[:-100]), ("bad.gz", whole[:5000] + b"?" + whole[5001:]),
                           ("no.gz", b"this is no gzip"), ("no.zst", b"this is no zstd")):
            path = self.file(name, data)
            message = self.fail_with(1, "wordcount", "--input", path, "--output", self.out)
            self.assertIn("failed 1 time:", message)
            self.assertIn(path, message)
            self.assertRegex(message, r"byte \d+")

    def test_records_are_said_where_they_are_counted(self):
        path = self.file("in.txt", "a\nb\n")
        for job, records in ((["sort", "--format", "fixed:2"], 2), (["wordcount"], None)):
            done = self.succeed(*job, "--input", path, "--output", self.out, "--json", "--overwrite")
            maps = [a for a in self.json_of(done)["attempts"] if a["phase"] == "map"]
            self.assertEqual(sum(a["records"] for a in maps) if records else
                             [a for a in maps if "records" in a], records or [])


class OddNames(Robust):
    def test_names_may_have_any_bytes(self):
        names = [b"a b", b"tab\there", b"new\nline", b"\xff\xfe", b"quote'\"", b"-dash", b"star*[x]",
                 b"comma,name", b"\x1b[31mred"]
        (self.dir / "in").mkdir()
        for name in names:
            with open(os.path.join(os.fsencode(self.dir / "in"), name), "wb") as one:
                one.write(b"word \xff\n")
        done = self.succeed("wordcount", "--input", self.dir / "in", "--output",
                            self.dir / "new\nline" / "out\t", "--name", "a\x1b[31mname", "--json")
        self.assertEqual(self.json_of(done)["input_files"], len(names))
        self.out = self.dir / "new\nline" / "out\t"
        self.assertEqual(list(self.parts().values()), [b"word\t9\n\xff\t9\n"])

    def test_messages_are_one_line_that_steers_no_terminal(self):
        done = self.run_in("wordcount", "--input", self.dir / "none\n\x1b[31m", "--output", self.out)
        self.one_line(done, 2, "none")
        self.assertNotIn("\x1b", done.stderr)
        done = self.run_in("--mapper", "false", "--reducer", "cat", "--name", "\x1b[31m\n", "--input",
                           self.file("in.txt", "a\n"), "--output", self.out)
        self.one_line(done, 1, "failed")
        self.assertNotIn("\x1b", done.stderr)

    def test_an_input_that_the_output_would_replace(self):
        self.succeed("wordcount", "--input", self.file("in/in.txt", "a\n"), "--output",
                     self.dir / "in" / "out")
        done = self.run_in("wordcount", "--input", self.dir / "in", "--output",
                           self.dir / "in" / "." / "out", "--overwrite")
        self.one_line(done, 2, "in/out/part-r-00000", "would replace")
        self.assertEqual(self.lines(self.dir / "in" / "out"), ["a\t1"])


class OwnProgram(Robust):
    def test_roles_go_alone(self):
        program = str(harness.BIN / "example_wordcount")
        for arguments in (["--as-mapper", "--as-reducer"], ["--as-mapper", "--quiet"],
                          ["--input", "x", "--as-combiner"]):
            done = subprocess.run([program, *arguments], capture_output=True, text=True, input="")
            self.one_line(done, 2, "--as-", "alone")


if __name__ == "__main__":
    unittest.main()
