"""find_lr.py measures what is trained, suggests a rate where the loss falls, and loses no seed by Ctrl-C."""

import csv
import json
import os
import shlex
import signal
from argparse import Namespace

import numpy as np
import pytest
import torch

from alexnet.config.checks import check_run
from alexnet.errors import Failure, Mistake
from alexnet.launch.find_lr import find_lr
from alexnet.launch.rates import find_middle, make_curve, space_rates
from alexnet.messages import console
from alexnet.runs.folder import Run, find_runs
from alexnet.training import rate_range
from alexnet.training.job import execute


@pytest.fixture
def find(small, tmp_path, monkeypatch):
    """find("optimizer.lr=1", steps=20, ...) runs the command on the small images, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "asked_for", dict(console.asked_for))

    def find(*overrides, **given):
        usual = {"seeds": 2, "lowest": 1e-3, "highest": 10.0, "steps": 40}
        return find_lr(Namespace(overrides=[*small, *overrides], **{**usual, **given}))

    return find


def list_files(folder):
    """The figures of each test so far, the oldest first."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("outputs/find_lr/*/*/find_lr.json"))]


@pytest.mark.slow
def test_what_is_measured_is_what_is_trained(compose, small, tmp_path):
    """With one rate for all steps, the losses are those of a training: the same images, augmentation, dropout, bits."""
    config = compose(*small, "epochs=2", "log_every=1", "dataset.crop=2", "optimizer.lr=0.02", "seed=3", "test=false")
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    assert execute(config, run) == 0
    measured = list(rate_range.measure(rate_range.build(config, 3, None), [0.02] * 12))
    assert measured == [row["loss"] for row in run.windows()]


@pytest.mark.parametrize(
    "losses, given",
    [
        ([2.3] * 10 + [1.5] * 20 + [2.4] * 20, 38),  # as high again as at the beginning, in the mean of ten steps
        ([2.3] * 10 + [2.0, float("nan"), 2.0], 11),
        ([0.7] * 10 + [0.1, 4.0, 0.1], 11),  # of two classes: 5.8 times ln 2
        ([0.7] * 10 + [0.72] * 30, 40),  # it never fell
    ],
)
def test_the_test_ends_where_the_loss_diverges(compose, small, monkeypatch, losses, given):
    training, left = rate_range.build(compose(*small), 0, None), iter(losses)
    monkeypatch.setattr(rate_range, "step", lambda *_: torch.tensor([next(left), 0.0]))
    if losses[0] > 1:
        monkeypatch.setattr(rate_range, "DIVERGED", 10)
    assert len(list(rate_range.measure(training, [0.1] * len(losses)))) == given


@pytest.mark.slow
def test_the_command_draws_and_suggests_a_rate_and_a_sweep_around_it(find, compose, tmp_path, capsys):
    assert find("optimizer.lr=0.5", "dataset.flip=true") == 0
    assert find("language=zh", steps=30) == 0
    figures, other = list_files(tmp_path)
    printed = capsys.readouterr().out
    assert f"Suggested: optimizer.lr={figures['suggestion']:g}" in printed and figures["check"] in printed
    assert f"建议: optimizer.lr={other['suggestion']:g}" in printed
    command = shlex.split(figures["check"])
    assert command[:3] == ["python", "scripts/train.py", "-m"] and "dataset.flip=true" in command
    (rates,) = [given.partition("=")[2] for given in command if given.startswith("optimizer.lr=")]
    low, middle, high = map(float, rates.split(","))
    assert middle == figures["suggestion"] and np.allclose([middle / low, high / middle], 3, rtol=0.1)
    for rate in (low, middle, high):
        check_run(
            compose(*[given for given in command[3:] if not given.startswith("optimizer.lr")], f"optimizer.lr={rate}")
        )
    folder = next(tmp_path.glob("outputs/find_lr/*/*"))
    with open(folder / "find_lr.csv") as file:
        rows = list(csv.DictReader(file))
    assert {"learning_rate", "loss_0", "loss_1", "smoothed_mean"} <= rows[0].keys() and len(rows) <= 40
    assert (folder / "find_lr.png").stat().st_size > 10_000
    assert find_runs(tmp_path / "outputs") == []  # runs.py and compare.py take it for no run


def test_ctrl_c_shows_the_seeds_that_were_measured(find, tmp_path, monkeypatch, capsys):
    measure, seeds = rate_range.measure, iter([False, True])

    def stop_in_the_second(training, rates):
        stops = next(seeds)
        for number, loss in enumerate(measure(training, rates)):
            if stops and number == 5:
                os.kill(os.getpid(), signal.SIGINT)
            yield loss

    monkeypatch.setattr(rate_range, "measure", stop_in_the_second)
    assert find(seeds=3) == 130
    (figures,) = list_files(tmp_path)
    assert figures["seeds"] == [0] and "Suggested" in capsys.readouterr().out


def test_a_test_that_shows_nothing_says_why(find, tmp_path, monkeypatch):
    with pytest.raises(Failure, match="--steps 60, or check network and data with overfit"):
        find(lowest=1e-12, highest=1e-11, steps=20, seeds=1)
    with pytest.raises(Failure, match=r"diverges at .*--from"):
        find(lowest=1e4, highest=1e5, steps=20, seeds=1)
    assert len(list_files(tmp_path)) == 1  # the second has no curve, and leaves no empty folder
    assert all(any(folder.iterdir()) for folder in tmp_path.glob("outputs/find_lr/*/*"))
    with pytest.raises(Mistake, match="dir=x: leave it out"):
        find("hydra.run.dir=x")
    for wrong, text in ({"lowest": 1.0, "highest": 0.1}, "a rate, then a higher one"), ({"steps": 3}, "from 20 to"):
        with pytest.raises(Mistake, match=text):
            find(**wrong)


@pytest.mark.parametrize("noise", [0, 0.02])
def test_the_middle_of_a_known_curve_is_found(noise):
    """A loss that falls from 2.3 to 1 as a logistic curve around 0.01, and rises steeply from 0.3 on."""
    rates = np.array(space_rates(1e-5, 1, 300))
    random = np.random.default_rng(0)
    loss = 1 + 1.3 / (1 + (rates / 0.01) ** 2) + 50 * np.maximum(0, rates - 0.3)
    curve = make_curve(rates.tolist(), [loss + noise * random.normal(size=300) for _ in range(3)])
    assert curve.falls and curve.begins_at == pytest.approx(2.3, abs=0.02)
    assert 0.1 < rates[curve.lowest] < 0.35
    assert find_middle(curve) == pytest.approx((0.01 * 0.314) ** 0.5, rel=0.2)  # half of the fall: at 0.01 and 0.314
