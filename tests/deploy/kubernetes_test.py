"""deploy/kubernetes: valid by Kubernetes' own schemas, of one piece, and running, each pod as a process on loopback."""
import json
import os
import random
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "cluster"))
from cluster import ClusterTest, DEADLINE, TRIREME, main, wait_until  # noqa: E402

FOLDER = os.path.join(HERE, "..", "..", "deploy", "kubernetes")
PYTHON = os.environ["KUBERNETES_PYTHON"]
AS_JSON = ("import json, sys, yaml\n"
           "print(json.dumps({n: list(yaml.safe_load_all(open(n))) for n in sys.argv[1:]}))")
VALIDATE = ("import json, sys, kubernetes_validate as v\n"
            "for one in json.load(sys.stdin): v.validate(one, v.latest_version(), strict=True)")


def documents():
    """The manifests by the names of their files."""
    names = sorted(n for n in os.listdir(FOLDER) if n.endswith(".yaml"))
    text = subprocess.run([PYTHON, "-c", AS_JSON, *names], check=True, capture_output=True,
                          text=True, cwd=FOLDER).stdout
    return json.loads(text)


def megabytes(text):
    number, unit = re.fullmatch(r"(\d+)([MG])i?", text).groups()
    return int(number) * (1024 if unit == "G" else 1)


class Pod:
    """What a manifest makes of a container, with an address and directories of the test's."""

    def __init__(self, test, name, spec, host):
        self.test, self.name, self.spec, self.host = test, name, spec, host
        self.container = spec["containers"][0]
        self.process = None

    def path(self, mount):
        volumes = {v["name"]: v for v in self.spec.get("volumes", [])}
        shared = "persistentVolumeClaim" in volumes.get(mount["name"], {})
        path = self.test.path("claim-" + mount["name"] if shared else f"{self.name}-{mount['name']}")
        os.makedirs(path, exist_ok=True)
        return path

    def arguments(self):
        arguments = []
        for argument in self.container["args"]:
            argument = argument.replace("$(POD_NAME)", self.name).replace("$(POD_IP)", self.host)
            argument = argument.replace("//0.0.0.0:", f"//{self.host}:")
            for pod, host in self.test.hosts.items():
                argument = argument.replace(f"//{pod}.kv-peers:", f"//{host}:")
            for mount in self.container["volumeMounts"]:
                argument = re.sub(f"={mount['mountPath']}(?=/|$)", "=" + self.path(mount), argument)
            arguments.append(argument)
        return arguments

    def start(self):
        with open(self.test.path(self.name + ".err"), "wb") as log:
            self.process = subprocess.Popen([TRIREME, *self.arguments()], stdout=log, stderr=log)
        self.test.addCleanup(self.stop)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=DEADLINE)
        finally:
            self.process.kill()

    def passes(self, probe):
        """Whether the probe of that name finds it well."""
        if self.process.poll() is not None:
            with open(self.test.path(self.name + ".err")) as log:
                raise AssertionError(f"{self.name} has ended: {log.read()}")
        asked = self.container[probe].get("httpGet") or self.container[probe]["tcpSocket"]
        port = next(p["containerPort"] for p in self.container["ports"] if p["name"] == asked["port"])
        try:
            if "path" not in asked:
                socket.create_connection((self.host, port), timeout=5).close()
                return True
            url = f"http://{self.host}:{port}{asked['path']}"
            return urllib.request.urlopen(url, timeout=5).status == 200
        except (OSError, urllib.error.URLError):
            return False


class ManifestsClusterTest(ClusterTest):
    def setUp(self):
        super().setUp()
        self.files = documents()
        [self.kustomization], [self.job] = self.files["kustomization.yaml"], self.files["wordcount-job.yaml"]
        self.objects = [o for name in self.kustomization["resources"] for o in self.files[name]]
        self.workloads = [o for o in self.objects if o["kind"] in ("Deployment", "StatefulSet")]

    def get(self, kind, name):
        found = [o for o in self.objects if (o["kind"], o["metadata"]["name"]) == (kind, name)]
        self.assertEqual(len(found), 1, f"{kind} {name}")
        return found[0]

    def of_kind(self, kind):
        return [o for o in self.objects if o["kind"] == kind]

    def pod_of(self, workload):
        return workload["spec"]["template"]["spec"]

    def flag(self, pod, name):
        values = [a.split("=", 1)[1] for a in pod["containers"][0]["args"]
                  if a.startswith(f"--{name}=")]
        self.assertEqual(len(values), 1, f"--{name}")
        return values[0]

    # ---- By the schemas

    def valid(self, objects):
        return subprocess.run([PYTHON, "-c", VALIDATE], input=json.dumps(objects), text=True,
                              capture_output=True)

    def test_every_object_is_valid(self):
        done = self.valid([*self.objects, self.job])
        self.assertEqual(done.returncode, 0, done.stderr)
        misspelt = json.loads(json.dumps(self.get("StatefulSet", "kv")))
        misspelt["spec"]["podManagmentPolicy"] = "Parallel"
        self.assertIn("podManagmentPolicy", self.valid([misspelt]).stderr)

    def test_every_file_is_used(self):
        self.assertEqual(set(self.files) - {"kustomization.yaml", "wordcount-job.yaml"},
                         set(self.kustomization["resources"]))

    # ---- Of one piece

    def selects(self, selector, workload):
        labels = workload["spec"]["template"]["metadata"]["labels"]
        return all(labels.get(key) == value for key, value in selector.items())

    def test_selectors_select(self):
        for workload in self.workloads:
            self.assertTrue(self.selects(workload["spec"]["selector"]["matchLabels"], workload))
        selectors = [(s["metadata"]["name"], s["spec"]["selector"]) for s in self.of_kind("Service")]
        selectors += [(b["metadata"]["name"], b["spec"]["selector"]["matchLabels"])
                      for b in self.of_kind("PodDisruptionBudget")]
        for name, selector in selectors:
            chosen = [w["metadata"]["name"] for w in self.workloads if self.selects(selector, w)]
            self.assertEqual(len(chosen), 1, name)
        [policy] = self.of_kind("NetworkPolicy")
        everyone = policy["spec"]["podSelector"]["matchLabels"]
        for workload in [*self.workloads, self.job]:
            self.assertTrue(self.selects(everyone, workload))

    def test_ports_agree(self):
        for service in self.of_kind("Service"):
            [workload] = [w for w in self.workloads
                          if self.selects(service["spec"]["selector"], w)]
            names = {p["name"] for p in self.pod_of(workload)["containers"][0]["ports"]}
            self.assertLessEqual({p["targetPort"] for p in service["spec"]["ports"]}, names)
        for workload in self.workloads:
            container = self.pod_of(workload)["containers"][0]
            names = {p["name"] for p in container["ports"]}
            for probe in ("livenessProbe", "readinessProbe"):
                asked = container[probe].get("httpGet") or container[probe]["tcpSocket"]
                self.assertIn(asked["port"], names)
            listened = {int(port) for a in container["args"]
                        if re.match(r"--(listen|http)", a) for port in re.findall(r":(\d+)", a)}
            self.assertEqual(listened, {p["containerPort"] for p in container["ports"]})

    def test_names_agree(self):
        kv = self.get("StatefulSet", "kv")
        self.assertEqual(self.get("Service", kv["spec"]["serviceName"])["spec"]["clusterIP"], "None")
        members = [f"kv-{n}" for n in range(kv["spec"]["replicas"])]
        self.assertEqual(self.flag(self.pod_of(kv), "initial-cluster"),
                         ",".join(f"{m}=http://{m}.kv-peers:2380" for m in members))
        endpoints = ",".join(f"http://{m}.kv-peers:2379" for m in members)
        for workload in (self.get("Deployment", "coordinator"), self.get("Deployment", "worker"),
                         self.job):
            pod = self.pod_of(workload)
            self.assertEqual(self.flag(pod, "kv"), endpoints)
            for volume in pod["volumes"]:
                if "persistentVolumeClaim" in volume:
                    self.get("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
        [scaler] = self.of_kind("HorizontalPodAutoscaler")
        target = scaler["spec"]["scaleTargetRef"]
        self.assertNotIn("replicas", self.get(target["kind"], target["name"])["spec"])
        self.assertEqual({i["name"] for i in self.kustomization["images"]},
                         {self.pod_of(w)["containers"][0]["image"] for w in self.workloads})

    def test_a_worker_has_room_and_time(self):
        pod = self.pod_of(self.get("Deployment", "worker"))
        resources = pod["containers"][0]["resources"]
        self.assertLess(megabytes(self.flag(pod, "memory")), megabytes(resources["requests"]["memory"]))
        self.assertEqual(self.flag(pod, "slots"), resources["requests"]["cpu"])
        self.assertLess(int(self.flag(pod, "drain").rstrip("s")), pod["terminationGracePeriodSeconds"])

    def test_the_image_is_what_the_pods_expect(self):
        with open(os.path.join(FOLDER, "Dockerfile")) as file:
            steps = dict(line.split(" ", 1) for line in file.read().splitlines()
                         if re.match("[A-Z]+ ", line))
        self.assertEqual(json.loads(steps["ENTRYPOINT"]), ["/usr/bin/trireme"])
        for workload in [*self.workloads, self.job]:
            context = self.pod_of(workload)["securityContext"]
            self.assertEqual(steps["USER"], f"{context['runAsUser']}:{context['runAsGroup']}")

    # ---- Running

    def start_pods(self, workload, count):
        pods = []
        for number in range(count):
            name = f"{workload['metadata']['name']}-{number}"
            pods.append(Pod(self, name, self.pod_of(workload), self.hosts[name]))
        for pod in pods:
            pod.start()
        return pods

    def await_probes(self, pods):
        for pod in pods:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                if probe in pod.container:
                    wait_until(lambda: pod.passes(probe), f"{pod.name} passes its {probe}")

    def give_addresses(self):
        """Each pod its own, with the manifests' ports: the whole of 127/8 is this machine's."""
        network = f"127.{random.randrange(1, 255)}.{random.randrange(255)}"
        names = [f"kv-{n}" for n in range(3)] + ["coordinator-0", "coordinator-1"]
        names += ["worker-0", "worker-1", "wordcount-0"]
        self.hosts = {name: f"{network}.{n + 1}" for n, name in enumerate(names)}

    def test_the_store_runs(self):
        self.give_addresses()
        self.await_probes(self.start_pods(self.get("StatefulSet", "kv"), 3))
        for name in ("kv-0", "kv-1", "kv-2"):
            done = subprocess.run([TRIREME, "kv", "--endpoints", f"http://{self.hosts[name]}:2379",
                                   "put", "from", name], capture_output=True, text=True)
            self.assertEqual(done.stdout, "OK\n", done.stderr)


if __name__ == "__main__":
    main()
