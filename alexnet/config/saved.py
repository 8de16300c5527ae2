"""A run's saved configuration, as data that anybody may have written, and with overrides."""

from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from alexnet.config import checks, options
from alexnet.errors import Mistake
from alexnet.launch import sweep
from alexnet.runs.folder import Run


def saved_config(run: Run) -> DictConfig:
    """The folder's resolved configuration, checked: a stranger may have written it.

    A key that conf/train.yaml got after the run was saved has its usual value there, and that is printed.
    Raises Mistake where there is none, and for any value or target that the project itself wouldn't use.
    """
    saved = run.config()
    if not saved:
        raise Mistake(f"{run.folder} isn't the folder of a run: there is no config.yaml in it.")
    for key, value in checks.flat(saved).items():
        if "${" in f"{key} {value}":
            raise Mistake(f"{run.folder}/config.yaml is refused: {key} has an interpolation, ${{...}}.")
    try:
        config = OmegaConf.create(saved)
    except OmegaConfBaseException as error:
        raise Mistake(f"{run.folder}/config.yaml is refused: {' '.join(str(error).split())}") from error
    for key in options.top_level():
        if key not in config and key not in checks.LAUNCH:
            config[key] = options.usual(config, key)
            print(f"{run.folder}/config.yaml has no {key}: taken as {config[key]}, which is usual.")
    checks.check(config)
    return config


def overridden(config: DictConfig, overrides: Sequence[str]) -> tuple[DictConfig, list[tuple[str, Any, Any]]]:
    """A copy with `key=value` and `group=option` applied, and the (key, before, after) of all that differs.

    Raises Mistake for what isn't of that form, and for an unknown key or option.
    """
    changed = OmegaConf.create(OmegaConf.to_container(config))
    OmegaConf.set_struct(changed, True)
    try:
        parsed = OverridesParser.create().parse_overrides(list(map(sweep.parsable, overrides)))
        for override in parsed:
            key, value = override.key_or_group, override.value()
            if override.type is not OverrideType.CHANGE or override.is_sweep_override():
                raise Mistake(f"{override.input_line}: expected key=value or group=option.")
            if key in options.GROUPS:
                value = _option(key, value)
            elif key not in (known := [*checks.flat(changed), *options.GROUPS]):
                raise Mistake(f"{key} isn't a key of this run's configuration{options.nearest(key, known)}")
            OmegaConf.update(changed, key, value, merge=False)
    except (HydraException, OmegaConfBaseException) as error:
        raise Mistake(f"{' '.join(overrides)}: {' '.join(str(error).split())}") from error
    OmegaConf.set_struct(changed, False)
    checks.check(changed)
    return changed, checks.differing(checks.flat(config), checks.flat(changed))


def _option(group: str, option: str) -> DictConfig:
    files = options.files(group)
    if option not in files:
        raise Mistake(f"{group}={option}: there is no such {group}{options.nearest(str(option), list(files))}")
    file = files[option]
    bases = [_option(group, base) for base in file.get("defaults", []) if base != "_self_"]
    return OmegaConf.merge(*bases, OmegaConf.masked_copy(file, [key for key in file if key != "defaults"]))
