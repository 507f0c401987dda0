"""The same output as embedded, and what the commands say."""
import json
import os
import signal
import subprocess
import urllib.request

from cluster import ClusterTest, TRIREME, main, wait_until


class Output(ClusterTest):
    def run_and_compare(self, *job):
        expected = self.embedded(*job)
        output = self.path("out")
        done = self.trireme("run", *job, "--output", output, "--coordinator", self.address,
                            "--json", "--quiet")
        self.assert_same(output, expected)
        self.assert_no_leftovers()
        return json.loads(done.stdout)

    def test_word_count_over_unix_sockets(self):
        self.start_coordinator()
        self.start_workers(2)
        report = self.run_and_compare("wordcount", "--input", self.make_input(), "--reduces", "3",
                                      "--split-size", "20K")
        self.assertEqual(report["state"], "succeeded")

    def test_word_count_over_tcp(self):
        self.start_coordinator(tcp=True)
        self.start_workers(2)
        self.run_and_compare("wordcount", "--input", self.make_input(), "--reduces", "3",
                             "--split-size", "20K")

    def test_word_count_with_everything_fetched(self):
        self.start_coordinator(tcp=True)
        self.start_workers(3, "--always-fetch", "--listen", "127.0.0.1:0", "--memory", "200M")
        self.run_and_compare("wordcount", "--input", self.make_input(), "--reduces", "4",
                             "--split-size", "20K")

    def test_index_and_sort(self):
        self.start_coordinator()
        self.start_workers(2)
        data = self.make_input(files=5)
        for job in (["index"], ["sort"], ["grep", "--pattern", "w1.*w2"], ["ngrams", "--n", "2"]):
            with self.subTest(job=job[0]):
                arguments = [*job, "--input", data, "--split-size", "50K"]
                expected = self.embedded(*arguments)
                output = self.path("out-" + job[0])
                self.trireme("run", *arguments, "--output", output, "--coordinator", self.address,
                             "--quiet")
                self.assert_same(output, expected)

    def test_names_that_are_not_text(self):
        self.start_coordinator()
        self.start_workers(2)
        data = self.make_input(files=2)
        os.rename(os.path.join(data, sorted(os.listdir(data))[0]),
                  os.path.join(data, "caf\udce9.txt"))  # a byte that is no UTF-8
        self.run_and_compare("index", "--input", data)
        done = self.trireme("run", "--mapper", "printf 'reporter:counter:g,caf\\351,1\\n' >&2; cat",
                            "--input", data, "--output", self.path("counted"),
                            "--coordinator", self.address, "--json", "--quiet")
        self.assertIn("caf", done.stdout)

    def test_streaming_with_relative_paths(self):
        self.start_coordinator()
        self.start_workers(2)
        self.make_input(files=4)
        self.write("m.py", "import sys\nfor line in sys.stdin:\n"
                           "  for word in line.split(): print(word + '\\t1')\n")
        self.write("r.py", "import sys, itertools\n"
                           "rows = (line.rstrip('\\n').split('\\t') for line in sys.stdin)\n"
                           "for word, group in itertools.groupby(rows, lambda row: row[0]):\n"
                           "  print(word, sum(int(row[1]) for row in group), sep='\\t')\n")
        job = ["--mapper", "python3 m.py", "--reducer", "python3 r.py", "--input", "in",
               "--reduces", "2"]
        for where in ([], ["--coordinator", self.address]):
            done = subprocess.run(
                [TRIREME, "mr", "run", *job, "--output", "out%d" % len(where), "--quiet", *where],
                cwd=self.root, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same(self.path("out2"), self.parts(self.path("out0")))

    def test_plugin_and_own_program(self):
        binaries = os.path.dirname(TRIREME)
        self.start_coordinator()
        self.start_workers(2)
        data = self.make_input(files=4)
        for job in (["--plugin", os.path.join(binaries, "longest_line.so")],
                    ["--binary", os.path.join(binaries, "example_wordcount")]):
            with self.subTest(job=job[0]):
                self.check_own_code(job, data)

    def check_own_code(self, job, data):
        rest = ["--input", data, "--reduces", "2", "--split-size", "20K", "--quiet"]
        program = [TRIREME, "mr", "run", *job]
        if job[0] == "--binary":
            program = [job[1]]
        for output, where in (("alone", []), ("out", ["--coordinator", self.address])):
            done = subprocess.run([*program, *rest, *where, "--overwrite", "--output",
                                   self.path(output)], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same(self.path("out"), self.parts(self.path("alone")))

    def test_empty_input(self):
        self.start_coordinator()
        self.start_workers(1)
        self.write("in/empty.txt", "")
        self.run_and_compare("wordcount", "--input", self.path("in"), "--reduces", "2")

    def test_overwrite(self):
        self.start_coordinator()
        self.start_workers(1)
        data = self.make_input(files=1)
        output = self.path("out")
        job = ["wordcount", "--input", data, "--output", output, "--coordinator", self.address]
        self.trireme("run", *job)
        before = self.parts(output)
        self.assertIn("--overwrite", self.trireme("run", *job, check=2).stderr)
        self.assert_same(output, before)
        self.trireme("run", *job, "--overwrite")
        self.assert_same(output, before)


class Commands(ClusterTest):
    def test_submit_status_list_wait_counters(self):
        self.start_coordinator("--http", "127.0.0.1:0")
        self.start_workers(2)
        data = self.make_input()
        job = self.submit("wordcount", "--input", data, "--output", self.path("out"), "--reduces",
                          "2", "--split-size", "30K", "--priority", "3")
        ended = self.wait(job)
        self.assertEqual(ended["state"], "succeeded")
        self.assertEqual(ended["maps"]["succeeded"], ended["maps"]["total"])
        self.assertEqual(ended["priority"], 3)
        self.assertEqual(self.status(job)["state"], "succeeded")
        self.assertEqual([j["job"] for j in self.ask("list")], [job])
        counters = self.ask("counters", job)["mapreduce"]
        self.assertEqual(counters["launched attempts"], ended["maps"]["total"] + 2)
        self.assertEqual(counters["map input bytes"],
                         sum(os.path.getsize(os.path.join(data, f)) for f in os.listdir(data)))
        self.assertIn(str(job), self.trireme("list", "--coordinator", self.address).stdout)
        self.assertIn("wordcount", self.trireme("status", str(job), "--coordinator",
                                                self.address).stdout)
        for page, word in (("", "wordcount"), (f"jobs/{job}", "Attempts"), ("healthz", "ok"),
                           ("metrics", "trireme_mr_workers{health=\"well\"} 2")):
            with urllib.request.urlopen(self.http + page) as answer:
                self.assertIn(word, answer.read().decode())

    def test_wrong_use_is_one_line_and_status_2(self):
        nobody = "unix:" + self.path("nobody.sock")
        self.assertIn(nobody, self.trireme("list", "--coordinator", nobody, check=2).stderr)
        self.start_coordinator(tcp=True, state="s")
        for arguments, word in (
                (["coordinator", "--listen", self.address], self.address.rsplit(":", 1)[1]),
                (["coordinator", "--listen", "127.0.0.1:0", "--state", self.path("s")],
                 self.path("s")),
                (["coordinator", "--listen", "nonsense"], "nonsense"),
                (["coordinator", "--listen", "127.0.0.1:0", "--kv-prefix", "p"], "go with --kv"),
                (["coordinator", "--listen", "127.0.0.1:0", "--http-admin"], "goes with --http"),
                (["run", "wordcount", "--input", self.path("none"), "--output", self.path("o"),
                  "--kv-skip-verify"], "go with --kv"),
                (["status", "77", "--coordinator", self.address], "77"),
                (["cancel", "77", "--coordinator", self.address], "77"),
                (["wait", "77", "--coordinator", self.address], "77"),
                (["submit", "wordcount", "--input", self.path("none"), "--output",
                  self.path("o"), "--coordinator", self.address], self.path("none"))):
            with self.subTest(arguments=arguments):
                done = self.trireme(*arguments, check=2)
                self.assertIn(word, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_a_worker_that_nobody_takes_says_so(self):
        nobody = "unix:" + self.path("nobody.sock")
        worker = self.start(["worker", "--coordinator", nobody, "--dir", self.path("w")], "w")

        def said():
            with open(worker.log + ".err") as log:
                return "no coordinator takes this worker" in (text := log.read()) and text
        self.assertIn(nobody, wait_until(said, "it says so"))

    def test_numbers_that_cannot_be_are_refused_by_name(self):
        for arguments, words in (
                (["wait", "-1"], ["JOB '-1'", "from 1"]), (["cancel", "x"], ["JOB 'x'"]),
                (["worker", "--slots", "0"], ["--slots '0'", "from 1 to 4096"]),
                (["worker", "--memory", "1"], ["--memory '1'", "at least 20M"]),
                (["worker", "--drain", "soon"], ["--drain 'soon'", "seconds"]),
                (["worker", "--listen", "x"], ["--listen", "'x'"]),
                (["worker", "--log-level", "loud"], ["--log-level 'loud'", "debug"]),
                (["worker"], ["TRIREME_COORDINATOR"]),
                (["coordinator", "--listen", "unix:" + self.path("c"), "--worker-lease", "1ms"],
                 ["--worker-lease '1ms'", "100ms"])):
            with self.subTest(arguments=arguments):
                done = self.trireme(*arguments, check=2)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                for word in words:
                    self.assertIn(word, done.stderr)

    def test_taken_address_of_a_worker(self):
        self.start_coordinator(tcp=True)
        done = self.trireme("worker", "--coordinator", self.address, "--listen", self.address,
                            "--dir", self.path("w"), check=2)
        self.assertIn(self.address, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_the_environment_names_the_coordinator(self):
        self.start_coordinator()
        env = {"TRIREME_COORDINATOR": self.address}
        worker = self.start(["worker", "--slots", "1", "--dir", self.path("w")], "w", env)
        worker.line("serving")
        data = self.make_input(files=1, lines=10)
        job = self.trireme("submit", "wordcount", "--input", data, "--output", self.path("out"),
                           env=env).stdout.strip()
        self.assertEqual(self.trireme("wait", job, env=env).returncode, 0)
        # But `run` without --coordinator runs here.
        self.trireme("run", "wordcount", "--input", data, "--output", self.path("here"), env=env)
        self.assertEqual(len(self.ask("list")), 1)
        self.assert_same(self.path("here"), self.parts(self.path("out")))

    def test_cancel_of_an_ended_job(self):
        self.start_coordinator()
        self.start_workers(1)
        data = self.make_input(files=1, lines=10)
        job = self.submit("wordcount", "--input", data, "--output", self.path("out"))
        self.wait(job)
        done = self.trireme("cancel", str(job), "--coordinator", self.address, check=2)
        self.assertIn(f"job {job} has succeeded already", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn("part-r-00000", self.parts(self.path("out")))
        job = self.submit("--mapper", "sleep 1000", "--reducer", "cat", "--input", data, "--output",
                          self.path("out2"))
        for _ in range(2):  # what is cancelled stays so
            self.trireme("cancel", str(job), "--coordinator", self.address)

    def test_a_directory_that_another_process_writes(self):
        self.start_coordinator()
        self.start_workers(1)
        data = self.make_input(files=1, lines=10)
        output = self.path("p", "out")
        job = self.submit("--mapper", "sleep 1000", "--reducer", "cat", "--input", data, "--output",
                          output)
        self.busy_worker(job, "map")
        done = self.trireme("run", "wordcount", "--input", data, "--output", output, "--overwrite",
                            check=2)
        self.assertIn(f"process {self.coordinator.process.pid}", done.stderr)
        self.ask("cancel", job)
        self.wait(job, check=130)
        wait_until(lambda: not os.path.exists(self.path("p")), "what was made for the job is gone")

    def test_a_failed_job_says_why_and_leaves_nothing(self):
        self.start_coordinator()
        self.start_workers(1)
        data = self.make_input(files=1, lines=10)
        output = self.path("out")
        done = self.trireme("run", "--mapper", "echo broken >&2; exit 3", "--reducer", "cat",
                            "--input", data, "--output", output, "--coordinator", self.address,
                            check=1)
        self.assertIn("broken", done.stderr)
        self.assertIn("map task 0", done.stderr)
        self.assertIn("the command `echo broken >&2; exit 3` exited with status 3", done.stderr)
        self.assertFalse(os.path.exists(output))
        self.assert_no_leftovers()

    def test_cancel_leaves_nothing(self):
        self.start_coordinator()
        self.start_workers(1)
        output = self.path("out")
        job = self.submit("--mapper", "cat; sleep 1000", "--reducer", "cat", "--input",
                          self.make_input(files=2, lines=10), "--output", output)
        self.busy_worker(job, "map")
        self.ask("cancel", job)
        self.assertEqual(self.wait(job, check=130)["state"], "cancelled")
        wait_until(lambda: not os.path.exists(output), "the output directory is gone")
        self.assert_no_leftovers()
        wait_until(lambda: all(w["busy"] == 0 for w in self.status()["workers"]), "slots are free")

    def test_interrupted_run_cancels_its_job(self):
        self.start_coordinator()
        self.start_workers(1)
        run = self.start(["run", "--mapper", "cat; sleep 1000", "--reducer", "cat", "--input",
                          self.make_input(files=1, lines=5), "--output", self.path("out"),
                          "--coordinator", self.address], "run")
        wait_until(lambda: any(j["running"] for j in self.ask("list")), "the job runs")
        run.send(signal.SIGINT)
        self.assertEqual(run.process.wait(timeout=30), 130)
        self.assertEqual(self.ask("list")[0]["state"], "cancelled")
        self.assert_no_leftovers()

    def interrupt_without_a_coordinator(self):
        """A run whose user wants it to end while no coordinator is there."""
        self.start_coordinator(state="state")
        self.start_workers(1)
        run = self.start(["run", "--mapper", "cat; sleep 1000", "--reducer", "cat", "--input",
                          self.make_input(files=1, lines=5), "--output", self.path("out"),
                          "--coordinator", self.address], "run")
        wait_until(lambda: any(j["running"] for j in self.ask("list")), "the job runs")
        self.coordinator.kill()
        run.send(signal.SIGINT)

        def said():
            with open(self.path("run.err")) as text:
                return text.read()
        wait_until(lambda: "job 1: its cancellation waits: no coordinator answers" in said(),
                   "the user is told")
        return run, said

    def test_a_cancellation_waits_for_a_coordinator(self):
        run, _ = self.interrupt_without_a_coordinator()
        self.start_coordinator(state="state", address=self.address)
        self.assertEqual(run.process.wait(timeout=60), 130)
        self.assertEqual(self.ask("list")[0]["state"], "cancelled")

    def test_a_second_interrupt_leaves_the_job_as_it_is(self):
        run, said = self.interrupt_without_a_coordinator()
        run.send(signal.SIGINT)
        self.assertEqual(run.process.wait(timeout=30), 130)
        self.assertIn("job 1 was not cancelled, as no coordinator answers", said())
        self.assertIn("`trireme mr cancel 1`", said())
        self.start_coordinator(state="state", address=self.address)
        self.assertEqual(self.ask("list")[0]["state"], "mapping")

    def test_submit_refuses_what_it_cannot_do(self):
        job = ["submit", "wordcount", "--input", self.root, "--output", self.path("out"),
               "--coordinator", "127.0.0.1:1"]
        for flags, said in ((["--report", "page.html"], "--report page.html"),
                            (["-q"], "--quiet"), (["--no-progress"], "--no-progress")):
            refused = self.trireme(*job, *flags, check=2).stderr
            self.assertIn(said, refused)
            self.assertEqual(refused.count("\n"), 1)
        self.assertNotIn("--report", self.trireme("submit", "--help").stdout)

    def test_clean_ends_leave_no_files(self):
        coordinator = self.start_coordinator()
        worker, = self.start_workers(1)
        self.trireme("run", "wordcount", "--input", self.make_input(files=1), "--output",
                     self.path("out"), "--coordinator", self.address)
        self.assertEqual(worker.stop(), 0)
        self.assertEqual(os.listdir(worker.directory), [])
        self.assertEqual(coordinator.stop(), 0)
        self.assertFalse(os.path.exists(self.path("c.sock")))


if __name__ == "__main__":
    main()
