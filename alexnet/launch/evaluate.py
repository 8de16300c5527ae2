"""Tests a run again from its saved weights."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alexnet.comparison.tables import format_json
from alexnet.config.keys import WITHOUT_EFFECT
from alexnet.config.machine import check_machine
from alexnet.config.saved import choose_weights, load_run_config
from alexnet.errors import Mistake, make_printable
from alexnet.inference.outputs import check_outputs
from alexnet.launch.evaluate_report import describe
from alexnet.runs.folder import Run
from alexnet.runs.seals import join_rows

MOST_CLASSES = 10  # that a message names
SAME_TEST = ("device.", *WITHOUT_EFFECT)  # another device should give the same figures, so its status counts


def evaluate(
    folder: str,
    overrides: Sequence[str],
    split: str = "test",
    weights: str | None = None,
    plot: str | None = None,
    json: bool = False,
) -> int:
    """Prints the figures of the folder's weights next to those of result.json. Nothing in the folder changes.

    folder: a run's, or a published file of weights, which is tested on the images in dataset.root.

    Returns the exit status: 1 if the figures differ and no override explains it. An override may say where the data
    is now, ask for another test, such as dataset.views=10, or lead to more or fewer images. split: test, validation or
    train. weights: best or last; None: those that the run itself was tested with. plot: a file for a picture of the
    confusion matrix. json: whether to print everything, unrounded.

    Raises Mistake if the folder isn't a run's, if its configuration or weights are refused, or if it hasn't what is
    asked for.
    """
    check_outputs({"--plot": plot}, force=True)
    test = _evaluate_file if Path(folder).is_file() else _evaluate_run
    return test(folder, overrides, split, weights, plot, json)


def _evaluate_run(
    folder: str, overrides: Sequence[str], split: str, weights: str | None, plot: str | None, json: bool
) -> int:
    run = Run(folder)
    config, changed = load_run_config(run, overrides, trains=False)
    check_machine(config, trains=False)
    recorded, chosen = run.result() or {}, choose_weights(config)
    name = _check_weights(folder, weights or choose_weights(config, changed), chosen)
    known = run.classes()
    from alexnet.training.evaluation import compute_figures, load_weights  # torch takes seconds to import
    from alexnet.training.network import build_for_test

    network, batches = build_for_test(config, split, known)
    _check_classes(run, known, classes := list(network.dataset.classes))
    epoch = load_weights(network, run, name, config.ema > 0, overrides)
    figures = compute_figures(network, batches, split)
    tested = {"folder": folder, "split": split, "weights": f"{name}.pt", "epoch": epoch, "classes": classes, **figures}
    moved = any(key == "dataset.root" for key, _, _ in changed)
    expected = _find_expected(figures, recorded, split, moved) if name == chosen else {}
    _print(tested, expected, json)
    if plot is not None:
        _draw(plot, split, figures, classes, config.language)
    another_test = any(not key.startswith(SAME_TEST) for key, _, _ in changed)
    return 0 if another_test or all(figures[key] == value for key, value in expected.items()) else 1


def _evaluate_file(
    file: str, overrides: Sequence[str], split: str, weights: str | None, plot: str | None, json: bool
) -> int:
    """The same of a published file of weights, of which nothing is recorded."""
    if weights is not None:
        raise Mistake(f"{file} is a file of weights, and --weights is of a run's folder: leave it out.")
    from alexnet.inference.trained import load  # torch takes seconds to import
    from alexnet.training.evaluation import compute_figures

    trained = load(file, overrides)
    figures = compute_figures(trained.network, trained.load_split(split)[1], split)
    tested = {"folder": file, "split": split, "weights": None, "epoch": None, "classes": trained.classes, **figures}
    _print(tested, {}, json)
    if plot is not None:
        _draw(plot, split, figures, trained.classes, trained.config["language"])
    return 0


def _print(tested: dict[str, Any], expected: dict[str, Any], json: bool) -> None:
    print(join_rows(format_json({**tested, "recorded": expected})) if json else describe(tested, expected))


def _check_weights(folder: str, name: str, chosen: str) -> str:
    """The name of those weights. Raises Mistake if the run has no such weights."""
    if name == "best" and chosen == "last":
        raise Mistake(f"{folder} held out no images, so it has no best weights: give --weights last.")
    return name


def _find_expected(figures: dict[str, Any], recorded: dict[str, Any], split: str, moved: bool) -> dict[str, Any]:
    """The figures of result.json that are to be equal. Of the training images it has those of a part only.

    moved: whether the images are in another place; if they are more or fewer, they are other images, which is printed.
    """
    if split == "train":
        return {}
    expected = {key: recorded[key] for key in figures if key in recorded and (split == "test" or key.startswith(split))}
    images = f"{split}_images"
    if moved and expected.get(images, figures[images]) != figures[images]:
        counts = f"{figures[images]} images, not the {expected[images]} of the run"
        print(make_printable(f"{counts}: the figures aren't compared with result.json's."), file=sys.stderr)
        return {}
    return expected


def _check_classes(run: Run, known: Sequence[str] | None, classes: Sequence[str]) -> None:
    """Raises Mistake if the run was trained to tell other classes apart."""
    if known is not None and list(known) != list(classes):
        order = ", in another order" if sorted(known) == sorted(classes) else ""
        raise Mistake(
            f"The run in {run.folder} was trained on the classes {_name_classes(known, classes)}, and this data has "
            f"{_name_classes(classes, known)}{order}: evaluate it on data with its own classes."
        )


def _name_classes(classes: Sequence[str], others: Sequence[str]) -> str:
    """All of them if they are few, else some that the others don't have, and how many more there are."""
    if len(classes) <= MOST_CLASSES:
        return ", ".join(classes)
    known = set(others)
    shown = ([name for name in classes if name not in known] or list(classes))[:MOST_CLASSES]
    return f"{', '.join(shown)} and {len(classes) - len(shown)} more"


def _draw(plot: str, split: str, figures: dict[str, Any], classes: Sequence[str], language: str) -> None:
    """Draws the confusion matrix."""
    from alexnet.runs.plots import draw_confusion_matrix
    from alexnet.runs.texts import TEXTS

    accuracy = figures[f"{split}_accuracy"]
    draw_confusion_matrix(Path(plot), figures["confusion_matrix"], classes, accuracy, TEXTS[language], split)
