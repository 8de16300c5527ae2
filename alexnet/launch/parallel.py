"""Runs several jobs of a sweep at a time on this machine: hydra/launcher=parallel.

Each job is a process with its share of the processor's threads and, if there are GPUs, one of them, or one for each of
device.processes.
"""

import os
from multiprocessing.process import BaseProcess

from omegaconf import DictConfig

from alexnet.errors import Mistake
from alexnet.launch.job_process import start
from alexnet.launch.launcher import End, JobLauncher, Running, say_start


class Parallel(JobLauncher):
    """hydra/launcher=parallel. jobs: how many at a time; None is one per GPU, or 2 if there is none."""

    __module__ = "hydra_plugins.alexnet"  # Hydra accepts plugins from hydra_plugins only

    def __init__(self, jobs: int | None = None):
        self.jobs = jobs

    def check(self) -> None:
        if self.jobs is not None and (type(self.jobs) is not int or self.jobs < 1):
            raise Mistake(f"hydra.launcher.jobs={self.jobs}: expected a whole number, 1 or more, or null.")

    @property
    def at_once(self) -> int:
        return self.jobs or len(self.group_gpus()) or 2

    @property
    def has_gpus(self) -> bool:
        return bool(list_gpus())

    def count_threads(self, at_once: int) -> int:
        from alexnet.engine.device import THREADS

        return max(1, THREADS // at_once)

    def start(self, config: DictConfig, slot: int) -> BaseProcess:
        groups = self.group_gpus()
        gpus = groups[slot % len(groups)] if groups else None
        process = start(self.task, config, gpus, self.hydra_state)
        say_start(config)
        return process

    def group_gpus(self) -> list[str]:
        """The GPUs of each job that runs at the same time, as CUDA_VISIBLE_DEVICES names them."""
        gpus, size = list_gpus(), self.settings.device.get("processes", 1)
        return [",".join(gpus[start : start + size]) for start in range(0, len(gpus) - size + 1, size)]

    def wait(self, running: Running) -> None:
        from multiprocessing.connection import wait  # imported here, so that --help and mistakes are answered sooner

        wait([started.handle.sentinel for started in running.values()])

    def find_ends(self, running: Running) -> dict[int, End]:
        return {
            slot: started.handle.exitcode for slot, started in running.items() if started.handle.exitcode is not None
        }

    def stop(self, running: Running, number: int) -> None:
        for started in running.values():
            if started.handle.exitcode is None:
                os.kill(started.handle.pid, number)


def list_gpus() -> list[str]:
    """The CUDA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
