"""Computes what result.json holds of a finished run."""

from copy import deepcopy
from time import perf_counter
from typing import Any

from torch import nn

from alexnet.data.batches import Batches
from alexnet.models.columns import count_bytes_crossed
from alexnet.models.weight_files import hash_tensors
from alexnet.runs.folder import Run
from alexnet.training.build import Training
from alexnet.training.evaluation import check_finite, compute_figures, evaluate, load_weights
from alexnet.training.network import Network
from alexnet.training.overfit import check_learnt
from alexnet.training.state import State


def compute_result(run: Run, training: Training, state: State) -> dict[str, Any]:
    """Tests the trained network, with the weights that validation chose if there is one; not on the test images if
    `test` is false.

    Raises Diverged if the test loss isn't finite, Failure if a batch finds too little memory.
    """
    training_seconds, network = state.seconds(), training.tested
    validated = training.batches.validation is not None
    if validated:
        training.group.wait()  # until process 0 has written them
        load_weights(network, run, "best", averaged=training.average is not None)
    tested, test_seconds = measure_test(network, training.batches.test) if training.test else ({}, {})
    trained = evaluate(network, training.batches.train_subset)
    check_learnt(training, trained, state.steps(training))
    model = deepcopy(training.model) if training.engine.compile else training.model  # a copy's parts aren't compiled
    with training.engine.mixed():
        crossed = count_bytes_crossed(model, training.dataset.channels, training.dataset.size)
    return {
        "status": "finished",
        "epochs": state.epoch,
        "stopped_early": state.epoch < training.epochs and not state.learnt,
        "chosen_epoch": state.best_epoch if validated else state.epoch,
        "validation_accuracy": state.best_accuracy if validated else None,
        **tested,
        **measure_gap(trained.top1, tested),
        "training_loss": trained.loss,
        "parameters": sum(parameter.numel() for parameter in training.model.parameters()),
        "bytes_crossed_per_image": crossed,
        "weights_sha256": hash_weights(network.model),
        "training_seconds": round(training_seconds, 3),
        **test_seconds,
        "images_per_second": round(state.epoch * len(training.batches.train.labels) / training_seconds, 1),
    }


def measure_test(network: Network, batches: Batches) -> tuple[dict[str, Any], dict[str, float]]:
    """The figures of the test images, and the seconds that the test took. Raises like `compute_result`."""
    began = perf_counter()
    figures = compute_figures(network, batches)
    check_finite(figures["test_loss"], "The test loss after the last step")
    return figures, {"test_seconds": round(perf_counter() - began, 3)}


def measure_gap(training_accuracy: float, tested: dict[str, Any]) -> dict[str, float]:
    """The training accuracy and, if the run is tested, how far the test accuracy is below it."""
    gap = {"error_gap": training_accuracy - tested["test_accuracy"]} if tested else {}
    return {"training_accuracy": training_accuracy, **gap}  # without dropout and augmentation, unlike epochs.csv


def hash_weights(model: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and bytes of all weights and buffers."""
    return hash_tensors(model.state_dict())
