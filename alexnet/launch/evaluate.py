"""Tests a run again from its saved weights."""

from collections.abc import Sequence
from typing import Any

from alexnet.config.keys import WITHOUT_EFFECT
from alexnet.config.machine import check_machine
from alexnet.config.saved import load_run_config
from alexnet.errors import Mistake, make_printable, shorten
from alexnet.runs.folder import Run


def evaluate(folder: str, overrides: Sequence[str]) -> int:
    """Prints the test figures of the folder's weights, to the last digit, next to those of result.json.

    Returns the exit status: 1 if the figures differ and no override explains it. An override may say where the data
    is now, or ask for another test, such as dataset.views=10. Raises Mistake if the folder isn't a run's, or if its
    configuration or weights are refused.
    """
    run = Run(folder)
    config, changed = load_run_config(run, overrides)
    check_machine(config)
    recorded = run.result() or {}
    from alexnet.training.build import assemble  # torch takes seconds to import: not before the checks
    from alexnet.training.evaluation import compute_test_figures, load_chosen_weights

    training = assemble(config)
    _check_classes(run, recorded, training.dataset.classes)
    load_chosen_weights(training, run, overrides)
    figures = compute_test_figures(training)
    for key in (
        "test_accuracy",
        "test_top5_accuracy",
        "test_error",
        "test_top5_error",
        "test_loss",
        "test_images",
    ):
        print(f"{key}: {figures[key]!r}   ({_compare_with_recorded(figures[key], recorded.get(key))})")
    same_test = ("device.", *WITHOUT_EFFECT)  # another device should give the same figures, so its status counts
    another_test = any(not key.startswith(same_test) for key, _, _ in changed)
    equal = all(recorded.get(key, value) == value for key, value in figures.items())
    return 0 if another_test or equal else 1


def _check_classes(run: Run, recorded: dict[str, Any], classes: Sequence[str]) -> None:
    """Raises Mistake if the run was trained to tell other classes apart. Version 0.1.0 noted them at the end only."""
    known = run.environment().get("classes", recorded.get("per_class_accuracy"))
    if isinstance(known, (list, dict)) and list(map(str, known)) != list(classes):
        raise Mistake(
            f"The run in {run.folder} was trained on the classes {', '.join(map(str, known))}, and this data has "
            f"{', '.join(classes)}: evaluate it on data with its own classes."
        )


def _compare_with_recorded(figure: Any, recorded: Any) -> str:
    if recorded is None:
        return "not in result.json"
    return "as in result.json" if recorded == figure else f"result.json has {make_printable(shorten(repr(recorded)))}"
