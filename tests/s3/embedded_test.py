"""Jobs in one process that read and write an object store."""
import gzip
import os
import random
import re
import subprocess
import threading

from store import ACCESS, JOB, PATIENT, SECRET, RunsOnStoreClusterTest, Server, Spoiler, main, wait_until


class Reading(RunsOnStoreClusterTest):
    def test_word_count_equals_local(self):
        data = self.make_input()
        expected = self.embedded(*JOB, "--input", data)
        self.upload(data, "in/")
        self.run_job(*JOB, "--input", "s3://bkt/in/**")
        self.assert_stored("out/", expected)

    def test_patterns_and_names(self):
        names = ["a b+c=d&e%41.txt", "caf\u00e9.txt", "x/one.txt", "x/two.log", "x/_hidden.txt", "y/three.txt",
                 "star*.txt", "z.txt"]
        for name in names:
            self.server.put("bkt", "in/" + name, name + "\n")
        self.server.put("bkt", "inside/no.txt", "no\n")
        for patterns, wanted in (
                (["s3://bkt/in/{x,y}/*.txt"], ["x/one.txt", "y/three.txt"]),
                (["s3://bkt/in"], [n for n in names if "_" not in n]),
                (["s3://bkt/in/**/*.log", "s3://bkt/in/star*.txt"], ["x/two.log", "star*.txt"]),
                (["s3://bkt/in/x/_hidden.txt"], ["x/_hidden.txt"]),
                (["s3://bkt/in/[ac]*"], ["a b+c=d&e%41.txt", "caf\u00e9.txt"])):
            self.run_job("--mapper", "cat", "--reducer", "NONE", "--overwrite", "--input", *patterns)
            got = b"".join(v for k, v in self.stored_parts("out/").items() if k != "_SUCCESS")
            self.assertEqual(sorted(got.decode().split("\n"))[1:], sorted(wanted), patterns)
        self.assertIn("no object matches", self.error(self.run_job(
            *JOB, "--input", "s3://bkt/in/*.nothing", "--overwrite", check=2)))

    def test_compressed(self):
        with open(os.path.join(self.make_input(files=1, lines=20000), "f00.txt"), "rb") as file:
            text = file.read()
        expected = self.embedded(*JOB, "--input", self.path("in"))
        self.server.put("bkt", "in/a.gz", gzip.compress(text[:len(text) // 2]))
        zstd = subprocess.run(["zstd", "-c"], input=text[len(text) // 2:], capture_output=True,
                              check=True).stdout
        self.server.put("bkt", "in/b.zst", zstd)
        # Split in the middle of a word, which is one in the whole text.
        whole = self.embedded(*JOB, "--input", self.write("halves/a", text[:len(text) // 2]),
                              self.write("halves/b", text[len(text) // 2:]))
        self.run_job(*JOB, "--input", "s3://bkt/in", "--s3-read-size", "64K")
        self.assert_stored("out/", whole)
        self.assertNotEqual(expected, {})

    def test_a_listing_of_many_pages(self):
        count = 2345
        for number in range(count):  # as the server keeps them: a request each would take a minute
            self.write("store/bkt/in/%05d.txt" % number, "word\n")
        done = self.run_job("wordcount", "--input", "s3://bkt/in/*.txt")
        parts = self.stored_parts("out/")
        self.assertEqual(b"".join(parts.values()), b"word\t%d\n" % count)
        self.assertLess(self.asked(done, "HEAD", "s3://bkt/in/"), 5)
        # Three pages, and what Prepare, Stat and Finish list.
        self.assertIn(self.asked(done, "GET", "s3://bkt/ "), range(3, 15))

    def test_a_big_object_in_ranges(self):
        random.seed(7)
        words = ["w%d" % random.randrange(5000) for _ in range(4000)]
        text = (" ".join(words) + "\n").encode() * 1000
        data = self.write("big/big.txt", text)
        job = ["wordcount", "--reduces", "2", "--split-size", "5M", "--slots", "2"]
        expected = self.embedded(*job, "--input", data)
        self.write("store/bkt/in/big.txt", text)
        done = self.run_job(*job, "--input", "s3://bkt/in/big.txt", "--s3-read-size", "1M")
        self.assert_stored("out/", expected)
        ranges = self.asked(done, "GET", "s3://bkt/in/big.txt")
        self.assertIn(ranges, range(len(text) >> 20, 2 * (len(text) >> 20)))

    def test_an_empty_object_and_an_empty_output(self):
        self.server.put("bkt", "in/empty.txt", "")
        self.run_job(*JOB, "--input", "s3://bkt/in/")
        self.assertEqual(set(self.stored_parts("out/").values()), {b""})


class Writing(RunsOnStoreClusterTest):
    def test_large_parts_are_multipart_uploads(self):
        rows = "".join("%012d %s\n" % (n, "x" * 100) for n in range(150000))
        data = self.write("in/rows.txt", rows)
        job = ["sort", "--input", data, "--reduces", "1", "--slots", "2"]
        expected = self.embedded(*job)
        self.run_job(*job, "--s3-part-size", "5M", "--s3-upload-ahead", "3")
        self.assert_stored("out/", expected)
        headers, _ = self.server.done("HEAD", "bkt", "out/part-r-00000")
        etag = {k.lower(): v for k, v in headers.items()}["etag"]
        self.assertEqual(etag.strip('"').split("-")[1], str(-(-len(rows) // (5 << 20))))

    def test_compressed_output_in_process_isolation(self):
        data = self.make_input(files=3)
        job = [*JOB, "--isolation", "process", "--compress", "zstd", "--input", data]
        expected = self.embedded(*job)
        self.run_job(*job)
        self.assert_stored("out/", expected)

    def test_a_failed_job_leaves_nothing(self):
        data = self.make_input(files=3)
        self.server.put("bkt", "out-of-it/x", "x")
        done = self.run_job("--mapper", "cat", "--reducer", "cat; exit 7", "--input", data,
                            "--max-attempts", "2", check=1)
        self.assertEqual(self.server.keys("bkt"), ["out-of-it/x"])
        self.assertEqual(self.server.uploads("bkt"), [])
        self.assertIn("status 7", done.stderr)

    def test_an_older_output_stays_until_the_new_one_is_whole(self):
        data = self.make_input(files=2)
        job = [*JOB, "--input", data]
        self.run_job("wordcount", "--reduces", "5", "--input", data)
        before = self.stored_parts("out/")
        self.assertIn("--overwrite", self.error(self.run_job(*job, check=2)))
        self.run_job("--mapper", "cat", "--reducer", "exit 1", "--input", data, "--overwrite",
                     "--max-attempts", "1", check=1)
        self.assertEqual(self.stored_parts("out/"), before)
        self.run_job(*job, "--overwrite")
        self.assert_stored("out/", self.embedded(*job))

    def test_a_job_that_was_killed_is_cleaned_up_by_the_next(self):
        data = self.make_input(files=2)
        hang = [os.environ["TRIREME"], "mr", "run", "--mapper", "cat", "--reducer", "cat; sleep 60", "--input",
                data, "--output", "s3://bkt/out", "--quiet"]
        job = subprocess.Popen(hang)
        wait_until(lambda: "out/_temporary/_job" in self.server.keys("bkt"), "the job has begun")
        job.kill()
        job.wait()
        self.run_job(*JOB, "--input", data, "--overwrite")
        self.assert_stored("out/", self.embedded(*JOB, "--input", data))


class Trouble(RunsOnStoreClusterTest):
    def setUp(self):
        super().setUp()
        self.data = self.make_input()
        self.upload(self.data, "in/")
        self.job = [*JOB, "--input", "s3://bkt/in/*.txt"]

    def test_a_store_that_dies_and_comes_back(self):
        expected = self.embedded(*JOB, "--input", self.data)
        slow = ["--mapper", "sleep 0.2; cat", "--reducer", "cat", "--slots", "2", "--input"]
        expected = self.embedded(*slow, self.data)
        arguments = [*slow, "s3://bkt/in/*.txt", *PATIENT]
        ended = []
        job = threading.Thread(target=lambda: ended.append(self.run_job(*arguments)))
        job.start()
        wait_until(lambda: "out/_temporary/_job" in self.server.keys("bkt"), "the job has begun")
        self.server.kill()
        self.server.start()
        job.join()
        self.assertEqual(len(ended), 1)
        self.assert_stored("out/", expected)

    def test_a_network_that_spoils_one_request_in_three(self):
        expected = self.embedded(*JOB, "--input", self.data)
        spoiler = Spoiler(self.server)
        self.addCleanup(spoiler.close)
        self.settings(endpoint=spoiler.address)
        done = self.run_job(*self.job, *PATIENT, "--s3-read-size", "64K")
        self.assert_stored("out/", expected)
        self.assertEqual(set(spoiler.spoiled), set(Spoiler.WAYS))
        self.assertIn("SlowDown", done.stderr)

    def test_a_network_that_spoils_everything(self):
        spoiler = Spoiler(self.server, every=1)
        self.addCleanup(spoiler.close)
        self.settings(endpoint=spoiler.address)
        said = self.error(self.run_job(*self.job, "--s3-attempts", "3", "--s3-backoff", "1ms", check=2))
        self.assertIn("tried 3 times", said)
        self.assertIn("s3://bkt/", said)

    def test_wrong_settings_are_one_line_and_final(self):
        rejected = "the credentials were not accepted: check AWS_ACCESS_KEY_ID"
        for change, words in (
                ({"AWS_SECRET_ACCESS_KEY": "wrong-" + SECRET}, ["403", "SignatureDoesNotMatch", rejected]),
                ({"AWS_ACCESS_KEY_ID": "NOBODY"}, ["UserNotFound", rejected]),
                ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, ["no credentials", ".aws/credentials"]),
                ({"AWS_PROFILE": "nobody"}, ["nobody", ".aws/config"]),
                ({"AWS_ENDPOINT_URL_S3": "ftp://x"}, ["--s3-endpoint", "ftp://x"])):
            with self.subTest(change=change):
                self.settings(endpoint=self.server.address, **change)
                done = self.run_job(*self.job, check=2)
                for word in words:
                    self.assertIn(word, self.error(done))
                self.assertEqual(re.findall("attempt=[2-9]", done.stderr), [])
        self.settings(endpoint=self.server.address)
        for arguments, words in (
                (["--input", "s3://no-such-bucket/x*"], ["NoSuchBucket", "no-such-bucket"]),
                (["--input", "s3://bkt/missing.txt"], ["no object matches", "missing.txt"]),
                (["--input", "s3://b/x"], ["'b' is no name of a bucket"])):
            said = self.error(self.run_job(*JOB, *arguments, check=2))
            for word in words:
                self.assertIn(word, said)
        said = self.error(self.run_job(*self.job, output="s3://no-such-bucket/out", check=2))
        self.assertIn("NoSuchBucket", said)
        self.assertIn("whole bucket", self.error(self.run_job(*self.job, output="s3://bkt", check=2)))

    def test_keys_from_a_profile(self):
        self.write(".aws/credentials", f"[mine]\naws_access_key_id = {ACCESS}\n"
                                       f"aws_secret_access_key = {SECRET}\n")
        self.write(".aws/config", f"[profile mine]\nendpoint_url = http://{self.server.address}\n"
                                  "region = us-east-1\n")
        self.settings(endpoint=self.server.address, AWS_PROFILE="mine", AWS_ACCESS_KEY_ID="",
                      AWS_SECRET_ACCESS_KEY="", AWS_ENDPOINT_URL_S3="")
        self.run_job(*self.job, "--isolation", "process")
        self.assert_stored("out/", self.embedded(*JOB, "--input", self.data))


class Encrypted(RunsOnStoreClusterTest):
    def test_tls_with_a_ca_of_its_own(self):
        key, cert = self.path("key.pem"), self.path("cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert,
                        "-subj", "/CN=localhost", "-days", "2", "-addext",
                        "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        os.mkdir(self.path("tls"))
        server = Server(self.path("tls"), {"S3_CERT": cert, "S3_KEY": key})
        self.addCleanup(server.kill)
        os.makedirs(os.path.join(server.data, "bkt"))
        data = self.make_input(files=2)
        expected = self.embedded(*JOB, "--input", data)
        with open(os.path.join(server.data, "bkt", "a.txt"), "wb") as whole:
            for name in sorted(os.listdir(data)):
                with open(os.path.join(data, name), "rb") as file:
                    whole.write(file.read())
        self.settings(endpoint=server.address, AWS_ENDPOINT_URL_S3="https://" + server.address)
        said = self.error(self.run_job(*JOB, "--input", "s3://bkt/a.txt", check=2,
                                       output=self.path("out")))
        self.assertIn("certificate", said)
        os.environ["AWS_CA_BUNDLE"] = cert
        self.run_job(*JOB, "--input", "s3://bkt/a.txt", output=self.path("out"))
        self.assert_same(self.path("out"), expected)


if __name__ == "__main__":
    main()
