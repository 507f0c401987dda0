"""Workers and coordinators that die, stop, are cut off or slow; data that is damaged."""
import glob
import os
import random
import signal
import threading
import time

from cluster import ClusterTest, Proxy, main, wait_until

LEASE = ("--worker-lease", "700ms")


class Faults(ClusterTest):
    def gated_job(self, gate, phase, *more, tasks="*"):
        """A count of words whose tasks of that phase, those in `tasks`, end once the gate is open."""
        wait = (f"case $mapreduce_task_partition in ({tasks}) "
                f"while [ ! -e {gate} ]; do sleep 0.02; done;; esac")
        log = f"echo {phase[0]}$mapreduce_task_partition >> {self.path('runs')}"
        mapper = "tr -s ' ' '\\n' | sed 's/$/\\t1/'"
        reducer = "awk -F'\\t' '{c[$1]+=$2} END {for (w in c) print w FS c[w]}' | LC_ALL=C sort"
        if phase == "map":
            mapper = f"{log}; {mapper}; {wait}"
        else:
            reducer = f"{log}; {reducer}; {wait}"
        return ["--mapper", mapper, "--reducer", reducer, "--input", self.path("in"), "--reduces",
                "3", *more]

    def prepare(self, phase, *more, files=6, **options):
        """Data, a gate that is shut, the job, and what it is to give."""
        self.make_input(files=files, lines=300)
        gate = self.write("gate", "")
        job = self.gated_job(gate, phase, *more, **options)
        expected = self.embedded(*job)
        os.unlink(gate)
        if os.path.exists(self.path("runs")):
            os.unlink(self.path("runs"))
        return gate, job, expected

    def open(self, gate):
        self.write(os.path.basename(gate), "")

    def runs(self, letter):
        if not os.path.exists(self.path("runs")):
            return []
        with open(self.path("runs")) as file:
            return [line for line in file.read().split() if line[0] == letter]

    def finish(self, job, expected, output="out"):
        ended = self.wait(job)
        self.assert_same(self.path(output), expected)
        self.assert_no_leftovers()
        return ended

    # ---- Workers

    def kill_a_worker(self, phase, *worker_arguments):
        gate, job, expected = self.prepare(phase)
        self.start_coordinator(*LEASE)
        self.start_workers(3, *worker_arguments)
        number = self.submit(*job, "--output", self.path("out"))
        victim = self.busy_worker(number, phase)
        victim.kill()
        self.open(gate)
        ended = self.finish(number, expected)
        self.assertGreaterEqual(ended["killed"], 1)

    def test_worker_killed_while_mapping(self):
        self.kill_a_worker("map")

    def test_worker_killed_while_reducing(self):
        self.kill_a_worker("reduce")

    def test_worker_killed_while_reducing_what_is_fetched(self):
        self.kill_a_worker("reduce", "--always-fetch")

    def test_killed_worker_comes_back(self):
        gate, job, expected = self.prepare("map")
        self.start_coordinator()
        self.start_workers(1)
        number = self.submit(*job, "--output", self.path("out"))
        victim = self.busy_worker(number, "map")
        victim.kill()
        back = self.start(["worker", "--coordinator", self.address, "--slots", "1", "--dir",
                           victim.directory], "again")
        back.directory = victim.directory
        self.workers = [back]
        self.open(gate)
        self.finish(number, expected)
        self.assertEqual(len(self.status()["workers"]), 1, "it has its old name")

    def stop_a_worker(self, phase):
        gate, job, expected = self.prepare(phase)
        self.start_coordinator(*LEASE)
        self.start_workers(2)
        number = self.submit(*job, "--output", self.path("out"))
        victim = self.busy_worker(number, phase)
        victim.send(signal.SIGSTOP)
        self.open(gate)
        self.wait(number)
        self.assert_same(self.path("out"), expected)
        # Its attempt has ended meanwhile: that comes too late, and must change nothing.
        victim.send(signal.SIGCONT)
        wait_until(lambda: all(w["alive"] and w["busy"] == 0 for w in self.status()["workers"]),
                   "the worker is back")
        self.assert_same(self.path("out"), expected)
        self.assert_no_leftovers()
        again = self.submit(*job, "--output", self.path("again"))
        self.finish(again, expected, "again")

    def test_worker_stopped_while_mapping_returns(self):
        self.stop_a_worker("map")

    def test_worker_stopped_while_reducing_returns(self):
        self.stop_a_worker("reduce")

    def test_late_completion_of_a_stopped_worker_counts_when_it_is_wanted(self):
        gate, job, expected = self.prepare("map", files=1)
        self.start_coordinator(*LEASE)
        victim, = self.start_workers(1)
        number = self.submit(*job, "--output", self.path("out"))
        self.busy_worker(number, "map")
        victim.send(signal.SIGSTOP)
        wait_until(lambda: not self.status()["workers"][0]["alive"], "the lease has expired")
        self.open(gate)
        victim.send(signal.SIGCONT)
        self.finish(number, expected)

    def test_worker_cut_off(self):
        gate, job, expected = self.prepare("map")
        self.start_coordinator(*LEASE, tcp=True)
        proxy = Proxy(self.address)
        self.addCleanup(proxy.close)
        self.start_worker()
        self.start_worker(coordinator=proxy.address)
        wait_until(lambda: len(self.status()["workers"]) == 2, "both are registered")
        number = self.submit(*job, "--output", self.path("out"))
        wait_until(lambda: len(self.status(number)["running"]) == 2, "both run a task")
        proxy.cut.set()
        self.open(gate)
        self.wait(number)
        self.assert_same(self.path("out"), expected)
        proxy.cut.clear()
        wait_until(lambda: all(w["alive"] for w in self.status()["workers"]),
                   "the worker is back")
        self.assert_no_leftovers()

    # ---- The coordinator

    def restart_coordinator(self, *arguments):
        self.coordinator.kill()
        self.start_coordinator(*arguments, state="s", address=self.address)

    def test_coordinator_killed_between_the_phases_repeats_no_map(self):
        gate, job, expected = self.prepare("reduce")
        job[1] = f"echo m$mapreduce_task_partition >> {self.path('runs')}; " + job[1]
        self.start_coordinator(state="s")
        self.start_workers(2)
        number = self.submit(*job, "--output", self.path("out"))
        self.busy_worker(number, "reduce")
        self.restart_coordinator()
        self.open(gate)
        ended = self.finish(number, expected)
        self.assertEqual(sorted(self.runs("m")), sorted(set(self.runs("m"))))
        self.assertEqual(len(self.runs("m")), ended["maps"]["total"])
        self.assertEqual(self.ask("counters", number)["mapreduce"]["map input bytes"],
                         ended["input_bytes"], "each map's counters are there once")

    def test_coordinator_killed_again_and_again(self):
        gate, job, expected = self.prepare("map", files=24)
        job[1] = job[1].replace("tr -s", "sleep 0.1; tr -s")
        self.open(gate)
        self.start_coordinator(state="s")
        self.start_workers(2, slots=2)
        run = self.start(["run", *job, "--output", self.path("out"), "--coordinator",
                          self.address, "--quiet"], "run")
        chance = random.Random(7)
        wait_until(lambda: self.runs("m"), "the job has begun")
        kills = 0
        while run.process.poll() is None and kills < 6:
            before = len(self.runs("m"))
            more = chance.randrange(1, 5)
            wait_until(lambda: run.process.poll() is not None or
                       len(self.runs("m")) >= min(before + more, 24), "more maps have run")
            self.restart_coordinator()
            kills += 1
        self.assertEqual(run.process.wait(timeout=60), 0)
        self.assert_same(self.path("out"), expected)
        self.assertGreater(kills, 1)
        # Only what was running may have been done again: at most the four slots' at each kill.
        self.assertLessEqual(len(self.runs("m")), 24 + 4 * kills)
        self.assertEqual(len(set(self.runs("m"))), 24)
        self.assertEqual(len(self.ask("list")), 1)
        self.assert_no_leftovers()

    def test_coordinator_restarted_after_the_job_knows_it(self):
        _, job, expected = self.prepare("map")
        self.write("gate", "")
        self.start_coordinator(state="s")
        self.start_workers(1)
        number = self.submit(*job, "--output", self.path("out"))
        before = self.wait(number)
        self.restart_coordinator()
        after = self.status(number)
        for field in ("state", "name", "elapsed_ms", "output", "counters", "failures"):
            self.assertEqual(after[field], before[field], field)
        self.assert_same(self.path("out"), expected)
        self.assertEqual(self.submit(*job, "--output", self.path("other")), number + 1)

    def test_coordinator_that_forgot_everything_gets_clean_workers(self):
        gate, job, _ = self.prepare("map")
        self.start_coordinator()
        self.start_workers(1)
        number = self.submit(*job, "--output", self.path("out"))
        self.busy_worker(number, "map")
        self.coordinator.kill()
        self.start_coordinator(address=self.address)
        wait_until(lambda: self.status()["workers"] and
                   self.status()["workers"][0]["busy"] == 0, "the old attempt is given up")
        self.assert_no_leftovers()
        self.open(gate)

    def test_damaged_journal_is_refused(self):
        self.start_coordinator(state="s")
        self.start_workers(1)
        data = self.make_input(files=1)
        for number in range(2):
            self.trireme("run", "wordcount", "--input", data, "--output", self.path(f"o{number}"),
                         "--coordinator", self.address, "--quiet")
        self.coordinator.kill()
        path = self.path("s", "journal")
        with open(path, "r+b") as journal:
            journal.seek(40)
            byte = journal.read(1)
            journal.seek(40)
            journal.write(bytes([byte[0] ^ 1]))
        done = self.trireme("coordinator", "--listen", "127.0.0.1:0", "--state", self.path("s"),
                            check=2)
        self.assertIn(path, done.stderr)
        self.assertIn("offset", done.stderr)

    def test_coordinator_that_cannot_write_its_journal_stops(self):
        self.make_input(files=8, lines=100)
        job = ["wordcount", "--input", self.path("in"), "--split-size", "1K", "--output"]
        self.start_coordinator(state="s", file_bytes_max=300)
        # The definition alone is larger: nobody may hear that the job was accepted.
        done = self.trireme("submit", *job, self.path("out"), "--coordinator", self.address,
                            check=2)
        self.assertEqual(done.stdout, "")
        self.assertEqual(self.coordinator.process.wait(timeout=30), 1)
        with open(self.path("coordinator.err")) as text:
            self.assertIn(self.path("s", "journal"), text.read())
        self.start_coordinator(state="s", address=self.address)
        self.assertEqual(self.ask("list"), [])
        self.start_workers(1)
        self.assertEqual(self.wait(self.submit(*job, self.path("out")))["state"], "succeeded")

    # ---- Damaged map outputs

    def damage(self, how, *worker_arguments):
        """Every map but the last is done; `how` is done to one's output before any reduce reads."""
        gate, job, expected = self.prepare("map", tasks="5")
        self.start_coordinator()
        self.start_workers(2, *worker_arguments)
        number = self.submit(*job, "--output", self.path("out"))
        wait_until(lambda: self.status(number)["maps"]["succeeded"] == 5, "five maps are done")
        done = glob.glob(self.path("w*", "**", "map-0-*.run"), recursive=True)
        self.assertEqual(len(done), 1)
        how(done[0])
        self.open(gate)
        ended = self.finish(number, expected)
        self.assertGreaterEqual(ended["outputs_lost"], 1)
        self.assertEqual(self.runs("m").count("m0"), 2)
        if worker_arguments and how == self.truncate:  # no partition is whole: all see it
            file = os.path.relpath(done[0], os.path.dirname(os.path.dirname(done[0])))
            said = "".join(open(self.path(f"w{i}.err")).read() for i in range(2))
            self.assertIn(f"fetch {file} (map 0, ", said)

    def flip(self, path):
        with open(path, "r+b") as file:
            file.seek(60)
            byte = file.read(1)
            file.seek(60)
            file.write(bytes([byte[0] ^ 0x10]))

    def truncate(self, path):
        os.truncate(path, os.path.getsize(path) // 2)

    def test_corrupt_map_output_is_made_again(self):
        self.damage(self.flip)

    def test_corrupt_map_output_that_is_fetched_is_made_again(self):
        self.damage(self.flip, "--always-fetch")

    def test_truncated_map_output_is_made_again(self):
        self.damage(self.truncate)

    def test_truncated_map_output_that_is_fetched_is_made_again(self):
        self.damage(self.truncate, "--always-fetch")

    def test_lost_map_output_is_made_again(self):
        self.damage(os.unlink)

    # ---- Stragglers

    def test_a_backup_overtakes_a_straggler(self):
        self.make_input(files=8, lines=100)
        never = self.path("never")
        mapper = (f"[ -z \"$SLOW\" ] || while [ ! -e {never} ]; do sleep 0.05; done; "
                  "tr -s ' ' '\\n' | sed 's/$/\\t1/'")
        job = ["--mapper", mapper, "--reducer", "uniq -c", "--input", self.path("in"),
               "--split-size", "1M"]
        expected = self.embedded(*job)
        self.start_coordinator()
        self.start_workers(3)
        self.start_workers(1, env={"SLOW": "1"})
        number = self.submit(*job, "--output", self.path("out"))
        ended = self.finish(number, expected)
        self.assertGreaterEqual(ended["backups_won"], 1)
        self.assertEqual(ended["failures"], 0)

    def test_a_worker_slowed_by_signals_is_overtaken(self):
        gate, job, expected = self.prepare("map", files=8)
        self.open(gate)
        self.start_coordinator()
        workers = self.start_workers(4, "--isolation", "thread")
        over = threading.Event()

        def slow_down(worker):
            while not over.is_set():  # runs a tenth of the time
                worker.send(signal.SIGSTOP)
                over.wait(0.18)
                worker.send(signal.SIGCONT)
                over.wait(0.02)

        thread = threading.Thread(target=slow_down, args=(workers[0],))
        thread.start()
        try:
            number = self.submit(*job, "--output", self.path("out"))
            self.wait(number)
        finally:
            over.set()
            thread.join()
        self.assert_same(self.path("out"), expected)
        self.assert_no_leftovers()

    def test_draining_worker_hands_over(self):
        gate, job, expected = self.prepare("map")
        self.start_coordinator()
        self.start_workers(2)
        number = self.submit(*job, "--output", self.path("out"))
        leaver = self.busy_worker(number, "map")
        leaver.send(signal.SIGTERM)
        wait_until(lambda: any(w["slots"] == 0 for w in self.status()["workers"]), "it drains")
        self.open(gate)
        ended = self.finish(number, expected)
        self.assertEqual(ended["killed"], 0)
        self.assertEqual(ended["outputs_lost"], 0)
        self.assertEqual(leaver.process.wait(timeout=30), 0)


if __name__ == "__main__":
    main()
