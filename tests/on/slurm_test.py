"""`mr run --on slurm` with Debian's Slurm: munged, slurmctld and slurmd as processes of the test alone."""
import os
import pwd
import signal
import socket
import subprocess
import sys

from on_cluster import OnTest, processes_with
from cluster import DEADLINE, main, wait_until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from free_ports import free_ports  # noqa: E402

CPUS = 3
CONF = """
ClusterName=trireme
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={daemon_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={directory}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd.pid
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=batch_sched_delay=0,bf_interval=1,sched_min_interval=0
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=8000 State=UNKNOWN
PartitionName=spot Nodes=ALL Default=YES PriorityTier=1 State=UP
PartitionName=urgent Nodes=ALL PriorityTier=10 PreemptMode=OFF State=UP
"""


class Slurm:
    """One machine's Slurm with three CPUs, in a directory of its own."""

    def __init__(self, test):
        self.test, self.daemons = test, []
        for name in ("slurm", "slurm/state", "slurm/spool"):
            os.mkdir(test.path(name), 0o755)
        self.directory = test.path("slurm")
        controller_port, daemon_port = free_ports(2)
        os.environ["SLURM_CONF"] = test.write("slurm/slurm.conf", CONF.format(
            directory=self.directory, host=socket.gethostname().split(".")[0], cpus=CPUS,
            user=pwd.getpwuid(os.getuid()).pw_name, controller_port=controller_port,
            daemon_port=daemon_port))
        os.chmod(test.write("slurm/munge.key", os.urandom(1024)), 0o400)
        at = self.directory + "/munge."
        self.start("munged", "--foreground", "--force", f"--key-file={at}key",
                   f"--socket={at}socket", f"--pid-file={at}pid", f"--log-file={at}log",
                   f"--seed-file={at}seed")
        self.wait(lambda: os.path.exists(at + "socket"), "munged listens")
        self.start("slurmctld", "-D", "-c")
        self.start("slurmd", "-D", "-N", "node")
        self.wait(lambda: "idle" in self.run("sinfo", "--noheader", check=False),
                  "the node is idle")

    def start(self, name, *arguments):
        with open(self.test.path(name + ".err"), "wb") as log:
            self.daemons.append((name, subprocess.Popen(["/usr/sbin/" + name, *arguments],
                                                        stdout=log, stderr=log)))

    def wait(self, condition, what):
        def look():
            for name, daemon in self.daemons:
                if daemon.poll() is not None:
                    with open(self.test.path(name + ".err")) as log:
                        raise AssertionError(f"{name} has ended ({daemon.returncode}) before {what}: "
                                             + log.read()[-2000:])
            return condition()
        wait_until(look, what)

    def run(self, *command, check=True):
        done = subprocess.run(command, text=True, capture_output=True, timeout=DEADLINE)
        if check and done.returncode != 0:
            raise AssertionError(f"{command}: {done.stderr}")
        return done.stdout

    def tasks(self):
        """State by task, of all that Slurm remembers."""
        lines = self.run("squeue", "--noheader", "--array", "--states=all", "--format=%i|%T").split()
        return dict(line.split("|") for line in lines)

    def stop(self):
        self.run("scancel", "--state=PENDING", f"--user={os.getuid()}", check=False)
        self.run("scancel", f"--user={os.getuid()}", check=False)
        for _, daemon in reversed(self.daemons):
            daemon.terminate()
            daemon.wait()
        wait_until(lambda: not processes_with(self.directory), "Slurm has ended")


class SlurmClusterTest(OnTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.stop_slurm)
        self.slurm = None
        self.slurm = Slurm(self)
        self.more = []

    def stop_slurm(self):
        if self.slurm is not None:
            self.slurm.stop()

    def on(self):
        return ["--on", "slurm", "--workers", "2", "--on-listen", "127.0.0.1:0", *self.more]

    def alive(self):
        return [t for t, state in self.slurm.tasks().items()
                if state not in ("COMPLETED", "CANCELLED", "FAILED")]

    def test_word_count(self):
        self.more = ["--slots", "1", "--memory", "200M", "--slurm-arg=--comment=trireme"]
        self.check_word_count()
        self.assertEqual(sorted(self.slurm.tasks()), ["1_0", "1_1"])
        self.assertEqual(self.alive(), [])

    def test_own_program(self):
        self.check_own_program()

    def test_existing_coordinator(self):
        self.check_existing_coordinator()

    def test_interrupted(self):
        self.check_interrupted()
        self.assertEqual(self.alive(), [])

    def test_killed_client(self):
        self.more = ["--on-patience", "1s"]
        self.check_killed_client()

    def test_what_sbatch_refuses_is_said(self):
        job = ["wordcount", "--input", self.make_input(files=1), "--output", self.path("out")]
        self.more = ["--slurm-arg=--partition=nowhere"]
        done = self.run_on(*job, check=2)
        self.assertRegex(done.stderr, "sbatch refuses the workers: .*Invalid partition name")
        self.assertFalse(os.path.exists(self.path("out")))
        done = self.run_on(*job, check=2, env={"PATH": self.root})
        self.assertIn("there is no program sbatch in $PATH", done.stderr)
        self.assertFalse(os.path.exists(self.path("out.workers")))

    def test_workers_that_cannot_start(self):
        self.more = ["--remote-program", "/nowhere/trireme"]
        done = self.run_on("wordcount", "--input", self.make_input(files=1), "--output",
                           self.path("out"), check=1)
        self.assertRegex(done.stderr, "no worker is left in Slurm's job 1: last .* FAILED")
        self.assertIn("/nowhere/trireme", self.logs())
        self.assertFalse(os.path.exists(self.path("out")))

    def test_workers_that_slurm_ends_are_replaced(self):
        client = self.held_job()
        # As at a time limit: told to stop, and again when that takes too long.
        for pid in wait_until(lambda: len(self.worker_pids()) == 2 and self.worker_pids(),
                              "both workers run"):
            self.tell_to_stop_at_once(pid)
        wait_until(lambda: any(not task.startswith("1_") for task in self.slurm.tasks()),
                   "others take their place")
        self.open_gate()
        self.check_end_of_held(client, "another takes its place")
        self.assertEqual(self.alive(), [])

    def tell_to_stop_at_once(self, pid):
        def waits():
            """Whether a signal was sent to it that it has not taken yet."""
            with open(f"/proc/{pid}/status") as file:
                pending = [int(line.split()[1], 16) for line in file if "Pnd:" in line]
            return any(mask >> (signal.SIGTERM - 1) & 1 for mask in pending)
        try:
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not waits(), "it has taken the signal")
            os.kill(pid, signal.SIGTERM)
        except (FileNotFoundError, ProcessLookupError):
            pass  # without a task it has left already

    def test_preempted_workers_come_back(self):
        client = self.held_job()
        wait_until(lambda: len(self.worker_pids()) == 2, "both workers run")
        before = self.worker_pids()
        urgent = self.slurm.run("sbatch", "--parsable", "--partition=urgent",
                                f"--cpus-per-task={CPUS}", f"--output={self.path('urgent')}",
                                "--wrap=exec sleep 600").strip()
        wait_until(lambda: self.slurm.tasks().get(urgent) == "RUNNING", "the urgent job runs")
        wait_until(lambda: not set(before) & set(self.worker_pids()), "the workers are preempted")
        self.slurm.run("scancel", urgent)
        # Slurm lets requeued tasks wait for two minutes.
        self.slurm.run("scontrol", "update", "JobId=1", "StartTime=now")
        wait_until(lambda: len(self.worker_pids()) == 2, "the workers are back")
        self.open_gate()
        self.check_end_of_held(client, "")
        self.assertEqual(self.alive(), [])


if __name__ == "__main__":
    main()
