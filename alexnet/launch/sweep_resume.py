"""Checks whether a command would finish an interrupted sweep, and rebuilds the command that started it."""

import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from alexnet.config.keys import flatten, list_changes, without_launch
from alexnet.config.overrides import quote
from alexnet.errors import Mistake, make_printable
from alexnet.launch import search
from alexnet.launch.notify import split_callbacks
from alexnet.launch.sweep import expand_grid
from alexnet.messages.console import warn
from alexnet.runs.folder import Sweep, find_runs

# The folder may be untrusted, and some overrides make Hydra call any function. Only these are used again.
PLAIN = re.compile(r"(\+{0,2}|~)(?!hydra\b)\w[\w./]*(=.*)?", re.DOTALL)
PLAIN_SETTINGS = re.compile(
    r"hydra/(launcher|sweeper)=\w+|hydra\.(launcher\.jobs|sweeper\.trials|sweeper\.max_batch_size)=\w+"
    r"|hydra\.launcher\.(partition|account|minutes|cpus|memory|gpus)=[\w.-]+"
    r"|hydra\.sweep\.subdir=(?!/|.*\.\.)[\w.=,/{}$-]+"
)
OF_THE_CLUSTER = ("partition", "account", "minutes", "memory")  # no number depends on them
RENAMED = {  # since version 0.1.0
    "hydra.callbacks.alexnet.metrics": "report.metrics",
    "hydra.callbacks.alexnet.best_of": "report.best_of",
}
REPLACED = ("hydra.mode", "hydra.run.dir", "hydra.sweep.dir", "resume", "join", "dry_run")  # by resume=FOLDER


def find_existing_sweep(config: DictConfig) -> Path:
    """The folder of the sweep to resume or to join.

    Raises Mistake if it isn't a sweep's, or has other jobs than this command.
    """
    folder = config.resume or config.join
    given = f"{'resume' if config.resume else 'join'}={folder}"
    now: Any = OmegaConf.to_container(config.hydra)
    started = Sweep(folder).settings()
    if started is None:
        raise Mistake(f"{given} isn't the folder of a sweep: there is no multirun.yaml in it.")
    if changes := [*_list_other_settings(started, now), *_list_other_jobs(started, now)]:
        raise Mistake(
            f"{given}: another command started that sweep; this one is {', '.join(changes)}. "
            f"To resume it as it was: python scripts/resume.py {folder}"
        )
    for run in find_runs(folder):
        run.check_writable()
    return Path(folder)


def _list_other_settings(started: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Hydra's settings in which two sweeps differ, of those that jobs depend on. A search may get more trials."""
    before, after = (
        flatten(
            {
                "launcher": {**each["launcher"], **dict.fromkeys(OF_THE_CLUSTER)},
                "sweeper": {**each["sweeper"], "trials": None},
                "sweep.subdir": each["sweep"].get("subdir"),
            },
            "hydra.",
        )
        for each in (started, now)
    )
    return [f"with {key}={new} in place of {old}" for key, old, new in list_changes(before, after)]


def _list_other_jobs(started: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The overrides in which two sweeps differ, if their jobs do; the first other job if only their order does."""
    before, after = (without_launch(each["overrides"]["task"]) for each in (started, now))
    if started["sweeper"].get("_target_") == search.TARGET:
        jobs = [[sorted(before)], [sorted(after)]]  # a search numbers its jobs as it chooses them
    else:
        params = started["sweeper"].get("params")
        jobs = [[sorted(job) for job in expand_grid(params, given)] for given in (before, after)]
    if jobs[0] == jobs[1]:
        return []
    missing = [f"without {given}" for given in before if given not in after]
    added = [f"with {given}" for given in after if given not in before]
    if missing or added:
        return [*missing, *added]
    pairs = enumerate(zip_longest(*jobs, fillvalue=["none"]))
    number, (old, new) = next((number, pair) for number, pair in pairs if pair[0] != pair[1])
    return [f"in another order: job {number + 1} was {' '.join(old)} and would be {' '.join(new)}"]


def rebuild_command(folder: str) -> list[str]:
    """The arguments of scripts/train.py that resume the sweep.

    Raises Mistake if it isn't a sweep's folder or has overrides that aren't used from a folder.
    """
    started = Sweep(folder).settings()
    if started is None:
        raise Mistake(f"{folder} isn't the folder of a sweep: there is no multirun.yaml in it.")
    task, settings = (
        [given for given in started["overrides"][kind] if given.partition("=")[0].lstrip("+") not in REPLACED]
        for kind in ("task", "hydra")
    )
    renamed = [given for given in settings if given.partition("=")[0] in RENAMED]
    callbacks, settings = split_callbacks([given for given in settings if given not in renamed])
    if callbacks:
        warn("Not used from a folder, so give it again if you want it: {}", " ".join(map(make_printable, callbacks)))
    task += [f"{RENAMED[key]}={value}" for key, _, value in (given.partition("=") for given in renamed)]
    refused = [given for given in task if not PLAIN.fullmatch(given) or re.search(r"\$\{[^}]*:", given)]
    refused += (
        [f"--config-name={started['config_name']}"] if not re.fullmatch(r"[\w-]+", started["config_name"]) else []
    )
    refused += [given for given in settings if not _is_plain(given, task)]
    refused += [given for given in task if make_printable(given) != given]  # Hydra prints them
    if refused:
        raise Mistake(
            f"{folder} was started with {' '.join(refused)}. That isn't used from a folder, because it may be "
            f"untrusted: to resume the sweep, give its own command with resume={folder}"
        )
    name = [] if started["config_name"] == "train" else [f"--config-name={started['config_name']}"]
    return [*name, "--multirun", *settings, *task, f"resume={quote(folder)}"]


def _is_plain(setting: str, task: Sequence[str]) -> bool:
    """Whether one of Hydra's settings can only choose a launcher or sweeper, or name folders inside the sweep's."""
    if not PLAIN_SETTINGS.fullmatch(setting):
        return False
    names_values = "${" in setting.replace("${hydra.job.num}", "")  # then no value may be a path to elsewhere
    return not (names_values and any(re.search(r"/|\.\.", given) for given in task))
