"""experiment=overfit: every network learns one batch by heart, and what can't fails with what to look at."""

import re

import pytest
import torch

from alexnet.config.checks import check_run
from alexnet.models.cuda_convnet import CudaConvnet
from alexnet.models.weight_files import hash_tensors
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from alexnet.training.build import assemble
from alexnet.training.job import execute


@pytest.fixture
def overfit(compose, tmp_path):
    """overfit("model=NAME", ...) gives exit status and result."""

    def overfit(*overrides):
        run = Run(tmp_path / f"run{len(list(tmp_path.iterdir()))}")
        run.folder.mkdir()
        config = compose("experiment=overfit", *overrides)
        check_run(config)
        return execute(config, run), run.result()

    return overfit


SMALL = ("model=cuda_convnet", "dataset.size=16", "optimizer.lr=0.001")


@pytest.mark.slow
def test_a_network_learns_its_batch_and_stops(overfit):
    status, result = overfit(*SMALL)
    assert status == 0 and result["status"] == "finished"
    assert result["training_loss"] < 0.01 and result["training_accuracy"] == 1 and result["epochs"] < 30
    assert "test_loss" not in result


@pytest.mark.slow
def test_the_check_leaves_the_saved_weights_alone(overfit, tmp_path):
    """Also the statistics of batch normalisation, which every batch in training changes."""
    small = ["model.normalisation=batch", "model.hidden=64", "model.kernels=[16,16,16,16,16]"]
    status, result = overfit("model=alexnet_cifar", *small, "optimizer.lr=0.003")
    saved = checkpoints.load(tmp_path / "run0" / "checkpoints", "last")
    assert status == 0 and hash_tensors(saved["model"]) == result["weights_sha256"]


@pytest.mark.parametrize(
    "options, text",
    [
        (["optimizer.lr=1e-9"], "That is guessing .*find_lr.py"),
        (["optimizer.lr=0.0005"], "Something is learnt"),
    ],
)
def test_what_learns_too_little_fails_and_says_what_to_try(overfit, options, text):
    status, result = overfit(*SMALL, "epochs=1", *options)
    assert status == 1 and result["status"] == "failed"
    assert "the loss of the batch of 16 images is" in result["reason"]
    assert re.search(text, result["reason"])


@pytest.mark.slow
def test_a_detached_layer_fails_even_if_the_others_learn_the_batch(overfit, monkeypatch):
    def forward(self, images):
        return self.classifier(self.features(images).detach().flatten(1))

    monkeypatch.setattr(CudaConvnet, "forward", forward)
    status, result = overfit(*SMALL, "optimizer.lr=0.01")
    assert status == 1 and "No gradient reaches features.0.weight, features.0.bias" in result["reason"]


def test_nothing_random_is_left(compose):
    """Each step of each epoch sees the same images, although the options ask for crops, and dropout is off."""
    config = compose(
        "experiment=overfit",
        "model=alexnet_cifar",
        "model.hidden=64",
        "dataset.crop=4",
        "dataset.flip=true",
        "dataset.size=32",
    )
    training = assemble(config)
    steps = [images for epoch in range(2) for images, _ in training.batches.train.epoch(epoch)]
    assert len(steps) == 20 and all(torch.equal(images, steps[0]) for images in steps)
    training.model.train()
    with torch.no_grad():
        assert torch.equal(training.model(steps[0]), training.model(steps[0]))
