"""Tests a run that finished with test=false: in its own folder, as it would have been tested at its end."""

from typing import Any

from omegaconf import DictConfig

from alexnet.config.machine import check_machine
from alexnet.config.saved import choose_weights
from alexnet.errors import Damaged, Mistake
from alexnet.runs.folder import Run
from alexnet.training.console import log_deletion, log_test
from alexnet.training.job import log_to
from alexnet.training.pictures import draw_confusion
from alexnet.training.pruning import prune
from alexnet.training.resumable import refuse_other_data_or_precision


def add_test_figures(config: DictConfig, run: Run) -> None:
    """Adds the test figures to result.json and the confusion matrix to the folder; then keeps what `keep` says.

    config: the run's own, checked. Raises Mistake if the run has no weights, or not those that it ended with; if the
    data or the precision isn't the run's; and if another process is in the folder. Raises Diverged or Failure if the
    test fails. Then all files are as before.
    """
    check_machine(config, begins=False)
    run.check_writable()
    log_to(run)
    with run.exclusive():
        result = run.result() or {}
        if not run.is_untested:
            raise Mistake(f"{run.folder} has its test figures, or hasn't finished.")
        run.check_tables(result)
        result |= _measure(config, run, result)
        run.write_result(result)
    prune(run)
    if run.config().get("keep") == "none":
        log_deletion(run, alone=True)


def _measure(config: DictConfig, run: Run, result: dict[str, Any]) -> dict[str, Any]:
    """What the test adds to the result, whose confusion matrix it draws."""
    from alexnet.runs.texts import TEXTS
    from alexnet.training.evaluation import load_weights  # torch takes seconds to import
    from alexnet.training.network import build_for_test
    from alexnet.training.result import hash_weights, measure_gap, measure_test

    network, batches = build_for_test(config, "test", classes=None)
    now = {**network.dataset.fingerprint(), "precision": network.engine.precision}
    refuse_other_data_or_precision(now, run.environment(), run)
    load_weights(network, run, choose_weights(config), averaged=config.ema > 0)
    if hash_weights(network.model) != result.get("weights_sha256"):
        raise Damaged(f"{run.checkpoints} hasn't the weights that {run.folder} ended with: bring them back.")
    figures, seconds = measure_test(network, batches)
    log_test(figures, alone=True)
    draw_confusion(run, network.dataset.classes, figures, TEXTS[config.language])
    return {**figures, **measure_gap(result["training_accuracy"], figures), **seconds}
