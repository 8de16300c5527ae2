"""Reads the files in conf/ and in the person's own folders: groups, their options, targets, default values. No torch.

A person names own folders with --config-dir DIR, or in the environment variable ALEXNET_CONFIG_DIR. Nothing in a run's
folder can name one, because anybody may have written that.
"""

import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from omegaconf import DictConfig

from alexnet.errors import Mistake
from alexnet.runs.reading import load_yaml

CONF = Path(__file__).parents[2] / "conf"
GROUPS = ("model", "dataset", "optimizer", "schedule", "device")
VARIABLE = "ALEXNET_CONFIG_DIR"


def list_own_folders() -> list[Path]:
    """The person's own folders. Raises Mistake if one isn't there."""
    folders = [Path(each).expanduser().absolute() for each in os.environ.get(VARIABLE, "").split(os.pathsep) if each]
    for folder in folders:
        if not folder.is_dir():
            raise Mistake(f"--config-dir {folder} ({VARIABLE}): there is no such folder.")
    return folders


def add_own_folder(folder: str) -> None:
    """From now on its files count, as those in conf/ do, in this process and in those that it starts.

    Raises Mistake if it isn't there.
    """
    path = str(Path(folder).expanduser().absolute())
    if os.pathsep in path:
        raise Mistake(f"--config-dir {folder}: expected a folder without {os.pathsep} in its path.")
    known = [each for each in os.environ.get(VARIABLE, "").split(os.pathsep) if each]
    os.environ[VARIABLE] = os.pathsep.join(dict.fromkeys([*known, path]))
    list_own_folders()


def make_importable() -> None:
    """Lets Python find the modules in the own folders, after those of all other places."""
    sys.path += [str(folder) for folder in list_own_folders() if str(folder) not in sys.path]


def list_folders() -> tuple[Path, ...]:
    """conf/ and the own folders, in the order in which Hydra looks for a file."""
    return (CONF, *list_own_folders())


def load_files(group: str) -> dict[str, dict[str, Any]]:
    """The files of a group by name, each merged with the files in its defaults list. The group "" is the run itself."""
    return _load_files(group, list_folders())


@cache
def _load_files(group: str, folders: tuple[Path, ...]) -> dict[str, dict[str, Any]]:
    found: dict[str, Path] = {}
    pattern = "*.yaml" if group else "train.yaml"
    for path in (path for folder in folders for path in sorted((folder / group).glob(pattern))):
        if path.stem in found:
            raise Mistake(f"{path} is never read, because {found[path.stem]} has that name: give it another one.")
        found[path.stem] = path
    return {name: load_file(f"{group}/{name}".lstrip("/"), folders) for name in found}


@cache
def load_file(name: str, folders: tuple[Path, ...]) -> dict[str, Any]:
    """The file as Hydra composes it, {} if there is none. name: such as optimizer/adam.

    Entries of the defaults list that choose an option of a group are left out.
    """
    path = find_file(name, folders)
    if path is None:
        return {}
    own = dict(read_file(path))
    merged: dict[str, Any] = {}
    for each in own.pop("defaults", None) or ["_self_"]:
        if isinstance(each, str):
            added = own if each == "_self_" else load_file(name_inherited(name, each), folders)
            merged |= {key: value for key, value in added.items() if value != "???" or key not in merged}
    return merged


def name_inherited(name: str, entry: str) -> str:
    """The name of the file that an entry in the defaults list of the file `name` means."""
    return str(PurePosixPath("/", name).parent / entry.removesuffix("@_here_")).lstrip("/")


def find_file(name: str, folders: tuple[Path, ...] | None = None) -> Path | None:
    """The file of that name, such as experiment/paper/relu, in the first folder that has it."""
    paths = (folder / f"{name}.yaml" for folder in folders or list_folders())
    return next((path for path in paths if path.is_file()), None)


def list_experiments() -> list[str]:
    """What may be given for experiment=, such as paper/relu."""
    return [
        str(path.relative_to(folder / "experiment").with_suffix(""))
        for folder in list_folders()
        for path in sorted((folder / "experiment").rglob("*.yaml"))
    ]


def read_file(path: Path) -> dict[str, Any]:
    """The mapping in the file. Raises Mistake if it has none."""
    try:
        content = load_yaml(path.read_text(encoding="utf-8"))  # ten times as fast as OmegaConf.load
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Mistake(f"{path} can't be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict | None):
        raise Mistake(f"{path} can't be read: expected KEY: VALUE in each line.")
    return content or {}


def list_targets(group: str) -> set[str]:
    """The _target_s that the files of the group name. Only these are ever imported for it."""
    return _list_targets(load_files(group))


def is_own(group: str, target: Any) -> bool:
    """Whether conf/ doesn't name that target: only an own file can."""
    return target not in _list_targets(_load_files(group, (CONF,)))


def _list_targets(files: Mapping[str, dict[str, Any]]) -> set[str]:
    targets = (file.get("_target_") for file in files.values())
    return {target for target in targets if isinstance(target, str) and target != "???"}


def get_module_name(config: DictConfig) -> str:
    """alexnet_cifar, from the _target_ alexnet.models.alexnet_cifar.AlexNetCifar; of an own model the target."""
    module, target = config._target_.rpartition(".")[0], config._target_
    return module.removeprefix("alexnet.models.") if module.startswith("alexnet.models.") else target


def find_option(group: str, target: str) -> str:
    """The name to type for that _target_, such as alexnet_cifar or adam; the target's last name if no file has it."""
    names = (name for name, file in load_files(group).items() if file.get("_target_") == target)
    return next(names, target.rpartition(".")[2])


def list_run_keys() -> list[str]:
    """The keys of conf/train.yaml that belong to the run itself."""
    return [key for key in load_files("")["train"] if key != "hydra"]


def default_of(config: Mapping[str, Any], path: str) -> Any:
    """The value that the files give the option; None if they give none. path: its whole name, such as optimizer.lr."""
    group, _, key = path.rpartition(".")
    target = config[group].get("_target_") if group else None
    same = (file for file in load_files(group).values() if file.get("_target_") == target)
    return next((file[key] for file in same if file.get(key, "???") != "???"), None)
