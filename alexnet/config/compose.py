"""Composes a configuration with Hydra, and explains Hydra's errors in one sentence."""

import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException, ValidationError
from yaml import YAMLError

from alexnet.config import options
from alexnet.config.keys import flatten
from alexnet.config.overrides import make_parsable
from alexnet.errors import DISK, Failure, Mistake, mistakes_end_the_program, nearest

# Settings that only a launcher or a sweeper of this project has.
PLUGINS = {
    "hydra.launcher.jobs": "hydra/launcher=parallel",
    **dict.fromkeys(
        [f"hydra.launcher.{key}" for key in ("partition", "account", "minutes", "memory")], "hydra/launcher=slurm"
    ),
    **dict.fromkeys(["hydra.launcher.cpus", "hydra.launcher.gpus"], "hydra/launcher=slurm or ray"),
    "hydra.sweeper.trials": "hydra/sweeper=search",
}


class OwnFolders(SearchPathPlugin):
    """Lets Hydra find the files in the person's own folders, after those in conf/."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for folder in options.list_own_folders():
            search_path.append("own", f"file://{folder}")


def compose_config(overrides: Sequence[str]) -> tuple[DictConfig, DictConfig]:
    """The configuration that scripts/train.py composes from the overrides, unchecked, and each group's option."""
    Plugins.instance().register(OwnFolders)
    with hydra.initialize_config_dir(str(options.CONF), version_base="1.3"):
        config = hydra.compose("train", [make_parsable(given) for given in overrides], return_hydra_config=True)
    return without_hydra(config), config.hydra.runtime.choices


def without_hydra(config: DictConfig) -> DictConfig:
    """A copy without Hydra's own settings."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


@contextmanager
def checking() -> Iterator[None]:
    """Ends the program on any exception. Hydra would ignore an exception in a callback and continue."""
    with mistakes_end_the_program():
        try:
            yield
        except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in DISK:  # logging can't open train.log
                raise error.__cause__ from None
            raise Mistake(explain(error)) from error
        except (Mistake, Failure, BrokenPipeError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK:
                raise
            traceback.print_exc()  # a bug
            sys.exit(1)


def explain(error: Exception) -> str:
    """One sentence for an error of Hydra or OmegaConf, with the known name that is most similar to the given one."""
    cause = error.__cause__
    if isinstance(error, (YAMLError, UnicodeDecodeError)) and (unreadable := _find_unreadable()):
        return unreadable
    ambiguous = re.search(r"Ambiguous value for argument '(([^=]*)=(.*))'$", str(error), re.M)
    if ambiguous is not None:
        given, key, values = ambiguous.groups()
        a_list = "" if key in (*options.GROUPS, "experiment") else f", a list as {key}=[{values}]"
        return f"{given}: give one value{a_list}, or -m for a run for each."
    if isinstance(error, MissingConfigException) and error.options is not None and error.missing_cfg_file is not None:
        return _explain_option(error.missing_cfg_file, error.options)
    if isinstance(error, OverrideParseException):
        return f"'{error.override}': expected KEY=VALUE, such as optimizer.lr=0.01"
    if isinstance(cause, (ConfigKeyError, ConfigAttributeError)) and isinstance(cause.parent_node, DictConfig):
        return _explain_key(str(cause.full_key), cause.parent_node)
    unknown_group = re.search(r"Could not override '([^']+)'\.\s*No match in the defaults list", str(error))
    if unknown_group is not None:
        return f"{unknown_group[1]} isn't a group{nearest(unknown_group[1], [*options.GROUPS, 'experiment'])}"
    if "Config group override must be" in str(error):
        return "Expected a group and the name of one of its options, for example model=alexnet_cifar."
    merged = re.match(r"Error merging override (.*)", str(error))
    if merged is not None and isinstance(cause, ValidationError):
        return f"{merged[1]}: expected {_find_expected(str(cause))}."
    return " ".join(f"{error} {'' if cause is None else cause}".split())


def _find_unreadable() -> str:
    """Which of the person's own files can't be read, and why; "" if all can."""
    for path in (path for folder in options.list_own_folders() for path in sorted(folder.rglob("*.yaml"))):
        try:
            options.read_file(path)
        except Mistake as mistake:
            return str(mistake)
    return ""


def _find_expected(refusal: str) -> str:
    """What Hydra expects of one of its own settings, from OmegaConf's message, which has names of Python's types."""
    words = {"Integer": "a whole number", "Float": "a number", "bool": "true or false", "string": "one text"}
    found = re.search(rf"\b({'|'.join(words)})\b", refusal.partition("full_key")[0])
    return "another value" if found is None else words[found[1]]


def _explain_option(missing: str, known: Sequence[str]) -> str:
    """The message for a file that isn't in conf/. missing: GROUP/OPTION."""
    group, _, option = missing.rpartition("/")
    if missing.startswith("experiment/"):  # its folders hold options and aren't groups
        group, _, option = missing.partition("/")
        known = options.list_experiments()
    meant = "cuda" if (group, option) == ("device", "gpu") else option
    return f"{group}={option}: there is no such {group}{nearest(meant, known)}"


def _explain_key(key: str, parent: DictConfig) -> str:
    """The message for a key that isn't in its parent. key: its whole name."""
    prefix, dot, name = key.rpartition(".")
    if prefix == "hydra.callbacks.alexnet":  # version 0.1.0 had them there
        return f"{key} isn't a key of this configuration; did you mean report.{name}?"
    if key in PLUGINS:
        return f"{key} is a setting of {PLUGINS[key]}: give that, too."
    known = [str(option) for option in parent if option not in ("_target_", "hydra")]
    root: Any = parent._get_root()
    elsewhere = [path for path in flatten(without_hydra(root)) if path.rpartition(".")[2] == name]
    near = nearest(name, elsewhere) if elsewhere else nearest(name, known, prefix + dot)
    return f"{key} isn't a key of this configuration{near}"
