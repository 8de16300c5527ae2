"""Describes what evaluate.py measured, for a terminal: figures, classes, confusion matrix."""

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import DataRow, TableFormat, tabulate

from alexnet.errors import make_printable, shorten

MOST_CLASSES = 20  # of which all are shown
WORST = 10  # classes that are shown of more
FIGURES = {  # by their names in result.json after test_, and whether they are shown in percent
    "accuracy": True,
    "top5_accuracy": True,
    "error": True,
    "top5_error": True,
    "loss": False,
    "images": False,
}


def describe(tested: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """What was tested, its figures, its classes and, of few classes, the confusion matrix; numbers are rounded.

    tested: the figures under the names of result.json, with folder, split, weights, epoch and classes. expected: the
    figures of result.json, if they are of the same weights.
    """
    epoch, source = tested["epoch"], make_printable(tested["folder"])
    if epoch is not None:
        source += f"/checkpoints/{tested['weights']}, after epoch {epoch}"
    parts = [f"{source}, on the {tested['split']} images"]
    parts.append(_describe_figures(tested, expected))
    parts.append(_describe_classes(tested))
    if len(tested["classes"]) <= MOST_CLASSES:
        parts.append(_describe_confusion(tested["classes"], tested["confusion_matrix"]))
    return "\n\n".join(parts)


def _describe_figures(tested: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    rows = []
    for name, percent in FIGURES.items():
        key = f"{tested['split']}_{name}"
        verdict = _compare(tested[key], expected[key], percent) if key in expected else ""
        rows.append([key, _format(tested[key], percent), verdict])
    others = [
        key for key in ("per_class_accuracy", "confusion_matrix") if expected.get(key, tested[key]) != tested[key]
    ]
    rows += [[key, "", "differs from result.json's"] for key in others]
    return _align(rows, "lrl")


def _compare(figure: Any, expected: Any, percent: bool) -> str:
    """Exact, whatever is shown: a difference behind the digits shown is given, too."""
    if figure == expected:
        return "as in result.json"
    if not isinstance(expected, (int, float)):
        return f"result.json has {make_printable(shorten(repr(expected)))}"
    shown = _format(expected, percent)
    by = f" (differs by {figure - expected:.1e})" if shown == _format(figure, percent) else ""
    return f"result.json has {shown}{by}"


def _format(figure: float, percent: bool) -> str:
    if percent:
        return f"{100 * figure:.2f}%"
    return f"{figure:,}" if isinstance(figure, int) else f"{figure:.4g}"


def _describe_classes(tested: Mapping[str, Any]) -> str:
    """A row for each class, or for the worst of many: how many images are right, and what most of the others are
    taken for.
    """
    rows = [
        (accuracy, [str(number), _name(name), *_list_cells(row, number, accuracy, tested["classes"])])
        for number, (name, row) in enumerate(zip(tested["classes"], tested["confusion_matrix"], strict=True))
        for accuracy in [tested["per_class_accuracy"][name]]
    ]
    headers, note = ["", "class", "images", "right", "accuracy", "most often taken for"], ""
    if len(rows) > MOST_CLASSES:
        rows = sorted((row for row in rows if row[0] is not None), key=lambda row: row[0])
        which = f"the {WORST} worst" if len(rows) > WORST else f"the {len(rows)} with images"
        rows, note = rows[:WORST], f"\n{which} of {len(tested['classes'])} classes; --json has all"
    return _align([headers, *(cells for _, cells in rows)], "rlrrrl") + note


def _list_cells(row: Sequence[int], number: int, accuracy: float | None, classes: Sequence[str]) -> list[str]:
    wrong = [0 if other == number else count for other, count in enumerate(row)]
    most = max(wrong)
    taken = f"{_name(classes[wrong.index(most)])} ({most})" if most > 0 else ""
    return [str(sum(row)), str(row[number]), "-" if accuracy is None else f"{100 * accuracy:.2f}%", taken]


def _describe_confusion(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    """A row for each true class, a column for each predicted one, by its number."""
    numbers = list(map(str, range(len(classes))))
    rows = [["", "", *numbers]]
    rows += [
        [number, _name(name), *("." if count == 0 else str(count) for count in row)]
        for number, name, row in zip(numbers, classes, matrix, strict=True)
    ]
    table = _align(rows, "rl" + "r" * len(classes), gap=1)
    width = max(map(len, table.splitlines()))
    if width > shutil.get_terminal_size((width, 0)).columns:
        return f"The confusion matrix needs {width} columns; --plot FILE or --json has it, too."
    return f"true class in rows, predicted class in columns\n{table}"


def _name(name: str) -> str:
    return make_printable(shorten(name, 24))


def _align(rows: Sequence[Sequence[str]], aligned: str, gap: int = 2) -> str:
    """The cells in columns. aligned: l or r for each column."""
    form = TableFormat(None, None, None, None, None, DataRow("", " " * gap, ""), 0, None)
    sides = ["left" if side == "l" else "right" for side in aligned]
    return tabulate(rows, tablefmt=form, colalign=sides, disable_numparse=True)
