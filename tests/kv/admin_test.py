"""What operators do to a KV cluster of processes, through Debian's etcdctl and plain HTTP."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cluster  # noqa: E402
import ctl  # noqa: E402


def serve(*flags, **variables):
    """A server that is expected to end by itself: status and what it said."""
    done = subprocess.run([ctl.TRIREME, "kv", "serve", *flags], stdin=subprocess.DEVNULL,
                          env={**os.environ, **variables}, capture_output=True, text=True,
                          timeout=ctl.PATIENCE_SECONDS)
    return done.returncode, done.stderr


class AdminClusterTest(unittest.TestCase):
    def member_lines(self, kv, at=None):
        return sorted(kv.ctl("member", "list", at=at).splitlines())

    def id_of(self, kv, name):
        for line in self.member_lines(kv):
            fields = line.split(", ")
            if fields[2] == name:
                return fields[0]
        raise AssertionError(f"no member {name}")

    def await_started(self, kv, count):
        cluster.await_true(
            lambda: sum(", started, " in line for line in self.member_lines(kv)) == count,
            f"{count} members have published their names")

    def statuses(self, kv):
        return {m: json.loads(kv.ctl("endpoint", "status", "-w", "json", at=m))[0]["Status"]
                for m in kv.members}

    def leader_of(self, kv):
        statuses = self.statuses(kv)
        leader_id = next(iter(statuses.values()))["leader"]
        return next(m for m in kv.members if statuses[m]["header"]["member_id"] == leader_id)

    def test_member_is_replaced_while_serving(self):
        with cluster.Cluster(3) as kv:
            self.await_started(kv, 3)
            kv.ctl("put", "before", "1")
            # The leader: the others have none yet when they are told.
            lost = self.leader_of(kv)
            kv.members.remove(lost)
            lost_id = self.id_of(kv, lost.name)
            lost.kill()
            self.assertIn("removed from cluster", kv.ctl("member", "remove", lost_id))
            new = kv.new_member("m3")
            added = kv.ctl("member", "add", "m3", "--peer-urls", new.peer)
            self.assertIn('ETCD_INITIAL_CLUSTER_STATE="existing"', added)
            kv.ctl("put", "while", "2")
            again = kv.ctl("member", "add", "m4", "--peer-urls", new.peer, check=False)
            self.assertNotEqual(again[0], 0)
            kv.members.append(new.start(kv.members + [new], state="existing"))
            kv.await_serving()
            self.await_started(kv, 3)
            self.assertEqual(kv.ctl("get", "before", "--print-value-only", at=new), "1\n")
            self.assertEqual(kv.ctl("get", "while", "--print-value-only", at=new), "2\n")
            # The old one, come back, ends with a line that says why.
            lost.start(kv.members)
            self.assertEqual(lost.process.wait(timeout=ctl.PATIENCE_SECONDS), 1)
            self.assertIn("the member has been permanently removed from the cluster", lost.said())
            # The new one is a voter: the other two need not both be there.
            kv.members[0].kill()
            kv.members.pop(0)
            cluster.await_true(
                lambda: kv.ctl("put", "after", "3", at=new, check=False)[0] == 0, "two are enough")

    def test_errors_of_members(self):
        with cluster.Cluster(1) as kv:
            self.await_started(kv, 1)
            for words, text in [
                    (("member", "remove", "1234"), "etcdserver: member not found"),
                    (("member", "promote", "1234"), "etcdserver: member not found"),
                    (("member", "update", "1234", "--peer-urls", "http://127.0.0.1:1"),
                     "etcdserver: member not found"),
                    (("member", "promote", self.id_of(kv, "m0")),
                     "etcdserver: can only promote a learner member"),
                    (("member", "add", "x", "--peer-urls", kv.members[0].peer),
                     "etcdserver: Peer URLs already exists")]:
                self.assertIn(text, kv.ctl(*words, check=False)[2])
            learner = kv.new_member("l")
            kv.ctl("member", "add", "l", "--learner", "--peer-urls", learner.peer)
            too_many = kv.ctl("member", "add", "k", "--learner", "--peer-urls",
                              "http://127.0.0.1:2", check=False)
            self.assertIn("etcdserver: too many learner members in cluster", too_many[2])
            waiting = [line.split(", ")[0] for line in self.member_lines(kv) if "unstarted" in line]
            self.assertIn("can only promote a learner member which is in sync with leader",
                          kv.ctl("member", "promote", waiting[0], check=False)[2])
            learner.start(kv.members + [learner], state="existing")
            self.await_started(kv, 2)
            cluster.await_true(
                lambda: kv.ctl("member", "promote", waiting[0], check=False)[0] == 0, "promoted")
            self.assertTrue(all(line.endswith("false") for line in self.member_lines(kv)))

    def test_leader_moves_where_it_is_told(self):
        with cluster.Cluster(3) as kv:
            self.await_started(kv, 3)
            statuses, leader = self.statuses(kv), self.leader_of(kv)
            other = next(m for m in kv.members if m is not leader)
            target = f"{statuses[other]['header']['member_id']:x}"
            self.assertIn("no leader endpoint",
                          kv.ctl("move-leader", target, at=other, check=False)[2])
            kv.ctl("move-leader", target, at=leader)
            now = json.loads(kv.ctl("endpoint", "status", "-w", "json", at=other))[0]["Status"]
            self.assertEqual(f"{now['leader']:x}", target)

    def test_hashes_are_equal_on_all_members(self):
        with cluster.Cluster(3) as kv:
            for i in range(20):
                kv.ctl("put", f"k{i % 7}", str(i))
            hashes = set()
            for member in kv.members:
                kv.ctl("get", "k0", at=member)  # it has all of that
                answer = json.loads(kv.ctl("endpoint", "hashkv", "-w", "json", at=member))[0]
                hashes.add((answer["HashKV"]["hash"], answer["HashKV"]["header"]["revision"]))
            self.assertEqual(len(hashes), 1)
            self.assertIn("Finished defragmenting", kv.ctl("defrag"))

    def test_alarm_stops_what_grows(self):
        with cluster.Cluster(1) as kv:
            member = kv.members[0]
            kv.ctl("put", "a", "1")
            member.process.send_signal(signal.SIGTERM)
            self.assertEqual(member.process.wait(timeout=ctl.PATIENCE_SECONDS), 0)
            member.start(kv.members, "--quota-backend-bytes", "1")
            kv.await_serving()
            cluster.await_true(lambda: "NOSPACE" in kv.ctl("alarm", "list"), "the alarm")
            cluster.await_true(lambda: "database space exceeded" in
                               kv.ctl("put", "b", "2", check=False)[2], "puts are refused")
            self.assertEqual(member.page("/health")[0], 503)
            self.assertEqual(kv.ctl("get", "a", "--print-value-only"), "1\n")
            self.assertEqual(kv.ctl("del", "a"), "1\n")
            member.process.send_signal(signal.SIGTERM)
            member.process.wait(timeout=ctl.PATIENCE_SECONDS)
            member.start(kv.members)
            kv.await_serving()
            self.assertIn("NOSPACE", kv.ctl("alarm", "disarm"))
            self.assertEqual(kv.ctl("alarm", "list"), "")
            cluster.await_true(lambda: kv.ctl("put", "b", "2", check=False)[0] == 0, "puts again")

    def test_backup_is_saved_and_restored(self):
        with cluster.Cluster(1) as kv, tempfile.TemporaryDirectory() as here:
            backup = os.path.join(here, "backup")
            for i in range(10):
                kv.ctl("put", f"key{i}", "x" * 1000 * i)
            kv.ctl("put", "key0", "newest")
            revision = json.loads(kv.ctl("get", "key0", "-w", "json"))["header"]["revision"]
            kv.ctl("snapshot", "save", backup)
            kv.ctl("put", "later", "not in it")
            restored = kv.new_member("r")
            words = ["kv", "snapshot", "restore", backup, "--data-dir", restored.directory,
                     "--name", "r", "--initial-cluster", f"r={restored.peer}",
                     "--initial-advertise-peer-urls", restored.peer]
            status = subprocess.run([ctl.TRIREME, "kv", "snapshot", "status", backup, "-w", "json"],
                                    capture_output=True, text=True, check=True)
            self.assertEqual(json.loads(status.stdout)["revision"], revision)
            damaged = os.path.join(here, "damaged")
            with open(backup, "rb") as whole, open(damaged, "wb") as copy:
                content = bytearray(whole.read())
                content[len(content) // 2] ^= 1
                copy.write(content)
            bad = subprocess.run([ctl.TRIREME, *words[:3], damaged, *words[4:]],
                                 capture_output=True, text=True)
            self.assertNotEqual(bad.returncode, 0)
            self.assertIn("sha256 does not match", bad.stderr)
            self.assertFalse(os.path.exists(restored.directory))
            subprocess.run([ctl.TRIREME, *words], capture_output=True, text=True, check=True)
            exists = subprocess.run([ctl.TRIREME, *words], capture_output=True, text=True)
            self.assertNotEqual(exists.returncode, 0)
            self.assertIn("exists", exists.stderr)
            kv.members = [restored.start([restored])]
            kv.await_serving()
            answer = json.loads(kv.ctl("get", "key0", "-w", "json"))
            self.assertEqual(answer["header"]["revision"], revision)
            self.assertEqual(kv.ctl("get", "key0", "--print-value-only"), "newest\n")
            self.assertEqual(kv.ctl("get", "later"), "")
            kv.ctl("put", "goes", "on")
            # A member that joins later begins with the backup's state too.
            joined = kv.new_member("j")
            kv.ctl("member", "add", "j", "--peer-urls", joined.peer)
            kv.members.append(joined.start(kv.members + [joined], state="existing"))
            kv.await_serving()
            self.assertEqual(kv.ctl("get", "key0", "--print-value-only", at=joined), "newest\n")

    def test_pages(self):
        with cluster.Cluster(1) as kv:
            member = kv.members[0]
            self.assertEqual(member.page("/health"), (200, '{"health":"true","reason":""}'))
            self.assertEqual(member.page("/livez"), (200, "ok\n"))
            self.assertEqual(member.page("/readyz"), (200, "ok\n"))
            self.assertIn("[+]linearizable_read ok", member.page("/readyz?verbose")[1])
            self.assertIn("etcdserver", json.loads(member.page("/version")[1]))
            kv.ctl("put", "a", "1")
            status, metrics = member.page("/metrics")
            self.assertEqual(status, 200)
            for line in ("etcd_server_has_leader 1", "etcd_server_is_leader 1"):
                self.assertIn(line + "\n", metrics)
            # What Grafana's dashboards for etcd show.
            for name in ("etcd_server_proposals_committed_total", "etcd_server_proposals_pending",
                         "etcd_server_proposals_applied_total", "process_start_time_seconds",
                         "etcd_server_proposals_failed_total", "process_cpu_seconds_total",
                         "etcd_server_leader_changes_seen_total", "process_open_fds",
                         "etcd_network_client_grpc_received_bytes_total", "process_max_fds",
                         "etcd_network_client_grpc_sent_bytes_total",
                         "etcd_network_peer_received_bytes_total",
                         "etcd_network_peer_sent_bytes_total",
                         "etcd_debugging_mvcc_db_total_size_in_bytes",
                         "etcd_mvcc_db_total_size_in_bytes", "process_resident_memory_bytes"):
                self.assertIn("\n" + name + " ", metrics)
            put = 'grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"'
            for line in (f"grpc_server_started_total{{{put}}} 1",
                         f'grpc_server_handled_total{{grpc_code="OK",{put}}} 1'):
                self.assertIn("\n" + line + "\n", metrics)
            for name in ("wal_fsync", "backend_commit"):
                counted = re.search(f'\netcd_disk_{name}_duration_seconds_bucket{{le="\\+Inf"}} (\\d+)\n',
                                    metrics)
                self.assertGreater(int(counted[1]), 0)
            for line in metrics.splitlines():
                self.assertRegex(line, r"^(#.*|[a-z_]+(\{[^}]*\})? [-+.0-9e]+)$")
            # Auth says that it is not there.
            self.assertIn("authentication is not implemented",
                          kv.ctl("auth", "enable", check=False)[2] +
                          kv.ctl("user", "list", check=False)[2])

    def test_lock_and_election_calls(self):
        with cluster.Cluster(3) as kv:
            self.assertEqual(kv.ctl("lock", "l", "echo", "held"), "held\n")
            self.assertEqual(kv.ctl("get", "l", "--prefix", "--keys-only"), "")

    def test_flags(self):
        with tempfile.TemporaryDirectory() as here:
            data = ("--data-dir", os.path.join(here, "d"))
            status, said = serve("--no-such-flag", "1")
            self.assertEqual(status, 2, said)
            self.assertIn("--no-such-flag", said)
            for flags, text in [
                    (("--heartbeat-interval", "x"), "--heartbeat-interval 'x'"),
                    (("--auto-tls",), "--auto-tls cannot be used"),
                    (("--config-file", "/no/such"), "--config-file '/no/such': give a file"),
                    (("--auto-compaction-retention", "1x"), "--auto-compaction-retention '1x'"),
                    (("--initial-cluster-state", "old"), "new or existing"),
                    (("--auto-compaction-mode", "x"), "periodic or revision"),
                    (("--cert-file", "x"), "a certificate and its key"),
                    (("--initial-cluster", "other=http://127.0.0.1:1"), "does not name 'default'")]:
                status, said = serve(*data, *flags)
                self.assertIn(status, (1, 2), said)
                self.assertIn(text, said)
                self.assertEqual(said.count("\n"), 1, said)

    def test_flags_without_effect_warn(self):
        with cluster.Cluster(1) as kv:
            member = kv.members[0]
            member.kill()
            member.start(kv.members, "--enable-v2", "--max-wals=5", "--pre-vote=true",
                         ETCD_LOGGER="zap", ETCD_NONSENSE="1", ETCD_MAX_TXN_OPS="1")
            kv.await_serving()
            said = member.said()
            for text in ("--enable-v2 has no effect: ", "--max-wals has no effect: ",
                         "--logger has no effect: ", "ETCD_NONSENSE is no variable"):
                self.assertIn(text, said)
            self.assertNotIn("--pre-vote", said)
            refused = kv.ctl("txn", check=False, text="\nput a 1\nput b 2\n\n\n")
            self.assertIn("too many operations", refused[2])

    def test_config_file(self):
        """etcd's sample, with what a cluster needs filled in."""
        with cluster.Stopped(1) as kv:
            member = kv.members[0]
            extra = cluster.Member(kv, "extra")
            file = os.path.join(kv.directory, "etcd.conf.yml")
            with open(file, "w") as out:
                out.write(f"""# This is the configuration file for the etcd server.
name: 'm0'
data-dir: {member.directory}
wal-dir:
heartbeat-interval: 20
election-timeout: 200
listen-peer-urls: {member.peer}
listen-client-urls: {member.url},{extra.url}
max-wals: 5
initial-advertise-peer-urls: {member.peer}
advertise-client-urls: {member.url}
discovery:
initial-cluster: m0={member.peer}
strict-reconfig-check: false
enable-pprof: true
client-transport-security:
  cert-file:
  client-cert-auth: false
log-outputs: [stderr]
force-new-cluster: false
auto-compaction-mode: periodic
auto-compaction-retention: "1h30m"
""")
            with open(member.errors, "ab") as errors:
                member.process = subprocess.Popen(
                    [ctl.TRIREME, "kv", "serve", "--config-file", file], stderr=errors,
                    env={**os.environ, "ETCD_NAME": "of no effect"}, stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL)
            kv.await_serving()
            kv.ctl("put", "a", "1")
            self.assertEqual(kv.ctl("get", "a", "--print-value-only", at=extra), "1\n")
            self.assertIn("--max-wals has no effect: ", member.said())
            member.kill()
            with open(file, "a") as out:
                out.write("nmae: x\n")
            status, said = serve("--config-file", file)
            self.assertEqual((status, said.count("\n")), (2, 1), said)
            self.assertIn("line 23: there is no key 'nmae'", said)

    def test_members_listen_on_several_urls(self):
        with cluster.Stopped(3) as kv:
            for member in kv.members:
                more = cluster.Member(kv, "more")
                member.start(kv.members, "--listen-peer-urls", f"{more.peer},{member.peer}",
                             "--listen-client-urls", f"{more.url},{member.url}")
                member.more = more
            kv.await_serving()
            kv.ctl("put", "a", "1", at=kv.members[0].more)
            self.assertEqual(kv.ctl("get", "a", "--print-value-only", at=kv.members[2].more), "1\n")

    def test_compaction_by_itself(self):
        with cluster.Cluster(1) as kv:
            member = kv.members[0]
            for i in range(5):
                kv.ctl("put", "a", str(i))
            member.kill()
            member.start(kv.members, "--auto-compaction-mode", "revision",
                         "--auto-compaction-retention", "2")
            kv.await_serving()
            cluster.await_true(lambda: "has been compacted" in
                               kv.ctl("get", "a", "--rev", "2", check=False)[2], "compacted")
            self.assertEqual(kv.ctl("get", "a", "--print-value-only"), "4\n")

    def test_faults_of_the_start(self):
        with cluster.Cluster(1) as kv:
            member = kv.members[0]
            status, said = serve("--name", "other", "--data-dir",
                                 os.path.join(kv.directory, "other"), "--listen-client-urls",
                                 member.url, "--listen-peer-urls", "http://127.0.0.1:0")
            self.assertEqual((status, said.count("\n")), (1, 1), said)
            member.kill()
            flags = member.flags(kv.members)
            status, said = serve(*flags, "--initial-cluster-token", "another")
            self.assertEqual((status, said.count("\n")), (1, 1), said)
            self.assertIn("--initial-cluster-token 'etcd-cluster'", said)
            with open(os.path.join(member.directory, "IDENTITY"), "w") as identity:
                identity.write("nonsense\n")
            status, said = serve(*flags)
            self.assertEqual((status, said.count("\n")), (1, 1), said)
            self.assertIn("IDENTITY is damaged", said)
            shutil.rmtree(member.directory)
            os.makedirs(os.path.join(member.directory, "member", "wal"))
            status, said = serve(*flags)
            self.assertEqual(status, 1)
            self.assertIn("is a data directory of etcd", said)


if __name__ == "__main__":
    unittest.main()
