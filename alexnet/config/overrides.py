"""key=value on a saved configuration, and the quotes that Hydra's grammar needs."""

from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from alexnet.config import checks, options
from alexnet.config.keys import flatten, list_changes
from alexnet.errors import Mistake, nearest


def quote(text: str) -> str:
    """As a value that Hydra's grammar takes for this text, whatever is in it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def make_parsable(argument: str) -> str:
    """An argument key=value, with the value quoted where Hydra's grammar has no other way: 图像, or im(1)."""
    key, equals, value = argument.partition("=")
    if argument.startswith("-") or not equals:
        return argument
    try:
        OverridesParser.create().parse_override(argument)
        return argument
    except HydraException:  # which the parser raises for what it cannot read
        return f"{key}={quote(value)}"


def with_overrides(config: DictConfig, overrides: Sequence[str]) -> tuple[DictConfig, list[tuple[str, Any, Any]]]:
    """A copy with `key=value` and `group=option` applied, and the (key, before, after) of all that differs.

    Raises Mistake for what isn't of that form, and for an unknown key or option.
    """
    changed = OmegaConf.create(OmegaConf.to_container(config))
    OmegaConf.set_struct(changed, True)
    try:
        parsed = OverridesParser.create().parse_overrides(list(map(make_parsable, overrides)))
        for override in parsed:
            key, value = override.key_or_group, override.value()
            if override.type is not OverrideType.CHANGE or override.is_sweep_override():
                raise Mistake(f"{override.input_line}: expected key=value or group=option.")
            if key in options.GROUPS:
                value = _load_option(key, value)
            elif key not in (known := [*flatten(changed), *options.GROUPS]):
                raise Mistake(f"{key} isn't a key of this run's configuration{nearest(key, known)}")
            OmegaConf.update(changed, key, value, merge=False)
    except (HydraException, OmegaConfBaseException) as error:
        raise Mistake(f"{' '.join(overrides)}: {' '.join(str(error).split())}") from error
    OmegaConf.set_struct(changed, False)
    checks.check(changed)
    return changed, list_changes(flatten(config), flatten(changed))


def _load_option(group: str, option: str) -> DictConfig:
    files = options.load_files(group)
    if option not in files:
        raise Mistake(f"{group}={option}: there is no such {group}{nearest(str(option), list(files))}")
    file = files[option]
    bases = [_load_option(group, base) for base in file.get("defaults", []) if base != "_self_"]
    return OmegaConf.merge(*bases, OmegaConf.masked_copy(file, [key for key in file if key != "defaults"]))
