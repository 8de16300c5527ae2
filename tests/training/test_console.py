"""What training says of itself: a loss that stays at chance, and where it resumes."""

import logging
import re
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace

import pytest
import torch

from alexnet.errors import Diverged
from alexnet.messages import console as messages
from alexnet.runs.folder import Run
from alexnet.training import console
from alexnet.training import loop as training_module
from alexnet.training.build import assemble
from alexnet.training.evaluation import check_finite
from alexnet.training.job import execute, log_to
from alexnet.training.state import State, Tally
from support.runs import run_in


@pytest.fixture
def speaking():
    """speaking("quiet", "zh") sets what the console shows, for this test."""
    before = dict(messages.asked_for)
    yield messages.configure
    messages.asked_for.update(before)


def test_a_loss_that_never_leaves_chance_is_warned_about_once(compose, tmp_path, small, caplog):
    with caplog.at_level(logging.WARNING):
        run_in(tmp_path / "run", compose(*small, "optimizer.lr=1e-12"))
    assert caplog.text.count("guessing has 0.693") == 1


NOT_VALIDATED = {"loss": 0.70, "accuracy": 0.5, "validation_loss": None, "validation_accuracy": None}


@pytest.mark.parametrize(
    "losses, warning",
    [
        ([0.72, 0.70, 0.69, 0.62, 0.60, 0.58], None),  # its mean is near chance, and it has begun to learn
        ([0.69, 0.68, 0.69, 0.69, 0.69, 0.69], "Nothing is learnt yet: loss 0.690, guessing has 0.693. Try another"),
        ([0.69, 0.90, 1.20, 1.10, 1.30, 1.20], "Loss 1.2 is far above that of guessing, 0.693. Try a lower"),
        ([0.69, 0.90, 1e30, 1e30, 1e30, 1e30], "Loss 1e+30 is far above that of guessing, 0.693. Try a lower"),
        ([], "Nothing is learnt yet: loss 0.700"),  # resumed after the epoch's last window: its mean counts
    ],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_last_windows_of_an_epoch_tell_once_whether_anything_is_learnt(
    compose, small, caplog, speaking, language, losses, warning
):
    training = assemble(compose(*small))
    state = State(*[Tally(training.engine.device)] * 2, window_losses=losses)
    speaking("normal", language)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            training_module.warn_if_nothing_is_learnt(training, state, NOT_VALIDATED)
    assert len(caplog.messages) == (warning is not None)
    assert all(len(message.encode("gbk")) <= 80 for message in caplog.messages)
    assert language == "zh" or warning is None or caplog.messages[0].startswith(warning)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("loss", [0.693, 1e30])
def test_if_new_layers_have_a_higher_rate_the_hint_is_to_lower_that(compose, small, caplog, speaking, language, loss):
    training = assemble(compose(*small))
    training.optimizer.param_groups[-1]["factor"] = 10
    state = State(*[Tally(training.engine.device)] * 2, window_losses=[loss])
    speaking("normal", language)
    training_module.warn_if_nothing_is_learnt(training, state, NOT_VALIDATED)
    assert len(caplog.messages) == 1 and "optimizer.new_layers=1" in caplog.text
    with pytest.raises(Diverged, match=r"Try optimizer\.new_layers=1, a lower optimizer\.lr"):
        check_finite(float("nan"), "The loss", training_module.speeds_new_layers(training))
    assert len(caplog.messages[0].encode("gbk")) <= 80


@pytest.mark.parametrize(
    "loss, accuracy, validation_accuracy, warned",
    [
        (2.307, 0.12, 0.31, False),
        (2.286, 0.12, 0.51, False),
        (2.300, 0.31, None, False),
        (2.300, 0.12, 0.11, True),
        (2.300, 0.12, None, True),
        (2.300, 0.52, 0.51, True),  # half of the images are of one class: this is what answering it gives
        (3.079, 0.12, 0.11, True),
        (3.079, 0.52, 0.51, True),
    ],
)
def test_an_accuracy_above_chance_is_learning(caplog, loss, accuracy, validation_accuracy, warned):
    """At a loss that is that of guessing. 10 classes, 1,000 images to train and 400 to validate."""
    half = accuracy == 0.52

    def label(count):
        return SimpleNamespace(labels=torch.arange(count) % 10 * (torch.arange(count) % 2 if half else 1))

    batches = SimpleNamespace(train=label(1000), validation=None if validation_accuracy is None else label(400))
    optimizer = SimpleNamespace(param_groups=[{}])
    training = SimpleNamespace(batches=batches, dataset=SimpleNamespace(classes=range(10)), optimizer=optimizer)
    state = State(*[Tally(torch.device("cpu"))] * 2, window_losses=[loss])
    row = {"loss": loss, "accuracy": accuracy, "validation_accuracy": validation_accuracy}
    row["validation_loss"] = None if validation_accuracy is None else loss
    with caplog.at_level(logging.WARNING):
        training_module.warn_if_nothing_is_learnt(training, state, row)
    assert len(caplog.messages) == warned


@pytest.mark.parametrize(
    "epoch, batch, lines",
    [(0, 0, []), (0, 2, ["Resuming in epoch 1, after batch 2."]), (4, 0, ["Resuming after epoch 4."])],
)
def test_the_log_says_where_training_resumes(compose, small, caplog, epoch, batch, lines):
    training = assemble(compose(*small))
    tally = Tally(training.engine.device)
    with caplog.at_level(logging.INFO), training_module.show_progress(training, State(tally, tally, epoch, batch)):
        assert caplog.messages == lines


ROW = {
    "loss": 0.559,
    "accuracy": 0.857,
    "validation_loss": 0.612,
    "validation_accuracy": 0.833,
    "learning_rate": 0.0164,
    "images_per_second": 333.3,
}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    "epochs, seconds, changed, shown",
    [
        (4, 5, {}, "Epoch 3/4: train loss 0.559 acc 85.7% | val 0.612 83.3% | lr 0.0164 00:01 left"),
        (100, 5, {}, "Epoch 3/100: train loss 0.559 acc 85.7% | val 0.612 83.3% | lr 0.0164 02:41 left"),
        (90, 300, {"loss": 12.5, "accuracy": 1.0}, ""),
        (90, 300, {"learning_rate": 1.23e-05, "validation_accuracy": 1.0, "images_per_second": 123456.7}, ""),
        (
            90,
            300,
            {"validation_accuracy": None},
            "Epoch 3/90: train loss 0.559 acc 85.7% | lr 0.0164 333 img/s 2:25:00 left",
        ),
    ],
)
def test_an_epochs_line_names_its_figures_in_80_columns(
    caplog, speaking, monkeypatch, language, epochs, seconds, changed, shown
):
    """Speed, then lines between, then learning rate are left out if there is no room. A Chinese character takes two
    columns."""
    speaking("normal", language)
    state = State(*[Tally(torch.device("cpu"))] * 2, epoch=3)
    monkeypatch.setattr(State, "seconds", lambda self: seconds)
    with caplog.at_level(logging.INFO):
        console.log_epoch(SimpleNamespace(epochs=epochs), state, {**ROW, **changed})
    (line,) = caplog.messages
    assert len(line.encode("gbk")) <= 80 and ("left" in line or "剩余" in line)
    assert ("train loss" if language == "en" else "训练损失") in line
    assert language == "zh" or not shown or line == shown


def test_the_time_left_counts_the_time_before_a_resume_and_no_pause(caplog):
    """200 seconds for 4 epochs, days before, and 50 for the fifth: 5 more of 10 epochs take 250."""
    device = torch.device("cpu")
    state = State(*[Tally(device)] * 2, epoch=4, since=perf_counter() - 200)
    saved = state.to_plain()
    resumed = State.from_plain(saved, device)
    resumed.since -= 50
    resumed.epoch = 5
    with caplog.at_level(logging.INFO):
        console.log_epoch(SimpleNamespace(epochs=10), resumed, ROW)
    assert "04:10 left" in caplog.text


def test_validation_that_is_better_than_guessing_is_learning(compose, small, caplog):
    """The training loss is higher, with dropout and from the beginning of an epoch."""
    training = assemble(compose(*small))
    state = State(*[Tally(training.engine.device)] * 2, window_losses=[0.70])
    with caplog.at_level(logging.WARNING):
        for loss, count in [(0.60, 0), (0.69, 1)]:
            training_module.warn_if_nothing_is_learnt(
                training, state, {**NOT_VALIDATED, "validation_accuracy": 0.5, "validation_loss": loss}
            )
            assert len(caplog.messages) == count


def execute_in(folder, config):
    """The run's lines on the console and in train.log, as a person gets them."""
    folder.mkdir()
    run, root = Run(folder), logging.getLogger()
    before = root.level
    log_to(run)
    try:
        assert execute(config, run) == 0
    finally:
        root.handlers, root.level = [], before
    return run.log.read_text(encoding="utf-8")


def test_the_console_and_the_log_say_what_was_trained_and_what_was_chosen(compose, small, tmp_path, capsys, speaking):
    log = execute_in(tmp_path / "run", compose(*small, "epochs=1", "dataset.validation=0.2"))
    shown = capsys.readouterr().out.splitlines()
    assert "Images: 19 to train, 5 to validate, 8 to test; classes: 2" in shown
    assert any(line.startswith("Network: cuda_convnet, ") for line in shown)
    assert any(
        re.fullmatch(r"Epoch 1/1: train loss \d\.\d{3} .*% \| val \d\.\d{3} \d+\.\d% .* left", line) for line in shown
    )
    (chosen,) = [line for line in shown if line.startswith("Validation chose epoch 1 of 1: validation accuracy ")]
    assert shown.index(chosen) < next(number for number, line in enumerate(shown) if line.startswith("Test accuracy"))
    assert all(f"[INFO] {line}\n" in log for line in shown if not line.startswith("Nothing"))
    assert "[DEBUG] Optimizer: sgd, lr=0.001, momentum=0.9, " in log and "[DEBUG] Schedule: constant\n" in log
    assert "[DEBUG] Versions: python" in log and "Weights: " in log and not any("Versions" in line for line in shown)


def test_quiet_chinese_is_two_lines_and_train_log_has_no_english_sentence(
    compose, small, tmp_path, capsys, speaking, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    log = execute_in(Path("run"), compose(*small, "epochs=1", "optimizer.lr=0.02", "language=zh", "console=quiet"))
    shown = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in shown if "尚未" not in line] == ["测试集准确率", "权重已保存为"]
    lines = [line.split("] ", 2)[-1] for line in log.splitlines() if "[DEBUG]" not in line]
    assert len(lines) > 8
    assert not [line for line in lines if re.search(r"[A-Za-z]{3,}( [A-Za-z]{3,}){2,}", line)]


@pytest.mark.parametrize(
    "keep, test, said",
    [
        ("none", "true", ["No weights are kept (keep=none). To train them again: python scripts/reproduce.py run"]),
        ("none", "false", ["Weights saved to: ", "Not tested yet (test=false). To test: ", "The test deletes the"]),
        ("weights", "false", ["Weights saved to: ", "Not tested yet (test=false). To test: "]),
        ("weights", "true", ["Weights saved to: ", "Test them again: "]),
    ],
)
def test_the_end_says_what_can_still_be_done(compose, small, tmp_path, capsys, monkeypatch, keep, test, said):
    monkeypatch.chdir(tmp_path)
    execute_in(Path("run"), compose(*small, "epochs=1", f"keep={keep}", f"test={test}"))
    shown = capsys.readouterr().out.splitlines()
    end = shown[1 + next(number for number, line in enumerate(shown) if line.startswith("Training curve")) :]
    assert len(end) == len(said) and all(line.startswith(text) for line, text in zip(end, said, strict=True))
    assert (Path("run/checkpoints/last.pt").exists()) == (end[0].startswith("Weights saved"))
