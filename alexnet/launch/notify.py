"""Hydra's callbacks, in each way of starting: they learn how a job really ended, and a resumed run has them, too."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import hydra
from hydra._internal import callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobRuntime, JobStatus
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from alexnet.config.compose import OwnFolders, explain
from alexnet.config.options import CONF, make_importable
from alexnet.errors import Damaged, Failure, Mistake
from alexnet.launch.sweep_report import score_run
from alexnet.runs.folder import Run

OWN = "alexnet.launch.callback"  # the module of this project's own callback
NAMED = re.compile(r"(\+{0,2}|~)hydra[./]callbacks\b")  # what chooses callbacks on the command line


class Callbacks(callbacks.Callbacks):
    """Hydra's, but the project's own callback is called first, at the end as well: it checks the values, claims the
    folder and writes the report. A failed run raises nothing, so Hydra itself would call each job completed.
    """

    def __init__(self, config: DictConfig | None = None):
        super().__init__(config)
        self.was_done = False

    def _notify(self, function_name: str, reverse: bool = False, **given: Any) -> None:
        everyone = self.callbacks
        own = [each for each in everyone if type(each).__module__ == OWN]
        others = [each for each in everyone if each not in own]
        self.callbacks = [*own, *(reversed(others) if reverse else others)]
        try:
            super()._notify(function_name, **given)
        finally:
            self.callbacks = everyone

    def on_job_start(self, config: DictConfig, **given: Any) -> None:
        """A job that a resumed sweep only finds to be done doesn't begin, and doesn't end."""
        with suppress(Damaged):
            done = Run(config.hydra.runtime.output_dir).is_done()
            self.was_done = done and config.hydra.mode is RunMode.MULTIRUN
        if not self.was_done:
            super().on_job_start(config, **given)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **given: Any) -> None:
        """A job of a sweep that a signal stopped ends this process."""
        if self.was_done:
            return
        with _as_it_ended(config, job_return) as exit_status:
            super().on_job_end(config, job_return, **given)
        if exit_status > 128 and config.hydra.mode is RunMode.MULTIRUN:
            sys.exit(exit_status)

    def on_run_end(self, config: DictConfig, **given: Any) -> None:
        with _as_it_ended(config, given["job_return"]):
            super().on_run_end(config, **given)


@contextmanager
def _as_it_ended(config: DictConfig, ended: JobReturn) -> Iterator[int]:
    """Within this context the job has failed if its exit status isn't 0, and its return value is the reason."""
    exit_status, value = JobRuntime.instance().conf.get("job_exit_status", 0), ended._return_value
    if exit_status == 0 or ended.status is not JobStatus.COMPLETED:
        yield exit_status
        return
    result: dict[str, Any] = {}
    with suppress(Damaged):
        result = Run(config.hydra.runtime.output_dir).result() or {}
    ended.status, ended.return_value = (
        JobStatus.FAILED,
        Failure(str(result.get("reason", f"exit status {exit_status}"))),
    )
    try:
        yield exit_status
    finally:
        ended.status, ended.return_value = JobStatus.COMPLETED, value


def note_end(exit_status: int) -> None:
    """For the callbacks of this process's job."""
    JobRuntime.instance().set("job_exit_status", exit_status)


def split_callbacks(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """The overrides that choose callbacks, such as hydra/callbacks=notify, and the others."""
    named = [given for given in overrides if NAMED.match(given)]
    return named, [given for given in overrides if given not in named]


def call_around(named: Sequence[str], config: DictConfig, run: Run, train: Callable[[], int]) -> int:
    """train(), with the callbacks that the person names now, called as Hydra calls them in a run of scripts/train.py.

    Returns its exit status. named: of `split_callbacks`. Raises Mistake for callbacks that can't be built.
    """
    if not named:
        return train()
    try:
        whole = _compose(named, config, run)
        told = Callbacks(whole)
    except (HydraException, OmegaConfBaseException) as error:
        raise Mistake(explain(error)) from error
    HydraConfig.instance().set_config(whole)
    told.on_run_start(config=whole, config_name="train")
    told.on_job_start(config=whole, task_function=train)
    note_end(exit_status := train())
    ended = JobReturn(list(named), config, whole, os.getcwd(), "train", JobStatus.COMPLETED)
    ended.return_value = score_run(run)
    told.on_job_end(config=whole, job_return=ended)
    told.on_run_end(config=whole, config_name="train", job_return=ended)
    return exit_status


def _compose(named: Sequence[str], config: DictConfig, run: Run) -> DictConfig:
    """The run's configuration with Hydra's settings of now: nothing of the folder's own is used."""
    make_importable()
    Plugins.instance().register(OwnFolders)
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        whole = hydra.compose("train", list(named), return_hydra_config=True)
    with open_dict(whole):
        del whole.hydra.callbacks.alexnet  # it makes new folders
        for key in config:
            whole[key] = config[key]
        whole.hydra.mode = RunMode.RUN
        whole.hydra.run.dir = str(run.folder)
        whole.hydra.runtime.output_dir = str(run.folder.absolute())
    return whole
