"""A sweep's jobs before they run, its report after each of them, and going on with it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from alexnet.config import keys, options
from alexnet.config.keys import LAUNCH
from alexnet.errors import Mistake, nearest
from alexnet.launch import search


def list_jobs(config: DictConfig) -> list[list[str]]:
    """The overrides of each job, as Hydra's own sweeper will make them; of a search, the two extremes."""
    params = config.hydra.sweeper.get("params")
    if params is not None and not isinstance(params, DictConfig):
        raise Mistake(f"hydra.sweeper.params={params}: expected {{KEY: VALUES}}, such as {{seed: '0,1'}}.")
    if config.hydra.sweeper._target_ == search.TARGET:
        return search.extremes(config)
    if not config.hydra.sweeper._target_.endswith(".BasicSweeper"):
        return []
    found = expand_grid(params, config.hydra.overrides.task)
    if not found:
        raise Mistake(f"{' '.join(config.hydra.overrides.task)}: this sweep has no job; a range(0,3) has 0, 1 and 2.")
    return found


def check(config: DictConfig) -> None:
    """Raises Mistake for what can't sweep, and for a report that can't be made, before there is anything to report."""
    for plugin in ("launcher", "sweeper"):
        if not isinstance(config.hydra[plugin], DictConfig):
            given = f"hydra.{plugin}={config.hydra[plugin]}"
            raise Mistake(f"{given}: expected hydra/{plugin}=NAME, such as hydra/{plugin}=basic.")
    for given in config.hydra.overrides.task:
        if given.lstrip("+").startswith("experiment=") and "," in given:
            _check_experiments(given)
    flat = keys.flatten({key: config[key] for key in config if key != "hydra"})
    known = [path.removesuffix("._target_") for path in flat]
    best_of = config.report.best_of
    if best_of is not None and best_of not in known:
        raise Mistake(f"report.best_of={best_of}: not a key of these runs{nearest(best_of, known)}")


def _check_experiments(given: str) -> None:
    """Raises Mistake where one of several experiments is a sweep: Hydra would leave out its axes. given: override."""
    for option in given.partition("=")[2].split(","):
        path = options.CONF / "experiment" / f"{option}.yaml"
        if path.is_file() and OmegaConf.select(OmegaConf.load(path), "hydra.sweeper.params"):
            raise Mistake(
                f"{given}: {option} is a sweep of its own, and its values would be lost among others: give one at "
                f"a time, python scripts/train.py experiment={option}"
            )


def get_subdir(settings: DictConfig) -> str:
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


def expand_grid(params: Mapping[str, Any] | None, overrides: Sequence[str]) -> list[list[str]]:
    """Every combination of the values given, in the order in which Hydra numbers the jobs."""
    given = [f"{key}={value}" for key, value in (params or {}).items()]
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    return BasicSweeper.split_arguments(parser.parse_overrides([*given, *overrides]), None)[0]


def plan(planned: Sequence[Sequence[str]], needed: int, folder: Path) -> str:
    """What dry_run=true shows: the jobs, their number, the disk that they need at most. needed: bytes."""
    lines = [f"job {number}: {' '.join(without_launch(job))}" for number, job in enumerate(planned)]
    jobs = f"{len(planned)} job{'s' * (len(planned) != 1)}"
    return "\n".join([*lines, f"{jobs} in {folder}, at most {needed >> 20} MB of disk; nothing was run"])


def without_launch(overrides: Sequence[str]) -> list[str]:
    return [given for given in overrides if given.lstrip("+").partition("=")[0].partition(".")[0] not in LAUNCH]
