"""What training says of itself: a loss that stays at chance, and where it resumes."""

import logging

import pytest

from alexnet.training import loop as training_module
from alexnet.training.build import assemble
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
