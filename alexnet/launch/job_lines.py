"""Prints when the jobs of a parallel sweep start and how they end: their own lines go to their train.log."""

import signal
from pathlib import Path
from shlex import quote
from typing import Any

from omegaconf import DictConfig

from alexnet.launch import sweep
from alexnet.launch.plan import PLAN
from alexnet.messages.console import from_here, say, translate, warn
from alexnet.runs.folder import Run
from alexnet.training.pruning import prune


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
        say("{} finished{}{}", name, _describe_accuracy(result), PLAN.time_left())
    else:
        why = translate("; {} says why").format(run.log) if run.log.is_file() and run.log.stat().st_size else ""
        warn("{} ended early, with exit status {}{}.", name, exit_status, why)


def _describe_accuracy(result: dict[str, Any]) -> str:
    """The accuracies that it has: with test=false none in test."""
    test, validation = result.get("test_accuracy"), result.get("validation_accuracy")
    texts = [
        "" if validation is None else translate("validation accuracy {:.2f}%").format(100 * validation),
        "" if test is None else translate("test accuracy {:.2f}%").format(100 * test),
    ]
    return "".join(f": {text}" if number == 0 else f", {text}" for number, text in enumerate(filter(None, texts)))
