"""The learning curves and texts that a comparison's picture and page share."""

from alexnet.comparison.compare import Comparison
from alexnet.comparison.configurations import Configuration, Curve
from alexnet.comparison.metrics import is_share, parse_target
from alexnet.comparison.records import choose_language
from alexnet.runs.texts import TEXTS, Texts

CURVES = ("training_loss", "validation_loss", "training_error", "validation_error")


def choose_curves(comparison: Comparison) -> list[str]:
    """The names of the curves to draw, of those that a finished run has: all, unless somebody asked for a metric.

    A metric's own curves are losses for a loss and errors for an accuracy or an error, of training for training_...,
    best_loss, final_loss and epochs_to_N, of validation for validation_..., else of both. Speeds and the like have all.
    """
    metric, runs = comparison.metric, comparison.configurations
    there = [name for name in CURVES if any(each.average_curve(name) is not None for each in runs)]
    if comparison.by_default:
        return there
    has_target = parse_target(metric) is not None
    kind = "error" if is_share(metric) or has_target else "loss" if "loss" in metric else ""
    of_training = metric in ("best_loss", "final_loss") or has_target
    part = "training" if of_training else metric.partition("_")[0]
    asked = [name for name in there if name.endswith(kind)]
    return [name for name in asked if name.startswith(part)] or asked


def list_curves(comparison: Comparison, name: str) -> list[tuple[Configuration, Curve]]:
    """That curve of each configuration that has it, in the table's order."""
    curves = [(each, each.average_curve(name)) for each in comparison.configurations]
    return [(each, curve) for each, curve in curves if curve is not None]


def get_level(comparison: Comparison) -> float | None:
    """N of a metric epochs_to_N, drawn as a line across the training errors. None for other metrics."""
    target = parse_target(comparison.metric)
    return None if target is None else 100 * target


def choose_texts(comparison: Comparison) -> Texts:
    """The texts in the language of the runs."""
    return TEXTS[choose_language(record for each in comparison.configurations for record in each.records)]
