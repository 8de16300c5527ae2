"""Checks every value of a configuration before any work. No torch, so that mistakes are reported at once.

ranges.py has the range of each option, combinations.py the values that exclude each other, and data/facts.py the facts
about the datasets. An option that isn't in conf/ is checked only by the class that takes it, as are all options
of a person's own class or function.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from alexnet.config.combinations import check_combinations, check_images
from alexnet.config.keys import LAUNCH, flatten
from alexnet.config.options import (
    GROUPS,
    default_of,
    is_own,
    list_folders,
    list_run_keys,
    list_targets,
    load_file,
    load_files,
)
from alexnet.config.ranges import RANGES, Rule, find_rule
from alexnet.config.signatures import read_parameters
from alexnet.data.preparation import KEYS_OF_ANY_SOURCE
from alexnet.errors import Mistake, nearest
from alexnet.models.limits import TRANSFER

SECTIONS = (*GROUPS, "report")  # the keys whose values are mappings
# Parameters that aren't options: a run passes them itself, or (differentiable) training doesn't support them.
GIVEN = {
    "model": ("classes", "channels", "size"),
    "dataset": ("classes",),
    "optimizer": ("params", "fused", "capturable", "differentiable"),
    "schedule": ("epoch", "epochs", "errors"),
}
# Options that aren't parameters of the group's class or function.
FOR_OTHERS = {
    "model": TRANSFER,
    "dataset": KEYS_OF_ANY_SOURCE,
    "optimizer": ("new_layers",),
    "device": ("workers", "processes"),
}
OF_ANY = ("lr", "root", "size", "resize")  # options of any optimizer or dataset, which the project reads itself


def check_run(config: DictConfig, trains: bool = True) -> None:
    """Raises Mistake for a value, image size or number of images that is invalid on every machine.

    trains: whether the run is to be trained, and not only tested; then it needs enough images.
    """
    check(config)
    check_images(config, trains)


def check(config: DictConfig) -> None:
    """Raises Mistake for the first unknown key, unusable value or target that the project doesn't offer."""
    _check_keys(config)
    for group in GROUPS:
        _check_group(group, config.get(group))
    _check_mappings(config)
    for path, value in flatten(config).items():
        _check_value(config, path, value)
    for group in GROUPS:
        _check_options(group, config[group])
    check_combinations(config)


def _check_keys(config: DictConfig) -> None:
    """Checks that no key is unknown or missing. A saved configuration lacks the keys that only launch a run."""
    run_keys = list_run_keys()
    known = [*GROUPS, *run_keys]
    for key in map(str, config):
        if key not in known:
            raise Mistake(f"{key} isn't a key of this configuration{nearest(key, known)}")
    for key in run_keys:
        if key not in config and key not in LAUNCH:
            raise Mistake(f"{key} is missing: give {key}={default_of(config, key)}.")


def _check_group(group: str, config: Any) -> None:
    """Checks that a group is a mapping, and that a file in conf/ names its target."""
    if not isinstance(config, DictConfig):
        raise Mistake(f"{group}={config}: expected one of {', '.join(load_files(group))}.")
    target, offered = config.get("_target_"), list_targets(group)
    if target not in offered and (offered or target is not None):
        raise Mistake(
            f"{group}._target_={target} isn't one of the {group}s here ({', '.join(sorted(offered))}): "
            f"only what a file in conf/{group} names can be built, or one in DIR/{group} with --config-dir DIR."
        )
    if group == "dataset" and is_own(group, target):
        shared = {name: load_file(f"dataset/base/{name}", list_folders()) for name in ("images", "split")}
        for key in (key for file in shared.values() for key in file if key not in (*config, "_target_")):
            raise Mistake(
                f"dataset.{key} is missing, which any dataset has: begin its file with "
                f"defaults: [base/images, base/split, _self_]."
            )


def _check_mappings(config: DictConfig) -> None:
    """Checks that only SECTIONS are mappings, and that no value in them is one."""
    if "report" in config and not isinstance(config.get("report"), DictConfig):
        raise Mistake(f"report={config.get('report')}: expected report.metrics=[NAME,...] and report.best_of=KEY.")
    for key in config.get("report") or []:
        if key not in RANGES["report"]:
            raise Mistake(f"report.{key} isn't a key of this configuration{nearest(key, list(RANGES['report']))}")
    _refuse_mappings(config, "")
    for section in SECTIONS:
        if section in config:
            _refuse_mappings(config[section], f"{section}.")


def _refuse_mappings(place: DictConfig, prefix: str) -> None:
    for key in place:
        path = prefix + str(key)
        if path not in SECTIONS and not OmegaConf.is_missing(place, key) and isinstance(place[key], DictConfig):
            rule = find_rule(path)
            raise Mistake(f"{path}={place[key]} is a mapping: expected {rule.text if rule else 'a value'}.")


def _check_value(config: DictConfig, path: str, value: Any) -> None:
    """Checks that the value is there and in its range. path: the option's whole name."""
    group, _, name = path.rpartition(".")
    rule = choose_rule(path, config.get(group) if group in GROUPS else None)
    if name.startswith("_") and (name != "_target_" or group not in GROUPS):
        raise Mistake(f"{path} isn't allowed: only model, dataset, optimizer and schedule have one _target_ each.")
    if value == "???":
        raise Mistake(f"{path} has no value: give {path}=VALUE{f', {rule.text}' if rule else ''}.")
    if rule is not None and not rule.allows(value):
        raise Mistake(f"{path}={_format(value)}: expected {rule.text}{_format_example(config, path)}.")


def choose_rule(path: str, file: Mapping[str, Any] | None) -> Rule | None:
    """The rule of an option. A person's own class or function may mean something else by the name, so only what this
    project itself reads has one then. file: the group's configuration; None if the option is in none.
    """
    group, _, name = path.rpartition(".")
    target = str((file or {}).get("_target_"))
    own = "." in target and is_own(group, target) and not target.startswith("torch.")
    return None if own and name not in (*FOR_OTHERS.get(group, ()), *OF_ANY) else find_rule(path)


def _format(value: Any) -> str:
    """As it is typed; marked as text if it looks like something else, such as '3'."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str) and re.fullmatch(r"(?i)[-+]?\.?\d[\d.e_+-]*|true|false|null", value):
        return f"'{value}' (text)"
    return str(value)


def _format_example(config: DictConfig, path: str) -> str:
    default = default_of(config, path)
    return "" if default in (None, []) else f", for example {path}={_format(default)}"


def _check_options(group: str, config: DictConfig) -> None:
    """Checks that the group's class or function takes all its options, and that none is missing."""
    target = config.get("_target_", "alexnet.engine.device.choose_engine")
    needed = read_parameters(target)
    if needed is None:
        return  # the class itself refuses wrong ones
    known = [name for name in (*needed, *FOR_OTHERS.get(group, ())) if name not in GIVEN.get(group, ())]
    unknown = [name for name in map(str, config) if name not in ("_target_", *known)]
    if unknown:
        near = nearest(unknown[0], known)
        remove = " ".join(f"~{group}.{name}" for name in unknown)
        hint = "" if near.endswith("?") else f" If an experiment set it, remove it with {remove}"
        kind = "supported here as an option" if unknown[0] in needed else "an option"
        raise Mistake(f"{group}.{unknown[0]} isn't {kind} of {target.rpartition('.')[2]}{near}{hint}")
    _check_missing(group, config, [name for name in known if needed.get(name, False)])


def _check_missing(group: str, config: DictConfig, needed: Sequence[str]) -> None:
    for name in needed:
        if name not in config:
            default = default_of({group: config}, f"{group}.{name}")
            raise Mistake(f"{group}.{name} is missing: give {group}.{name}={'VALUE' if default is None else default}.")
