"""What training says of itself: a loss that stays at chance, and where it resumes."""

import logging
import re
from pathlib import Path

import pytest

from alexnet.messages import console as messages
from alexnet.runs.folder import Run
from alexnet.training import console
from alexnet.training import loop as training_module
from alexnet.training.build import assemble
from alexnet.training.job import execute, log_to
from alexnet.training.state import State, Tally
from support.runs import run_in


def test_a_loss_that_never_leaves_chance_is_warned_about_once(compose, tmp_path, small, caplog):
    with caplog.at_level(logging.WARNING):
        run_in(tmp_path / "run", compose(*small, "optimizer.lr=1e-12"))
    assert caplog.text.count("guessing has 0.693") == 1


@pytest.mark.parametrize(
    "losses, warned",
    [
        ([0.72, 0.70, 0.69, 0.62, 0.60, 0.58], False),  # its mean is near chance, and it has begun to learn
        ([0.69, 0.68, 0.69, 0.69, 0.69, 0.69], True),
        ([0.69, 0.90, 1.20, 1.10, 1.30, 1.20], True),
        ([], True),  # resumed after the epoch's last window: its mean counts, which is 0.70 here
    ],
)
def test_the_last_windows_of_an_epoch_tell_whether_anything_is_learnt(compose, small, caplog, losses, warned):
    training = assemble(compose(*small))
    tally = Tally(training.engine.device)
    with caplog.at_level(logging.WARNING):
        training_module.warn_if_nothing_is_learnt(training, State(tally, tally, window_losses=losses), 0.70)
    assert ("Nothing is learnt yet" in caplog.text) == warned
    assert all(len(message) <= 80 for message in caplog.messages)


@pytest.mark.parametrize(
    "epoch, batch, lines",
    [(0, 0, []), (0, 2, ["Resuming in epoch 1, after batch 2."]), (4, 0, ["Resuming after epoch 4."])],
)
def test_the_log_says_where_training_resumes(compose, small, caplog, epoch, batch, lines):
    training = assemble(compose(*small))
    tally = Tally(training.engine.device)
    with caplog.at_level(logging.INFO), training_module.show_progress(training, State(tally, tally, epoch, batch)):
        assert caplog.messages == lines


@pytest.fixture
def speaking():
    """speaking("quiet", "zh") sets what the console shows, for this test."""
    before = dict(messages.asked_for)
    yield messages.configure
    messages.asked_for.update(before)


ROW = {
    "loss": 2.303,
    "accuracy": 0.9999,
    "validation_loss": 2.303,
    "validation_accuracy": 0.9999,
    "learning_rate": 1e-3,
}


@pytest.mark.parametrize(
    "language, learning_rate, validated", [("en", 1.23e-05, True), ("zh", 0.001, True), ("en", 0.1, False)]
)
def test_an_epochs_line_fits_80_columns(compose, small, caplog, speaking, language, learning_rate, validated):
    """Its speed is left out if there is no room. A Chinese character takes two columns."""
    training = assemble(compose(*small, "epochs=100"))
    tally = Tally(training.engine.device)
    speaking("normal", language)
    row = {**ROW, "learning_rate": learning_rate, "images_per_second": 12345.6}
    with caplog.at_level(logging.INFO):
        console.log_epoch(training, State(tally, tally, epoch=100), row)
        console.log_epoch(
            training, State(tally, tally, epoch=3), row if validated else {**row, "validation_accuracy": None}
        )
    assert all(len(line.encode("gbk")) <= 80 for line in caplog.messages)
    assert all("2.303 100.0%" in line and "00:00" in line for line in caplog.messages)
    assert ("12346 img/s" in caplog.messages[1]) == (language == "en" and not validated)


def test_validation_that_is_better_than_guessing_is_learning(compose, small, caplog):
    """The training loss is higher, with dropout and from the beginning of an epoch."""
    training = assemble(compose(*small))
    state = State(*[Tally(training.engine.device)] * 2, window_losses=[0.70])
    with caplog.at_level(logging.WARNING):
        training_module.warn_if_nothing_is_learnt(training, state, 0.70, validation_loss=0.60)
        assert not caplog.messages
        training_module.warn_if_nothing_is_learnt(training, state, 0.70, validation_loss=0.69)
    assert len(caplog.messages) == 1


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
    assert "Images: 19 to train, 5 to validate, 8 to test; 2 classes" in shown
    assert any(line.startswith("Network: cuda_convnet, ") for line in shown)
    assert any(
        re.fullmatch(r"Epoch 1/1: train \d\.\d{3} .*% val \d\.\d{3} \d+\.\d% lr .* left", line) for line in shown
    )
    (chosen,) = [line for line in shown if line.startswith("Validation chose epoch 1 of 1: validation accuracy ")]
    assert shown.index(chosen) < next(number for number, line in enumerate(shown) if line.startswith("Test accuracy"))
    assert all(f"[INFO] {line}\n" in log for line in shown if not line.startswith("Nothing"))
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
