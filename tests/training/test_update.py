"""What happens between the gradients and the weights: clipping and accumulation; and when training ends."""

import pytest
import torch

from alexnet.launch.reproduce import reproduce
from alexnet.launch.resume import resume
from alexnet.runs.folder import Run
from alexnet.training.build import assemble
from alexnet.training.job import execute
from alexnet.training.loop import set_learning_rate, step
from support.runs import run_in


def take_step(config):
    """(training, how far each weight moved) in the first step."""
    training = assemble(config)
    before = [parameter.detach().clone() for parameter in training.model.parameters()]
    training.model.train()
    images, labels = next(training.batches.train.epoch(0))
    set_learning_rate(training, training.optimizer.defaults["lr"])
    step(training, images, labels, 0, 0)
    return training, [now.detach() - was for now, was in zip(training.model.parameters(), before, strict=True)]


PLAIN = ["optimizer.momentum=0", "optimizer.lr=0.5", "device.precision=float32"]


def test_clip_norm_shortens_all_gradients_together_and_only_if_they_are_longer(compose, small):
    """SGD without momentum moves the weights by the learning rate times the gradients."""
    _, moved = take_step(compose(*small, *PLAIN))
    norm = torch.cat([each.flatten() for each in moved]).norm() / 0.5
    _, clipped = take_step(compose(*small, *PLAIN, f"clip_norm={norm.item() / 4}"))
    for ours, theirs in zip(clipped, moved, strict=True):
        torch.testing.assert_close(ours, theirs / 4, rtol=1e-3, atol=1e-8)
    _, unclipped = take_step(compose(*small, *PLAIN, f"clip_norm={2 * norm.item()}"))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(unclipped, moved, strict=True))


@pytest.mark.parametrize("clip", [[], ["clip_norm=0.01"]])
def test_accumulated_parts_make_the_same_update_as_the_whole_batch(compose, small, clip):
    """Without dropout and batch normalisation, which see a part. No process computes more than that at once."""
    given = [*small, *PLAIN, "batch_size=9", *clip]
    _, whole = take_step(compose(*given))
    training, parts = take_step(compose(*given, "accumulate=4"))  # of 3, 2, 2, 2 images
    assert training.group.shards == 4
    for ours, theirs in zip(parts, whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-7)


def test_accumulated_parts_have_all_threads(compose, small, tmp_path):
    """Unlike those of several processes, among which the threads are divided."""
    run_in(tmp_path / "run", compose(*small, "accumulate=2", "epochs=1", "device.threads=null"))
    threads = torch.get_num_threads()
    run_in(tmp_path / "whole", compose(*small, "epochs=1", "device.threads=null"))
    assert threads == torch.get_num_threads()


@pytest.fixture
def idle(small):
    """It learns nothing, so no epoch is better than the first one."""
    return [*small, "dataset.validation=0.25", "optimizer.lr=1e-12", "epochs=5"]


@pytest.mark.slow
def test_patience_ends_a_training_that_no_longer_gets_better_and_it_can_go_on(
    compose, idle, tmp_path, monkeypatch, capsys, caplog
):
    """With patience=null it ends as one that never had any."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO", "alexnet.training")
    for name, patience in (("early", 2), ("late", "null")):
        (tmp_path / name).mkdir()
        assert execute(compose(*idle, f"patience={patience}"), Run(name)) == 0
    early, late = Run("early"), Run("late")
    result = early.result()
    assert (result["status"], result["epochs"], result["chosen_epoch"]) == ("finished", 3, 1)
    assert result["stopped_early"] is True and late.result()["stopped_early"] is False
    assert "no better validation accuracy in 2 epochs" in caplog.text
    assert reproduce("early", []) == 0
    capsys.readouterr()
    assert resume("early", ["epochs=9"]) == 0  # that is no reason to train on
    assert "early stopped early, with patience=2. To train on: patience=null." in capsys.readouterr().out
    assert early.result() == result
    assert resume("early", ["patience=null"]) == 0
    assert early.result()["weights_sha256"] == late.result()["weights_sha256"]
    assert [row["loss"] for row in early.windows()] == [row["loss"] for row in late.windows()]
