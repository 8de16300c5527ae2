"""Trains a recipe with several seeds, each after a turn of the tutorial's loop, and compares their times.

    python benchmarks/recipe.py experiment=sprint dataset=image_folder dataset.root=path/to/cifar10-jpeg

A training's seconds are those of its command, from start to end. The tutorial's, for 30 epochs of 50,000 images, are
computed from its images a second.
"""

import subprocess
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from alexnet.config.checks import check
from alexnet.config.combinations import check_combinations
from alexnet.config.compose import checking, compose_config
from alexnet.config.machine import check_machine
from alexnet.errors import Failure, mistakes_end_the_program
from alexnet.launch.arguments import above_zero

ROOT = Path(__file__).parents[1]
OF_BOTH = ("dataset=", "dataset.root=", "dataset.cache=", "device=", "device.name=", "device.threads=")


def parse() -> Namespace:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument(
        "overrides", nargs="+", metavar="key=value", help="of scripts/train.py, such as experiment=fast"
    )
    parser.add_argument("--seeds", type=above_zero(int), default=5, metavar="N", help="0 to N - 1; default: 5")
    parser.add_argument("--seconds", type=above_zero(float), default=30, metavar="S", help="of a turn; default: 30")
    return parser.parse_intermixed_args()


def main() -> None:
    given = parse()
    with checking():
        config, _ = compose_config(given.overrides)
        check(config)
        check_combinations(config)
        check_machine(config)
        tutorial, _ = compose_config(["experiment=seed", *(o for o in given.overrides if o.startswith(OF_BOTH))])
    from turns import IMAGES, Side, run_tutorial, serve  # torch takes seconds to import

    folder = Path("outputs", f"{datetime.now():%Y-%m-%d}", f"{datetime.now():%H-%M-%S}")
    side, trainings, speeds = Side(serve, run_tutorial, tutorial), list[dict[str, Any]](), list[float]()
    try:
        side.ask("run", given.seconds / 3)  # warms up
        for seed in range(given.seeds):
            speeds.append(side.ask("run", given.seconds))
            trainings.append(train([*given.overrides, f"seed={seed}"], folder / str(seed)))
            print(
                f"seed {seed}: {trainings[-1]['accuracy']:.2%} in {trainings[-1]['seconds']:.1f} s; "
                f"the tutorial: {speeds[-1]:.1f} images/s",
                flush=True,
            )
    finally:
        side.close()
    print(as_text(trainings, [tutorial.epochs * IMAGES / speed for speed in speeds]))


def train(overrides: list[str], folder: Path) -> dict[str, float]:
    """The test accuracy, and the seconds that the command took. Raises Failure if it fails."""
    from alexnet.runs.folder import Run

    own = [f"hydra.run.dir={folder}", "console=quiet", "test=true"]
    began = perf_counter()
    done = subprocess.run([sys.executable, str(ROOT / "scripts" / "train.py"), *overrides, *own])
    seconds = perf_counter() - began
    if done.returncode != 0:
        raise Failure(f"The training ended with exit status {done.returncode}.")
    return {"accuracy": (Run(folder).result() or {})["test_accuracy"], "seconds": seconds}


def as_text(trainings: list[dict[str, float]], tutorial: list[float]) -> str:
    """Means of both sides, and the ratio of each pair of turns. tutorial: its seconds, by each of its turns."""
    from alexnet.comparison.spread import Spread

    accuracy = Spread.of((each["accuracy"] for each in trainings), bounds=(0, 1))
    seconds, whole = Spread.of(each["seconds"] for each in trainings), Spread.of(tutorial)
    ratios = [whole / each["seconds"] for each, whole in zip(trainings, tutorial, strict=True)]
    assert accuracy is not None and seconds is not None and whole is not None
    interval = "" if accuracy.low is None else f" (95% interval {accuracy.low:.2%} to {accuracy.high:.2%})"
    return (
        f"accuracy: {accuracy.mean:.2%}{interval}, {accuracy.n} seeds\n"
        f"seconds: {seconds.mean:.1f}; the tutorial's 30 epochs: {whole.mean:,.0f}, "
        f"{whole.mean / seconds.mean:.0f} times as many (pairs: {min(ratios):.0f} to {max(ratios):.0f})"
    )


if __name__ == "__main__":
    with mistakes_end_the_program():
        main()
