"""A sweep's jobs before they run, its report after each of them, and going on with it."""

import os
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf

from alexnet.config import checks, options
from alexnet.errors import Damaged, Mistake
from alexnet.launch import search
from alexnet.runs.folder import Run, find

# The folder may be a stranger's: of its overrides only these are typed again. Others could have Hydra call anything.
PLAIN = re.compile(r"(\+{0,2}|~)(?!hydra\b)\w[\w./]*(=.*)?", re.DOTALL)
PLAIN_SETTINGS = re.compile(
    r"hydra/(launcher|sweeper)=\w+|hydra\.(launcher\.jobs|sweeper\.trials|sweeper\.max_batch_size)=\w+"
    r"|hydra\.sweep\.subdir=(?!/|.*\.\.)[\w.=,/{}$-]+"
)
WHERE = ("hydra.mode", "hydra.run.dir", "hydra.sweep.dir")  # settings that resume=FOLDER stands for


def jobs(config: DictConfig) -> list[list[str]]:
    """The overrides of each job, as Hydra's own sweeper will make them; of a search, the two extremes."""
    params = config.hydra.sweeper.get("params")
    if params is not None and not isinstance(params, DictConfig):
        raise Mistake(f"hydra.sweeper.params={params}: expected {{KEY: VALUES}}, such as {{seed: '0,1'}}.")
    if config.hydra.sweeper._target_ == search.TARGET:
        return search.extremes(config)
    if not config.hydra.sweeper._target_.endswith(".BasicSweeper"):
        return []
    found = grid(params, config.hydra.overrides.task)
    if not found:
        raise Mistake(f"{' '.join(config.hydra.overrides.task)}: this sweep has no job; a range(0,3) has 0, 1 and 2.")
    return found


def check(config: DictConfig) -> None:
    """Raises Mistake for what can't sweep, and for a report that can't be made, before there is anything to report."""
    for plugin in ("launcher", "sweeper"):
        if not isinstance(config.hydra[plugin], DictConfig):
            given = f"hydra.{plugin}={config.hydra[plugin]}"
            raise Mistake(f"{given}: expected hydra/{plugin}=NAME, such as hydra/{plugin}=basic.")
    where, asked = "hydra.callbacks.alexnet", config.hydra.callbacks.alexnet
    if not isinstance(asked.metrics, ListConfig) or not all(isinstance(name, str) for name in asked.metrics or [None]):
        raise Mistake(f"{where}.metrics={asked.metrics}: expected a list of names, such as [test_accuracy,error_gap].")
    for given in config.hydra.overrides.task:
        if given.lstrip("+").startswith("experiment=") and "," in given:
            _check_experiments(given)
    flat = checks.flat({key: config[key] for key in config if key != "hydra"})
    keys = [path.removesuffix("._target_") for path in flat]
    if asked.best_of is not None and asked.best_of not in keys:
        raise Mistake(f"{where}.best_of={asked.best_of}: not a key of these runs{options.nearest(asked.best_of, keys)}")


def _check_experiments(given: str) -> None:
    """Raises Mistake where one of several experiments is a sweep: Hydra would leave out its axes. given: override."""
    for option in given.partition("=")[2].split(","):
        path = options.CONF / "experiment" / f"{option}.yaml"
        if path.is_file() and OmegaConf.select(OmegaConf.load(path), "hydra.sweeper.params"):
            raise Mistake(
                f"{given}: {option} is a sweep of its own, and its values would be lost among others: give one at "
                f"a time, python scripts/train.py experiment={option}"
            )


def subdir(settings: DictConfig) -> str:
    """The job's folder, in the sweep's. Raises Mistake for one where it wouldn't be found. settings: its hydra node."""
    folder = Path(str(settings.sweep.subdir))
    if not folder.parts or any(name.startswith((".", "/")) for name in folder.parts):
        raise Mistake(
            f"hydra.sweep.subdir={settings.sweep.subdir}: expected a folder inside the sweep's, without a dot before a "
            f"name, such as 'hydra.sweep.subdir=seed-${{seed}}'."
        )
    return str(folder)


def check_subdirs(subdirs: Sequence[str]) -> None:
    """Raises Mistake where two jobs would have the same folder: the second one would find another run in it."""
    for number, subdir in enumerate(subdirs):
        if (first := subdirs.index(subdir)) != number:
            raise Mistake(
                f"hydra.sweep.subdir: jobs {first} and {number} would both have the folder {subdir}: leave it out, or "
                f"name in it all that is swept, such as 'hydra.sweep.subdir=lr-${{optimizer.lr}}-seed-${{seed}}'."
            )


def grid(params: Mapping[str, Any] | None, overrides: Sequence[str]) -> list[list[str]]:
    """Every combination of the values given, in the order in which Hydra numbers the jobs."""
    given = [f"{key}={value}" for key, value in (params or {}).items()]
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    return BasicSweeper.split_arguments(parser.parse_overrides([*given, *overrides]), None)[0]


def plan(planned: Sequence[Sequence[str]], needed: int, folder: Path) -> str:
    """What dry_run=true shows: the jobs, their number, the disk that they need at most. needed: bytes."""
    lines = [f"job {number}: {' '.join(without_launch(job))}" for number, job in enumerate(planned)]
    jobs = f"{len(planned)} job{'s' * (len(planned) != 1)}"
    return "\n".join([*lines, f"{jobs} in {folder}, at most {needed >> 20} MB of disk; nothing was run"])


def existing(config: DictConfig) -> Path:
    """The sweep's folder to go on in. Raises Mistake where it is none, or was to have other jobs."""
    folder, settings = config.resume, OmegaConf.to_container(config.hydra)
    started = Run(folder).sweep()
    if started is None:
        raise Mistake(f"resume={folder} isn't the folder of a sweep: there is no multirun.yaml in it.")
    if changes := [*_other_settings(started, settings), *_other_jobs(started, settings)]:
        raise Mistake(
            f"resume={folder}: that sweep was started otherwise; this command is {', '.join(changes)}. "
            f"To go on as it was: python scripts/resume.py {folder}"
        )
    return Path(folder)


def _other_settings(started: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """In which of Hydra's settings two sweeps differ, where jobs depend on them. A search may get more trials."""
    before, after = (
        checks.flat(
            {
                "launcher": each["launcher"],
                "sweeper": {**each["sweeper"], "trials": None},
                "sweep.subdir": each["sweep"].get("subdir"),
            },
            "hydra.",
        )
        for each in (started, now)
    )
    return [f"with {key}={new} in place of {old}" for key, old, new in checks.differing(before, after)]


def _other_jobs(started: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """In which overrides two sweeps differ, where their jobs do; the first other job where only the order does."""
    before, after = (without_launch(each["overrides"]["task"]) for each in (started, now))
    if started["sweeper"].get("_target_") == search.TARGET:
        jobs = [[sorted(before)], [sorted(after)]]  # numbered as they are chosen, whatever the order here
    else:
        jobs = [[sorted(job) for job in grid(started["sweeper"].get("params"), given)] for given in (before, after)]
    if jobs[0] == jobs[1]:
        return []
    missing = [f"without {given}" for given in before if given not in after]
    added = [f"with {given}" for given in after if given not in before]
    pairs = enumerate(zip_longest(*jobs, fillvalue=["none"]))
    number, old, new = next((number, *pair) for number, pair in pairs if pair[0] != pair[1])
    order = f"in another order: job {number} was {' '.join(old)} and would be {' '.join(new)}"
    return [*missing, *added] or [order]


def command(folder: str) -> list[str]:
    """The arguments of scripts/train.py that go on with the sweep.

    Raises Mistake for one that was started with what isn't taken from a folder, Damaged for what is no sweep's.
    """
    overrides = Run(folder).sweep()["overrides"]
    task = without_launch(overrides["task"])
    settings = [given for given in overrides["hydra"] if given.partition("=")[0].lstrip("+") not in WHERE]
    refused = [given for given in task if not PLAIN.fullmatch(given) or re.search(r"\$\{[^}]*:", given)]
    refused += [given for given in settings if not _is_plain(given, task)]
    if refused:
        raise Mistake(
            f"{folder} was started with {' '.join(refused)}, which isn't taken from a folder, for anybody may have "
            f"written it: to go on, give the sweep's own command with resume={folder}"
        )
    return ["--multirun", *settings, *task, f"resume={quoted(folder)}"]


def _is_plain(setting: str, task: Sequence[str]) -> bool:
    """Whether one of Hydra's settings can only choose a launcher or sweeper, or name folders inside the sweep's."""
    by_values = "${" in setting.replace("${hydra.job.num}", "")  # then no value may be a path to elsewhere
    return bool(PLAIN_SETTINGS.fullmatch(setting)) and not (by_values and any(re.search(r"/|\.\.", it) for it in task))


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
    return [given for given in overrides if given.partition("=")[0].lstrip("+") not in checks.LAUNCH]


def job_name(settings: DictConfig) -> str:
    """'job 1 (optimizer.lr=0.1)'. settings: the job's hydra node."""
    return f"job {settings.job.num} ({' '.join(without_launch(settings.overrides.task))})"


def score(run: Run) -> float | None:
    """What a search maximises: the best validation accuracy, 0 for a run that diverged; None for one that has no end.

    What was killed, or failed for another reason than its values, must not count against them.
    """
    result = run.result() or {}
    return {"finished": result.get("validation_accuracy"), "diverged": 0.0}.get(result.get("status"))


def report(settings: DictConfig) -> str:
    """Writes sweep.csv, sweep.md and sweep.png of the jobs so far, and returns the table for the console.

    A row is a configuration, averaged over its seeds. settings: Hydra's, which say where, and in the callback what
    to compare by.
    """
    # Here and not above: they take longer to import than --help or a mistake should take to answer.
    from alexnet.comparison.configurations import METRICS, compare, is_epochs_to
    from alexnet.comparison.picture import draw
    from alexnet.comparison.records import read_all
    from alexnet.comparison.tables import describe

    folder, asked = Path(settings.sweep.dir), settings.callbacks.alexnet
    records = read_all([str(folder)], lambda line: print(line, file=sys.stderr))
    there = {*METRICS, *(name for record in records for name in record.metrics)}  # before the first end only METRICS
    metrics = [name for name in asked.metrics if name in there or is_epochs_to(name)]
    unknown = [name for name in asked.metrics if name not in metrics]
    if unknown and there - {*METRICS}:
        near = options.nearest(unknown[0], sorted(there))
        print(f"hydra.callbacks.alexnet.metrics: no run here has {', '.join(unknown)}{near}", file=sys.stderr)
    comparison = compare(records, metrics or METRICS[:1], best_of=asked.best_of)
    _write(folder / "sweep.csv", describe("csv", comparison) + "\n")
    _write(folder / "sweep.md", describe("markdown", comparison) + "\n")
    aside = folder / ".sweep.png"
    draw(comparison, aside)
    os.replace(aside, folder / "sweep.png")
    return describe("text", comparison)


def statuses(folder: str | Path) -> Counter[str]:
    """How many of the sweep's jobs have finished, diverged, failed and so on."""
    return Counter(map(_status, find(folder)))


def _status(run: Run) -> str:
    try:
        return (run.result() or {}).get("status", "unfinished")
    except Damaged:
        return "damaged"


def _write(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)
