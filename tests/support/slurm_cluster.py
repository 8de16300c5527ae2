"""A Slurm of one node, this machine, with daemons and files of its own: what Debian's slurm-wlm and munge have."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
SETTINGS = """
ClusterName=alone
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={next_port}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=2,batch_sched_delay=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=4
PartitionName=low Nodes={host} Default=YES PriorityTier=1
PartitionName=high Nodes={host} PriorityTier=2
"""


def find_missing():
    """What this machine lacks: programs of Slurm and munge, and the right to run others' jobs."""
    programs = [name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    return [*programs, *(["root"] if os.getuid() != 0 else [])]


@contextmanager
def run_cluster(folder):
    """Starts it, and gives the environment in which Slurm's commands reach it. 4 jobs of one CPU fit on it at once.

    Jobs in the partition `high` preempt those in `low`. cred_expire: else a requeued job waits for two minutes.
    """
    folder = Path(folder).absolute()
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    port = _find_port()
    names = {"folder": folder, "host": socket.gethostname().split(".")[0], "user": getpass.getuser()}
    (folder / "slurm.conf").write_text(SETTINGS.format(port=port, next_port=port + 1, **names))
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    environment["PATH"] += ":/usr/sbin"
    files = [f"--{what}-file={folder}/munge.{what}" for what in ("key", "pid", "log", "seed")]
    daemons = [["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *files]]
    daemons += [["slurmctld", "-D"], ["slurmd", "-D"]]
    started = []
    try:
        for command in daemons:
            with open(folder / f"{command[0]}.out", "wb") as out:
                started.append(subprocess.Popen(command, env=environment, stdout=out, stderr=out))
            time.sleep(1)
        _wait_for_node(environment)
        yield environment
    finally:
        subprocess.run(["scancel", f"--user={getpass.getuser()}"], env=environment)
        time.sleep(2)
        for daemon in reversed(started):
            with suppress(ProcessLookupError):
                daemon.send_signal(signal.SIGTERM)
            daemon.wait(timeout=60)


def _find_port():
    """A port that is free, and most likely the next one, too."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return tried.getsockname()[1]


def _wait_for_node(environment):
    for _ in range(30):
        told = subprocess.run(["sinfo", "--noheader", "--format=%T"], env=environment, capture_output=True, text=True)
        if "idle" in told.stdout:
            return
        time.sleep(1)
    raise RuntimeError(f"Slurm's node isn't ready: {told.stdout}{told.stderr}")
