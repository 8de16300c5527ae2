"""One run from its configuration to its exit status. Whatever happens, its folder says how it ended."""

import logging
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


def execute(config: DictConfig, run: Run, label: str = "") -> int:
    """Trains in the run's folder and returns the exit status.

    An early end is one line on stderr, behind `label` (of a sweep's job), and a result.json with the reason;
    its stack trace goes to train.log alone. No exception gets out, so none keeps a model alive in a sweep.
    """
    started, clock = datetime.now(), perf_counter()
    exit_status = 0
    try:
        with Signals() as signals:
            result = _train(config, run, signals)
    except (Mistake, Failure, Diverged, Interrupted) as error:
        result, exit_status = {"status": error.status, "reason": str(error)}, error.exit_status
    except Exception as error:
        full = isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT)
        reason = f"No space is left on the disk of {run.folder}." if full else f"{type(error).__name__}: {error}"
        result, exit_status = {"status": "failed", "reason": reason}, 1
    if "reason" in result:
        logger.debug(traceback.format_exc())
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


def _train(config: DictConfig, run: Run, signals: Signals) -> dict[str, Any]:
    checks.check(config)
    run.write_config(OmegaConf.to_yaml(config, resolve=True))
    # torch takes seconds to import: only once the values are known to be good.
    from alexnet.build import assemble
    from alexnet.environment import describe
    from alexnet.train import train

    training = assemble(config)
    run.check_space(training.disk_bytes())
    run.write_environment(describe(training.device, training.dataset.fingerprint()))
    return train(run, training, signals, TEXTS[config.language])
