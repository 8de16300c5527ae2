"""The process of one job, which this machine or Slurm runs: it sees what a job of a serial sweep sees."""

import multiprocessing
import os
import pickle
import signal
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn, TextIO

from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobRuntime, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from alexnet.config.compose import checking
from alexnet.config.help import register_resolver
from alexnet.config.options import make_importable
from alexnet.errors import Mistake
from alexnet.runs.folder import Run
from alexnet.training.signals import Interrupted, Signals

STOP = {signal.SIGINT, signal.SIGTERM}
# torch takes seconds to import: jobs begin as forks of a process that has imported it, and done nothing else with it.
PRELOAD = ["alexnet.training.build", "alexnet.training.loop", "alexnet.training.result", "alexnet.runs.plots"]


def dump_hydra(context: HydraContext) -> bytes:
    """What a job sees of Hydra in a serial sweep, to be loaded in its process: callbacks, version base and the like.

    Raises Mistake for a callback that can't be sent to another process.
    """
    for callback in context.callbacks.callbacks:
        try:
            pickle.dumps(callback)
        except Exception as error:
            raise Mistake(
                f"hydra.launcher: the callback {type(callback).__name__} can't be sent to the process of a "
                f"job ({error}): give hydra/launcher=basic, or open what it holds in its on_job_start."
            ) from error
    singletons = {kind: each for kind, each in Singleton._instances.items() if kind is not Plugins}
    return pickle.dumps((context, singletons))


def start(task: TaskFunction, config: DictConfig, gpus: str | None, hydra_state: bytes) -> BaseProcess:
    """Starts the process. gpus: as CUDA_VISIBLE_DEVICES names them; hydra_state: of `dump_hydra`."""
    if sys.platform == "linux":
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOAD)
    else:
        context = multiprocessing.get_context("spawn")
    process = context.Process(target=_run, args=(task, config, gpus, hydra_state))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP)  # the processes inherit this; `run` lifts it
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def _run(task: TaskFunction, config: DictConfig, gpus: str | None, hydra_state: bytes) -> None:
    """Runs the job, in its process."""
    os.setpgrp()  # the terminal's Ctrl-C goes to the sweep only, which then stops its jobs once
    if gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus  # torch reads it when it first uses one
    Thread(target=_end_with_the_sweep, daemon=True).start()
    run(task, config, hydra_state)


def run(task: TaskFunction, config: DictConfig, hydra_state: bytes) -> NoReturn:
    """Runs the job and ends this process with its exit status. hydra_state: of `dump_hydra`."""
    try:
        with checking(), Signals(), open(os.devnull, "w") as nowhere:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)
            make_importable()  # what is pickled may be of an own class
            context, singletons = pickle.loads(hydra_state)
            Singleton._instances.update(singletons)
            setup_globals()
            register_resolver()
            warnings.showwarning = partial(_show_warning, sys.stderr)  # such as Hydra's of a callback that fails
            with redirect_stdout(nowhere), redirect_stderr(nowhere):  # train.log has all of it
                ended = run_job(
                    task_function=task,
                    config=config,
                    job_dir_key="hydra.sweep.dir",
                    job_subdir_key="hydra.sweep.subdir",
                    hydra_context=context,
                )
            _ = ended.return_value  # raises what the job raised: a bug, since `execute` catches a run's own errors
            sys.exit(JobRuntime.instance().get("exit_status"))
    except Interrupted as interrupted:  # before there was anything to save
        sys.exit(interrupted.exit_status)


def run_in_slurm(task: TaskFunction, config: DictConfig, hydra_state: bytes) -> NoReturn:
    """Runs the job of `run` in a job of Slurm. At the time limit Slurm sends SIGUSR2: then the job is requeued.

    It isn't if no checkpoint was written in that time: it would meet its limit there again, and again.
    A preempted job gets SIGTERM, as a cancelled one does, and Slurm itself requeues it.
    """
    import submitit

    folder = Path(config.hydra.sweep.dir) / config.hydra.sweep.subdir
    before = _find_last_save(folder)
    try:
        run(task, config, hydra_state)
    except SystemExit as ended:
        if ended.code == 128 + signal.SIGUSR2 and _find_last_save(folder) != before:
            submitit.JobEnvironment()._requeue(0)
        raise


def _find_last_save(folder: Path) -> int:
    """The time of the run's last checkpoint, by the disk's clock; 0 if there is none."""
    return max((path.stat().st_mtime_ns for path in Run(folder).checkpoints.glob("*.pt")), default=0)


def _show_warning(stream: TextIO, message: Warning | str, category: type[Warning], *place: Any) -> None:
    stream.write(warnings.formatwarning(message, category, *place[:2]))


def _end_with_the_sweep() -> None:
    """If the sweep is killed, its jobs save what they trained and end as well."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
