"""`trireme kv` beside Debian's etcdctl: the same scripts, each against a fresh server, have to print
the same bytes and end with the same statuses and `Error: ` lines."""
import difflib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ctl  # noqa: E402


class EtcdctlClusterTest(unittest.TestCase):
    maxDiff = None

    @staticmethod
    def run_both(ports, script):
        printed = []
        for client in (ctl.ETCDCTL, ctl.OURS):
            with tempfile.TemporaryDirectory() as directory, ctl.Server(ports) as server:
                printed.append(ctl.run_script(client, server.endpoint, script, directory))
        return printed

    def same(self, script):
        printed = ctl.with_ports(lambda ports: self.run_both(ports, script))
        theirs, ours = (ctl.masked(text).splitlines() for text in printed)
        self.assertGreater(len(ours), 2 * len(script.strip().splitlines()) - 1)
        if theirs != ours:
            diff = difflib.unified_diff(theirs, ours, "etcdctl", "trireme kv", lineterm="", n=4)
            self.fail("they differ:\n" + "\n".join(diff))

    def test_put_and_get(self):
        self.same(r"""
            CTL put a 1
            CTL put a 2 --prev-kv
            CTL put b $'x<&>\n"\x01\xff\u00e9\t\\' -w json
            CTL put b $'x<&>\n"\x01\xff\u00e9\u2028\u00ad\U0001f600\x7f' --prev-kv -w fields
            CTL put b two words
            echo from standard input | CTL put c
            CTL put c -- -dash
            CTL put -- --d -v
            CTL put empty ''
            CTL put
            CTL put a < /dev/null
            CTL put '' v
            CTL put --ignore-value a
            CTL put --ignore-value a v
            CTL put --ignore-value=false a v
            CTL put --ignore-value nokey
            CTL put --lease=zz a b
            CTL put --lease=5 a b
            CTL put a 3 --prev-kv -w json
            CTL put a 3 --prev-kv -w protobuf | xxd
            CTL put a 3 -w table
            CTL put a 3 -w yaml
            CTL get a
            CTL get a -w json
            CTL get b -w json
            CTL get a -w fields
            CTL get b -w fields
            CTL get a -w protobuf | xxd
            CTL get a -w table
            CTL get a --hex
            CTL get b --hex
            CTL --hex=true get --prefix ''
            CTL get nokey
            CTL get nokey -w json
            CTL get
            CTL get ''
            CTL get a b c
            CTL get -- --d
            CTL get --write-out json a
            CTL -wjson get a
            CTL -w=json get a
            CTL --cacert= get a
            CTL --cert nofile get a
        """)

    def test_ranges(self):
        self.same(r"""
            for i in 5 3 1 4 2; do CTL put key$i value$((9-i)); done
            CTL put key3 again
            CTL put other x
            CTL get key2 key4
            CTL get --prefix key
            CTL get --prefix ''
            CTL get --prefix '' --keys-only
            CTL get --prefix key --print-value-only
            CTL get key1 --keys-only --print-value-only
            CTL get key1 --print-value-only -w json
            CTL get --from-key key4
            CTL get --from-key ''
            CTL get --prefix --limit 2 key
            CTL get --prefix --limit=2 key -w json
            CTL get --prefix --limit=-1 key
            CTL get --prefix key --order ascend
            CTL get --prefix key --order DESCEND --limit 2
            CTL get --prefix key --sort-by create
            CTL get --prefix key --sort-by modify --order descend
            CTL get --prefix key --sort-by VERSION --order descend
            CTL get --prefix key --sort-by value
            CTL get --prefix key --sort-by key --order ascend
            CTL get --prefix key --order upwards
            CTL get --prefix key --sort-by weight
            CTL get --consistency s key1
            CTL get --consistency l key1
            CTL get --consistency x key1
            CTL get key3 --rev 3
            CTL get key3 --rev=0x3
            CTL get key3 --rev 999
            CTL get key1 key2 --prefix
            CTL get key1 --prefix --from-key
            CTL get key1 key2 --from-key
            CTL get key1 --prefix=false
            CTL get $'\xff' --prefix
            CTL get $'k\xff' --prefix -w json
            CTL compaction 5
            CTL compaction 5
            CTL compaction 500000
            CTL compaction
            CTL compaction x
            CTL compaction 6 --physical -w json
            CTL get key3 --rev 3
            CTL del key1
            CTL del key2 key4 --prev-kv
            CTL del nokey
            CTL del nokey -w json
            CTL del ''
            CTL del
            CTL del a b c
            CTL del a b --prefix
            CTL del key4 --prev-kv -w fields
            CTL del --prefix key --prev-kv -w json
            CTL del --prefix '' -w protobuf | xxd
            CTL del --from-key ''
        """)

    def test_transactions(self):
        self.same(r"""
            t() { printf "$1" | CTL txn $2; }
            CTL put a b
            t 'val("a") = "b"\n\nput k "hello world"\nget a\ndel zz\n\nget nokey\n\n'
            t 'val("a") = "c"\n\nput k "hello world"\n\nget nokey\nget a\nput a c --prev-kv\n\n'
            t 'val("a") = "c"\n\nput k "x y" --prev-kv\nget a\ndel a --prev-kv\n\n\n' '-w json'
            t 'val("a") = "c"\n\n\nput k "x\\ty"\nget "" --prefix\ndel k --prev-kv\n\n' '-w fields'
            t '\nput k v\nget k\n\n\n' '-w protobuf' | xxd
            t '\nput k v\n\n\n' -i
            t '\nput k v\n\n\n' --interactive=true
            t '\nput k v\n\n\n' '-w table'
            t 'mod("k") > "0"\nversion("k") < "99"\ncreate("k")  !=  "0"\nvalue("k") = "v"\n\nget k\n\n\n'
            t 'm("k") < "5"\n\nget k\n\n\n'
            t 'ver("k") = "1"\nc("k") > "1"\nval("k") > "a"\n\nget k\n\n\n'
            t 'mod("none") = "0"\n\nget k\n\n\n'
            t 'val(`a`) = `c`\n\nget k\n\nget k\n\n'
            t 'mod("k") = "1" trailing\n\nput k v\n\n\n'
            t '  val("\x61") = "\\u0063"  \r\n\nget k\n\nget a\n\n'
            t '\nput k v\n\n'
            t '\nput k v\n\nget k\n'
            t ''
            t 'val("k"\n\n\n\n'
            t 'bad("k") = "1"\n\n\n\n'
            t 'val\n\n\n\n'
            t 'mod(k) = "1"\n\n\n\n'
            t 'mod("k")="1"\n\n\n\n'
            t 'mod( "k" ) = "1"\n\n\n\n'
            t 'mod ("k") = "1"\n\n\n\n'
            t 'mod("k") ="1"\n\n\n\n'
            t 'mod("k") =\n\n\n\n'
            t 'val("k") = v\n\n\n\n'
            t '\nput k\n\n\n'
            t '\nfoo k\n\n\n'
            t '\nput\n\n\n'
            t '\nput k v\nput k w\n\n\n'
            t '\nget k --rev 1000\n\n\n'
            t '\nget "" --prefix --limit 2 --keys-only\n\n\n'
            t '\nget "" --prefix --sort-by MODIFY --order=descend\n\n\n'
            t '\nput a "it'"'"'s"\nput b it'"'"'s\nput c "a\\x41\\u00e9"\nget a\nget b\nget c\n\n\n'
            t '\nput d a"b"c\nput e "two ""words"\nget d\nget e\n\n\n'
            t '\ndel --from-key c --prev-kv\ndel a b\n\n\n'
            t '\nput e "" --lease=0\n\n\n'
            t '\nput f x --lease=77\n\n\n'
            CTL txn word
        """)

    def test_environment(self):
        self.same(r"""
            CTL put k v
            ETCDCTL_WRITE_OUT=json CTL get k
            ETCDCTL_HEX=true CTL get k
            ETCDCTL_COMMAND_TIMEOUT=3s CTL get k
            E=$ETCDCTL_ENDPOINTS; unset ETCDCTL_ENDPOINTS ETCDCTL_COMMAND_TIMEOUT
            CTL --endpoints=$E get k
            CTL --endpoints=http://$E get k
            CTL get --endpoints 127.0.0.1:1,$E k
            CTL get k --endpoints 127.0.0.1:1 --endpoints $E
            CTL --endpoints 127.0.0.1:1 --command-timeout 300ms get k
            CTL --endpoints 127.0.0.1:1 --command-timeout 300ms put k v
            CTL --endpoints https://$E --command-timeout=300ms get k
        """)


    def test_leases(self):
        self.same(r"""
            CTL lease grant 100
            CTL lease grant 100 -w json
            CTL lease grant 100 -w fields
            CTL lease grant 100 -w table
            CTL lease grant
            CTL lease grant x
            CTL lease grant 10 20
            CTL lease grant 100 > lease; L=$(cut -d' ' -f2 lease)
            CTL put lk v --lease=$L
            CTL put lk v2 --ignore-lease --prev-kv -w json
            CTL get lk -w fields
            CTL lease timetolive $L
            CTL lease timetolive $L --keys
            CTL lease timetolive $L -w json
            CTL lease timetolive $L -w json --keys
            CTL lease timetolive $L -w fields --keys
            CTL lease timetolive $L -w table
            CTL lease timetolive
            CTL lease timetolive zz
            CTL lease timetolive 77
            CTL lease timetolive 77 -w json
            CTL lease keep-alive --once $L
            CTL lease keep-alive --once $L -w json
            CTL lease keep-alive --once $L -w fields
            CTL lease keep-alive --once 77
            CTL lease keep-alive 77
            CTL lease keep-alive
            CTL lease revoke
            CTL lease revoke zz
            CTL lease revoke 77
            CTL lease revoke $L
            CTL get lk
            CTL lease revoke $L -w json
            CTL lease list | head -1
            for L in $(CTL lease list | tail -n +2); do CTL lease revoke $L -w json; done
            CTL lease list
            CTL lease list -w json
            CTL lease list -w fields
        """)

    def test_cluster(self):
        self.same(r"""
            CTL put a 1
            CTL member list
            CTL member list -w json
            CTL member list -w fields
            CTL member list -w table
            CTL member list -w protobuf | xxd
            CTL endpoint health | wc -l
            CTL endpoint health --cluster -w json
            CTL endpoint hashkv
            CTL endpoint hashkv -w json
            CTL endpoint hashkv -w fields --cluster
            CTL endpoint hashkv -w table
            CTL endpoint hashkv -w protobuf
            CTL endpoint hashkv --rev 1000
            CTL endpoint status | cut -d, -f1-3,5,6
            CTL endpoint status -w table | head -2 | tail -1 | tr -d ' '
            CTL endpoint status -w fields | grep -v -e Index -e Size
            CTL endpoint status -w protobuf
            CTL alarm list
            CTL alarm list -w json
            CTL alarm list -w table
            CTL alarm list x
            CTL alarm disarm
            CTL defrag
            CTL defrag --cluster
            CTL move-leader
            CTL move-leader zz
            CTL move-leader 5
            CTL member add
            CTL member add x
            CTL member remove
            CTL member remove zz
            CTL member remove 5
            CTL member update 5
            CTL member update 5 --peer-urls=http://127.0.0.1:9
            CTL member promote
            CTL member promote 5
            ID=$(CTL member list | cut -d, -f1)
            CTL member update $ID --peer-urls=http://127.0.0.1:9
            CTL member list
            CTL member add new --peer-urls=http://127.0.0.1:8 --learner | sed 's/^Member *[0-9a-f]*/Member/' | tr '=,"' '\n\n\n' | sort
            CTL member list | cut -d, -f2- | sort
            NEW=$(CTL member list | grep unstarted | cut -d, -f1)
            CTL member promote $NEW
            CTL member remove $NEW | sed 's/^Member *[0-9a-f]*/Member/'
            CTL member list
        """)

    def test_snapshots(self):
        self.same(r"""
            for i in $(seq 300); do echo "put key$i value$i"; done > puts
            for i in 1 2 3; do (echo; sed -n "$((i*100-99)),$((i*100))p" puts; echo; echo) | CTL txn | head -1; done
            CTL del key7
            CTL snapshot save
            CTL snapshot save a b
            CTL snapshot save s.db
            test $(stat -c %s s.db) -gt 20000
            CTL snapshot status s.db | cut -d, -f2-3
            CTL snapshot status s.db -w json | tr , '\n' | grep -v -e hash -e Size
            CTL snapshot status s.db -w fields | grep -e Rev -e Keys
            CTL snapshot status s.db -w table | head -2 | tr -d ' -'
            CTL snapshot status s.db -w protobuf
            CTL snapshot status nofile
            CTL snapshot status
            CTL snapshot save nowhere/s.db
            ls
        """)

    def test_watches(self):
        self.same(r"""
            CTL put w 1
            CTL put w 2
            CTL put x 1
            CTL del w
            CTL compaction 2
            watching() { N=$1; shift; : > out; (CTL watch "$@" > out & P=$!; until [ $(wc -l < out) -ge $N ]; do sleep 0.02; done; kill $P; wait $P); cat out; }
            watching 8 w --rev 2
            watching 10 w --rev 2 --prev-kv
            watching 1 w --rev 2 --prev-kv -w json
            watching 21 w --rev 2 -w fields
            watching 11 '' --prefix --rev 2
            watching 11 a z --rev 2
            watching 8 w --rev 2 --hex
            watching 8 w --rev 3 -- sh -c 'echo "$ETCD_WATCH_REVISION $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY $ETCD_WATCH_VALUE"'
            CTL watch w --rev 1
            CTL watch w --rev 1 -w json
            CTL watch w --rev 1 -w table
            CTL watch w --rev 3 -- false
            CTL watch w --rev 3 -- no-such-program
            CTL watch
            CTL watch w --
            CTL watch w z --prefix
            ETCDCTL_WATCH_KEY=w CTL watch w
            ETCDCTL_WATCH_RANGE_END=w CTL watch
            printf 'watch w --rev 3\nfoo\n\nwatch\n' | CTL watch -i > /dev/null
            (echo 'watch w --rev 3'; until [ $(wc -l < iout) -ge 6 ]; do sleep 0.02; done; echo 'watch x --rev 3 -- echo program'; until [ $(wc -l < iout) -ge 10 ]; do sleep 0.02; done) | CTL watch -i > iout
            cat iout
            ETCDCTL_WATCH_KEY=w watching 8 --rev 2
        """)

    def test_locks_and_elections(self):
        self.same(r"""
            CTL lock
            CTL lock l true
            CTL get --prefix l --keys-only
            CTL lock l -- sh -c 'echo $ETCD_LOCK_KEY $ETCD_LOCK_REV'
            CTL lock l no-such-program
            CTL lock l --ttl 5 echo one two
            CTL get --prefix l
            held() { (CTL "$@" > held & P=$!; until [ -s held ]; do sleep 0.02; done; CTL get --prefix l --keys-only; kill -INT $P; wait $P; echo "<$?>"; cat held; rm held); }
            held lock l
            held lock l -w fields
            CTL get --prefix l
            CTL elect
            CTL elect e
            CTL elect e v -l
            CTL elect a b c
            held elect e v1
            CTL get --prefix e
        """)

    def test_a_lock_ends_as_its_command(self):
        """As in etcdctl 3.5; 3.4 ends with 1."""
        server = ctl.serving()
        self.addCleanup(server.stop)
        for command, status, error in [("exit 7", 7, "exit status 7"),
                                       ("kill -9 $$", 255, "signal: killed")]:
            done = subprocess.run([ctl.TRIREME, "kv", "--endpoints", server.endpoint, "lock",
                                   "l", "--", "sh", "-c", command], env=ctl.environment(),
                                  capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (status, f"Error: {error}\n"))

    def test_a_watch_goes_on_after_its_server_came_back(self):
        server = ctl.serving()
        self.addCleanup(server.stop)
        ask = [ctl.TRIREME, "kv", "--endpoints", server.endpoint]
        subprocess.run([*ask, "put", "k", "before"], env=ctl.environment(), check=True,
                       stdout=subprocess.DEVNULL)
        watch = subprocess.Popen([*ask, "watch", "k", "--rev", "2"], env=ctl.environment(),
                                 stdout=subprocess.PIPE, text=True)
        self.addCleanup(watch.kill)
        self.assertEqual([watch.stdout.readline() for _ in range(3)], ["PUT\n", "k\n", "before\n"])
        server.kill()
        server.start()
        server.await_serving()
        subprocess.run([*ask, "put", "k", "after"], env=ctl.environment(), check=True,
                       stdout=subprocess.DEVNULL)
        self.assertEqual([watch.stdout.readline() for _ in range(3)], ["PUT\n", "k\n", "after\n"])
        watch.send_signal(signal.SIGINT)
        self.assertEqual(watch.communicate(timeout=ctl.PATIENCE_SECONDS)[0], "")

    def test_tls(self):
        """One script on a server with TLS; it need not be compared, but for who is trusted."""
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        for name in ("one", "other"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                            "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                            "-keyout", f"{name}.key", "-out", f"{name}.pem"], cwd=directory,
                           check=True, stderr=subprocess.DEVNULL)
        file = {name: os.path.join(directory, name) for name in ("one.pem", "one.key", "other.pem")}
        server = ctl.serving("--cert-file", file["one.pem"], "--key-file", file["one.key"],
                             "--client-cert-auth", "--trusted-ca-file", file["one.pem"],
                             scheme="https", ready_flags=("--cacert", file["one.pem"], "--cert",
                                                          file["one.pem"], "--key",
                                                          file["one.key"]))
        self.addCleanup(server.stop)
        identity = ["--cert", file["one.pem"], "--key", file["one.key"]]
        for endpoint, flags, status in [
                (server.endpoint, [*identity, "--cacert", file["one.pem"]], 0),
                (server.url, [*identity, "--cacert", file["one.pem"]], 0),
                (server.endpoint, [*identity, "--insecure-skip-tls-verify"], 0),
                (server.endpoint, [*identity, "--cacert", file["other.pem"]], 1),
                (server.endpoint, identity, 1),
                (server.url, ["--cacert", file["one.pem"]], 1),
                (f"http://{server.endpoint}", [*identity, "--cacert", file["one.pem"]], 1)]:
            done = subprocess.run([ctl.TRIREME, "kv", "put", "k", "v", "--endpoints", endpoint,
                                   "--command-timeout", "60s" if status == 0 else "300ms", *flags],
                                  env=ctl.environment(), capture_output=True, text=True)
            self.assertEqual(done.returncode, status, (flags, done.stderr))
            self.assertEqual(done.stdout, "OK\n" if status == 0 else "")

    def test_words_that_are_not_there(self):
        with tempfile.TemporaryDirectory() as directory:
            for words, status, error in [
                    ("get k --bogus", 1, "unknown flag: --bogus"),
                    ("--bogus get k", 1, "unknown flag: --bogus"),
                    ("get -x k", 1, "unknown shorthand flag: 'x' in -x"),
                    ("get k -w", 1, "flag needs an argument: 'w' in -w"),
                    ("get k --rev x", 1, "invalid argument \"x\" for \"--rev\" flag: "
                                         "strconv.ParseInt: parsing \"x\": invalid syntax"),
                    ("bogus", 1, 'unknown command "bogus" for "trireme kv": see '
                                 "`trireme kv help`"),
                    ("lease bogus", 1, 'unknown command "bogus" for "trireme kv lease": see '
                                       "`trireme kv lease --help`"),
                    ("user list", 1, "user: authentication comes later; there are no users and "
                                     "roles yet"),
                    ("get k --discovery-srv x", 128, "--discovery-srv is not supported: name the "
                                                     "members with --endpoints"),
                    ("import", 128, "import needs --from: the endpoints of the cluster to copy")]:
                done = subprocess.run(f"{ctl.OURS} {words}", shell=True, cwd=directory,
                                      env=ctl.environment(), capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stdout, done.stderr),
                                 (status, "", f"Error: {error}\n"), words)

    def test_help(self):
        for words, expected in [("help", "lease grant"), ("--help", "lease grant"),
                                ("lease", "lease grant"), ("help get", "--print-value-only"),
                                ("get --help", "--print-value-only"), ("-h", "--endpoints")]:
            done = subprocess.run(f"{ctl.OURS} {words}", shell=True, env=ctl.environment(),
                                  capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), words)
            self.assertIn(expected, done.stdout)


class ImportClusterTest(unittest.TestCase):
    """From one server to another."""

    def setUp(self):
        self.source, self.destination = (
            ctl.serving("--initial-cluster-token", token)
            for token in ("source", "destination"))
        self.addCleanup(self.source.stop)
        self.addCleanup(self.destination.stop)

    def ours(self, *words, endpoint=None, **more):
        done = subprocess.run([ctl.TRIREME, "kv", *words], capture_output=True, text=True,
                              env=ctl.environment(ETCDCTL_COMMAND_TIMEOUT=ctl.COMMAND_TIMEOUT),
                              timeout=ctl.PATIENCE_SECONDS, **more)
        return done.returncode, done.stdout, done.stderr

    def run_import(self, *flags):
        return self.ours("import", "--from", self.source.endpoint, "--to",
                         self.destination.endpoint, *flags)

    def ask(self, server, *words):
        status, out, err = self.ours("--endpoints", server.endpoint, *words)
        self.assertEqual(status, 0, err)
        return out

    def fill(self, count, size):
        for first in range(0, count, 100):
            puts = "".join(f"put k{i:06} {'v' * size}{i}\n"
                           for i in range(first, min(first + 100, count)))
            self.ours("--endpoints", self.source.endpoint, "txn", input=f"\n{puts}\n\n")

    def pairs(self, server, *flags):
        reply = json.loads(self.ask(server, "get", "--prefix", "", "-w", "json", *flags))
        return [(kv["key"], kv.get("value"), kv.get("lease")) for kv in reply.get("kvs", [])]

    def test_copies_keys_values_and_leases(self):
        self.fill(2000, 3000)  # Over several pages and transactions.
        self.ask(self.source, "del", "k000007")
        lease = self.ask(self.source, "lease", "grant", "500").split()[1]
        self.ask(self.source, "put", "leased", "x", "--lease", lease)
        self.ask(self.source, "put", "empty", "--", "")
        status, out, err = self.run_import()
        self.assertEqual(status, 0, err)
        self.assertRegex(out, r"^copied 2001 keys \(\d+ bytes\) and 1 leases of .* at revision \d+; "
                              r"read back and compared\n$")
        self.assertEqual(self.pairs(self.source), self.pairs(self.destination))
        self.assertIn("granted with TTL(500s)",
                      self.ask(self.destination, "lease", "timetolive", lease))

    def test_takes_a_prefix_and_asks_before_it_replaces(self):
        self.fill(150, 1)
        self.ask(self.source, "put", "other", "x")
        self.ask(self.destination, "put", "k9", "in the way")
        self.ask(self.destination, "put", "z", "elsewhere")
        status, _, err = self.run_import("--prefix", "k")
        self.assertEqual((status, err), (1, "Error: the destination has 1 keys in that range "
                                            "already: --replace deletes them first\n"))
        status, out, err = self.run_import("--prefix", "k", "--replace", "--batch-keys", "7")
        self.assertEqual(status, 0, err)
        keys = self.ask(self.destination, "get", "--prefix", "", "--keys-only").split()
        self.assertEqual(len(keys), 151)
        self.assertEqual(keys[-1], "z")

    def test_refuses_what_cannot_be(self):
        status, _, err = self.ours("import", "--from", self.source.endpoint, "--to",
                                   self.source.endpoint)
        self.assertEqual((status, err), (128, "Error: source and destination are the same "
                                              "cluster\n"))
        status, _, err = self.ours("import", "--from", "127.0.0.1:1", "--to",
                                   self.destination.endpoint, "--command-timeout", "300ms")
        self.assertEqual(status, 1)
        self.assertTrue(err.startswith("Error: context deadline exceeded: 127.0.0.1:1 "), err)

    def test_follows(self):
        self.fill(10, 1)
        process = subprocess.Popen(
            [ctl.TRIREME, "kv", "import", "--from", self.source.endpoint, "--to",
             self.destination.endpoint, "--follow"], env=ctl.environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        self.assertIn("copied 10 keys", process.stdout.readline())
        self.fill(20, 2)
        self.ask(self.source, "del", "k000003")
        lease = self.ask(self.source, "lease", "grant", "500").split()[1]
        self.ask(self.source, "put", "leased", "x", "--lease", lease)
        deadline = time.monotonic() + ctl.PATIENCE_SECONDS
        while self.pairs(self.source) != self.pairs(self.destination):
            self.assertLess(time.monotonic(), deadline)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=ctl.PATIENCE_SECONDS)
        self.assertEqual((process.returncode, out), (0, "followed with 22 changes\n"), err)


if __name__ == "__main__":
    unittest.main()
