"""A sweep's jobs before they run, and its table afterwards."""

from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from alexnet.run import Run


def jobs(config: DictConfig) -> list[list[str]]:
    """The overrides of each job, as Hydra's own sweeper will make them; none for other sweepers."""
    if not config.hydra.sweeper._target_.endswith(".BasicSweeper"):
        return []
    given = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    overrides = parser.parse_overrides([*given, *config.hydra.overrides.task])
    return BasicSweeper.split_arguments(overrides, None)[0]


def runs(folder: str | Path) -> list[Run]:
    """The sweep's jobs that have a folder, in order of their numbers."""
    folders = [path for path in Path(folder).iterdir() if path.is_dir() and path.name.isdigit()]
    return [Run(path) for path in sorted(folders, key=lambda path: int(path.name))]


def all_finished(folder: str | Path) -> bool:
    return all((run.result() or {}).get("status") == "finished" for run in runs(folder))


def table(folder: str | Path) -> str:
    """A line a job, best test accuracy first: what differs between the jobs, accuracy, status, folder."""
    found = [
        (dict(line.partition("=")[::2] for line in run.overrides()), run.result() or {}, run) for run in runs(folder)
    ]
    keys = list(dict.fromkeys(key for overrides, _, _ in found for key in overrides))
    differing = [key for key in keys if len(found) == 1 or len({given.get(key) for given, _, _ in found}) > 1]
    found.sort(key=lambda job: job[1].get("test_accuracy", -1), reverse=True)
    lines = [[*differing, "test accuracy", "status", "folder"]]
    for overrides, result, run in found:
        accuracy = f"{100 * result['test_accuracy']:.2f}%" if "test_accuracy" in result else "-"
        given = [overrides.get(key, "-") for key in differing]
        lines.append([*given, accuracy, result.get("status", "unfinished"), str(run.folder)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def is_sweep(folder: str | Path) -> bool:
    return (Path(folder) / "multirun.yaml").is_file()
