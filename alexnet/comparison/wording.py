"""The words of a picture: names of keys, values, metrics and configurations, and what a person wants instead."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from alexnet.comparison.compare import Comparison
from alexnet.comparison.configurations import Configuration
from alexnet.comparison.curves import CURVES, choose_texts
from alexnet.comparison.metrics import is_share, parse_target
from alexnet.comparison.records import format_value
from alexnet.errors import Mistake, make_printable, nearest
from alexnet.runs.texts import Texts

AXES = ("epoch", "loss", "error", *CURVES)


class Wording:
    """What stands in a comparison's picture. labels: texts by the names that they stand for."""

    def __init__(self, comparison: Comparison, labels: Mapping[str, str]):
        self.comparison, self.labels = comparison, labels

    @cached_property
    def texts(self) -> Texts:
        return choose_texts(self.comparison)

    def say(self, axis: str) -> str:
        """The name of an axis of AXES."""
        return self.labels.get(axis, str(getattr(self.texts, "curve_y" if axis == "loss" else axis)))

    def name_metric(self) -> str:
        metric = self.comparison.metric
        level = parse_target(metric)
        if level is not None:
            return self.labels.get(metric, self.texts.epochs_to.format(100 * level))
        name = self.texts.metrics.get(metric, make_printable(metric).replace("_", " "))
        return self.labels.get(metric, f"{name} (%)" if is_share(metric) else name)

    def name_key(self, key: str) -> str:
        return self.labels.get(key, make_printable(key))

    def name_value(self, configuration: Configuration, key: str) -> str:
        return self._say_value(configuration, key, self.comparison.format_value(configuration, key, "null"))

    def _say_value(self, configuration: Configuration, key: str, default: str) -> str:
        names = list_value_names(self.comparison, configuration, key)
        return next((self.labels[name] for name in names if name in self.labels), default)

    def name_choice(self, configuration: Configuration, keys: Iterable[str]) -> str:
        """'lr=0.01, dropout=0.5': without the groups of the keys where that is clear."""
        parts = []
        for key in keys:
            default = f"{self._shorten_key(key)}={self.comparison.format_value(configuration, key, 'null')}"
            parts.append(self._say_value(configuration, key, default))
        return ", ".join(parts)

    def _shorten_key(self, key: str) -> str:
        last = key.rpartition(".")[2]
        is_clear = Counter(other.rpartition(".")[2] for other in self.comparison.keys)[last] == 1
        return self.labels.get(key, make_printable(last if is_clear else key))

    def name_configuration(self, configuration: Configuration) -> str:
        keys = self.comparison.keys
        default = self.name_choice(configuration, keys)
        if len(keys) == 1:
            default = self.name_value(configuration, keys[0])
        return self.labels.get(self.comparison.name(configuration), default)

    def name_curve(self, configuration: Configuration) -> str:
        """With the number of seeds, if it isn't the same everywhere."""
        counts = {len(each.repeats) for each in self.comparison.configurations if each.repeats}
        name = self.name_configuration(configuration) or self.comparison.name(configuration)
        return name if len(counts) == 1 else f"{name} (n={len(configuration.repeats)})"


def list_value_names(comparison: Comparison, configuration: Configuration, key: str) -> list[str]:
    """KEY=VALUE as the table has it, and with all digits."""
    values = (comparison.format_value(configuration, key, "null"), format_value(configuration.config.get(key)))
    return [f"{key}={value}" for value in values]


def parse_labels(given: Iterable[str], comparisons: Sequence[Comparison]) -> dict[str, str]:
    """Texts by name, from NAME=TEXT. A NAME is an axis, a metric, KEY, KEY=VALUE or a configuration's whole name.

    Raises Mistake if it is none of these.
    """
    known = dict.fromkeys(AXES)
    for comparison in comparisons:
        known |= dict.fromkeys([comparison.metric, *comparison.keys])
        for each in comparison.configurations:
            for key in comparison.keys:
                known |= dict.fromkeys(list_value_names(comparison, each, key))
            known[comparison.name(each)] = None
    labels = {}
    for label in given:
        found = [name for name in known if label.startswith(f"{name}=")]
        if not found:
            name = label.rpartition("=")[0] or label
            raise Mistake(
                f"--label {label}: expected NAME=TEXT with a key, KEY=VALUE or an axis of the picture, such as "
                f"'epoch=passes over the training images'{nearest(name, sorted(known))}"
            )
        name = max(found, key=len)
        labels[name] = make_printable(label[len(name) + 1 :])
    return labels
