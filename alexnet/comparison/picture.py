"""A comparison drawn: as a picture, or as one page with everything in it that opens without a network.

Run folders come from anybody, so every text out of them is escaped, only real PNG files are embedded, and the
page may load nothing and run no script but its own.
"""

from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import Any

from alexnet.comparison.configurations import Comparison, Configuration, Curve, is_share, reached
from alexnet.comparison.records import format_value, make_printable
from alexnet.comparison.spread import Spread
from alexnet.errors import Mistake
from alexnet.runs import plots
from alexnet.runs.texts import TEXTS, Texts

Line = tuple[str, list[Any], list[float], list[float]]  # name, values, means, half the 95% intervals
MOST_CURVES = 20  # more can't be told apart
PICTURES = (".png", ".pdf", ".svg")


def draw(comparison: Comparison, path: str | Path) -> None:
    """The learning curves, and the metric over each of the first three swept numbers, or where none was, of each.

    Raises Mistake for an ending that is no picture's, and where the file can't be written.
    """
    path = Path(path)
    if path.suffix.lower() not in PICTURES:
        raise Mistake(f"--plot {path}: the name must end in {' or '.join(PICTURES)}: --plot curves.png.")
    scale = 100 if is_share(comparison.metric) else 1
    sweeps = {make_printable(key): _lines(comparison, key, scale) for key in comparison.swept()[:3]}
    sweeps = {key: lines for key, lines in sweeps.items() if any(len(values) > 1 for _, values, _, _ in lines)}
    sweeps = sweeps or _each_alone(comparison, scale)
    curves = [(name, *curve) for name, curve in drawn(comparison)]
    texts = language(comparison)
    metric = texts.metrics.get(comparison.metric, comparison.metric) + (" %" if scale == 100 else "")
    try:
        plots.comparison(path, curves, sweeps, metric, texts, training_error_level(comparison))
    except OSError as error:
        raise unwritable("--plot", path, error) from error


def training_error_level(comparison: Comparison) -> float | None:
    """The training error in percent to come to, where the curves are of that; None where they are of the loss."""
    share = reached(comparison.metric)
    return None if share is None else 100 * share


def _lines(comparison: Comparison, key: str, scale: float) -> list[Line]:
    """As plots.comparison takes them: name, values, means, half the 95% intervals."""
    return [_line(name, points, scale) for name, points in list(comparison.lines(key).items())[:MOST_CURVES]]


def _each_alone(comparison: Comparison, scale: float) -> dict[str, list[Line]]:
    """The same where nothing that they differ in is a number: a point for each configuration, by what it is."""

    def place(each: Configuration) -> str:
        if len(comparison.keys) == 1:
            return make_printable(format_value(each.config.get(comparison.keys[0])))
        return comparison.name(each).replace(", ", "\n")

    spreads = [(place(each), each.spread(comparison.metric)) for each in comparison.configurations]
    points = [(name, spread) for name, spread in spreads if spread][:MOST_CURVES]
    return {", ".join(map(make_printable, comparison.keys)): [_line("", points, scale)]} if len(points) > 1 else {}


def _line(name: str, points: Sequence[tuple[Any, Spread]], scale: float) -> Line:
    values, spreads = zip(*points, strict=True)
    halves = [nan if spread.high is None else scale * (spread.high - spread.mean) for spread in spreads]
    return name, list(values), [scale * spread.mean for spread in spreads], halves


def unwritable(option: str, path: Path, error: OSError) -> Mistake:
    return Mistake(f"{option} {path} can't be written: {error.strerror}. Name a file in an existing folder.")


def drawn(comparison: Comparison) -> list[tuple[str, Curve]]:
    """The curves of the first configurations of the table that have one, by name: 'optimizer.lr=0.01 (n=3)'."""
    curves = [
        (f"{comparison.name(each)} (n={len(each.repeats)})", each.curve(comparison.metric))
        for each in comparison.configurations
    ]
    return [(name, curve) for name, curve in curves if curve][:MOST_CURVES]


def language(comparison: Comparison) -> Texts:
    """That of the runs, where they agree on one."""
    spoken = {record.config.get("language") for each in comparison.configurations for record in each.records}
    return TEXTS.get(spoken.pop() if len(spoken) == 1 else "en", TEXTS["en"])
