"""The ways in which a run ends early with one sentence and no stack trace.

`status` is what result.json then says, `exit_status` what the shell gets.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any


class Mistake(Exception):
    """Something a person can put right: says what was given, what was expected and what to type."""

    status, exit_status = "failed", 2


class Damaged(Mistake):
    """A file in a run's folder is not what a run writes."""


class Failure(Exception):
    """Something the world did: no network, a full disk. Says what happened and the ways out."""

    status, exit_status = "failed", 1


class Diverged(Exception):
    """The loss is no longer a number."""

    status, exit_status = "diverged", 1


def nearest(given: Any, known: list[str], prefix: str = "") -> str:
    """The end of a sentence: the known name that is nearest to the given one, or all of them."""
    close = get_close_matches(str(given), known, n=1, cutoff=0.5)
    return f"; did you mean {prefix}{close[0]}?" if close else f"; there are {', '.join(sorted(known)) or 'none'}."


@contextmanager
def mistakes_end_the_program() -> Iterator[None]:
    """A Mistake, a Failure or Ctrl-C becomes one message on stderr and its exit status."""
    try:
        yield
    except (Mistake, Failure) as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        print("stopped by SIGINT", file=sys.stderr)
        sys.exit(130)
