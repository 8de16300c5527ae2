"""Parses the arguments of the scripts."""

import argparse
import sys
from collections.abc import Callable, Sequence
from math import inf

from alexnet.errors import mistakes_end_the_program


def above_zero(kind: type) -> Callable[[str], float]:
    """The argparse type of an option that takes a finite int or float above 0."""

    def number(text: str) -> float:
        value = kind(text)
        if not 0 < value < inf:
            raise argparse.ArgumentTypeError(f"{text}: expected a number above 0")
        return value

    number.__name__ = kind.__name__  # argparse's own message names it
    return number


def run_on_folder(description: str, action: Callable[[str, Sequence[str]], int]) -> None:
    """Calls action(folder, overrides) with the script's arguments and exits with the status that it returns."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", help="a run's folder, such as outputs/2026-11-24/12-00-00 or a job of a sweep")
    parser.add_argument("overrides", nargs="*", default=[], metavar="key=value", help="values to change")
    arguments = parser.parse_args()
    with mistakes_end_the_program():
        sys.exit(action(arguments.folder, arguments.overrides))
