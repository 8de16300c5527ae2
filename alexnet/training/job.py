"""Executes one run: prepares, trains, tests, draws. Its folder says how it ended."""

import gc
import logging
import logging.config
import shlex
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from errno import EDQUOT, ENOSPC
from time import perf_counter
from typing import Any

from omegaconf import DictConfig, OmegaConf

from alexnet.config import options
from alexnet.errors import Diverged, Failure, Mistake, make_sentence
from alexnet.messages.console import LOG_ONLY, configure, translate, warn
from alexnet.runs.folder import Run
from alexnet.training.console import log_end, log_start, log_test
from alexnet.training.leader import Leader
from alexnet.training.pictures import draw_confusion, draw_curve
from alexnet.training.prepare import Prepared, as_yaml, prepare
from alexnet.training.pruning import prune
from alexnet.training.signals import Interrupted, Signals

logger = logging.getLogger(__name__)


def execute(
    config: DictConfig,
    run: Run,
    label: str = "",
    parent: Run | None = None,
    checked: bool = True,
    from_start: bool = False,
) -> int:
    """Trains in the run's folder, from its last checkpoint if it has one, and returns the exit status.

    An early end is one line on stderr, with `label` (the name of a sweep's job), and a result.json with the reason;
    the stack trace goes to train.log only. No exception gets out: in a sweep it would keep a model in memory.
    parent: the run that this one reproduces, for environment.json. checked: whether the configuration has been
    checked; a search draws its values after that. from_start: whether to train from epoch 1, whatever checkpoints
    there are.
    """
    configure(config.get("console"), config.get("language"))
    try:
        with run.exclusive():
            return _execute(lambda leader: prepare(config, run, parent, checked, leader), run, label, from_start)
    except Mistake as mistake:  # another process trains in the folder, and will write how the run ends
        _warn_of_end(str(mistake), label)
        return mistake.exit_status


def log_to(run: Run) -> None:
    """Sends log lines to the console and to train.log, as Hydra does in a run that it starts."""
    settings = OmegaConf.load(options.CONF / "hydra" / "job_logging" / "alexnet.yaml")
    settings.handlers.file.filename = str(run.log)
    plain: Any = OmegaConf.to_container(settings)
    try:
        logging.config.dictConfig(plain)
    except ValueError as error:
        if isinstance(error.__cause__, OSError):  # a full disk, or a folder that may not be written to
            raise error.__cause__ from None
        raise


@dataclass
class Attempt:
    """One start of a run, and what result.json says of it."""

    owns_result: bool  # not before training begins again in a folder with an earlier run
    started: str = field(default_factory=lambda: datetime.now().isoformat(timespec="seconds"))  # the run's first start
    seconds_before: float = 0.0  # of training, in earlier starts
    clock: float = field(default_factory=perf_counter)

    def seconds(self) -> float:
        return round(self.seconds_before + perf_counter() - self.clock, 3)


def _execute(prepare_run: Callable[[Leader], Prepared], run: Run, label: str, from_start: bool) -> int:
    attempt, exit_status = Attempt(owns_result=run.is_new), 0
    logging.raiseExceptions = False  # a log line that finds the disk full must not hide the reason
    with Signals() as signals:
        try:
            with Leader(run, signals, from_start) as leader:
                with _no_garbage_collection():
                    prepared = prepare_run(leader)
                _begin(run, prepared, attempt, signals)
                result = _run(run, prepared, signals, alone=not label)
        except (Exception, Interrupted) as error:
            result, exit_status = _describe_end(error, run)
            logger.debug(traceback.format_exc(), extra=LOG_ONLY)
            logger.debug(result["reason"], extra=LOG_ONLY)
            _warn_of_end(result["reason"], label)
            if isinstance(error, Interrupted) and run.has_checkpoint and not label:
                warn("To resume it: {}", shlex.join(["python", "scripts/resume.py", str(run.folder)]))
        signals.ignore_others()  # how the run ended is written in any case
        return _write_end(run, attempt, result, exit_status) if attempt.owns_result else exit_status


def _write_end(run: Run, attempt: Attempt, result: dict[str, Any], exit_status: int) -> int:
    """Writes result.json, deletes the checkpoints that aren't kept, and returns the exit status."""
    try:
        run.write_result({**result, "started": attempt.started, "seconds": attempt.seconds()})
    except OSError as error:
        warn("{}/result.json can't be written: {}", run.folder, error.strerror)
        return exit_status or 1
    prune(run)
    return exit_status


def _warn_of_end(reason: str, label: str) -> None:
    if label:
        warn("{} ended early: {}", label, reason)
    else:
        warn("{}", reason)


def _begin(run: Run, prepared: Prepared, attempt: Attempt, signals: Signals) -> None:
    """Training begins, or begins again: from here on the folder is this attempt's."""
    state, environment = prepared.state, prepared.environment
    attempt.seconds_before = state.seconds()
    attempt.started = environment.setdefault("started", attempt.started)
    with signals.uninterrupted():
        steps = state.steps(prepared.training)
        run.begin(as_yaml(prepared.config), environment, state.epoch, steps, state.sealed)
        attempt.owns_result = True


def _run(run: Run, prepared: Prepared, signals: Signals, alone: bool) -> dict[str, Any]:
    """Trains, tests, draws. Returns what result.json is to hold. alone: not in a sweep, whose table has the results."""
    from alexnet.training.loop import train
    from alexnet.training.result import compute_result

    training, state = prepared.training, prepared.state
    log_start(run, training, prepared.environment, prepared.config)
    try:
        train(run, training, state, signals)
    finally:
        draw_curve(run, training, state)
    logger.info(translate("Training finished."))
    result = compute_result(run, training, state)
    log_test(result, alone)
    if training.test:
        draw_confusion(run, training.dataset.classes, result, training.texts)
    log_end(run, training, result, alone)
    return result


def _describe_end(error: BaseException, run: Run) -> tuple[dict[str, str], int]:
    """What result.json holds of a run that ended early, and the exit status."""
    if isinstance(error, (Mistake, Failure, Diverged, Interrupted)):
        return {"status": error.status, "reason": str(error)}, error.exit_status
    full = isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT)
    reason = f"{type(error).__name__}: {error}"
    if full:
        resume = f": {shlex.join(['python', 'scripts/resume.py', str(run.folder)])}"
        again = " give the command again." if run.is_new else resume
        reason = f"No space is left on the disk of {run.folder}. Make room there, then{again}"
    return {"status": "failed", "reason": make_sentence(reason)}, 1


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Saves time: torch's import makes hundreds of thousands of objects, and all of them stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
