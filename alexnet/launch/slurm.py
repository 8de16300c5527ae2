"""Runs a sweep's jobs on a cluster: hydra/launcher=slurm.

submitit hands each job to Slurm. At its time limit, or preempted, a job saves, is requeued, and goes on in its folder
by itself, whether or not the sweep's own process still runs: see `job_process.run_in_slurm`.
"""

import os
import re
import shutil
import subprocess
import time
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from shlex import quote
from signal import SIGUSR2, Signals
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from alexnet.errors import Mistake
from alexnet.launch.job_process import run_in_slurm
from alexnet.launch.launcher import End, JobLauncher, Running, get_folder, name_shortly, say_start
from alexnet.messages.console import say, warn
from alexnet.runs.folder import Run

if TYPE_CHECKING:
    import submitit

POLL_SECONDS = 5
ENDED = (  # Slurm's states of a job that it doesn't start again by itself
    *("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "DEADLINE"),
    *("BOOT_FAIL", "REVOKED"),
)
ORDINARY = ("None", "Priority", "Resources", "BeginTime", "Dependency")  # reasons to wait
PREFIX = ".slurm-"  # of the folder, within a run's, that has submitit's files of the job


@dataclass
class Queued:
    number: str  # Slurm's
    state: str = "PENDING"
    reason: str = "None"
    began: bool = False


class Slurm(JobLauncher):
    """hydra/launcher=slurm. The options are those of conf/hydra/launcher/slurm.yaml."""

    __module__ = "hydra_plugins.alexnet"  # Hydra accepts plugins from hydra_plugins only
    elsewhere = True
    cluster = "slurm"  # submitit's name of it

    def __init__(
        self,
        jobs: int,
        partition: str | None,
        account: str | None,
        minutes: int,
        cpus: int,
        memory: int | None,
        gpus: int,
    ):
        self.jobs, self.partition, self.account, self.minutes = jobs, partition, account, minutes
        self.cpus, self.memory, self.gpus = cpus, memory, gpus

    def check(self) -> None:
        counts = {"jobs": (self.jobs, 1), "minutes": (self.minutes, 1), "cpus": (self.cpus, 1), "gpus": (self.gpus, 0)}
        for key, (given, least) in {**counts, "memory": (1 if self.memory is None else self.memory, 1)}.items():
            if type(given) is not int or given < least:
                raise Mistake(f"hydra.launcher.{key}={given}: expected a whole number, {least} or more.")
        try:
            import submitit  # noqa: F401
        except ImportError as error:
            raise Mistake("hydra/launcher=slurm needs submitit: pip install -e '.[slurm]'") from error
        if shutil.which("sbatch") is None or shutil.which("srun") is None:
            raise Mistake(
                "hydra/launcher=slurm: there is no Slurm here (no command sbatch): give it on a login node of the "
                "cluster, or give hydra/launcher=parallel on one machine."
            )
        flags = [key if given is True else f"{key}={quote(str(given))}" for key, given in self.list_options().items()]
        script = "\n".join(["#!/bin/sh", *(f"#SBATCH --{flag}" for flag in flags), "true"])
        tried = subprocess.run(["sbatch", "--test-only"], input=script, capture_output=True, text=True)
        if tried.returncode != 0:
            raise refuse(tried.stderr)

    @property
    def at_once(self) -> int:
        return self.jobs

    @property
    def has_gpus(self) -> bool:
        return self.gpus > 0

    def count_threads(self, at_once: int) -> int:
        return self.cpus

    def list_options(self) -> dict[str, Any]:
        """Those of sbatch, without the dashes."""
        given = {
            "partition": self.partition,
            "account": self.account,
            "time": self.minutes,
            "cpus-per-task": self.cpus,
            "mem": None if self.memory is None else f"{self.memory}G",
            "gpus-per-node": self.gpus or None,
            "requeue": True,
        }
        return {key: value for key, value in given.items() if value is not None}

    def start(self, config: DictConfig, slot: int) -> Queued:
        folder, name = get_folder(config), name_shortly(config)
        for number, (state, reason, place) in self.read_queue().items() if config.resume else ():
            if place == str(folder.absolute()) and state not in ENDED:  # of a sweep whose own process was killed
                say("{} is in Slurm's queue: {}", name, f"JobId={number}, still")
                return Queued(number, state, reason, began=state != "PENDING")
        number = self.submit(config, folder).job_id
        say("{} is in Slurm's queue: {}", name, f"JobId={number}")
        return Queued(number)

    def submit(self, config: DictConfig, folder: Path) -> "submitit.Job[None]":
        import submitit

        executor = submitit.AutoExecutor(folder=mkdtemp(prefix=PREFIX, dir=folder), cluster=self.cluster)
        executor.update_parameters(
            timeout_min=self.minutes,
            name="alexnet",
            slurm_comment=str(folder.absolute()),
            slurm_signal_delay_s=min(120, 15 * self.minutes),  # time to save; Slurm may signal a minute earlier
            slurm_srun_args=[f"--cpus-per-task={self.cpus}"],  # srun doesn't take it from sbatch
            slurm_additional_parameters=self.list_options(),
        )
        printed = StringIO()
        try:
            with redirect_stderr(printed):
                return executor.submit(run_in_slurm, self.task, config, self.hydra_state)
        except RuntimeError as error:
            raise refuse(printed.getvalue() or str(error)) from error

    def wait(self, running: Running) -> None:
        time.sleep(POLL_SECONDS)

    def find_ends(self, running: Running) -> dict[int, End]:
        queue, ends = self.read_queue(), {}
        for slot, (job, config, _) in running.items():
            state, reason, _ = queue.get(job.number, ("", "", ""))
            if state in ENDED or (not state and queue):
                ends[slot] = self.find_end(job.number, state, config)
            elif state:
                tell_change(config, job, state, reason)
        return ends

    def find_end(self, number: str, state: str, config: DictConfig) -> End:
        """How a job ended. state: Slurm's, or nothing if it has forgotten the job."""
        run = Run(get_folder(config))
        if state in ("COMPLETED", "FAILED"):
            status = self.read_exit_status(number)
        else:
            status = 0 if not state and run.is_done() else None
        if status == 0:
            for files in run.folder.glob(f"{PREFIX}*"):
                shutil.rmtree(files, ignore_errors=True)
        if status is None:
            return f"Slurm says {state}" if state else "Slurm has forgotten it"
        if status < 0:
            return f"killed by {Signals(-status).name}; if memory ran out, give more hydra.launcher.memory"
        if status == 128 + SIGUSR2:
            return (
                "its time limit came before it had trained a step, or Slurm refused to requeue it: "
                "give more hydra.launcher.minutes"
            )
        if status > 0 and run.result() is None:
            logs = [str(path) for path in run.folder.glob(f"{PREFIX}*/{number}_0_log.err")]
            return f"exit status {status}; {logs[0] if logs else 'squeue'} says why"
        return status

    def stop(self, running: Running, number: int) -> None:
        subprocess.run(["scancel", *(started.handle.number for started in running.values())], check=False)

    def read_queue(self) -> dict[str, tuple[str, str, str]]:
        """The person's jobs by number: state, reason to wait, and the folder. Slurm keeps ended ones for minutes.

        Nothing if Slurm doesn't answer.
        """
        command = ["squeue", "--noheader", "--states=all", f"--user={os.getuid()}", "--format=%i|%T|%r|%k"]
        lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
        parts = [line.strip().split("|", 3) for line in lines if line.count("|") >= 3]
        return {number: (state, reason, place) for number, state, reason, place in parts}

    def read_exit_status(self, number: str) -> int | None:
        command = ["scontrol", "show", "job", "--oneliner", number]
        shown = subprocess.run(command, capture_output=True, text=True).stdout
        found = re.search(r"\bExitCode=(\d+):(\d+)", shown)
        return None if found is None else int(found[1]) or -int(found[2])


def refuse(said: str) -> Mistake:
    """What Slurm says of a job that it doesn't take, in one sentence."""
    lines = [re.sub(r"^\w+: (error|fatal): ", "", line.strip()) for line in said.splitlines()]
    return Mistake(f"Slurm refuses the job: {'; '.join(filter(None, lines))} (sinfo lists partitions and limits).")


def tell_change(config: DictConfig, job: Queued, state: str, reason: str) -> None:
    """Prints that a job began, was requeued, or can't begin, if that is new."""
    name = name_shortly(config)
    if state == "RUNNING" != job.state:
        say_start(config)
        job.began = True
    elif state in ("PENDING", "REQUEUED", "REQUEUE_HOLD") and job.began and job.state != "PENDING":
        say("{} is in Slurm's queue: {}", name, "requeued")
        state = "PENDING"
    if state == "PENDING" and reason not in (*ORDINARY, job.reason):
        warn("{} is in Slurm's queue: {}", name, reason)
    job.state, job.reason = state, reason
