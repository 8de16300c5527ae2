"""The metrics that runs are compared by: their names, which values are better, and how epochs_to_N is computed."""

import re
from collections.abc import Sequence
from math import inf

METRICS = ("test_accuracy", "best_loss", "final_loss", "seconds", "images_per_second")  # columns of every table
# All numbers that a finished run can have, but those of each class. Without validation there is no validation_accuracy.
NUMBERS = (
    *METRICS,
    *("epochs", "chosen_epoch", "validation_accuracy", "training_accuracy", "training_loss", "error_gap"),
    *("test_images", "test_loss", "test_top5_accuracy", "test_error", "test_top5_error"),
    *("parameters", "bytes_crossed_per_image", "training_seconds", "test_seconds"),
)


def may_be_there(metric: str) -> bool:
    """Whether a run that isn't trained yet can have the metric."""
    return metric in NUMBERS or is_epochs_to(metric) or metric.startswith("per_class_accuracy.")


def is_epochs_to(metric: str) -> bool:
    """Whether the metric is an epochs_to_N: the epochs until the training error falls to N percent."""
    return parse_target(metric) is not None


def parse_target(metric: str) -> float | None:
    """The training error, 0 to 1, that a metric epochs_to_N counts the epochs to. None for any other metric."""
    found = re.fullmatch(r"epochs_to_(\d+(\.\d+)?)", metric)
    return None if found is None else float(found[1]) / 100


def count_epochs_to(target: float, errors: Sequence[float]) -> float | None:
    """The epochs until the training error falls to the target, interpolated linearly between epochs.

    errors: of each epoch, 0 to 1. None if the error never falls to the target.
    """
    for epoch, error in enumerate(errors, 1):
        if error <= target:
            before = errors[epoch - 2] if epoch > 1 else error
            part = (target - error) / (before - error) if before > error else 0.0
            return epoch - part
    return None


def is_higher_better(metric: str) -> bool:
    return not any(word in metric for word in ("loss", "seconds", "error", "epochs_to", "bytes"))


def get_bounds(metric: str) -> tuple[float, float]:
    """The least and the most that the metric can be."""
    if metric == "error_gap":
        return -1.0, 1.0
    if is_share(metric):
        return 0.0, 1.0
    positive = ("loss", "seconds", "epochs", "bytes", "images", "parameters")
    return (0.0 if any(word in metric for word in positive) else -inf), inf


def is_share(metric: str) -> bool:
    """Whether the numbers are 0 to 1 and are shown in percent."""
    return "accuracy" in metric or "error" in metric
