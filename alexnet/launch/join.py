"""Lets several programs run the jobs of one sweep: `train.py -m … join=FOLDER` on machines that share a disk.

There is no server. Each program takes the jobs that no other has claimed; runs/claims.py says how.
"""

import os
import time
from collections.abc import Sequence
from functools import partial, wraps
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from alexnet.disk import replacing
from alexnet.errors import Mistake
from alexnet.launch import sweep
from alexnet.launch.plan import PLAN
from alexnet.launch.sweep_resume import find_existing_sweep
from alexnet.messages.console import say, warn
from alexnet.runs.claims import Claim, Watcher, is_released, list_claims
from alexnet.runs.folder import Run, Sweep
from alexnet.training.pruning import prune
from alexnet.training.signals import Interrupted, Signals

TARGET = "hydra_plugins.alexnet.Join"


class Join(Sweeper):
    """Hydra's own sweeper for one of several programs: it runs all combinations of the values that nobody else runs."""

    __module__ = "hydra_plugins.alexnet"  # Hydra accepts plugins from hydra_plugins only

    def __init__(self, max_batch_size: int | None = None, params: dict[str, str] | None = None):
        self.params = params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.task, self.settings = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> None:
        """Returns when each job has ended, here or elsewhere. A signal ends the program."""
        jobs = dict(enumerate(sweep.expand_grid(self.params, arguments)))
        folders = {number: self._get_folder(number, overrides) for number, overrides in jobs.items()}
        watcher, said = Watcher(), 0
        try:
            with Signals():
                while jobs:
                    before = len(jobs)
                    self._go_through(jobs, folders, watcher)
                    if len(jobs) == before:
                        if said != before:
                            said = before
                            say("Waiting for jobs that other programs run: {}", said)
                        watcher.wait()
        except Interrupted as interrupted:  # while no job ran
            warn("{}", interrupted)
            raise SystemExit(interrupted.exit_status) from None

    def _get_folder(self, number: int, overrides: Sequence[str]) -> Path:
        config = self.context.config_loader.load_sweep_config(self.settings, list(overrides))
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        return Path(config.hydra.sweep.dir) / sweep.get_subdir(config.hydra)

    def _go_through(self, jobs: dict[int, Sequence[str]], folders: dict[int, Path], watcher: Watcher) -> None:
        """Runs the jobs that can be taken, and removes all that have ended."""
        elsewhere = 0
        for number, overrides in list(jobs.items()):
            run, runs = Run(folders[number]), False
            run.folder.mkdir(parents=True, exist_ok=True)
            if not (self._has_ended(run) and is_released(run.folder)):
                claim = watcher.take(run.folder)
                if claim is None:
                    elsewhere += 1
                    continue
                with claim:
                    runs = not self._has_ended(run)  # by now
                    if runs:
                        PLAN.at_once = elsewhere + 1
                        self._run(number, overrides, claim)
                    else:
                        prune(run)  # it may have been killed before that
            if not runs:
                PLAN.end(None)
                say("{} is done: {}", PLAN.name_fully(number, overrides), (run.result() or {})["status"])
            del jobs[number]

    def _has_ended(self, run: Run) -> bool:
        """Whether nobody goes on with the run. One that failed is tried again only if the sweep is resumed."""
        result = run.result()
        return run.is_done() or (not self.settings.resume and result is not None and result["status"] == "failed")

    def _run(self, number: int, overrides: Sequence[str], claim: Claim) -> None:
        launcher = BasicLauncher()
        task: Any = wraps(self.task)(partial(self.task, claim=claim))  # type: ignore[call-arg]
        launcher.setup(hydra_context=self.context, task_function=task, config=self.settings)
        (ended,) = launcher.launch([overrides], number)
        _ = ended.return_value  # raises what the job raised: a bug, since `execute` catches a run's own errors


def check(config: DictConfig) -> None:
    """Raises Mistake if the sweep can't be joined by several programs, or in that folder."""
    folder = config.join
    if config.resume:
        raise Mistake(f"join={folder} also finishes a sweep that was interrupted: leave out resume={config.resume}.")
    for plugin, usual in (("launcher", "BasicLauncher"), ("sweeper", "BasicSweeper")):
        target = config.hydra[plugin]._target_
        if not target.endswith(f".{usual}"):
            name = config.hydra.runtime.choices[f"hydra/{plugin}"]
            raise Mistake(
                f"join={folder} with hydra/{plugin}={name}: a program that joins runs one combination of the values "
                f"after the other: leave that out, and give the command as often as jobs are to run at the same time."
            )
    if os.path.lexists(folder):
        _check_folder(Path(folder))


def _check_folder(folder: Path) -> None:
    """Raises Mistake if it is there and neither empty nor the folder of a sweep."""
    if not folder.is_dir():
        raise Mistake(f"join={folder}: expected the folder of a sweep, or a new one, and this is a file.")
    names = [name for name in sorted(os.listdir(folder)) if not name.startswith(".")]
    if names and Sweep(folder).multirun.name not in names:
        raise Mistake(
            f"join={folder}: expected the folder of a sweep, or a new one, and this one has {names[0]} and no "
            f"{Sweep(folder).multirun.name}."
        )


def has_begun(config: DictConfig) -> bool:
    """Whether another program has begun the sweep."""
    return Sweep(config.join).multirun.is_file()


def make_folder(folder: str) -> str:
    """Makes the sweep's folder, unless another program was faster. Raises Mistake if it can't be written to."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Mistake(f"join={folder} can't be made a folder: {error.strerror}. Give another place.") from error
    if not os.access(folder, os.W_OK):
        raise Mistake(f"join={folder} can't be written to. Give a folder that is yours on every machine.")
    return folder


def enter(config: DictConfig) -> None:
    """Makes Hydra run `Join`, if several programs run this sweep, or did. Without a join the sweep is resumed.

    Whoever comes first writes the sweep's settings, as Hydra does. Raises Mistake if that one had another sweep.
    """
    if config.join:
        _write_settings(config)
        find_existing_sweep(config)
    if config.join or (config.resume and list_claims(Path(config.resume))):
        config.hydra.sweeper._target_ = TARGET


def _write_settings(config: DictConfig) -> None:
    """Returns when they are there, whole."""
    there, watcher = Sweep(config.join), Watcher()
    while not there.multirun.is_file():
        claim = watcher.take(there.folder)
        if claim is None:
            time.sleep(0.5)
            continue
        with claim:
            if not there.multirun.is_file():
                with replacing(there.multirun) as temporary:
                    OmegaConf.save(config, temporary)
