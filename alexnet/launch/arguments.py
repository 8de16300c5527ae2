"""Parses the arguments of the scripts."""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from math import inf
from typing import Any, NoReturn

from hydra.core.override_parser.overrides_parser import OverridesParser

from alexnet.config.options import add_own_folder
from alexnet.config.processes import refuse_torchrun
from alexnet.errors import Mistake, make_printable, mistakes_end_the_program, nearest
from alexnet.launch.torchrun import add_processes, lead_or_follow
from alexnet.messages.lines import fit

CONSOLE = {
    **dict.fromkeys(("-v", "--verbose"), "console=verbose"),
    **dict.fromkeys(("-q", "--quiet"), "console=quiet"),
}


class Parser(argparse.ArgumentParser):
    """argparse's own, whose errors repeat what was typed without characters that could control a terminal.

    description: lines of at most 80 columns; the example command in its first line gets a line of its own.
    """

    def __init__(self, *, description: str, **others: Any):
        others = {"formatter_class": argparse.RawDescriptionHelpFormatter, **others}
        super().__init__(description=description.replace(": python ", ":\n\n  python ", 1), **others)

    def add_config_dir(self) -> None:
        """Adds --config-dir, which counts from the moment that it is parsed."""
        text = "a folder of your own beside conf/, as for train.py: see docs/extending.md; repeatable"
        self.add_argument("-cd", "--config-dir", action=_ConfigDir, metavar="DIR", help=text)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            ending = nearest(value, [str(choice) for choice in action.choices or ()])
            error.message += ending if "did you mean" in ending else ""
            raise

    def error(self, message: str) -> NoReturn:
        super().error(make_printable(message))

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        super().exit(status, message and fit(message, sys.stderr))


class _ConfigDir(argparse.Action):
    def __init__(self, **settings: Any):
        super().__init__(**settings, default=argparse.SUPPRESS)

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, *_: Any) -> None:
        try:
            add_own_folder(value)
        except Mistake as mistake:
            parser.error(str(mistake))


def take_config_dirs(arguments: Sequence[str]) -> list[str]:
    """The arguments of scripts/train.py with each --config-dir DIR in front, and one for each folder in
    hydra.searchpath=[file://DIR]; all these folders count from now on. So nothing of them is kept in a run's folder.

    Raises Mistake if one isn't there.
    """
    given, others, rest = list[str](), list[str](), iter(arguments)
    for each in rest:
        name, equals, value = each.partition("=")
        if name in ("-cd", "--config-dir"):
            given.append(value if equals else next(rest, ""))
        elif name.lstrip("+") == "hydra.searchpath":
            searched: Any = OverridesParser.create().parse_override(each).value()
            given += map(_find_searched, searched if isinstance(searched, list) else [searched])
        else:
            others.append(each)
    for folder in given:
        if not folder:
            raise Mistake("--config-dir: expected a folder after it.")
        add_own_folder(folder)
    return [*(f"--config-dir={folder}" for folder in given), *others]


def _find_searched(place: str) -> str:
    """The folder of file://DIR or pkg://PACKAGE."""
    kind, _, path = str(place).partition("://")
    if kind == "file":
        return path
    found = find_spec(path) if kind == "pkg" else None
    if found is None or not found.submodule_search_locations:
        raise Mistake(f"hydra.searchpath={place}: expected file://DIR, or pkg://PACKAGE of an installed package.")
    return next(iter(found.submodule_search_locations))


def refuse_console_flags(arguments: Sequence[str]) -> None:
    """Raises Mistake for what a person types who knows other programs."""
    for given in arguments:
        if given in CONSOLE:
            raise Mistake(f"{given}: an option has no dashes: give {CONSOLE[given]}")


def above_zero(kind: type) -> Callable[[str], float]:
    """The argparse type of an option that takes a finite int or float above 0."""

    def number(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < inf:
            what = "whole number" if kind is int else "number"
            raise argparse.ArgumentTypeError(f"{text}: expected a {what} above 0")
        return value

    return number


def run_on_folder(
    description: str, action: Callable[..., int], trains: bool = False, **flags: str | dict[str, Any]
) -> None:
    """Calls action(folder, overrides) with the script's arguments and exits with the status that it returns.

    trains: whether the action trains, which processes that torchrun started do together. flags: of each option that the
    script has besides, such as from_start for --from-start, what it does. The action gets it by that name: whether it
    was given. For an option with a value: argparse's settings.
    """
    parser = Parser(description=description)
    parser.add_argument("folder", help="a run's folder, such as outputs/2026-11-24/12-00-00 or a job of a sweep")
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="values to change")
    for name, effect in flags.items():
        settings = {"action": "store_true", "help": effect} if isinstance(effect, str) else effect
        parser.add_argument(f"--{name.replace('_', '-')}", **settings)
    parser.add_config_dir()
    with mistakes_end_the_program():
        refuse_console_flags(sys.argv[1:])
        arguments = vars(parser.parse_intermixed_args())  # options may stand anywhere
        if not trains:
            refuse_torchrun()
            sys.exit(action(**arguments))
        arguments["overrides"] = add_processes(arguments["overrides"])
        sys.exit(lead_or_follow(lambda: action(**arguments)))
