"""The ways in which a program ends early: one sentence and an exit status, no stack trace. Imports nothing.

`status` goes into result.json, `exit_status` to the shell.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any


class Mistake(Exception):
    """A person can correct it. The message says what was given, what was expected and what to type."""

    status, exit_status = "failed", 2


class Damaged(Mistake):
    """A file in a run's folder isn't what a run writes."""


class Failure(Exception):
    """No network, a full disk and the like. The message says what happened and how to get around it."""

    status, exit_status = "failed", 1


class Diverged(Exception):
    """The loss is NaN or infinite."""

    status, exit_status = "diverged", 1


def nearest(given: Any, known: Sequence[str], prefix: str = "") -> str:
    """The end of a sentence about an unknown name: asks for the most similar known name, or lists all known names."""
    close = get_close_matches(str(given), known, n=1, cutoff=0.5)
    return f"; did you mean {prefix}{close[0]}?" if close else f"; there are {', '.join(sorted(known)) or 'none'}."


@contextmanager
def mistakes_end_the_program() -> Iterator[None]:
    """Turns a Mistake, a Failure or Ctrl-C into one message on stderr and the exit status."""
    try:
        yield
    except (Mistake, Failure) as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        print("stopped by SIGINT", file=sys.stderr)
        sys.exit(130)
