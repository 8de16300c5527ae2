"""Runs a sweep's jobs on the nodes of a Ray cluster: hydra/launcher=ray.

Ray deals out processors and GPUs. Each job has an actor of Ray, which only starts the job's process, on its node. When
a sweep or a node's Ray ends, Ray kills its actors, and a job in one would lose what it trained. A process whose actor
is gone saves and ends.
"""

import os
import re
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from time import perf_counter
from typing import Any

from hydra.types import TaskFunction
from omegaconf import DictConfig

from alexnet.config.options import VARIABLE
from alexnet.errors import Mistake
from alexnet.launch.job_process import start
from alexnet.launch.launcher import End, JobLauncher, Running, get_folder, name_shortly, say_start
from alexnet.messages.console import from_here, say, translate

CONNECT_SECONDS = 30  # Ray itself would try for a quarter of an hour
WAIT_SECONDS = 10  # for an actor, before the person is told
ENVIRONMENT = {"RAY_kill_child_processes_on_worker_exit": "false"}  # they have yet to save


class Job:
    """The actor of a job. working: the folder in which the sweep was started."""

    def __init__(self, working: str, task: TaskFunction, config: DictConfig, gpu: str | None, hydra_state: bytes):
        self.process = None
        with suppress(OSError):
            os.chdir(working)
            if get_folder(config).is_dir():
                self.process = start(task, config, gpu, hydra_state)

    def wait(self) -> int | str:
        """The job's exit status; this node's name if the node doesn't have the job's folder."""
        if self.process is None:
            return socket.gethostname()
        self.process.join()
        return self.process.exitcode or 0

    def stop(self, number: int) -> None:
        """Sends the signal to the job."""
        if self.process is not None and self.process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, number)


@dataclass
class Dealt:
    """A job that Ray was given."""

    actor: Any
    began: "Future[Any]"
    ended: "Future[int | str]"
    told: bool = False  # that it began
    told_to_wait: bool = False


class Ray(JobLauncher):
    """hydra/launcher=ray. The options are those of conf/hydra/launcher/ray.yaml."""

    __module__ = "hydra_plugins.alexnet"  # Hydra accepts plugins from hydra_plugins only
    elsewhere = True

    def __init__(self, cpus: int, gpus: float | None):
        self.cpus, self.gpus = cpus, gpus

    def check(self) -> None:
        if type(self.cpus) is not int or self.cpus < 1:
            raise Mistake(f"hydra.launcher.cpus={self.cpus}: expected a whole number, 1 or more.")
        gpus = self.gpus or 0
        if type(gpus) not in (int, float) or gpus < 0 or (gpus >= 1 and gpus % 1 != 0):
            raise Mistake(f"hydra.launcher.gpus={self.gpus}: expected a whole number, a fraction below 1, or null.")
        connect()
        if self.at_once == 0:
            nodes = " or ".join(sorted({f"{int(cpus)} and {gpus:g}" for cpus, gpus in list_nodes()}))
            raise Mistake(
                f"hydra.launcher.cpus={self.cpus}, hydra.launcher.gpus={self.gpus_a_job:g}: no node of the Ray cluster "
                f"has so many CPUs and GPUs: one has {nodes}."
            )

    @property
    def at_once(self) -> int:
        return sum(self.count_jobs(cpus, gpus) for cpus, gpus in list_nodes())

    def count_jobs(self, cpus: float, gpus: float) -> int:
        """How many jobs a node of that many has room for, if nobody else uses it."""
        each = self.gpus_a_job
        if each == 0:
            return int(cpus // self.cpus)
        return int(min(cpus // self.cpus, gpus // each if each >= 1 else gpus * int(1 / each)))

    @property
    def gpus_a_job(self) -> float:
        return self.gpus if self.gpus is not None else float(any(gpus for _, gpus in list_nodes()))

    @property
    def has_gpus(self) -> bool:
        return self.gpus_a_job > 0

    def count_threads(self, at_once: int) -> int:
        return self.cpus

    def start(self, config: DictConfig, slot: int) -> Dealt:
        import ray

        gpu = None if self.has_gpus else ""  # Ray names those that it dealt, but hides none from a job without
        actor = (
            ray.remote(Job)
            .options(num_cpus=self.cpus, num_gpus=self.gpus_a_job, max_concurrency=2)
            .remote(os.getcwd(), self.task, config, gpu, self.hydra_state)
        )
        return Dealt(actor, actor.__ray_ready__.remote().future(), actor.wait.remote().future())

    def wait(self, running: Running) -> None:
        jobs = [started.handle for started in running.values()]
        wait([job.ended if job.told else job.began for job in jobs], WAIT_SECONDS, FIRST_COMPLETED)

    def find_ends(self, running: Running) -> dict[int, End]:
        import ray

        ends = {}
        for slot, (job, config, since) in running.items():
            if job.began.done() and not job.told:
                job.told = True
                if job.began.exception() is None:
                    say_start(config)
            if not job.told and not job.told_to_wait and perf_counter() - since > WAIT_SECONDS:
                job.told_to_wait = True
                say("{} waits until the Ray cluster has room", name_shortly(config))
            if job.ended.done():
                ends[slot] = find_end(job, config)
                ray.kill(job.actor)
        return ends

    def stop(self, running: Running, number: int) -> None:
        import ray

        for started in running.values():
            job = started.handle
            if job.began.done():
                job.actor.stop.remote(number)
            else:
                ray.kill(job.actor)


def find_end(job: Dealt, config: DictConfig) -> End:
    """How the job ended, of which Ray knows that it did."""
    error = job.ended.exception()
    if error is not None:
        return translate("Ray says: {}").format(shorten_error(error))
    end = job.ended.result()
    if isinstance(end, int) and end < 0:
        return translate("killed by {}, perhaps because its node's memory ran out").format(signal.Signals(-end).name)
    if isinstance(end, int):
        return end
    return translate("the node {} doesn't have the folder {}: all nodes need the sweep's disk").format(
        end, from_here(get_folder(config))
    )


def connect() -> None:
    """Connects this program to the cluster of the environment variable RAY_ADDRESS, or to that of this machine.

    Raises Mistake if that isn't possible.
    """
    try:
        import ray
    except ImportError as error:
        raise Mistake("hydra/launcher=ray needs Ray: pip install -e '.[ray]'") from error
    if ray.is_initialized():
        return
    if os.environ.get("RAY_ADDRESS") == "local":  # Ray would start a cluster that ends with the sweep
        raise _refuse("that isn't a cluster's address")
    errors: list[Exception] = []
    variables = {**ENVIRONMENT, **{name: os.environ[name] for name in (VARIABLE,) if name in os.environ}}

    def initialise() -> None:
        try:
            ray.init("auto", log_to_driver=False, logging_level="ERROR", runtime_env={"env_vars": variables})
        except Exception as error:
            errors.append(error)

    thread = Thread(target=initialise, daemon=True)  # no signal interrupts Ray's attempts
    with _nothing_on_stderr():
        thread.start()
        thread.join(CONNECT_SECONDS)
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))  # Ray's own aborts, with a stack trace
    if errors or thread.is_alive():
        raise _refuse(" ".join(str(errors[0]).split()) if errors else f"no answer in {CONNECT_SECONDS} s")


def _refuse(why: str) -> Mistake:
    address = os.environ.get("RAY_ADDRESS", "(not set)")
    return Mistake(
        f"hydra/launcher=ray with RAY_ADDRESS={address}: {why.rstrip('.')}. To start a cluster on this machine: "
        f"ray start --head; to use another: export RAY_ADDRESS=HOST:6379"
    )


@contextmanager
def _nothing_on_stderr() -> Iterator[None]:
    """Hides what Ray's C++ writes on each of its attempts; the exception says it as well."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # later, too
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def list_nodes() -> list[tuple[float, float]]:
    """The CPUs and GPUs of each node that is alive."""
    import ray

    resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [(each.get("CPU", 0), each.get("GPU", 0)) for each in resources]


def shorten_error(error: BaseException) -> str:
    """Ray's last line of an error says the reason; its first sentence is enough."""
    return re.split(r"(?<=[.])\s", str(error).strip().splitlines()[-1].strip())[0]
