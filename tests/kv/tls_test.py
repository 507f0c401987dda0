"""etcd's flags for TLS, with certificates made by openssl: clients, members, and who is refused."""
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cluster  # noqa: E402
import ctl  # noqa: E402


def make_authority(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem"],
                   cwd=folder, check=True, stderr=subprocess.DEVNULL)


def make_certificate(folder, name, authority):
    subprocess.run(["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
                    "-keyout", f"{name}.key", "-out", f"{name}.csr"],
                   cwd=folder, check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem",
                    "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", "2", "-extfile",
                    "/dev/stdin", "-out", f"{name}.pem"],
                   cwd=folder, check=True, stderr=subprocess.DEVNULL,
                   input=b"subjectAltName=IP:127.0.0.1,DNS:localhost\n")


class SecureCluster(cluster.Stopped):
    """Clients and members show certificates of one authority each."""

    def __init__(self, size):
        super().__init__(size)
        self.pki = tempfile.TemporaryDirectory()
        for authority in ("ca", "peer-ca", "other-ca"):
            make_authority(self.pki.name, authority)
        for name, authority in (("server", "ca"), ("client", "ca"), ("peer", "peer-ca"),
                                ("stranger", "other-ca")):
            make_certificate(self.pki.name, name, authority)
        for member in self.members:
            member.url = member.url.replace("http:", "https:")
            member.peer = member.peer.replace("http:", "https:")

    def file(self, name):
        return os.path.join(self.pki.name, name)

    def start(self, member, peer="peer", peer_authority="peer-ca"):
        member.start(self.members, "--cert-file", self.file("server.pem"),
                     "--key-file", self.file("server.key"), "--client-cert-auth",
                     "--trusted-ca-file", self.file("ca.pem"),
                     "--peer-cert-file", self.file(f"{peer}.pem"),
                     "--peer-key-file", self.file(f"{peer}.key"), "--peer-client-cert-auth",
                     "--peer-trusted-ca-file", self.file(f"{peer_authority}.pem"))

    def ctl(self, *words, identity="client", authority="ca", **more):
        shown = [] if identity is None else ["--cert", self.file(f"{identity}.pem"), "--key",
                                             self.file(f"{identity}.key")]
        return super().ctl("--cacert", self.file(f"{authority}.pem"), *shown, *words, **more)

    def __exit__(self, *what):
        super().__exit__(*what)
        self.pki.cleanup()


class TlsClusterTest(unittest.TestCase):
    def test_three_members(self):
        with SecureCluster(3) as kv:
            for member in kv.members:
                kv.start(member)
            kv.await_serving()
            kv.ctl("put", "a", "1", at=kv.members[0])
            self.assertEqual(kv.ctl("get", "a", "--print-value-only", at=kv.members[2]), "1\n")
            kv.leader().kill()
            left = [m for m in kv.members if m.process is not None]
            cluster.await_true(lambda: kv.ctl("put", "a", "2", at=left[0], check=False)[0] == 0,
                               "two are enough")
            self.assertEqual(kv.ctl("get", "a", "--print-value-only", at=left[1]), "2\n")

    def test_who_is_refused(self):
        with SecureCluster(1) as kv:
            member = kv.members[0]
            kv.start(member)
            kv.await_serving()
            short = ("--dial-timeout", "1s", "--command-timeout", "1s")
            for how in ({"identity": None}, {"identity": "stranger"}, {"authority": "other-ca"}):
                self.assertNotEqual(kv.ctl(*short, "put", "a", "1", check=False, **how)[0], 0, how)
            self.assertEqual(kv.ctl("get", "a"), "")

    def test_a_member_with_a_strange_certificate_is_not_one(self):
        with SecureCluster(3) as kv:
            one, two, stranger = kv.members
            kv.start(one)
            kv.start(two)
            kv.start(stranger, peer="stranger", peer_authority="other-ca")
            kv.members = [one, two]
            kv.await_serving()
            kv.ctl("put", "a", "1")
            alone = kv.ctl("get", "a", "--consistency", "s", at=stranger)
            self.assertEqual(alone, "")
            stranger.kill()
            kv.members = [one, two, stranger]
            kv.start(stranger)
            kv.await_serving()
            self.assertEqual(kv.ctl("get", "a", "--print-value-only", at=stranger), "1\n")

    def test_the_scheme_decides(self):
        with SecureCluster(1) as kv:
            member = kv.members[0]
            plain = cluster.Member(kv, "plain").url
            flags = ["--cert-file", kv.file("server.pem"), "--key-file", kv.file("server.key")]
            both = f"{member.url},{plain}"
            member.peer = member.peer.replace("https:", "http:")
            member.start(kv.members, *flags, "--listen-client-urls", both)
            kv.await_serving()
            secure = member.url
            member.url = plain
            cluster.Cluster.ctl(kv, "put", "a", "1")
            member.url = secure
            self.assertEqual(kv.ctl("get", "a", "--print-value-only", identity=None), "1\n")

    def test_what_does_not_fit_together(self):
        with SecureCluster(1) as kv:
            member = kv.members[0]
            certificate = ["--cert-file", kv.file("server.pem")]
            key = ["--key-file", kv.file("server.key")]
            for flags, text in [
                    ([], f"--listen-client-urls '{member.url}': give --cert-file"),
                    (certificate, "a certificate and its key"),
                    ([*certificate, "--key-file", kv.file("client.key")], "key"),
                    ([*certificate, *key], f"--listen-peer-urls '{member.peer}': give --peer-cert"),
                    ([*certificate, *key, "--client-cert-auth"], "--trusted-ca-file too"),
                    (["--cert-file", "/no/such", *key], "--cert-file '/no/such': give a PEM file")]:
                done = subprocess.run([ctl.TRIREME, "kv", "serve", *member.flags(kv.members), *flags],
                                      capture_output=True, text=True, timeout=ctl.PATIENCE_SECONDS)
                self.assertIn(done.returncode, (1, 2), done.stderr)
                self.assertIn(text, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
