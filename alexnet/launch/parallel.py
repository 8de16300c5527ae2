"""Runs several jobs of a sweep at a time on this machine: hydra/launcher=parallel.

Each job is a process with its share of the processor's threads and, if there are GPUs, one of them.
"""

import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.context import SpawnProcess
from pathlib import Path
from shlex import quote
from time import perf_counter
from typing import Any, NamedTuple

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from alexnet.errors import Mistake
from alexnet.launch import sweep
from alexnet.launch.job_process import STOP, dump_hydra, start
from alexnet.launch.plan import PLAN
from alexnet.launch.sweep_report import say_where_the_report_is, score_run, write_report
from alexnet.messages.console import from_here, say, translate, warn
from alexnet.messages.lines import measure
from alexnet.runs.folder import Run
from alexnet.training.pruning import prune
from alexnet.training.signals import Interrupted, Signals

COLUMNS = 80


class Started(NamedTuple):
    process: SpawnProcess
    config: DictConfig
    at: float  # of perf_counter


Running = dict[int, Started]  # by slot; slot i has GPU i


class Parallel(Launcher):
    """hydra/launcher=parallel. jobs: how many at a time; None is one per GPU, or 2 if there is none."""

    __module__ = "hydra_plugins.alexnet"  # Hydra accepts plugins from hydra_plugins only

    def __init__(self, jobs: int | None = None):
        self.jobs = jobs
        self.said_threads: list[int] = []

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.task, self.settings = hydra_context, task_function, config
        self.gpus = list_gpus()
        self.at_once = _count_at_once(self.jobs)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs all jobs and returns their scores in order. A signal stops the jobs and ends the program."""
        from multiprocessing.connection import wait  # imported here, so that --help and mistakes are answered sooner

        setup_globals()
        hydra_state = dump_hydra(self.context)
        at_once = min(self.at_once, len(job_overrides))
        PLAN.at_once = at_once
        configs = [
            self.compose_job(list(overrides), number, at_once)
            for number, overrides in enumerate(job_overrides, initial_job_idx)
        ]
        waiting = [config for config in configs if not report_if_done(config)]
        self.say_threads(waiting, at_once)
        running: Running = {}
        with Signals() as signals:
            try:
                while waiting or running:
                    with signals.uninterrupted():  # every process that was started is in `running`
                        self.start_jobs(waiting, running, at_once, hydra_state)
                    wait([started.process.sentinel for started in running.values()])
                    with signals.uninterrupted():
                        self.collect_ended_jobs(running)
            except OSError:  # a full disk, where the next job's folder can't be made
                stop(running, signal.SIGTERM)
                raise
            except Interrupted as interrupted:
                stop(running, interrupted.exit_status - 128)
                print(f"\n{self.write_report()}")
                folder = self.settings.hydra.sweep.dir
                say_where_the_report_is(folder)
                warn("To resume it: {}", f"python scripts/resume.py {quote(str(from_here(folder)))}")
                sys.exit(interrupted.exit_status)
        return [make_job_return(config) for config in configs]

    def say_threads(self, configs: Sequence[DictConfig], at_once: int) -> None:
        """Prints how many threads each of these jobs has, unless they are as many as of the jobs before."""
        from alexnet.engine.device import THREADS

        threads = sorted({config.device.threads for config in configs})
        if threads in ([], self.said_threads):
            return
        self.said_threads = threads
        given = " or ".join(f"device.threads={number}" for number in threads)
        say("{} jobs at a time, each with {}", at_once, given)
        if threads != [THREADS] and not self.gpus and self.settings.device.threads is None:
            say("Another number gives slightly other weights: to get these in a serial sweep, give {}", given)

    def start_jobs(self, waiting: list[DictConfig], running: Running, at_once: int, hydra_state: bytes) -> None:
        """Starts waiting jobs in the free slots."""
        for slot in sorted(set(range(at_once)) - set(running))[: len(waiting)]:
            config = waiting.pop(0)
            gpu = self.gpus[slot % len(self.gpus)] if self.gpus else None
            # A process that dies at once still leaves a folder, so it counts as a job of the sweep.
            (get_folder(config) / ".hydra").mkdir(parents=True, exist_ok=True)
            running[slot] = Started(start(self.task, config, gpu, hydra_state), config, perf_counter())
            say_start(config)

    def collect_ended_jobs(self, running: Running) -> None:
        """Prints how each ended job ended, and writes the sweep's report again."""
        for slot, started in list(running.items()):
            exit_status = started.process.exitcode
            if exit_status is not None:
                del running[slot]
                PLAN.end(perf_counter() - started.at)
                print_end(started.config, exit_status)
                self.write_report()

    def write_report(self) -> str:
        """The sweep's report: its table, for the console."""
        return write_report(self.settings.hydra.sweep.dir, self.settings.report)

    def compose_job(self, overrides: list[str], number: int, at_once: int) -> DictConfig:
        """The job's configuration, with its share of the processor's threads if none are given."""
        from alexnet.config.ranges import RANGES
        from alexnet.engine.device import THREADS

        config = self.context.config_loader.load_sweep_config(self.settings, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
            # The threads go into the configuration, so reproducing the job gives the same weights. A resumed job
            # keeps its threads, however many jobs are left.
            begun = Run(get_folder(config)).config().get("device", {}).get("threads") if config.resume else None
            if not RANGES["device"]["threads"].allows(begun):  # the folder may be untrusted
                begun = None
            config.device.threads = config.device.threads or begun or max(1, THREADS // at_once)
        return config


def check(config: DictConfig) -> None:
    """Raises Mistake if the number of parallel jobs isn't one."""
    jobs = config.hydra.launcher.get("jobs")
    if jobs is not None and (type(jobs) is not int or jobs < 1):
        raise Mistake(f"hydra.launcher.jobs={jobs}: expected a whole number, 1 or more, or null.")


def count_at_once(config: DictConfig) -> int:
    """How many jobs run at the same time with that configuration's launcher."""
    launcher = config.hydra.launcher
    return _count_at_once(launcher.get("jobs")) if launcher._target_.endswith(".Parallel") else 1


def _count_at_once(jobs: int | None) -> int:
    return jobs or len(list_gpus()) or 2


def list_gpus() -> list[str]:
    """The CUDA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def stop(running: Running, number: int) -> None:
    """Sends the signal to all jobs, waits until they have saved what they trained, and prints how each ended."""
    handlers = {which: signal.signal(which, signal.SIG_IGN) for which in STOP}  # a second Ctrl-C must not lose work
    for process, _, _ in running.values():
        if process.exitcode is None and process.pid is not None:
            os.kill(process.pid, number)
    for process, config, _ in running.values():
        process.join()
        print_end(config, process.exitcode or 0)
    for which, handler in handlers.items():
        signal.signal(which, handler)


def get_folder(config: DictConfig) -> Path:
    """The job's folder."""
    return Path(config.hydra.sweep.dir) / sweep.get_subdir(config.hydra)


def get_name(config: DictConfig) -> str:
    """'job 2 of 6 (optimizer.lr=0.1)'."""
    return PLAN.name_fully(config.hydra.job.num, config.hydra.overrides.task)


def say_start(config: DictConfig) -> None:
    """Prints which job begins, and where."""
    name, described = PLAN.name(config.hydra.job.num), PLAN.describe(config.hydra.overrides.task)
    say("{} starts in {}{}", name, from_here(get_folder(config)), f": {described}" if described else "")


def report_if_done(config: DictConfig) -> bool:
    """Whether a resumed sweep has finished this job already; then a line says so."""
    run = Run(get_folder(config))
    result = run.result() if config.resume else None
    if result is None or not run.is_done():
        return False
    PLAN.end(None)
    say("{} is done: {}", get_name(config), result["status"])
    prune(run)  # it may have been killed before that
    return True


def print_end(config: DictConfig, exit_status: int) -> None:
    """Prints one line on how the job ended. exit_status: below 0 it is the number of the signal that killed it."""
    name, run = get_name(config), Run(from_here(get_folder(config)))
    result = run.result()
    if exit_status < 0:
        folder = quote(str(from_here(config.hydra.sweep.dir)))
        why = translate("If memory ran out, run fewer at once with hydra.launcher.jobs.")
        warn("{} was killed by {}. {}", name, signal.Signals(-exit_status).name, why)
        warn("To resume it: {}", f"python scripts/resume.py {folder}")
    elif result and "reason" in result and (result["status"] != "interrupted" or exit_status > 128):
        warn("{} ended early: {}", name, result["reason"])
    elif result and exit_status == 0:
        figures = _describe_accuracy(result), PLAN.time_left()
        if measure(translate("{} finished{}{}").format(name, *figures)) > COLUMNS:
            name = PLAN.name(config.hydra.job.num)  # its start has said what it is
        say("{} finished{}{}", name, *figures)
    else:
        why = translate("; {} says why").format(run.log) if run.log.is_file() and run.log.stat().st_size else ""
        warn("{} ended early, with exit status {}{}.", name, exit_status, why)


def _describe_accuracy(result: dict[str, Any]) -> str:
    """The accuracies that it has: with test=false none in test."""
    test, validation = result.get("test_accuracy"), result.get("validation_accuracy")
    texts = [
        "" if validation is None else translate("val {:.2f}%").format(100 * validation),
        "" if test is None else translate("test {:.2f}%").format(100 * test),
    ]
    return "".join(f": {text}" if number == 0 else f", {text}" for number, text in enumerate(filter(None, texts)))


def make_job_return(config: DictConfig) -> JobReturn:
    """What Hydra expects of a finished job: the value that a search maximises."""
    job = JobReturn(overrides=list(config.hydra.overrides.task), status=JobStatus.COMPLETED)
    job.return_value = score_run(Run(get_folder(config)))
    return job
