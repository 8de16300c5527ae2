"""One run from its configuration to its exit status. Whatever happens, its folder says how it ended."""

import logging
import logging.config
import sys
import traceback
from datetime import datetime
from errno import EDQUOT, ENOSPC
from time import perf_counter
from typing import Any

from omegaconf import DictConfig, OmegaConf

from alexnet import checks
from alexnet.errors import Diverged, Failure, Mistake
from alexnet.run import Run
from alexnet.signals import Interrupted, Signals
from alexnet.texts import TEXTS

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
    settings = OmegaConf.load(checks.CONF / "hydra" / "job_logging" / "alexnet.yaml")
    settings.handlers.file.filename = str(run.folder / "train.log")
    logging.config.dictConfig(OmegaConf.to_container(settings))


def _execute(config: DictConfig, run: Run, label: str, parent: Run | None) -> int:
    started, clock = datetime.now(), perf_counter()
    exit_status = 0
    logging.raiseExceptions = False  # a log line that finds no room on the disk must not cover the reason
    try:
        run.set_result_aside()
        with Signals() as signals:
            result = _train(config, run, signals, parent)
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
    times = {"started": started.isoformat(timespec="seconds"), "seconds": round(perf_counter() - clock, 3)}
    try:
        run.write_result({**result, **times})
    except OSError as error:
        print(f"{run.folder}/result.json can't be written: {error.strerror}", file=sys.stderr)
        exit_status = exit_status or 1
    return exit_status


def _train(config: DictConfig, run: Run, signals: Signals, parent: Run | None) -> dict[str, Any]:
    checks.check(config)
    run.write_config(OmegaConf.to_yaml(config, resolve=True))
    # torch takes seconds to import: only once the values are known to be good.
    from alexnet.build import assemble, disk_bytes
    from alexnet.environment import describe
    from alexnet.train import train

    run.check_space(sum(disk_bytes(config)))
    training = assemble(config)
    if training.measured:  # kept with the run: it goes on, is evaluated and reproduced with these
        config = OmegaConf.create({**config, "dataset": {**config.dataset, **training.measured}})
        run.write_config(OmegaConf.to_yaml(config, resolve=True))
    environment = describe(training.engine, training.dataset.fingerprint())
    if parent:
        environment["reproduces"] = str(parent.folder.absolute())
    if before := run.environment():  # the run goes on
        if before.get("data_sha256") != environment["data_sha256"]:
            raise Mistake(
                f"The data isn't what {run.folder} was trained on so far (environment.json has its fingerprint): "
                f"bring that back, or train anew with python scripts/reproduce.py {run.folder}"
            )
        environment["earlier"] = [*before.pop("earlier", []), before]
    run.write_environment(environment)
    return train(run, training, signals, TEXTS[config.language])
