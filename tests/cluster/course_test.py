"""The classic course suite's scenarios, by name, and several jobs at once."""
import collections
import os
import random
import signal
import threading

from cluster import ClusterTest, main, wait_until


class Course(ClusterTest):
    def words(self, data):
        counts = collections.Counter()
        for name in sorted(os.listdir(data)):
            with open(os.path.join(data, name), encoding="latin-1") as text:
                counts.update(text.read().split())
        return counts

    def output_lines(self, output):
        return sorted(b"".join(self.parts(output).values()).decode("latin-1").splitlines())

    def cluster(self, workers=3, slots=1, **options):
        self.start_coordinator(**options)
        self.start_workers(workers, slots=slots)

    def run_job(self, *job, output="out"):
        number = self.submit(*job, "--output", self.path(output))
        ended = self.wait(number)
        self.assert_no_leftovers()
        return ended

    def test_wc(self):
        data = self.make_input()
        self.cluster()
        self.run_job("wordcount", "--input", data, "--reduces", "4", "--split-size", "30K")
        self.assertEqual(self.output_lines(self.path("out")),
                         sorted(f"{w}\t{n}" for w, n in self.words(data).items()))

    def test_indexer(self):
        data = self.make_input()
        self.cluster()
        self.run_job("index", "--input", data, "--reduces", "4", "--split-size", "30K")
        where = collections.defaultdict(set)
        for name in os.listdir(data):
            with open(os.path.join(data, name)) as text:
                for word in text.read().split():
                    where[word].add(os.path.join(data, name))
        self.assertEqual(
            self.output_lines(self.path("out")),
            sorted(f"{w}\t{len(f)} {','.join(sorted(f))}" for w, f in where.items()))

    def meet(self, phase):
        """A command that ends well only if another of its kind runs at the same time."""
        place = self.path("meet-" + phase)
        os.makedirs(place, exist_ok=True)
        return (f"mkdir -p {place}; touch {place}/$$; n=0; "
                f"while [ $(ls {place} | wc -l) -lt 2 ]; do n=$((n+1)); "
                f"[ $n -lt 1500 ] || exit 9; sleep 0.02; done; ")

    def test_map_parallelism(self):
        self.make_input(files=2, lines=50)
        self.cluster(workers=2)
        ended = self.run_job("--mapper", self.meet("map") + "cat", "--reducer", "cat", "--input",
                             self.path("in"), "--max-attempts", "1")
        self.assertEqual(ended["maps"]["total"], 2)
        self.assertEqual(ended["failures"], 0)

    def test_reduce_parallelism(self):
        self.make_input(files=2, lines=50)
        self.cluster(workers=2)
        ended = self.run_job("--mapper", "tr ' ' '\\n'", "--reducer", self.meet("reduce") + "cat",
                             "--input", self.path("in"), "--reduces", "2", "--max-attempts", "1")
        self.assertEqual(ended["failures"], 0)

    def test_job_count(self):
        self.make_input(files=12, lines=50)
        self.cluster(workers=4)
        runs = self.path("runs")
        log = f"echo $mapreduce_task_ismap-$mapreduce_task_partition >> {runs}; sleep 0.05; cat"
        ended = self.run_job("--mapper", log, "--reducer", log, "--input", self.path("in"),
                             "--reduces", "5")
        with open(runs) as file:
            seen = file.read().split()
        expected = [f"true-{i}" for i in range(ended["maps"]["total"])]
        expected += [f"false-{i}" for i in range(5)]
        self.assertEqual(sorted(seen), sorted(expected))
        self.assertEqual(ended["attempts"], len(expected))

    def test_early_exit(self):
        self.make_input(files=3, lines=50)
        self.cluster(workers=3)
        gate = self.path("gate")
        # One reduce is much later than the others: nobody may leave, and no output show, till then.
        reducer = (f"if [ $mapreduce_task_partition = 0 ]; then while [ ! -e {gate} ]; do "
                   "sleep 0.02; done; fi; cat")
        run = self.start(["run", "--mapper", "tr ' ' '\\n'", "--reducer", reducer, "--input",
                          self.path("in"), "--output", self.path("out"), "--reduces", "3",
                          "--coordinator", self.address, "--quiet"], "run")
        wait_until(lambda: any(j["reduces"]["succeeded"] == 2 for j in self.ask("list")),
                   "two reduces are done")
        self.assertIsNone(run.process.poll())
        self.assertTrue(all(w.process.poll() is None for w in self.workers))
        self.assertFalse(os.path.exists(self.path("out", "_SUCCESS")))
        self.assertEqual([n for n in os.listdir(self.path("out")) if n.startswith("part-")], [])
        self.write("gate", "")
        self.assertEqual(run.process.wait(timeout=30), 0)
        self.assertEqual(len(self.parts(self.path("out"))), 4)

    def test_crash(self):
        data = self.make_input(files=10, lines=60)
        for name in os.listdir(data):
            os.rename(self.path("in", name), self.path("in", name + ".x"))
        # One run in four dies by its own hand, one in four stalls for a while.
        chaos = ("case $(od -An -N1 -tu1 /dev/urandom | awk '{print $1 % 8}') in 0) kill -9 $$;; "
                 "1) exit 7;; 2|3) sleep 0.4;; esac; ")
        job = ["--mapper", chaos + "tr -s ' ' '\\n'", "--reducer", chaos + "uniq -c", "--input",
               data, "--reduces", "4", "--max-attempts", "50", "--split-size", "2K"]
        calm = [part.replace(chaos, "") for part in job]
        expected = self.embedded(*calm)
        self.start_coordinator("--worker-lease", "700ms")
        self.start_workers(4)
        number = self.submit(*job, "--output", self.path("out"))
        chance = random.Random(3)
        over = threading.Event()

        def torment():
            while not over.wait(0.5):
                at = chance.randrange(len(self.workers))
                if chance.random() < 0.5:
                    victim = self.workers[at]
                    victim.send(signal.SIGSTOP)
                    over.wait(1)
                    victim.send(signal.SIGCONT)
                else:
                    self.workers[at].kill()
                    del self.workers[at]
                    self.start_worker()

        thread = threading.Thread(target=torment)
        thread.start()
        try:
            self.wait(number)
        finally:
            over.set()
            thread.join()
        self.assert_same(self.path("out"), expected)


class SeveralJobs(ClusterTest):
    def gated(self, name, gate, **options):
        log = f"echo {name} >> {self.path('order')}; "
        wait = f"while [ ! -e {gate} ]; do sleep 0.02; done; "
        return ["--mapper", log + wait + "cat", "--reducer", "cat", "--input", self.path("in"),
                "--name", name, "--split-size", "1K"]

    def order(self):
        if not os.path.exists(self.path("order")):
            return []
        with open(self.path("order")) as file:
            return file.read().split()

    def test_two_jobs_share_the_slots(self):
        self.make_input(files=10, lines=50)
        self.start_coordinator()
        self.start_workers(2, slots=2)
        begin, end = self.path("begin"), self.path("end")

        def until(gate):
            return f"until [ -e {gate} ]; do sleep 0.02; done; "
        # Those that hold all slots before the second job is there, and all later ones.
        held = f"if [ -e {begin} ]; then {until(end)} else {until(begin)} fi; cat"
        jobs = []
        for name in ("a", "b"):
            jobs.append(self.submit("--mapper", held, "--reducer", "cat", "--input",
                                    self.path("in"), "--output", self.path(name), "--split-size",
                                    "1K"))
            if name == "a":
                wait_until(lambda: self.ask("list")[0]["maps"]["running"] == 4, "no slot is free")
        self.write("begin", "")

        def both():
            states = {j["job"]: j["maps"] for j in self.ask("list")}
            return all(states[j]["running"] == 2 and states[j]["waiting"] > 0 for j in jobs)
        wait_until(both, "each job has two of the four slots while both have more to do")
        self.write("end", "")
        for job in jobs:
            self.assertEqual(self.wait(job)["state"], "succeeded")
        self.assertEqual(self.parts(self.path("a")), self.parts(self.path("b")))

    def test_the_greater_priority_goes_first(self):
        self.make_input(files=4, lines=50)
        self.start_coordinator()
        self.start_workers(1)
        gate = self.path("gate")
        jobs = [self.submit(*self.gated("low", gate), "--output", self.path("low"))]
        wait_until(lambda: self.order() == ["low"], "the first job has the slot")
        jobs.append(self.submit(*self.gated("middle", gate), "--output", self.path("middle")))
        jobs.append(self.submit(*self.gated("high", gate), "--output", self.path("high"),
                                "--priority", "5"))
        self.write("gate", "")
        for job in jobs:
            self.assertEqual(self.wait(job)["state"], "succeeded")
        order = self.order()[1:]
        high = order.count("high")
        self.assertGreater(high, 1)
        self.assertEqual(order[:high], ["high"] * high)

    def test_two_jobs_cannot_write_to_one_place(self):
        self.make_input(files=1, lines=10)
        self.start_coordinator()
        self.start_workers(1)
        gate = self.path("gate")
        job = self.submit(*self.gated("a", gate), "--output", self.path("out"))
        done = self.trireme("submit", *self.gated("b", gate), "--output", self.path("out"),
                            "--coordinator", self.address, "--overwrite", check=2)
        self.assertIn(self.path("out"), done.stderr)
        self.write("gate", "")
        self.assertEqual(self.wait(job)["state"], "succeeded")


if __name__ == "__main__":
    main()
