"""Draws a run's own pictures. matplotlib takes a second to import, so nothing imports it before the last step."""

from typing import TYPE_CHECKING, Any

from alexnet.runs.folder import Run

if TYPE_CHECKING:
    from alexnet.training.build import Training


def draw_curve(run: Run, training: "Training") -> None:
    """The training curve of the windows so far, if there are any."""
    windows = run.windows()
    if not windows:
        return
    from alexnet.runs import plots

    ends = [sum(window["epoch"] <= epoch["epoch"] for window in windows) for epoch in run.epochs()]
    losses = [window["loss"] for window in windows]
    plots.draw_training_curve(run.curve, losses, ends, type(training.model).__name__, training.log_every, training.texts)


def draw_confusion(run: Run, training: "Training", result: dict[str, Any]) -> None:
    """The test images by true and predicted class."""
    from alexnet.runs import plots

    accuracy, matrix = result["test_accuracy"], result["confusion_matrix"]
    plots.draw_confusion_matrix(run.confusion, matrix, training.dataset.classes, accuracy, training.texts)
