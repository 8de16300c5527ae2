"""A sweep's jobs before they run, its report after each of them, and going on with it."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig

from alexnet import search
from alexnet.errors import Damaged, Mistake
from alexnet.run import Run, find

# What says how to launch, and is no part of what is trained.
LAUNCH = ("resume", "dry_run")


def jobs(config: DictConfig) -> list[list[str]]:
    """The overrides of each job, as Hydra's own sweeper will make them; of a search, the two extremes."""
    if config.hydra.sweeper._target_ == search.TARGET:
        return search.extremes(config)
    if not config.hydra.sweeper._target_.endswith(".BasicSweeper"):
        return []
    given = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    overrides = parser.parse_overrides([*given, *config.hydra.overrides.task])
    return BasicSweeper.split_arguments(overrides, None)[0]


def plan(planned: Sequence[Sequence[str]], needed: int, folder: Path) -> str:
    """What dry_run=true shows: the jobs, their number, the disk that they need at most. needed: bytes."""
    lines = [f"job {number}: {' '.join(without_launch(job))}" for number, job in enumerate(planned)]
    return "\n".join([*lines, f"{len(planned)} jobs in {folder}, at most {needed >> 20} MB of disk; nothing was run"])


def existing(folder: str, overrides: Sequence[str]) -> Path:
    """The sweep's folder to go on in. Raises Mistake where it is none, or was started with other overrides."""
    started = Run(folder).sweep_overrides()
    if started is None:
        raise Mistake(f"resume={folder} isn't the folder of a sweep: there is no multirun.yaml in it.")
    before, now = (without_launch(given) for given in (started["task"], overrides))
    if sorted(before) != sorted(now):
        missing = [f"without {given}" for given in before if given not in now]
        added = [f"with {given}" for given in now if given not in before]
        raise Mistake(
            f"resume={folder}: that sweep was started otherwise; this command is {', '.join([*missing, *added])}. "
            f"To go on as it was: python scripts/resume.py {folder}"
        )
    return Path(folder)


def command(folder: str) -> list[str]:
    """The arguments of scripts/train.py that go on with the sweep. Raises Damaged for what isn't one."""
    started = Run(folder).sweep_overrides()
    # The folder may be a stranger's: of Hydra's own settings only launcher and sweeper and their numbers are kept.
    kept = re.compile(r"hydra/(launcher|sweeper)=.*|hydra\.(launcher\.jobs|sweeper\.trials)=\d+")
    choices = [given for given in started["hydra"] if kept.fullmatch(given)]
    return ["--multirun", *choices, *without_launch(started["task"]), f"resume={quoted(folder)}"]


def quoted(text: str) -> str:
    """As a value that Hydra's grammar takes for this text, whatever is in it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def parsable(argument: str) -> str:
    """An argument key=value, with the value quoted where Hydra's grammar has no other way: 图像, or im(1)."""
    key, equals, value = argument.partition("=")
    if argument.startswith("-") or not equals:
        return argument
    try:
        OverridesParser.create().parse_override(argument)
        return argument
    except HydraException:  # which the parser raises for what it cannot read
        return f"{key}={quoted(value)}"


def without_launch(overrides: Sequence[str]) -> list[str]:
    return [given for given in overrides if given.partition("=")[0].lstrip("+") not in LAUNCH]


def job_name(settings: DictConfig) -> str:
    """'job 1 (optimizer.lr=0.1)'. settings: the job's hydra node."""
    return f"job {settings.job.num} ({' '.join(without_launch(settings.overrides.task))})"


def is_done(run: Run) -> bool:
    """Whether running the job again could only end the same way."""
    return (run.result() or {}).get("status") in ("finished", "diverged")


def score(run: Run) -> float:
    """What a search maximises: the best validation accuracy; 0 for a run that didn't finish or has none."""
    return (run.result() or {}).get("validation_accuracy") or 0.0


def report(folder: str | Path) -> str:
    """Writes sweep.csv, sweep.md and sweep.png of the jobs so far, and returns the table for the console.

    A row is a configuration, averaged over its seeds, best test accuracy first.
    """
    # Here and not above: they take longer to import than --help or a mistake should take to answer.
    from alexnet.compare import compare
    from alexnet.records import read_all
    from alexnet.report import draw
    from alexnet.tables import describe

    folder = Path(folder)
    comparison = compare(read_all([str(folder)], lambda line: print(line, file=sys.stderr)))
    _write(folder / "sweep.csv", describe("csv", comparison) + "\n")
    _write(folder / "sweep.md", describe("markdown", comparison) + "\n")
    aside = folder / ".sweep.png"
    draw(comparison, aside)
    os.replace(aside, folder / "sweep.png")
    return describe("text", comparison)


def tally(folder: str | Path) -> tuple[int, int]:
    """How many of the sweep's jobs have finished, and how many there are."""
    finished = [_status(run) == "finished" for run in find(folder)]
    return sum(finished), len(finished)


def _status(run: Run) -> str:
    try:
        return (run.result() or {}).get("status", "unfinished")
    except Damaged:
        return "damaged"


def _write(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)
