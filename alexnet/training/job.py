"""One run from its configuration to its exit status. Whatever happens, its folder says how it ended."""

import gc
import logging
import logging.config
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from errno import EDQUOT, ENOSPC
from time import perf_counter
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from alexnet.config import checks, keys, options
from alexnet.config.keys import MAY_CHANGE, MEASURED
from alexnet.config.machine import check_machine
from alexnet.errors import Diverged, Failure, Mistake
from alexnet.runs.files import check_space
from alexnet.runs.folder import Run
from alexnet.runs.texts import TEXTS
from alexnet.training.signals import Interrupted, Signals

if TYPE_CHECKING:
    from alexnet.training.build import Training
    from alexnet.training.state import State

logger = logging.getLogger(__name__)


def execute(config: DictConfig, run: Run, label: str = "", parent: Run | None = None) -> int:
    """Trains in the run's folder, from its last checkpoint where it has one, and returns the exit status.

    An early end is one line on stderr, behind `label` (of a sweep's job), and a result.json with the reason;
    its stack trace goes to train.log alone. No exception gets out, so none keeps a model alive in a sweep.
    parent: the run that this one reproduces, for environment.json.
    """
    try:
        with run.exclusive():
            return _execute(config, run, label, parent)
    except Mistake as mistake:  # another process has the folder, and will say how the run ends
        print(f"{label}{mistake}", file=sys.stderr)
        return mistake.exit_status


def log_to(run: Run) -> None:
    """Console and train.log as Hydra sets them up, where Hydra itself hasn't."""
    settings = OmegaConf.load(options.CONF / "hydra" / "job_logging" / "alexnet.yaml")
    settings.handlers.file.filename = str(run.log)
    logging.config.dictConfig(OmegaConf.to_container(settings))


@contextmanager
def uncollected() -> Iterator[None]:
    """Nothing looks for garbage meanwhile: torch's import makes hundreds of thousands of objects, which all stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _execute(config: DictConfig, run: Run, label: str, parent: Run | None) -> int:
    started, clock, seconds_before = datetime.now().isoformat(timespec="seconds"), perf_counter(), 0.0
    exit_status, as_it_was = 0, not run.is_new  # until it goes on, a run from earlier stays as it was
    logging.raiseExceptions = False  # a log line that finds no room on the disk must not cover the reason
    try:
        with Signals() as signals:
            with uncollected():
                config, training, state, environment = _prepare(config, run, parent)
                # torch takes seconds to import: only once the values are known to be good.
                from alexnet.training.loop import train
            seconds_before, started = state.seconds(), environment.setdefault("started", started)
            with signals.uninterrupted():
                run.begin(_text(config), environment, state.epoch, state.steps(training))
                as_it_was = False
            result = train(run, training, state, signals, TEXTS[config.language])
    except (Mistake, Failure, Diverged, Interrupted) as error:
        result, exit_status = {"status": error.status, "reason": str(error)}, error.exit_status
        logger.debug(traceback.format_exc())
    except Exception as error:
        full = isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT)
        reason = f"No space is left on the disk of {run.folder}." if full else f"{type(error).__name__}: {error}"
        result, exit_status = {"status": "failed", "reason": reason}, 1
        logger.debug(traceback.format_exc())
    if "reason" in result:
        reason = f"{label}{result['reason']}"
        logger.debug(reason)
        print(reason, file=sys.stderr)
    if as_it_was:
        return exit_status
    seconds = round(seconds_before + perf_counter() - clock, 3)
    try:
        run.write_result({**result, "started": started, "seconds": seconds})
    except OSError as error:
        print(f"{run.folder}/result.json can't be written: {error.strerror}", file=sys.stderr)
        exit_status = exit_status or 1
    return exit_status


def _prepare(
    config: DictConfig, run: Run, parent: Run | None
) -> tuple[DictConfig, "Training", "State", dict[str, Any]]:
    """All that may still be refused, before anything in a folder with a run in it changes.

    Gives the configuration with what was measured, what to train, where it stands, and the environment to write.
    """
    checks.check(config)
    checks.check_images(config)
    check_machine(config)
    if run.is_new:
        run.write_config(_text(config))
    else:
        config = as_measured(config, run)
        refuse_another(config, run)
    from alexnet.engine.environment import describe
    from alexnet.training.build import assemble
    from alexnet.training.loop import restore

    _check_space(config, run, parent)
    training = assemble(config)
    if training.measured:  # kept with the run: it goes on, is evaluated and reproduced with these
        config = OmegaConf.create({**config, "dataset": {**config.dataset, **training.measured}})
    environment = describe(training.engine, training.dataset.fingerprint())
    if parent:
        environment["reproduces"] = str(parent.folder.absolute())
    state = restore(run, training)
    if before := run.environment():  # the run goes on
        if before.get("data_sha256") != environment["data_sha256"]:
            raise Mistake(
                f"The data isn't what {run.folder} was trained on so far (environment.json has its fingerprint): "
                f"bring that back, or train anew with python scripts/reproduce.py {run.folder}"
            )
        if (began := before.get("precision", environment["precision"])) != environment["precision"]:
            raise Mistake(
                f"The run in {run.folder} began in {began}, and device.precision={config.device.get('precision')} is "
                f"{environment['precision']} here: go on where it began, or train anew with "
                f"python scripts/reproduce.py {run.folder} device.precision={began}"
            )
        keys = ("started", "reproduces", *(["extended_from"] if state.steps(training) else []))
        carried = {key: before[key] for key in keys if key in before}
        environment |= {**carried, "earlier": [*before.pop("earlier", []), before]}
    extended = environment.get("extended_from", [])
    if (shorter := _extended_from(run, training, state)) and shorter not in extended:
        environment["extended_from"] = [*extended, shorter]
    return config, training, state, environment


def as_measured(config: DictConfig, run: Run) -> DictConfig:
    """With what was measured on the data when the run began, where the configuration leaves that open."""
    saved = run.config().get("dataset", {})
    open_ones = {key: saved.get(key) for key in MEASURED if key in config.dataset and config.dataset[key] is None}
    return OmegaConf.create({**config, "dataset": {**config.dataset, **open_ones}})


def refuse_another(config: DictConfig, run: Run) -> None:
    """Raises Mistake where the folder's run has another configuration, but for what may change: see MAY_CHANGE."""
    given = keys.flatten(OmegaConf.to_container(config, resolve=True))
    # A key that conf/ got since the run began has its usual value.
    others = [
        f"{key}: {before} -> {given.get(key)}"
        for key, before in keys.flatten(run.config()).items()
        if given.get(key) != before and key not in MAY_CHANGE
    ]
    if others:
        raise Mistake(
            f"{run.folder} has a run of another configuration in it ({', '.join(others)}), and a run goes on as it "
            f"began: python scripts/resume.py {run.folder}"
        )


def _check_space(config: DictConfig, run: Run, parent: Run | None) -> None:
    """Raises Mistake where the run's disk hasn't the room for what it still has to write."""
    from alexnet.training.build import estimate_disk_bytes

    kept, replacing = estimate_disk_bytes(config)
    there = sum(path.stat().st_size for path in run.checkpoints.glob("*.pt"))
    way_out = "give a folder on another disk with hydra.run.dir=FOLDER (hydra.sweep.dir=FOLDER)"
    if there:
        way_out = "move the folder to another disk and go on with it there: python scripts/resume.py FOLDER"
    elif parent:
        way_out = "call this in a folder on another disk"
    check_space(run.folder, max(0, kept - there) + replacing, way_out)


def _extended_from(run: Run, training: "Training", state: "State") -> str | None:
    """What makes an extended run another than one of that many epochs: the learning rates and sizes that it had so far.

    None where they are the same at every step until now, whatever the number of epochs.
    """
    epochs, steps, done = run.config()["epochs"], len(training.train), state.steps(training)
    if epochs == training.epochs:
        return None

    def rates(epochs: int) -> list[float]:
        return [training.schedule(step / steps, epochs, state.errors) for step in range(done)]

    def sides(epochs: int) -> list[int]:
        return [training.train.side(step / steps, epochs) for step in range(done)]

    spanning = {training.schedule.func.__name__: rates, "dataset.progressive": sides}
    others = [name for name, follows in spanning.items() if follows(epochs) != follows(training.epochs)]
    if not others:
        return None
    logger.warning(
        f"{' and '.join(others)} spans the whole run, and so far it followed one of {epochs} epochs: "
        f"the end will differ from that of a run with epochs={training.epochs} from the start."
    )
    return f"epochs={epochs} until step {done}"


def _text(config: DictConfig) -> str:
    return OmegaConf.to_yaml(config, resolve=True)
