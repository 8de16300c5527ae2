"""On a GPU a recorded step gives the same bits as the step itself, and nothing in a window waits for the GPU."""

from contextlib import nullcontext

import pytest
import torch

from alexnet.data.batches import Batches
from alexnet.engine import half_weights
from alexnet.engine.half_weights import Branch
from alexnet.errors import Failure
from alexnet.training.build import assemble
from alexnet.training.loop import compute_learning_rate, set_learning_rate, step
from support.images import small_data
from support.runs import run_in

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here"),
]


@pytest.fixture
def augmented(images):
    """Everything random: crops, mirror images, hidden squares, colours, CutMix, dropout; and two sizes of images."""
    return [
        *small_data(images), "dataset.size=24", "dataset.progressive=[16]", "dataset.crop=2", "dataset.flip=true",
        "dataset.cutout=4", "dataset.colour=0.1", "cutmix=0.5", "mixup=0.3", "label_smoothing=0.1", "optimizer.lr=0.01",
        "clip_norm=1", "ema=0.9",
        "model.normalisation=batch", "batch_size=3", "epochs=4",
    ]  # fmt: skip


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16", "fp16"])
def test_recorded_or_not_a_run_ends_in_the_same_bits(compose, tmp_path, augmented, optimizer, precision):
    settings = [*augmented, f"optimizer={optimizer}", "optimizer.lr=0.001", f"device.precision={precision}"]
    training, recorded = run_in(tmp_path / "recorded", compose(*settings))
    _, plain = run_in(tmp_path / "plain", compose(*settings, "device.capture=false"))
    assert bool(training.recorder) == (optimizer != "rmsprop" and precision != "fp16")
    if training.recorder:
        shapes = {shape for _, (shape, *_), *_ in training.recorder.recordings}
        assert shapes == {(3, 3, 16, 16), (3, 3, 24, 24)}
    for figure in ("weights_sha256", "test_loss", "training_accuracy"):
        assert recorded[figure] == plain[figure]


def test_weights_that_are_updated_beside_a_backward_pass_have_the_same_bits(compose, tmp_path, augmented):
    """Compiled, the classifier's are updated on a stream of their own. A run resumes to the same bits."""
    settings = [*augmented, "dataset.progressive=[]", "clip_norm=null", "device.precision=bf16", "device.compile=true"]
    training, beside = run_in(tmp_path / "beside", compose(*settings))
    assert training.half_weights is not None
    assert all(isinstance(branch, Branch) for branch in training.half_weights.branches)
    run_in(tmp_path / "resumed", compose(*settings, "epochs=2"))
    _, resumed = run_in(tmp_path / "resumed", compose(*settings))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(half_weights, "Branch", lambda copies: nullcontext)
        _, behind = run_in(tmp_path / "behind", compose(*settings))
    for other in (resumed, behind):
        assert (other["weights_sha256"], other["test_loss"]) == (beside["weights_sha256"], beside["test_loss"])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("first, second", [("cpu", "cuda"), ("cuda", "cpu")])
def test_a_run_resumes_on_another_device(compose, tmp_path, augmented, optimizer, first, second):
    """The results are equal to rounding. There is no dropout, because each device draws its own random numbers."""
    settings = [
        *augmented, f"optimizer={optimizer}", "optimizer.lr=0.001", "model.dropout=0", "cutmix=0", "mixup=0",
        "device.precision=float32",
    ]  # fmt: skip
    run_in(tmp_path / "moved", compose(*settings, "epochs=2", f"device={first}"))
    _, moved = run_in(tmp_path / "moved", compose(*settings, "epochs=4", f"device={second}"))
    run_in(tmp_path / "stayed", compose(*settings, "epochs=2", f"device={second}"))
    _, stayed = run_in(tmp_path / "stayed", compose(*settings, "epochs=4", f"device={second}"))
    assert moved["test_loss"] == pytest.approx(stayed["test_loss"], rel=0.1)


@pytest.mark.parametrize("settings", [[], ["dataset.memory_share=0"], ["device.capture=false"]])
def test_nothing_in_an_epoch_waits_for_the_gpu(compose, augmented, settings):
    training = assemble(compose(*augmented, *settings))

    def epoch(number, waits):
        for batch, (images, labels) in enumerate(training.batches.train.epoch(number)):
            if waits and batch == 0:  # the epoch's random numbers are sent with its first batch
                torch.cuda.set_sync_debug_mode("error")
            set_learning_rate(training, compute_learning_rate(training, number, batch, []))
            step(training, images, labels, number, batch)

    try:
        epoch(0, False)  # records the steps of the first size
        epoch(1, True)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_batches_are_the_processors(compose, augmented):
    """Order, crops and mirror images are the same on both devices; pixels are equal to rounding."""
    training = assemble(compose(*augmented))
    there = training.batches.train
    here = assemble(compose(*augmented, "device=cpu")).batches.train
    assert isinstance(there, Batches) and there.images.device.type == "cuda"
    for epoch in (0, 3):
        for (images, labels), (expected, classes) in zip(there.epoch(epoch), here.epoch(epoch), strict=True):
            assert labels.tolist() == classes.tolist()
            torch.testing.assert_close(images.cpu(), expected, rtol=0, atol=1e-4)


def test_a_batch_that_is_too_large_is_refused_with_what_to_try(compose, augmented):
    training = assemble(compose(*augmented, "device.precision=float32"))
    images, labels = next(training.batches.train.epoch())
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-9)
    try:
        with (
            pytest.raises(
                Failure, match=r"batch_size=3 of 3x24x24.*more memory.*cuda.*try batch_size=1 or device\.prec"
            ),
            training.enough_memory(),
        ):
            step(training, images, labels, 0, 0)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
