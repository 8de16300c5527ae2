"""Finds a learning rate: measures the loss while the rate grows, for several seeds, and suggests one."""

import csv
import io
import json
import shlex
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from alexnet import disk
from alexnet.config.checks import check_run
from alexnet.config.compose import compose_config
from alexnet.config.keys import without_launch
from alexnet.config.machine import check_machine
from alexnet.config.options import default_of, list_own_folders
from alexnet.config.processes import refuse_torchrun
from alexnet.errors import Failure, Mistake
from alexnet.launch.rates import Curve, find_middle, make_curve, round_rate, space_rates
from alexnet.messages.console import configure, from_here, progress, say, translate, warn
from alexnet.messages.lines import show
from alexnet.runs.claim import claim
from alexnet.training.signals import Interrupted, Signals

BELOW_MIDDLE = 3  # times, that is where the suggestion is: see docs/training.md
FACTOR = 3  # between the rates of the sweep that checks the suggestion
BELOW, ABOVE = 10, 1000  # times the optimizer's default: where the rates begin and end
LEAST_STEPS, MOST_STEPS = 20, 10_000


@dataclass
class Test:
    """What is measured. losses: of each seed, as far as it got. facts: as in environment.json."""

    rates: Sequence[float]
    losses: dict[int, list[float]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def find_lr(given: Namespace) -> int:
    """Prints and draws how the loss depends on the rate, and suggests one. Returns the exit status.

    given: the arguments of scripts/find_lr.py. After Ctrl-C the seeds are shown that were measured by then.
    Raises Mistake for what can't be composed or built, Failure if no rate lowers the loss, or like a training.
    """
    config, exit_status = _compose(given.overrides), 0
    test = Test(_choose_rates(config, given))
    from alexnet.training.build import check_options  # torch takes seconds: not before the checks

    check_options(config)
    folder = claim(time.strftime("outputs/find_lr/%Y-%m-%d/%H-%M-%S"))
    try:
        with Signals() as signals:
            try:
                _measure(config, given.seeds, test)
            except Interrupted as interrupted:
                exit_status = interrupted.exit_status
                warn("{}", interrupted)
                if len(test.losses) > 1:
                    test.losses.popitem()  # it is incomplete
            signals.ignore_others()
            _report(config, given, test, folder, stopped=exit_status > 0)
    finally:
        with suppress(OSError):  # it isn't empty
            folder.rmdir()
    return exit_status


def _compose(overrides: Sequence[str]) -> DictConfig:
    """The checked configuration."""
    refuse_torchrun()
    for given in overrides:
        if given.lstrip("+~").startswith("hydra"):
            raise Mistake(f"{given}: leave it out. find_lr.py starts no jobs, and writes to outputs/find_lr/DATE/TIME.")
    config, _ = compose_config(overrides)
    check_run(config)
    check_machine(config)
    configure(config.console, config.language)
    return config


def _choose_rates(config: DictConfig, given: Namespace) -> list[float]:
    """The rate of each step. By default they begin far below the optimizer's usual rate, and end far above it."""
    usual = default_of(config, "optimizer.lr") or 0.001
    lowest, highest = given.lowest or usual / BELOW, given.highest or usual * ABOVE
    if lowest >= highest:
        raise Mistake(f"--from {lowest:g} --to {highest:g}: expected a rate, then a higher one.")
    if not LEAST_STEPS <= given.steps <= MOST_STEPS:
        raise Mistake(f"--steps {given.steps}: expected a whole number from {LEAST_STEPS} to {MOST_STEPS}.")
    return space_rates(lowest, highest, given.steps)


def _measure(config: DictConfig, seeds: int, test: Test) -> None:
    """Puts the loss of each step into the test as it is measured, and says how each seed ends."""
    from alexnet.engine.environment import describe
    from alexnet.training import rate_range

    dataset, rates = None, test.rates
    with progress("Learning rates", seeds * len(rates), "batch") as advance:
        for seed in range(config.seed, config.seed + seeds):
            training = rate_range.build(config, seed, dataset)
            if dataset is None:
                dataset, model = training.dataset, type(training.model).__name__
                test.facts |= {"model": model, **describe(training.engine, dataset.fingerprint())}
            losses = test.losses[seed] = []
            for loss in rate_range.measure(training, rates):
                losses.append(loss)
                advance(1)
            del training  # before the next one is built
            advance(len(rates) - len(losses))
            if len(losses) < len(rates):
                say("Seed {}: diverged at {:.2g}", seed, rates[len(losses)])
            else:
                say("Seed {}: not diverged at {:.2g}", seed, rates[-1])


def _report(config: DictConfig, given: Namespace, test: Test, folder: Path, stopped: bool) -> None:
    """Writes the files, then prints the suggestion. Raises Failure if no rate lowers the loss."""
    losses = list(test.losses.values())
    steps = min(map(len, losses), default=0)
    if steps < LEAST_STEPS and stopped:
        return
    if steps < LEAST_STEPS:
        lower = f"--from {round_rate(test.rates[0] / 1000):g}, or give more --steps"
        raise Failure(f"The loss diverges at {test.rates[steps]:.2g}, after {steps} steps: begin lower, with {lower}.")
    curve = make_curve(test.rates, losses)
    suggestion = round_rate(find_middle(curve) / BELOW_MIDDLE) if curve.falls else None
    check = None if suggestion is None else write_sweep(given.overrides, config, suggestion)
    figures = {"suggestion": suggestion, "check": check, "seeds": list(test.losses)}
    figures |= {"overrides": given.overrides, "batch_size": config.batch_size, **test.facts}
    disk.replace_text(folder / "find_lr.json", json.dumps(figures, indent=2) + "\n")
    disk.replace_text(folder / "find_lr.csv", _as_csv(curve, list(test.losses)))
    _draw(folder / "find_lr.png", curve, suggestion, test.facts["model"], config.language)
    say(
        "Loss: {:.3f} at first, lowest {:.3f} at {:.2g}", curve.begins_at, curve.smooth.min(), curve.rates[curve.lowest]
    )
    say("Written: {}: find_lr.png, find_lr.csv, find_lr.json", from_here(folder))
    if check is None:
        raise Failure(
            f"No learning rate from {curve.rates[0]:.2g} to {curve.rates[-1]:.2g} lowers the loss in {steps} steps: "
            f"give --steps {min(3 * given.steps, MOST_STEPS)}, or check network and data with overfit=0.01."
        )
    show(translate("Suggested: optimizer.lr={:g}").format(suggestion))
    show(translate("To check it: {}").format(check))


def write_sweep(overrides: Sequence[str], config: DictConfig, suggestion: float) -> str:
    """The command that trains with the suggestion, and with a lower and a higher rate, and ranks them."""
    kept = [given for given in without_launch(overrides) if given.lstrip("+").partition("=")[0] != "optimizer.lr"]
    rates = ",".join(f"{round_rate(rate):g}" for rate in (suggestion / FACTOR, suggestion, suggestion * FACTOR))
    held_out = [] if config.dataset.get("validation", 0) > 0 else ["dataset.validation=0.1"]
    own = [f"--config-dir={from_here(folder)}" for folder in list_own_folders()]
    return shlex.join(["python", "scripts/train.py", *own, "-m", *kept, f"optimizer.lr={rates}", *held_out])


def _as_csv(curve: Curve, seeds: Sequence[int]) -> str:
    """A row for each step: the rate, the loss of each seed, and the smoothed mean and standard deviation."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["learning_rate", *(f"loss_{seed}" for seed in seeds), "smoothed_mean", "smoothed_deviation"])
    writer.writerows(zip(curve.rates, *curve.losses, curve.smooth, curve.spread, strict=True))
    return text.getvalue()


def _draw(path: Path, curve: Curve, suggestion: float | None, model: str, language: str) -> None:
    from alexnet.runs.plots import draw_rates  # matplotlib takes a second to import
    from alexnet.runs.texts import TEXTS

    rates, mean, spread = (values.tolist() for values in (curve.rates, curve.smooth, curve.spread))
    with disk.replacing(path) as temporary:
        draw_rates(temporary, rates, mean, spread, len(curve.losses), suggestion, model, TEXTS[language])
