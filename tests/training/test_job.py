"""A run that ends early leaves what it has so far."""

import signal

import pytest

from alexnet.errors import Diverged
from alexnet.runs.folder import Run
from alexnet.training import loop
from alexnet.training.job import execute
from alexnet.training.signals import Interrupted


@pytest.mark.parametrize(
    "end, exit_status, status",
    [(Interrupted(signal.SIGTERM), 143, "interrupted"), (Diverged("The loss is nan."), 1, "diverged")],
)
def test_a_run_that_ends_early_has_a_curve_and_a_reason(
    compose, small, tmp_path, monkeypatch, end, exit_status, status
):
    """It ends while it validates after the first epoch. Only an interrupted run has a checkpoint to resume from."""

    def stop(*_):
        raise end

    monkeypatch.setattr(loop, "evaluate", stop)
    run = Run(tmp_path)
    assert execute(compose(*small, "dataset.validation=0.25"), run) == exit_status
    assert run.curve.is_file() and not run.confusion.exists()
    assert (run.result()["status"], run.result()["reason"]) == (status, str(end))
    assert (run.checkpoints / "last.pt").exists() == (status == "interrupted")
