"""Parses the arguments of the scripts."""

import argparse
import sys
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, NoReturn

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
    with mistakes_end_the_program():
        refuse_console_flags(sys.argv[1:])
        arguments = vars(parser.parse_intermixed_args())  # options may stand anywhere
        if not trains:
            refuse_torchrun()
            sys.exit(action(**arguments))
        arguments["overrides"] = add_processes(arguments["overrides"])
        sys.exit(lead_or_follow(lambda: action(**arguments)))
