"""A command's arguments in, one call, its exit status out."""

import argparse
import sys
from collections.abc import Callable, Sequence
from math import inf

from alexnet.errors import mistakes_end_the_program


def above_zero(kind: type) -> Callable[[str], float]:
    """The type of an option that takes a finite int or float above 0: what else is given, argparse refuses."""

    def number(text: str) -> float:
        value = kind(text)
        if not 0 < value < inf:
            raise argparse.ArgumentTypeError(f"{text}: expected a number above 0")
        return value

    number.__name__ = kind.__name__  # for argparse's own message
    return number


def run_on_folder(description: str, action: Callable[[str, Sequence[str]], int]) -> None:
    """A script that takes a folder and overrides: calls action(folder, overrides), which gives the exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", help="a run's folder, such as outputs/2026-11-24/12-00-00 or a job of a sweep")
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="what is to be different")
    arguments = parser.parse_args()
    with mistakes_end_the_program():
        sys.exit(action(arguments.folder, arguments.overrides))
