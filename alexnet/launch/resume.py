"""Resumes a run or a sweep in its own folder."""

import shlex
import sys
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from alexnet.config.keys import MAY_CHANGE, NOTES
from alexnet.config.machine import check_machine
from alexnet.config.ranges import RANGES
from alexnet.config.saved import load_run_config
from alexnet.errors import Damaged, Mistake, make_printable
from alexnet.launch import train
from alexnet.launch.notify import call_around, split_callbacks
from alexnet.launch.sweep_resume import rebuild_command
from alexnet.messages.console import configure, say
from alexnet.messages.lines import show
from alexnet.runs.folder import Run, Sweep
from alexnet.training.console import describe_test
from alexnet.training.job import execute, log_to
from alexnet.training.prepare import as_yaml
from alexnet.training.pruning import prune
from alexnet.training.testing import add_test_figures


def resume(folder: str, overrides: Sequence[str], from_start: bool = False) -> int:
    """Trains from the last checkpoint to the end. `epochs=N` extends a finished run. Returns the exit status.

    from_start: trains from epoch 1 instead, whatever checkpoints there are; they are deleted.
    Raises Mistake if the folder isn't a run's, if it has rows and no checkpoint, or if an override changes more than
    the number of epochs, the columns' devices or what can't change a number. Other tags and another note are written
    into a finished run, too.
    """
    run = Run(folder)
    callbacks, overrides = split_callbacks(overrides)
    if Sweep(folder).settings() is not None:
        given = [*overrides, *(["--from-start"] if from_start else [])]
        if given:
            raise Mistake(f"{folder} is a sweep, which is resumed as it was: leave out {' '.join(given)}.")
        sys.argv = [sys.argv[0], *rebuild_command(folder), *callbacks]
        train.main()
        return 0
    config, differences = load_run_config(run, overrides)
    epochs = _check_changes(folder, config, differences, overrides)
    configure(config.console, config.language)
    result = run.result()
    finished = result is not None and result.get("status") == "finished"
    if finished and not from_start and not _has_epochs_left(config, epochs, result or {}):
        _change_notes(run, {key: config[key] for key, _, _ in differences if key in NOTES})
        if config.test and run.is_untested:
            add_test_figures(config, run)
        else:
            prune(run)  # the run may have been killed before that
            _say_how_it_ended(folder, config, result or {})
        return 0
    if not from_start:
        _check_checkpoints(run, overrides)
    check_machine(config, begins=from_start or not run.has_checkpoint)
    run.check_writable()
    log_to(run)
    return call_around(callbacks, config, run, lambda: execute(config, run, from_start=from_start))


def _has_epochs_left(config: DictConfig, epochs: int, result: dict[str, Any]) -> bool:
    """Whether a finished run, of so many epochs, has more of them with this configuration."""
    if result.get("stopped_early") is not True:
        return config.epochs > epochs
    done, best = result.get("epochs"), result.get("chosen_epoch")
    waited = done - best if type(done) is int and type(best) is int else 0
    return config.patience is None or waited < config.patience


def _say_how_it_ended(folder: str, config: DictConfig, result: dict[str, Any]) -> None:
    """Prints the accuracies of a run that is finished, with console=quiet, too, and what can still be done with it."""
    try:
        lines = describe_test(result)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Damaged(f"{folder}/result.json can't be read: expected the figures of a run.") from error
    shown = make_printable(folder)
    if result.get("stopped_early") is True:
        say("{} stopped early, with patience={}. To train on: patience=null.", shown, config.patience)
    elif config.get("keep", "all") == "all":
        say("{0} is finished, with epochs={1}. To extend it: epochs=N with N above {1}.", shown, config.epochs)
    else:
        say("{} is finished, with epochs={}.", shown, config.epochs)
    for line in lines:
        show(make_printable(line))


def _check_changes(
    folder: str, config: DictConfig, differences: Sequence[tuple[str, Any, Any]], overrides: Sequence[str]
) -> int:
    """The run's number of epochs so far. Raises Mistake if an override changes what can't change."""
    others = [key for key, _, _ in differences if key not in MAY_CHANGE]
    if others:
        raise Mistake(
            f"{', '.join(others)} can't change when a run is resumed. Only epochs, patience, device.columns "
            f"and what has no effect on the numbers, such as dataset.root, can. For another run from the same "
            f"configuration: python scripts/reproduce.py {folder} {' '.join(overrides)}"
        )
    epochs = next((before for key, before, _ in differences if key == "epochs"), config.epochs)
    if not RANGES[""]["epochs"].allows(epochs) or config.epochs < epochs:
        raise Mistake(f"epochs={config.epochs} is less than the run's {epochs}: expected more.")
    return epochs


def _check_checkpoints(run: Run, overrides: Sequence[str]) -> None:
    """Raises Mistake if the run needs a checkpoint to resume from, and has none."""
    folder = str(run.folder)
    kept = run.config().get("keep", "all")
    if run.is_done() and kept != "all":
        what = "only its weights" if kept == "weights" else "no checkpoint"
        raise Mistake(
            f"{folder} kept {what} when it ended (keep={kept}), so it can't be resumed. To train longer, in a new "
            f"folder: {shlex.join(['python', 'scripts/reproduce.py', folder, *overrides])}"
        )
    if run.has_rows and not run.has_checkpoint:
        raise Mistake(
            f"{folder} has no checkpoint: the run was stopped before its first one, or checkpoints/ was deleted. To "
            f"train from epoch 1, with the same result: "
            f"{shlex.join(['python', 'scripts/resume.py', folder, *overrides, '--from-start'])}"
        )


def _change_notes(run: Run, given: dict[str, Any]) -> None:
    """Gives a finished run other tags, or another note. Nothing else in its folder changes."""
    if given:
        run.check_writable()
        with run.exclusive():
            run.change_config(as_yaml(OmegaConf.create({**run.config(), **given})))
        print(f"Changed: {', '.join(given)}.")
