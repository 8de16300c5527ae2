"""Draws a run's own pictures. matplotlib takes a second to import, so nothing imports it before the last step."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from alexnet.runs.folder import Run

if TYPE_CHECKING:
    from alexnet.runs.texts import Texts
    from alexnet.training.build import Training
    from alexnet.training.state import State


def draw_curve(run: Run, training: "Training", state: "State") -> None:
    """The training curve of the windows so far, if there are any."""
    windows = run.windows()
    if not windows:
        return
    from alexnet.runs import plots

    model, texts = type(training.model).__name__, training.texts
    chosen = state.best_epoch or None
    plots.draw_training_curve(run.curve, windows, run.epochs(), chosen, model, training.log_every, texts)


def draw_confusion(run: Run, classes: Sequence[str], figures: dict[str, Any], texts: "Texts") -> None:
    """The test images by true and predicted class. figures: as in result.json."""
    from alexnet.runs import plots

    plots.draw_confusion_matrix(run.confusion, figures["confusion_matrix"], classes, figures["test_accuracy"], texts)
