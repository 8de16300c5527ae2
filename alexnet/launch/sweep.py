"""Lists and checks a sweep's jobs and their folders before it runs."""

from collections.abc import Mapping, Sequence
from math import inf, prod
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep
from omegaconf import DictConfig, OmegaConf

from alexnet.comparison.metrics import NUMBERS, may_be_there
from alexnet.config import options
from alexnet.config.compose import without_hydra
from alexnet.config.keys import LAUNCH, WITHOUT_EFFECT, flatten, without_launch
from alexnet.config.processes import count_shards
from alexnet.errors import Mistake, make_printable, nearest, shorten
from alexnet.launch import search
from alexnet.messages.console import from_here, translate, warn

MOST_JOBS = 10_000


def list_jobs(config: DictConfig) -> Sequence[Sequence[str]]:
    """The overrides of each job, as Hydra's own sweeper will make them; of a search, those of its extremes."""
    params = config.hydra.sweeper.get("params")
    if params is not None and not isinstance(params, DictConfig):
        raise Mistake(f"hydra.sweeper.params={params}: expected {{KEY: VALUES}}, such as {{seed: '0,1'}}.")
    if config.hydra.sweeper._target_ == search.TARGET:
        return search.list_extremes(config)
    if not knows_jobs(config.hydra.sweeper._target_):
        return []
    found = expand_grid(params, config.hydra.overrides.task)
    if not found:
        raise Mistake(f"{' '.join(config.hydra.overrides.task)}: this sweep has no job; a range(0,3) has 0, 1 and 2.")
    return found


def knows_jobs(sweeper: str) -> bool:
    """Whether that sweeper's jobs are known, and so checked, before the first one runs. sweeper: its _target_."""
    return sweeper.endswith(".BasicSweeper")


def check(config: DictConfig) -> None:
    """Raises Mistake if there is no such launcher, sweeper or report."""
    for plugin in ("launcher", "sweeper"):
        if not isinstance(config.hydra[plugin], DictConfig):
            given = f"hydra.{plugin}={config.hydra[plugin]}"
            raise Mistake(f"{given}: expected hydra/{plugin}=NAME, such as hydra/{plugin}=basic.")
    for override in OverridesParser.create().parse_overrides(config.hydra.overrides.task):
        key, given = override.get_key_element().lstrip("+~"), str(override.input_line)
        if key.partition(".")[0] in LAUNCH and override.is_sweep_override():
            raise Mistake(f"{given}: {key} says how to launch the whole sweep, so give one value.")
        if key == "experiment" and "," in given:
            _check_experiments(given)
    _check_report(config)


def _check_report(config: DictConfig) -> None:
    """Raises Mistake if the report lacks a setting, or is to choose by a key that doesn't tell configurations apart."""
    report = config.get("report")
    if not isinstance(report, DictConfig) or not {"metrics", "best_of"} <= set(report):
        raise Mistake(f"report={report}: a sweep needs report.metrics=[NAME,...] and report.best_of=KEY, or null.")
    paths = [path for path in flatten(without_hydra(config)) if path not in ("seed", *WITHOUT_EFFECT)]
    known = [path.removesuffix("._target_") for path in paths]
    if report.best_of is not None and report.best_of not in known:
        raise Mistake(
            f"report.best_of={report.best_of}: not a key that tells runs apart{nearest(report.best_of, known)}"
        )


def check_metrics(report: DictConfig, configs: Sequence[DictConfig]) -> None:
    """Raises Mistake if the report is to show a number that no run will have. configs: of the jobs, if they are known.

    A sweep that an earlier version started is resumed with any names, so those aren't checked again.
    """
    given = list(map(str, report.metrics or []))
    unknown = [name for name in given if not may_be_there(name)]
    if unknown:
        near = nearest(unknown[0], sorted({*NUMBERS, "epochs_to_25"}))
        raise Mistake(f"report.metrics=[{','.join(given)}]: no run has {unknown[0]}{near}")
    if "validation_accuracy" in given and configs and all(each.dataset.validation == 0 for each in configs):
        raise Mistake("report.metrics: validation_accuracy needs held-out images: give dataset.validation=0.1.")


def _check_experiments(given: str) -> None:
    """Raises Mistake if one of several experiments is a sweep: Hydra would ignore the values that it sweeps.

    given: the override, experiment=A,B.
    """
    for option in given.partition("=")[2].split(","):
        path = options.find_file(f"experiment/{option}")
        if path is not None and OmegaConf.select(OmegaConf.load(path), "hydra.sweeper.params"):
            raise Mistake(
                f"{given}: {option} is itself a sweep, whose values would be lost beside others: run one at a time, "
                f"python scripts/train.py experiment={option}"
            )


def get_subdir(settings: DictConfig) -> str:
    """The job's folder, relative to the sweep's. Raises Mistake if a comparison wouldn't find it.

    settings: the job's hydra node.
    """
    folder = Path(str(settings.sweep.subdir))
    if not folder.parts or any(name.startswith((".", "/")) for name in folder.parts):
        raise Mistake(
            f"hydra.sweep.subdir={settings.sweep.subdir}: expected a folder inside the sweep's, without a dot before a "
            f"name, such as 'hydra.sweep.subdir=seed-${{seed}}'."
        )
    return str(folder)


def check_subdirs(subdirs: Sequence[str]) -> None:
    """Raises Mistake if two jobs would have the same folder: the second one would find another run in it."""
    for number, subdir in enumerate(subdirs):
        if (first := subdirs.index(subdir)) != number:
            raise Mistake(
                f"hydra.sweep.subdir: jobs {first + 1} and {number + 1} would both have the folder {subdir}: leave it "
                f"out, or name in it all that is swept, such as "
                f"'hydra.sweep.subdir=lr-${{optimizer.lr}}-seed-${{seed}}'."
            )


def warn_of_repeats(jobs: Sequence[Sequence[str]], configs: Sequence[DictConfig]) -> None:
    """Says that two jobs are the same, if they are: the second one gives the same numbers again.

    configs: of the jobs. 0.1 and 1e-1 are the same value, and keys without effect don't count.
    """
    known: dict[str, int] = {}
    for number, (overrides, config) in enumerate(zip(jobs, configs, strict=True)):
        values = {key: value for key, value in flatten(config).items() if key not in WITHOUT_EFFECT}
        values["device.shards"] = count_shards(config)
        first = known.setdefault(str(values), number)
        if first != number:
            same = make_printable(shorten(" ".join(without_launch(overrides))))
            warn("Jobs {} and {} are the same: {}", first + 1, number + 1, same)


def expand_grid(params: Mapping[str, Any] | None, overrides: Sequence[str]) -> Sequence[Sequence[str]]:
    """The overrides of every combination of the given values, in the order in which Hydra numbers the jobs."""
    given = [f"{key}={value}" for key, value in (params or {}).items()]
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    parsed = parser.parse_overrides([*given, *overrides])
    if prod(map(_count_values, parsed)) > MOST_JOBS:
        raise Mistake(f"{' '.join(overrides)}: this sweep has more than {MOST_JOBS} jobs.")
    return BasicSweeper.split_arguments(parsed, None)[0]


def _count_values(override: Override) -> float:
    """How many values an override has; a range isn't expanded for that."""
    value = override.value()
    if isinstance(value, RangeSweep):
        start, stop, step = value.start or 0, value.stop or 0, value.step
        return max(0, -((start - stop) // step)) if step else inf
    return len(value.list) if isinstance(value, ChoiceSweep) else 1


def describe_plan(planned: Sequence[Sequence[str]], disk: str, folder: str) -> str:
    """What dry_run=true prints: the jobs, their number, the disk space that they need, which `disk` says."""
    lines = [
        translate("job {}: {}").format(number, " ".join(without_launch(job))) for number, job in enumerate(planned, 1)
    ]
    text = translate("1 job in {1}, {2}; nothing was run")
    if len(planned) != 1:
        text = translate("{0} jobs in {1}, {2}; nothing was run")
    return "\n".join([*lines, text.format(len(planned), from_here(folder), disk)])
