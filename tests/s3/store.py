"""A real S3 server on loopback, a client of ten lines to look into it, and a proxy that spoils things."""
import datetime
import hashlib
import hmac
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.parse
import xml.etree.ElementTree as xml

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "..", "cluster"), os.path.join(here, "..")]
from cluster import ClusterTest, TRIREME, main, wait_until  # noqa: E402, F401
from free_ports import free_ports  # noqa: E402

SERVER = os.environ.get("S3_SERVER") or sys.exit("set S3_SERVER to the server's program")
ACCESS = "TESTACCESSKEY0001"
SECRET = "a-secret-that-no-log-may-show-7f3c"
REGION = "us-east-1"
JOB = ["wordcount", "--reduces", "3", "--split-size", "20K"]
PATIENT = ["--s3-backoff", "5ms", "--s3-attempts", "20"]


class Server:
    """versitygw over a folder; keeps its port over restarts."""

    def __init__(self, root, env=None):
        self.root = root
        self.data, self.meta = os.path.join(root, "store"), os.path.join(root, "meta")
        os.makedirs(self.data)
        os.makedirs(self.meta)
        self.port = free_ports(1)[0]
        self.address = "127.0.0.1:%d" % self.port
        self.env = env or {}
        self.process = None
        self.start()

    def start(self):
        self.log = open(os.path.join(self.root, "store.log"), "ab")
        self.process = subprocess.Popen(
            [SERVER, self.address, self.data, self.meta, REGION], stdout=self.log, stderr=self.log,
            env={**os.environ, "ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET, **self.env})
        wait_until(self.answers, "the store answers")

    def answers(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.root, "store.log")) as text:
                raise AssertionError("the store ended: " + text.read()[-1000:])
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def request(self, method, bucket, key="", query=None, body=b"", headers=None):
        """Status, headers and body of one signed request, after the published recipe."""
        path = "/" + bucket + ("/" + urllib.parse.quote(key, safe="/~") if key else "")
        query = "&".join(f"{urllib.parse.quote(k, safe='~')}={urllib.parse.quote(v, safe='~')}"
                         for k, v in sorted((query or {}).items()))
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        signed = {"host": self.address, "x-amz-content-sha256": digest, "x-amz-date": now,
                  **(headers or {})}
        names = ";".join(sorted(signed))
        canonical = "\n".join([method, path, query,
                               *(f"{name}:{signed[name]}" for name in sorted(signed)), "", names,
                               digest])
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", now, scope,
                          hashlib.sha256(canonical.encode()).hexdigest()])
        secret = ("AWS4" + SECRET).encode()
        for word in scope.split("/"):
            secret = hmac.new(secret, word.encode(), hashlib.sha256).digest()
        signature = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
        authorization = (f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}, SignedHeaders={names}, "
                         f"Signature={signature}")
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            connection.request(method, path + ("?" + query if query else ""), body,
                               {**signed, "authorization": authorization})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def done(self, *arguments, **options):
        status, headers, body = self.request(*arguments, **options)
        if status // 100 != 2:
            raise AssertionError(f"{arguments}: {status} {body}")
        return headers, body

    def put(self, bucket, key, body):
        self.done("PUT", bucket, key, body=body if isinstance(body, bytes) else body.encode())

    def get(self, bucket, key):
        return self.done("GET", bucket, key)[1]

    def keys(self, bucket, prefix=""):
        keys, token = [], {}
        while True:
            body = self.done("GET", bucket, query={"list-type": "2", "prefix": prefix, **token})[1]
            tree = re.sub(rb' xmlns="[^"]*"', b"", body)
            tree = xml.fromstring(tree)
            keys += [k.text for k in tree.iter("Key")]
            if tree.findtext("IsTruncated") != "true":
                return keys
            token = {"continuation-token": tree.findtext("NextContinuationToken")}

    def uploads(self, bucket):
        body = self.done("GET", bucket, query={"uploads": ""})[1]
        return [k.text for k in xml.fromstring(re.sub(rb' xmlns="[^"]*"', b"", body)).iter("Key")]


class Spoiler:
    """Passes requests on to the store, and spoils one in `every`, each time in another way. It reads
    and writes whole messages, and signs nothing: what it passes on, it does not change."""
    WAYS = ("busy", "cut request", "cut answer", "short answer", "no answer")

    def __init__(self, server, every=3):
        self.server, self.every = server, every
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.lock, self.count, self.spoiled = threading.Lock(), 0, []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(near,), daemon=True).start()

    def close(self):
        self.listener.close()

    def way(self):
        with self.lock:
            self.count += 1
            if self.count % self.every:
                return None
            self.spoiled.append(self.WAYS[len(self.spoiled) % len(self.WAYS)])
            return self.spoiled[-1]

    @staticmethod
    def message(file, method=None):
        """Head and body of the next message; none at the end."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = file.readline()
            if not line:
                return None
            head += line
        size = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I)
        if re.search(rb"\r\ntransfer-encoding: *chunked", head, re.I):
            body = b""
            while True:
                line = file.readline()
                body += line
                piece = file.read(int(line, 16) + 2)
                body += piece
                if int(line, 16) == 0:
                    return head, body
        return head, file.read(int(size.group(1))) if size and method != "HEAD" else b""

    def serve(self, near):
        try:
            with near, socket.create_connection(("127.0.0.1", self.server.port)) as far, \
                    near.makefile("rb") as asks, far.makefile("rb") as answers:
                while request := self.message(asks):
                    if not self.pass_on(near, far, answers, request, self.way()):
                        return
        except OSError:
            pass

    def pass_on(self, near, far, answers, request, way):
        if way == "busy":
            body = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>"
            near.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            return True
        if way == "cut request":
            return False
        far.sendall(request[0] + request[1])
        answer = self.message(answers, request[0].split(b" ")[0].decode())
        if answer is None or way == "no answer":
            return False
        head, body = answer
        if way == "cut answer":
            near.sendall(head + body[:len(body) // 2])
            return False
        if way == "short answer" and len(body) > 1:
            half = body[:len(body) // 2]
            head = re.sub(rb"(?i)(\r\ncontent-length: *)\d+", rb"\g<1>%d" % len(half), head)
            near.sendall(head + half)
            return True
        near.sendall(head + body)
        return True


class StoreClusterTest(ClusterTest):
    """With a store that has the bucket `bkt`, and everything said at log level debug."""

    def setUp(self):
        super().setUp()
        self.server = Server(self.root)
        self.addCleanup(self.server.kill)
        self.server.done("PUT", "bkt")
        self.settings(endpoint=self.server.address)

    def settings(self, endpoint=None, **more):
        """The environment of all that runs from now on."""
        for name in [n for n in os.environ if n.startswith("AWS_")]:
            del os.environ[name]
        os.environ.update({"HOME": self.root, "AWS_ACCESS_KEY_ID": ACCESS,
                           "AWS_SECRET_ACCESS_KEY": SECRET,
                           "AWS_ENDPOINT_URL_S3": "http://" + endpoint, **more})

    def upload(self, folder, prefix):
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as file:
                self.server.put("bkt", prefix + name, file.read())

    def stored_parts(self, prefix):
        keys = self.server.keys("bkt", prefix)
        names = [key[len(prefix):] for key in keys]
        self.assertIn("_SUCCESS", names)
        return {name: b"" if name == "_SUCCESS" else self.server.get("bkt", prefix + name)
                for name in names}

    def assert_stored(self, prefix, expected):
        got = self.stored_parts(prefix)
        self.assertEqual(sorted(got), sorted(expected))
        for name, content in expected.items():
            self.assertTrue(got[name] == content, f"{name} differs")
        self.assertEqual(self.server.uploads("bkt"), [])


class RunsOnStoreClusterTest(StoreClusterTest):
    def run_job(self, *arguments, check=0, output="s3://bkt/out"):
        done = self.trireme("run", *arguments, "--output", output, "--log-level", "debug",
                            "--no-progress", check=check)
        self.assert_no_secrets(done.stdout + done.stderr)
        return done

    def assert_no_secrets(self, text):
        for secret in (SECRET, ACCESS, "Signature="):
            self.assertNotIn(secret, text)

    @staticmethod
    def asked(done, method, path):
        """How many tries of such requests the log has."""
        return len(re.findall(rf"method={method} path={path}", done.stderr))

    def error(self, done):
        """The one line that a user sees beside the log."""
        lines = [line for line in done.stderr.splitlines() if line.startswith("trireme: ")]
        self.assertEqual(len(lines), 1, done.stderr)
        return lines[0]
