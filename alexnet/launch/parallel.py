"""A sweep's jobs several at a time on this machine: a process a job, threads and GPUs dealt out among them."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread

from hydra._internal.callbacks import Callbacks
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, open_dict

from alexnet.errors import Mistake
from alexnet.launch import sweep
from alexnet.launch.sweep_report import format_job_name, score_run, write_report
from alexnet.runs.folder import Run
from alexnet.training.signals import Interrupted, Signals

STOP = {signal.SIGINT, signal.SIGTERM}


class Parallel(Launcher):
    """hydra/launcher=parallel. jobs: how many at once; None is one a GPU, or 2 where there is none."""

    __module__ = "hydra_plugins.alexnet"  # Hydra takes plugins from packages of that name alone

    def __init__(self, jobs: int | None = None):
        self.jobs = jobs

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.task, self.config = hydra_context, task_function, config
        self.gpus = list_gpus()
        self.at_once = self.jobs or len(self.gpus) or 2

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs all jobs and returns what a search maximises, in their order; a signal stops them and the program."""
        setup_globals()
        at_once = min(self.at_once, len(job_overrides))
        configs = [
            self.job_config(list(overrides), number, at_once)
            for number, overrides in enumerate(job_overrides, initial_job_idx)
        ]
        waiting = [config for config in configs if not told_as_done(config)]
        running: dict[int, tuple[BaseProcess, DictConfig]] = {}  # by slot; slot i has GPU i
        with Signals() as signals:
            try:
                while waiting or running:
                    with signals.uninterrupted():  # no process is ever started and not yet known
                        for slot in sorted(set(range(at_once)) - set(running))[: len(waiting)]:
                            config = waiting.pop(0)
                            gpu = self.gpus[slot % len(self.gpus)] if self.gpus else None
                            running[slot] = start(self.task, config, gpu), config
                    wait([process.sentinel for process, _ in running.values()])
                    with signals.uninterrupted():
                        for slot, (process, config) in list(running.items()):
                            if process.exitcode is not None:
                                del running[slot]
                                tell(config, process.exitcode)
                                write_report(self.config.hydra.sweep.dir, self.config.report)
            except Interrupted as interrupted:
                stop(running, interrupted.exit_status - 128)
                print(write_report(self.config.hydra.sweep.dir, self.config.report))
                sys.exit(interrupted.exit_status)
        return [returned(config) for config in configs]

    def job_config(self, overrides: list[str], number: int, at_once: int) -> DictConfig:
        """The job's configuration, with its share of the processor threads where none are given."""
        from alexnet.engine.device import THREADS

        config = self.context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
            config.hydra.mode = RunMode.RUN  # in its process the job is alone, and ends it with its exit status
            # In the configuration and not only in the process, so that reproducing the job gives the same weights;
            # and a job that goes on keeps its number, however many are left beside it.
            begun = Run(get_folder(config)).config().get("device", {}).get("threads") if config.resume else None
            config.device.threads = config.device.threads or begun or max(1, THREADS // at_once)
        return config


def check(config: DictConfig) -> None:
    """Raises Mistake for a number of jobs at once that is none."""
    jobs = config.hydra.launcher.get("jobs")
    if jobs is not None and (type(jobs) is not int or jobs < 1):
        raise Mistake(f"hydra.launcher.jobs={jobs}: expected a whole number, 1 or more, or null.")


def list_gpus() -> list[str]:
    """The CUDA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def start(task: TaskFunction, config: DictConfig, gpu: str | None) -> BaseProcess:
    """The job's process, started."""
    # So that a process that dies at once is a job of the sweep nonetheless.
    (get_folder(config) / ".hydra").mkdir(parents=True, exist_ok=True)
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(task, config, gpu))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP)  # the process begins like that, see _run
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def _run(task: TaskFunction, config: DictConfig, gpu: str | None) -> None:
    """The job, in its process."""
    os.setpgrp()  # the terminal's Ctrl-C goes to the sweep alone, which tells its jobs once
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # torch, which reads it, is imported later
    Thread(target=_end_with_the_sweep, daemon=True).start()
    try:
        with Signals(), open(os.devnull, "w") as nowhere:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)
            setup_globals()
            with redirect_stdout(nowhere), redirect_stderr(nowhere):  # all of it is in train.log
                ended = run_job(
                    task_function=task,
                    config=config,
                    job_dir_key="hydra.sweep.dir",
                    job_subdir_key="hydra.sweep.subdir",
                    hydra_context=HydraContext(config_loader=None, callbacks=Callbacks()),
                )
            if isinstance(ended.return_value, Exception):  # a bug: a run's own errors end in execute
                raise ended.return_value
    except Interrupted as interrupted:  # before there was anything to save
        sys.exit(interrupted.exit_status)


def _end_with_the_sweep() -> None:
    """Where the sweep is killed, its jobs save what they trained and end as well."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)


def stop(running: dict[int, tuple[BaseProcess, DictConfig]], number: int) -> None:
    """Sends the signal to all jobs, waits until they have saved what they trained, and tells how each ended."""
    signals = {which: signal.signal(which, signal.SIG_IGN) for which in STOP}  # impatience would lose their work
    for process, _ in running.values():
        if process.exitcode is None:
            os.kill(process.pid, number)
    for process, config in running.values():
        process.join()
        tell(config, process.exitcode)
    for which, handler in signals.items():
        signal.signal(which, handler)


def get_folder(config: DictConfig) -> Path:
    return Path(config.hydra.sweep.dir) / sweep.get_subdir(config.hydra)


def told_as_done(config: DictConfig) -> bool:
    run = Run(get_folder(config))
    if not (config.resume and run.is_done()):
        return False
    print(f"{format_job_name(config.hydra)} is done: {run.result()['status']}")
    return True


def tell(config: DictConfig, exit_status: int) -> None:
    """The job's one line. exit_status: the process's; below 0 the number of the signal that killed it."""
    name, result = format_job_name(config.hydra), Run(get_folder(config)).result()
    if exit_status < 0:
        print(
            f"{name} was killed by {signal.Signals(-exit_status).name}. If memory ran out, run fewer at once "
            f"with hydra.launcher.jobs. To go on with it: python scripts/resume.py {config.hydra.sweep.dir}",
            file=sys.stderr,
        )
    elif result and "reason" in result and (result["status"] != "interrupted" or exit_status > 128):
        print(f"{name} ended early: {result['reason']}", file=sys.stderr)
    elif result and exit_status == 0:
        print(
            f"{name} {result['status']}: test accuracy {100 * result['test_accuracy']:.2f}%",
            flush=True,
        )
    else:
        log = Run(get_folder(config)).log
        print(f"{name} ended early, with exit status {exit_status}; {log} says why.", file=sys.stderr)


def returned(config: DictConfig) -> JobReturn:
    job = JobReturn(overrides=list(config.hydra.overrides.task), status=JobStatus.COMPLETED)
    job.return_value = score_run(Run(get_folder(config)))
    return job
