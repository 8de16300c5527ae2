"""An interrupted sweep: whether a command would finish it, and the command that its folder stands for."""

import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from alexnet.config.keys import flatten, list_changes
from alexnet.config.overrides import quote
from alexnet.errors import Mistake
from alexnet.launch import search
from alexnet.launch.sweep import expand_grid, without_launch
from alexnet.runs.folder import Sweep

# The folder may be a stranger's: of its overrides only these are typed again. Others could have Hydra call anything.
PLAIN = re.compile(r"(\+{0,2}|~)(?!hydra\b)\w[\w./]*(=.*)?", re.DOTALL)


PLAIN_SETTINGS = re.compile(
    r"hydra/(launcher|sweeper)=\w+|hydra\.(launcher\.jobs|sweeper\.trials|sweeper\.max_batch_size)=\w+"
    r"|hydra\.sweep\.subdir=(?!/|.*\.\.)[\w.=,/{}$-]+"
)


WHERE = ("hydra.mode", "hydra.run.dir", "hydra.sweep.dir")  # settings that resume=FOLDER stands for


def find_existing_sweep(config: DictConfig) -> Path:
    """The sweep's folder to go on in. Raises Mistake where it is none, or was to have other jobs."""
    folder, settings = config.resume, OmegaConf.to_container(config.hydra)
    started = Sweep(folder).settings()
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
        flatten(
            {
                "launcher": each["launcher"],
                "sweeper": {**each["sweeper"], "trials": None},
                "sweep.subdir": each["sweep"].get("subdir"),
            },
            "hydra.",
        )
        for each in (started, now)
    )
    return [f"with {key}={new} in place of {old}" for key, old, new in list_changes(before, after)]


def _other_jobs(started: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """In which overrides two sweeps differ, where their jobs do; the first other job where only the order does."""
    before, after = (without_launch(each["overrides"]["task"]) for each in (started, now))
    if started["sweeper"].get("_target_") == search.TARGET:
        jobs = [[sorted(before)], [sorted(after)]]  # numbered as they are chosen, whatever the order here
    else:
        jobs = [
            [sorted(job) for job in expand_grid(started["sweeper"].get("params"), given)] for given in (before, after)
        ]
    if jobs[0] == jobs[1]:
        return []
    missing = [f"without {given}" for given in before if given not in after]
    added = [f"with {given}" for given in after if given not in before]
    pairs = enumerate(zip_longest(*jobs, fillvalue=["none"]))
    number, old, new = next((number, *pair) for number, pair in pairs if pair[0] != pair[1])
    order = f"in another order: job {number} was {' '.join(old)} and would be {' '.join(new)}"
    return [*missing, *added] or [order]


def rebuild_command(folder: str) -> list[str]:
    """The arguments of scripts/train.py that go on with the sweep.

    Raises Mistake for one that was started with what isn't taken from a folder, Damaged for what is no sweep's.
    """
    overrides = Sweep(folder).settings()["overrides"]
    task = [given for given in overrides["task"] if given.partition("=")[0].lstrip("+") not in ("resume", "dry_run")]
    settings = [given for given in overrides["hydra"] if given.partition("=")[0].lstrip("+") not in WHERE]
    refused = [given for given in task if not PLAIN.fullmatch(given) or re.search(r"\$\{[^}]*:", given)]
    refused += [given for given in settings if not _is_plain(given, task)]
    if refused:
        raise Mistake(
            f"{folder} was started with {' '.join(refused)}, which isn't taken from a folder, for anybody may have "
            f"written it: to go on, give the sweep's own command with resume={folder}"
        )
    return ["--multirun", *settings, *task, f"resume={quote(folder)}"]


def _is_plain(setting: str, task: Sequence[str]) -> bool:
    """Whether one of Hydra's settings can only choose a launcher or sweeper, or name folders inside the sweep's."""
    by_values = "${" in setting.replace("${hydra.job.num}", "")  # then no value may be a path to elsewhere
    return bool(PLAIN_SETTINGS.fullmatch(setting)) and not (by_values and any(re.search(r"/|\.\.", it) for it in task))
