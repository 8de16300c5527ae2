"""Training is the tutorial's, written out here; and what it promises of bad losses, validation and memory."""

import signal
import time

import numpy as np
import pytest
import torch
from torch import nn

from alexnet.data import augment, randomness
from alexnet.errors import Diverged, Failure
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from alexnet.training import evaluation as evaluation_module
from alexnet.training import loop as training_module
from alexnet.training import result as result_module
from alexnet.training.build import assemble
from alexnet.training.evaluation import evaluate
from alexnet.training.signals import Interrupted, Signals
from support.images import write_images
from support.runs import run_in


def train_as_the_tutorial(training, window):
    """One epoch; gives (batch, loss, accuracy) of each full window."""
    model, rows = training.model, []
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    model.train()
    running_loss, correct, total = 0.0, 0, 0
    for i, (inputs, labels) in enumerate(training.batches.train.epoch(0)):
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
        correct += (outputs.max(1)[1] == labels).sum().item()
        total += labels.size(0)
        if i % window == window - 1:
            rows.append((i + 1, running_loss / window, correct / total))
            running_loss, correct, total = 0.0, 0, 0
    return rows


@pytest.mark.slow
def test_the_loop_is_the_tutorials(compose, tmp_path):
    """With the same weights and batches, no dropout, float32: losses, accuracies and final weights to 1e-6."""
    images = write_images(tmp_path / "images", train=44)
    config = compose(
        "dataset=image_folder",
        f"dataset.root={images}",
        f"dataset.cache={images}/decoded",
        "dataset.crop=4",
        "dataset.flip=true",
        "model.dropout=0",
        "device.precision=float32",
        "batch_size=4",
        "log_every=7",
        "epochs=1",
        "optimizer.lr=0.01",
    )
    reference = assemble(config)
    expected = train_as_the_tutorial(reference, window=7)
    trained, _ = run_in(tmp_path / "run", config)
    *windows, rest = Run(tmp_path / "run").windows()
    assert rest["batch"] == 22  # the tutorial drops what is left after the last whole window
    assert len(windows) == len(expected) >= 3
    for window, (batch, loss, accuracy) in zip(windows, expected, strict=True):
        assert window["batch"] == batch
        assert window["loss"] == pytest.approx(loss, abs=1e-6)
        assert window["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    for ours, theirs in zip(trained.model.parameters(), reference.model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)


def test_the_result_is_what_the_saved_weights_give(compose, tmp_path, small):
    """Accuracy, loss, classes and confusion are computed here from last.pt, one image at a time."""
    config = compose(*small, "device.precision=float32")
    training, result = run_in(tmp_path / "run", config)
    model = assemble(config).model
    model.load_state_dict(checkpoints.load(Run(tmp_path / "run").checkpoints, "last")["model"])
    model.eval()

    def logits_of(image):
        return model((image[None].float() / 255 - 0.5) / 0.5)[0]

    confusion, loss = [[0, 0], [0, 0]], 0.0
    for image, label in zip(training.dataset.test.images, training.dataset.test.labels.tolist(), strict=True):
        logits = logits_of(image)
        confusion[label][logits.argmax().item()] += 1
        loss -= logits.log_softmax(0)[label].item()
    assert result["confusion_matrix"] == confusion
    assert result["test_accuracy"] == (confusion[0][0] + confusion[1][1]) / 8
    assert result["per_class_accuracy"] == {"dark": confusion[0][0] / 4, "light": confusion[1][1] / 4}
    assert result["test_loss"] == pytest.approx(loss / 8, rel=1e-5)
    assert result["test_top5_accuracy"] == 1.0
    right, train = 0, training.dataset.train
    subset = training.batches.train_subset
    for image, label in zip(subset.images, subset.labels.tolist(), strict=True):
        number = next(number for number, other in enumerate(train.images) if torch.equal(other, image))
        assert train.labels[number] == label  # it is one of the training images
        right += logits_of(image).argmax().item() == label
    assert len(subset.labels) == len(training.dataset.test) == 8
    assert result["training_accuracy"] == right / 8
    assert result["error_gap"] == result["training_accuracy"] - result["test_accuracy"]


@pytest.mark.parametrize("rate", [1e4, 1e30])
def test_a_loss_that_is_not_finite_ends_the_run_at_once(compose, tmp_path, small, rate):
    config = compose(*small, f"optimizer.lr={rate}", "epochs=50")
    with pytest.raises(Diverged, match=r"optimizer\.lr"):
        run_in(tmp_path / "run", config)
    assert len(Run(tmp_path / "run").epochs()) < 50
    assert all(abs(window["loss"]) < float("inf") for window in Run(tmp_path / "run").windows())


@pytest.mark.parametrize("validation", ["0", "0.25"])
def test_weights_that_blow_up_in_the_last_step_are_no_result(compose, tmp_path, small, validation):
    """The loss of the only step is finite, but not that of the weights after it: they are neither chosen nor tested."""
    batch = 24 if validation == "0" else 18
    one_step = ["epochs=1", f"dataset.validation={validation}", "optimizer.lr=1e38", f"batch_size={batch}"]
    with pytest.raises(Diverged, match="validation loss" if validation != "0" else "test loss"):
        run_in(tmp_path / "run", compose(*[given for given in small if "batch_size" not in given], *one_step))
    assert not (tmp_path / "run" / "checkpoints" / "best.pt").exists()


def test_the_best_validation_epoch_is_tested_and_the_test_set_is_seen_once(compose, tmp_path, small, monkeypatch):
    """Validation accuracies are made to peak in epoch 2 of 3, and its weights are tested."""
    seen = []
    real = evaluate

    def scripted(training, batches):
        found = real(training, batches)
        weight = next(training.model.parameters()).sum().item()
        if batches is training.batches.train_subset:
            return found
        if batches is training.batches.test:
            seen.append(("test", weight))
            return found
        seen.append(("validation", weight))
        accuracy = [0.5, 0.9, 0.7][len(seen) - 1]
        return type(found)(found.loss, accuracy, found.top5, found.confusion)

    for module in (training_module, evaluation_module, result_module):
        monkeypatch.setattr(module, "evaluate", scripted)
    _, result = run_in(tmp_path / "run", compose(*small, "dataset.validation=0.25", "epochs=3", "optimizer.lr=0.01"))
    assert [split for split, _ in seen] == ["validation"] * 3 + ["test"]
    assert seen[3][1] == seen[1][1] != seen[2][1]
    assert (result["chosen_epoch"], result["validation_accuracy"]) == (2, 0.9)


def test_the_learning_rate_follows_the_schedule(compose, tmp_path, small):
    run_in(tmp_path / "run", compose(*small, "schedule=step", "schedule.every=1", "optimizer.lr=0.01"))
    rates = [window["learning_rate"] for window in Run(tmp_path / "run").windows()]
    assert rates == pytest.approx([0.01] * 3 + [0.001] * 3)


@pytest.mark.slow
def test_checkpoints_that_take_longer_than_epochs_are_fewer(compose, tmp_path, small, monkeypatch):
    """Each takes a second, so of four short epochs only the first and the last end with one. The best epoch's weights
    are written with it: alone they could be of a later epoch than the one that a killed run resumes from."""
    stands, save = [], checkpoints.save

    def slowly(folder, name, state):
        save(folder, name, state)
        stands.append((name, state["epoch"] if name == "best" else state["state"]["epoch"]))
        time.sleep(1)

    monkeypatch.setattr(checkpoints, "save", slowly)
    _, result = run_in(tmp_path / "run", compose(*small, "epochs=4", "dataset.validation=0.25"))
    best = result["chosen_epoch"]
    assert stands == [("best", 1), ("last", 1), *([("best", best)] if best > 1 else []), ("last", 4)]


def test_checkpoints_hold_tensors_and_plain_types(compose, tmp_path, small):
    """torch.load with weights_only reads them, and every parameter has its plain name."""
    training, _ = run_in(tmp_path / "run", compose(*small))
    saved = torch.load(tmp_path / "run" / "checkpoints" / "last.pt", weights_only=True)
    assert saved["model"].keys() == training.model.state_dict().keys()
    assert all(torch.equal(saved["model"][name], value) for name, value in training.model.state_dict().items())
    assert saved["state"]["epoch"] == 2


def test_the_same_seed_gives_the_same_run_and_another_one_another(compose, small, tmp_path):
    """Losses of two runs with seed 0 are equal to the last digit. seed=0 is a seed, and seed=1 another."""
    losses = []
    for number, seed in enumerate((0, 0, 1)):
        run_in(tmp_path / str(number), compose(*small, f"seed={seed}", "epochs=1"))
        losses.append([window["loss"] for window in Run(tmp_path / str(number)).windows()])
    assert losses[0] == losses[1] != losses[2]


def test_batches_fewer_than_a_window_still_make_one(compose, small, tmp_path):
    """An epoch that is shorter than log_every is one window, so no curve is empty."""
    _, result = run_in(tmp_path / "run", compose(*small, "log_every=200"))
    assert len(Run(tmp_path / "run").windows()) == 2
    assert result["status"] == "finished"


def ask_torch_for_too_much(*_):
    torch.empty(2**60, dtype=torch.uint8)


def ask_numpy_for_too_much(*_):
    np.empty(2**60, dtype=np.uint8)


def fail_in_a_worker(*_):
    raise RuntimeError("Caught MemoryError in DataLoader worker process 0.")


def fail_to_share_with_a_worker(*_):
    raise RuntimeError("unable to mmap 64 bytes from file <filename not specified>: Cannot allocate memory (12)")


def fail_on_a_gpu(*_):
    raise torch.OutOfMemoryError("CUDA out of memory.")


def fail_while_a_step_is_recorded(*_):
    try:
        fail_on_a_gpu()
    finally:
        raise RuntimeError("CUDA error: operation failed due to a previous error during capture")


def test_a_step_without_memory_says_what_to_try(compose, tmp_path, small, monkeypatch):
    """The errors are a processor's, a worker's and a GPU's, in training and in the test after it."""

    failures = [
        (training_module, "step", ask_torch_for_too_much),
        (training_module, "step", ask_numpy_for_too_much),
        (training_module, "step", fail_in_a_worker),
        (training_module, "step", fail_to_share_with_a_worker),
        (training_module, "step", fail_on_a_gpu),
        (training_module, "step", fail_while_a_step_is_recorded),
        (evaluation_module, "average_views", fail_on_a_gpu),
    ]
    for number, (module, name, failing) in enumerate(failures):
        with (
            monkeypatch.context() as patch,
            pytest.raises(Failure, match=r"batch_size=4 of 3x32x32 .*try batch_size=2 or device\.precision=bf16"),
        ):
            patch.setattr(module, name, failing)
            run_in(tmp_path / str(number), compose(*small, "device.precision=float32"))


def test_label_smoothing_spreads_its_share_over_the_classes(compose, tmp_path, small):
    """The first step's loss is (1 - e) of the cross entropy and e of its mean over all classes."""
    settings = [*small, "epochs=1", "log_every=1", "device.precision=float32", "device.channels_last=false"]
    run_in(tmp_path / "run", compose(*settings, "label_smoothing=0.3"))
    training = assemble(compose(*settings))
    images, labels = next(training.batches.train.epoch(0))
    chances = training.model(images).log_softmax(1)  # (B, K)
    expected = -(0.7 * chances[range(4), labels] + 0.3 * chances.mean(1)).mean().item()
    assert Run(tmp_path / "run").windows()[0]["loss"] == pytest.approx(expected, rel=1e-6)


def test_cutmix_learns_both_classes_by_their_areas(compose, tmp_path, small):
    """The first step's loss weighs the cross entropies with both classes by the areas that are seen of them."""
    settings = [*small, "epochs=1", "log_every=1", "device.precision=float32", "device.channels_last=false"]
    run_in(tmp_path / "run", compose(*settings, "cutmix=1"))
    training = assemble(compose(*settings))
    images, labels = next(training.batches.train.epoch(0))
    torch.manual_seed(randomness.derive_seed(0, randomness.STEP, 0, 0))
    mixed, targets = augment.mix(images, labels, 2, 1, 0)
    assert not torch.equal(mixed, images)
    expected = -(targets * training.model(mixed).log_softmax(1)).sum(1).mean().item()
    assert Run(tmp_path / "run").windows()[0]["loss"] == pytest.approx(expected, rel=1e-6)


def test_a_signal_during_a_destructor_stops_the_run_after_the_next_step():
    """Python drops the exception there. At an epoch's end most of the time may be spent in that of torch's workers."""

    class Workers:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    steps = []
    with pytest.raises(Interrupted), Signals() as signals:
        workers = Workers()
        del workers
        for number in range(3):
            with signals.uninterrupted():
                steps.append(number)
    assert steps == [0]
