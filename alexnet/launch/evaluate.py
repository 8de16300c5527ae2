"""A run's test figures worked out anew from its saved weights."""

from collections.abc import Sequence

from alexnet.config.keys import WITHOUT_EFFECT
from alexnet.config.machine import check_machine
from alexnet.config.saved import load_run_config
from alexnet.runs.folder import Run


def evaluate(folder: str, overrides: Sequence[str]) -> int:
    """Prints the test figures of the folder's weights to the last digit; 1 where result.json should have the same.

    overrides: where data or device are others here, such as dataset.root=FOLDER; or for another test, such as
    dataset.views=10, whose figures may be others.
    Raises Mistake where the folder isn't a run's, or its configuration or weights are refused.
    """
    run = Run(folder)
    config, changed = load_run_config(run, overrides)
    check_machine(config)
    from alexnet.training.build import assemble  # torch takes seconds to import: not for a typing error
    from alexnet.training.evaluation import compute_test_figures, load_chosen_weights

    recorded = run.result() or {}
    training = assemble(config)
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
        told = recorded.get(key)
        note = {None: "not in result.json", figures[key]: "as in result.json"}.get(told, f"result.json has {told!r}")
        print(f"{key}: {figures[key]!r}   ({note})")
    kept = ("device.", *WITHOUT_EFFECT)  # what another device gives is worth a status
    another = any(not key.startswith(kept) for key, _, _ in changed)
    return 0 if another or all(recorded.get(key, value) == value for key, value in figures.items()) else 1
