"""Applies key=value to a saved configuration, and quotes values for Hydra's grammar."""

import re
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from alexnet.config import options
from alexnet.config.keys import flatten, list_changes
from alexnet.errors import Mistake, nearest


def quote(text: str) -> str:
    """The text in quotes, so that Hydra's grammar reads it as it is. A backslash counts there only before a quote."""
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"


def make_parsable(argument: str) -> str:
    """The argument key=value. The value is quoted if Hydra's grammar can't read it otherwise, such as 图像 or im(1).

    A note is a text in any case: its commas don't begin a sweep.
    """
    key, equals, value = argument.partition("=")
    if argument.startswith("-") or not equals:
        return argument
    in_quotes = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    if key.lstrip("+") == "note" and value != "null" and not in_quotes:
        return f"{key}={quote(value)}"
    words = value[1:-1].split(",")
    is_list = key in ("tags", "dataset.only") and value == f"[{value[1:-1]}]"
    in_list = [f"{key}=[{','.join(map(quote, words))}]"] if is_list else []
    for given in (argument, *in_list):
        try:
            OverridesParser.create().parse_override(given)
            return given
        except HydraException:
            continue
    return f"{key}={quote(value)}"


def with_overrides(config: DictConfig, overrides: Sequence[str]) -> tuple[DictConfig, list[tuple[str, Any, Any]]]:
    """A copy of the configuration with `key=value` and `group=option` applied, and (key, before, after) of each change.

    The values aren't checked. Raises Mistake for another form of override, and for an unknown key or option.
    """
    changed = DictConfig(OmegaConf.to_container(config))
    OmegaConf.set_struct(changed, True)
    try:
        for override in OverridesParser.create().parse_overrides([make_parsable(given) for given in overrides]):
            _apply(override, changed)
    except (HydraException, OmegaConfBaseException) as error:
        raise Mistake(f"{' '.join(overrides)}: {' '.join(str(error).split())}") from error
    OmegaConf.set_struct(changed, False)
    return changed, list_changes(flatten(config), flatten(changed))


def _apply(override: Override, config: DictConfig) -> None:
    """Changes the configuration by one override."""
    key, value = override.key_or_group, override.value()
    if override.type is not OverrideType.CHANGE or override.is_sweep_override():
        raise Mistake(f"{override.input_line}: expected key=value or group=option.")
    if key in options.GROUPS:
        option, files = str(value), options.load_files(key)
        if option not in files:
            raise Mistake(f"{key}={option}: there is no such {key}{nearest(option, list(files))}")
        OmegaConf.update(config, key, files[option], merge=False)
        return
    known = [*flatten(config), *options.GROUPS]
    if key not in known:
        raise Mistake(f"{key} isn't a key of this run's configuration{nearest(key, known)}")
    OmegaConf.update(config, key, value, merge=False)
