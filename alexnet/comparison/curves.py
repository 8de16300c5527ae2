"""The learning curves and texts that a comparison's picture and page share."""

from alexnet.comparison.compare import Comparison
from alexnet.comparison.configurations import Curve
from alexnet.comparison.metrics import parse_target
from alexnet.runs.texts import TEXTS, Texts

MOST_CURVES = 20  # more can't be told apart


def list_curves(comparison: Comparison) -> list[tuple[str, Curve]]:
    """The curves of the table's first configurations, by name: 'optimizer.lr=0.01 (n=3)'. At most MOST_CURVES."""
    curves = []
    for each in comparison.configurations:
        curve = each.average_curve(comparison.metric)
        if curve is not None:
            curves.append((f"{comparison.name(each)} (n={len(each.repeats)})", curve))
    return curves[:MOST_CURVES]


def get_level(comparison: Comparison) -> float | None:
    """N of a metric epochs_to_N: its curves are training errors in percent. None for other metrics, drawn as losses."""
    target = parse_target(comparison.metric)
    return None if target is None else 100 * target


def label_curves(comparison: Comparison) -> str:
    """The name of the curves' vertical axis."""
    texts = choose_texts(comparison)
    return texts.curve_label if get_level(comparison) is None else texts.training_error


def choose_texts(comparison: Comparison) -> Texts:
    """The texts in the language of the runs, or in English if the runs have several languages."""
    languages = {record.config.get("language") for each in comparison.configurations for record in each.records}
    language = languages.pop() if len(languages) == 1 else None
    return TEXTS.get(str(language), TEXTS["en"])
