"""Builds what a group of the configuration names: only what conf/ offers, with errors in one sentence."""

import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from hydra._internal.utils import _locate  # get_object also logs an error
from omegaconf import DictConfig, OmegaConf

from alexnet.config import options
from alexnet.config.checks import FOR_OTHERS
from alexnet.errors import Failure, Mistake

NO_MEMORY = re.compile("allocate memory|MemoryError|out of memory")  # a processor's, a worker's, a GPU's


def call(group: str, config: DictConfig, *arguments: Any, **others: Any) -> Any:
    """What the group's target makes of its own options and what else it is given. Raises Mistake if it refuses them."""
    own = {name: value for name, value in read_options(config).items() if name not in FOR_OTHERS.get(group, ())}
    with refusing(group, config):
        return find_target(group, config)(*arguments, **own, **others)


@contextmanager
def refusing(group: str, config: DictConfig) -> Iterator[None]:
    """Raises Mistake for what a class or function raises: a bad option may be the cause. Lack of memory isn't one."""
    try:
        yield
    except (Mistake, Failure, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        message = " ".join(str(error).split())
        if NO_MEMORY.search(message) or (group == "dataset" and isinstance(error, OSError)):  # a disk's, a network's
            raise
        names_option = re.search(rf"\b({'|'.join(map(re.escape, map(str, config)))}|size)=", message)
        if isinstance(error, ValueError) and (names_option or config._target_.startswith("torch.")):
            raise Mistake(message if message.startswith(f"{group}.") else f"{group}: {message}") from error
        raised = " ".join("".join(traceback.format_exception_only(error)).split())
        raise Mistake(
            f"{group}: {config._target_} doesn't take these options{_list_own_values(group, config)}: "
            f"{raised}{_find_place(config._target_, error)}. HYDRA_FULL_ERROR=1 before the command shows the trace."
        ) from error


def _find_place(target: str, error: BaseException) -> str:
    """Where the target's file, or what it called, raised the error: ', raised in FILE, line 3'; '' if neither did."""
    own = getattr(sys.modules.get(target.rpartition(".")[0]), "__file__", None)
    frames = traceback.extract_tb((error.__cause__ or error).__traceback__)
    places = [frame for frame in frames if frame.filename == own] or frames[-1:]
    return "".join(
        f", raised in {frame.filename}, line {frame.lineno}" for frame in places[-1:] if frame.filename != __file__
    )


def _list_own_values(group: str, config: DictConfig) -> str:
    """The options that aren't the defaults of conf/, to be named in a message: ' (width=-3)'."""
    values = read_options(config).items()
    defaults = {key: options.default_of({group: config}, f"{group}.{key}") for key, _ in values}
    changed = [f"{key}={value}" for key, value in values if value != defaults[key]]
    return f" ({' '.join(changed)})"[:200] if changed else ""


def _import(group: str, name: str) -> Any:
    """Raises Mistake if there is no such module, or it raises an error."""
    options.make_importable()
    try:
        return _locate(name)
    except (Exception, SystemExit) as error:  # the module may end the program
        cause = error.__cause__ or error
        raised = " ".join("".join(traceback.format_exception_only(cause)).split())
        if isinstance(cause, ModuleNotFoundError) and cause.name == name:
            raised = "{0} has no {2}".format(*name.rpartition("."))
        frames = traceback.extract_tb(cause.__traceback__)
        own = [each for each in frames if not re.search("importlib|hydra.*utils", each.filename)]
        place = "".join(f", raised in {each.filename}, line {each.lineno}" for each in own[-1:])
        raise Mistake(f"{group}._target_={name} can't be imported: {raised}{place}.") from error


def find_target(group: str, config: DictConfig) -> Callable[..., Any]:
    """The group's class or function. Raises Mistake if no file in conf/ names it, or it is of another kind."""
    name = config._target_
    if name not in options.list_targets(group):
        raise Mistake(f"{group}._target_={name} isn't named by any file in conf/{group}.")
    target = _import(group, name)
    kind = {"model": torch.nn.Module, "optimizer": torch.optim.Optimizer}.get(group)
    if kind is not None:
        right = isinstance(target, type) and issubclass(target, kind)
    else:  # a function, by the name that it was defined under
        right = f"{target.__module__}.{target.__qualname__}" == name
    if not right:
        raise Mistake(f"{group}._target_={name} leads to {target}, not to a valid {group}.")
    return target


def read_options(config: DictConfig) -> dict[str, Any]:
    values: Any = OmegaConf.to_container(config, resolve=True)
    return {key: value for key, value in values.items() if key != "_target_"}
