"""ema=0.999: a moving average of the weights is validated, tested, exported and resumed in place of the weights."""

import shutil
from pathlib import Path

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from alexnet.config.compose import compose_config
from alexnet.config.saved import load_run_config
from alexnet.errors import Mistake
from alexnet.inference.trained import load
from alexnet.launch.evaluate import evaluate
from alexnet.models.weight_files import hash_tensors
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from alexnet.training import evaluation, loop
from alexnet.training.build import assemble
from alexnet.training.evaluation import load_weights
from alexnet.training.job import execute
from alexnet.training.network import build_for_test
from support.images import write_images


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    images = write_images(tmp_path_factory.mktemp("ema") / "images", train=24)
    return [
        "dataset=image_folder", f"dataset.root={images}", f"dataset.cache={images}/decoded", "dataset.size=16",
        "model.normalisation=batch", "model.hidden=32", "model.kernels=[8,8,8,8,8]", "batch_size=4", "log_every=3",
        "epochs=2", "optimizer.lr=0.01", "device.precision=float32", "ema=0.9",
    ]  # fmt: skip


def test_it_is_torchs_average_and_so_are_its_statistics_of_batch_normalisation(compose, settings):
    """torch averages weights and buffers with the same decay, which begins lower, at (1 + n) / (10 + n)."""
    training = assemble(compose(*settings))

    def follow(averages, current, count):
        decay = min(0.9, count / (9 + count))  # torch calls it from the second step on, with the number of those before
        if averages[0].is_floating_point():  # the other buffers count steps
            torch._foreach_lerp_(averages, current, 1 - decay)

    # torch begins with a copy after the first step, and this project with the initial weights, so both begin there.
    reference = AveragedModel(training.model, multi_avg_fn=follow, use_buffers=True)
    reference.update_parameters(training.model)
    training.model.train()
    for batch, (images, labels) in enumerate(training.batches.train.epoch(0)):
        training.average.prepare(batch)
        loop.step(training, images, labels, 0, batch)
        reference.update_parameters(training.model)
    ours, raw = training.tested.model.state_dict(), training.model.state_dict()
    for name, expected in reference.module.state_dict().items():
        if expected.is_floating_point():
            torch.testing.assert_close(ours[name], expected, rtol=1e-5, atol=1e-7)
    apart = {name for name in ours if not torch.equal(ours[name], raw[name])}
    assert apart >= {name for name in ours if "running_" in name or name.endswith(".weight")} and len(apart) > 20


@pytest.fixture(scope="module")
def finished(settings, tmp_path_factory):
    """The folder of a run without held-out images, and its result."""
    run = Run(tmp_path_factory.mktemp("averaged"))
    assert execute(compose_config(settings)[0], run) == 0
    return run.folder, run.result()


def test_a_run_is_tested_and_used_with_its_average_and_ema_0_gives_the_weights_themselves(finished):
    folder, result = finished
    saved = checkpoints.load(folder / "checkpoints", "last")
    assert hash_tensors(saved["average"]) == result["weights_sha256"] != hash_tensors(saved["model"])
    assert evaluate(str(folder), []) == 0
    assert load(folder).weights_sha256 == result["weights_sha256"]
    assert load(folder, ["ema=0"]).weights_sha256 == hash_tensors(saved["model"])


def test_a_training_from_its_weights_begins_with_the_average(compose, settings, finished):
    folder, result = finished
    training = assemble(compose(*settings, "ema=0", f"model.weights={folder}"))
    assert training.transfer.weights_sha256 == result["weights_sha256"] == hash_tensors(training.model.state_dict())


def test_keep_weights_keeps_the_average(finished, tmp_path):
    folder, result = finished
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    checkpoints.prune(copied / "checkpoints", with_weights=True)
    assert load(copied).weights_sha256 == result["weights_sha256"]
    with pytest.raises(Mistake, match="has only the average of these weights: leave out ema=0"):
        load(copied, ["ema=0"])


def test_validation_sees_the_average_and_the_best_one_is_kept(settings, tmp_path):
    """Without an average there is none to ask for."""
    averaged, plain = Run(tmp_path / "averaged"), Run(tmp_path / "plain")
    for run, ema in ((averaged, 0.9), (plain, 0)):
        run.folder.mkdir()
        assert execute(compose_config([*settings, "dataset.validation=0.25", f"ema={ema}"])[0], run) == 0
    result = averaged.result()
    assert hash_tensors(checkpoints.load(averaged.checkpoints, "best")["model"]) == result["weights_sha256"]
    network, batches = build_for_test(load_run_config(averaged, [])[0], "validation", None)
    load_weights(network, averaged, "best", averaged=True)
    validated, row = evaluation.evaluate(network, batches), averaged.epochs()[result["chosen_epoch"] - 1]
    assert (validated.loss, validated.top1) == (row["validation_loss"], row["validation_accuracy"])
    itself = load(averaged.folder, ["ema=0"])  # the best weights are averages, so these are the last
    last = checkpoints.load(averaged.checkpoints, "last")["model"]
    assert itself.weights == "last" and itself.weights_sha256 == hash_tensors(last)
    assert evaluate(str(averaged.folder), ["ema=0"]) == 0
    with pytest.raises(Mistake, match="has only the average of these weights: leave out ema=0"):
        load(averaged.folder, ["ema=0"], weights="best")
    with pytest.raises(Mistake, match="without an average of its weights: give ema=0"):
        load(plain.folder, ["ema=0.9"])
