"""A cluster whose input, output and map outputs are in an object store, while its processes are killed."""
import os

from store import JOB, PATIENT, RunsOnStoreClusterTest, Spoiler, main, wait_until

SLOW = ["--mapper", "sleep 0.1; cat", "--reducer", "cat", "--reduces", "2", "--split-size", "40K"]


class FromStoreToStore(RunsOnStoreClusterTest):
    def setUp(self):
        super().setUp()
        self.data = self.make_input()
        self.upload(self.data, "in/")

    def start_cluster(self, workers, *arguments, **coordinator):
        self.start_coordinator("--worker-lease", "1s", "--log-level", "debug", *arguments, **coordinator)
        self.start_workers(workers, "--log-level", "debug", *arguments)

    def finish(self, job, expected):
        status = self.wait(job)
        self.assertEqual(status["state"], "succeeded", status)
        self.assert_stored("out/", expected)
        return status

    def tearDown(self):
        for name in os.listdir(self.root):
            if name.endswith(".err"):
                with open(self.path(name)) as log:
                    self.assert_no_secrets(log.read())
        super().tearDown()

    def submit_job(self, *arguments):
        return self.submit(*arguments, "--input", "s3://bkt/in/*.txt", "--output", "s3://bkt/out")

    def test_word_count(self):
        self.start_cluster(2)
        self.finish(self.submit_job(*JOB), self.embedded(*JOB, "--input", self.data))
        self.assert_no_leftovers()

    def test_a_network_that_spoils_one_request_in_three(self):
        expected = self.embedded(*JOB, "--input", self.data)
        spoiler = Spoiler(self.server)
        self.addCleanup(spoiler.close)
        self.settings(endpoint=spoiler.address)
        self.start_cluster(2, *PATIENT)
        self.finish(self.submit_job(*JOB, *PATIENT, "--intermediate", "s3://bkt/tmp"), expected)
        self.assertEqual(set(spoiler.spoiled), set(Spoiler.WAYS))
        wait_until(lambda: self.server.keys("bkt", "tmp/") == [], "the map outputs are removed")

    def test_a_worker_is_killed(self):
        expected = self.embedded(*SLOW, "--input", self.data)
        self.start_cluster(3)
        job = self.submit_job(*SLOW)
        wait_until(lambda: self.status(job)["maps"]["succeeded"] >= 3, "some maps are done")
        self.busy_worker(job, "map").kill()
        self.finish(job, expected)

    def test_map_outputs_in_the_store_outlive_their_workers(self):
        expected = self.embedded(*SLOW, "--input", self.data)
        self.start_cluster(1)
        job = self.submit_job(*SLOW, "--intermediate", "s3://bkt/tmp/")
        done = wait_until(lambda: (lambda n: n if n >= 4 else 0)(self.status(job)["maps"]["succeeded"]),
                          "some maps are done")
        self.assertEqual(len([k for k in self.server.keys("bkt", "tmp/") if k.endswith(".run")]) >= done, True)
        self.workers[0].kill()
        self.start_workers(2, "--log-level", "debug")
        status = self.finish(job, expected)
        self.assertNotIn("map outputs lost", self.ask("counters", job)["mapreduce"])
        # The one that ran when its worker was killed is all that was done again.
        self.assertLessEqual(self.ask("counters", job)["mapreduce"]["launched attempts"],
                             status["maps"]["total"] + 2 + 1)
        self.assertEqual(self.server.keys("bkt", "tmp/"), [])

    def test_every_worker_is_replaced_between_map_and_reduce(self):
        expected = self.embedded(*JOB, "--input", self.data)
        self.start_cluster(1)
        gate = self.path("gate")
        reducer = f"while [ ! -e {gate} ]; do sleep 0.02; done; cat"
        mapper = ["--mapper", "cat", "--reducer", reducer, "--reduces", "2", "--split-size", "40K"]
        self.write("gate", "")
        expected = self.embedded(*mapper, "--input", self.data)
        os.remove(gate)
        job = self.submit_job(*mapper, "--intermediate", "s3://bkt/tmp")
        wait_until(lambda: self.status(job)["maps"]["succeeded"] == self.status(job)["maps"]["total"],
                   "all maps are done")
        self.workers[0].kill()
        self.start_workers(1, "--log-level", "debug")
        self.write("gate", "")
        self.finish(job, expected)
        self.assertNotIn("map outputs lost", self.ask("counters", job)["mapreduce"])

    def test_the_coordinator_is_killed_again_and_again(self):
        expected = self.embedded(*JOB, "--input", self.data)
        self.start_cluster(2, state="state")
        address = self.address
        job = self.submit_job(*JOB, "--intermediate", "s3://bkt/tmp")
        for _ in range(6):
            before = set(self.server.keys("bkt"))
            wait_until(lambda: set(self.server.keys("bkt")) != before or self.is_over(before),
                       "the store changes")
            self.coordinator.kill()
            self.start_coordinator("--worker-lease", "1s", "--log-level", "debug", state="state",
                                   address=address)
        self.finish(job, expected)
        left = [k for k in self.server.keys("bkt") if not k.startswith(("in/", "out/"))]
        wait_until(lambda: not [k for k in self.server.keys("bkt") if not k.startswith(("in/", "out/"))],
                   f"what is left goes: {left}")

    @staticmethod
    def is_over(keys):
        return "out/_SUCCESS" in keys and not any("_temporary" in key for key in keys)

    def test_a_cancelled_job_leaves_nothing(self):
        self.start_cluster(2)
        job = self.submit_job("--mapper", "cat", "--reducer", "cat; sleep 100", "--reduces", "2",
                              "--intermediate", "s3://bkt/tmp")
        wait_until(lambda: self.status(job)["reduces"]["running"] == 2, "the reduces run")
        self.trireme("cancel", str(job), "--coordinator", self.address)
        self.wait(job, check=130)
        wait_until(lambda: all(k.startswith("in/") for k in self.server.keys("bkt")),
                   "all is removed")
        self.assertEqual(self.server.uploads("bkt"), [])


if __name__ == "__main__":
    main()
