"""The ways in which a program ends early: one sentence and an exit status, no stack trace. Imports messages.lines only.

`status` goes into result.json, `exit_status` to the shell.
"""

import io
import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from errno import EACCES, EDQUOT, EFBIG, EIO, ENOSPC, EPERM, EPIPE, EROFS
from typing import Any

from alexnet.messages.lines import show

MOST_CHARACTERS = 2000  # of a message
MOST_NAMES = 25  # that are all listed
USUAL_NAMES = (
    *("validation_accuracy", "test_accuracy", "best_loss", "final_loss", "seconds", "epochs", "batch_size"),
    *("dataset", "model", "optimizer", "optimizer.lr", "schedule", "seed", "tags", "n", "started", "folder", "status"),
)
WANTS_TRACE = os.environ.get("HYDRA_FULL_ERROR") == "1"  # read before scripts/train.py sets it for Hydra
# Controls of terminals, line breaks, what turns the direction of writing, what is invisible. The two joiners of emoji
# and of some scripts stay, except next to ASCII.
UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)


def make_printable(text: Any) -> str:
    """The text in one line, without characters that could control a terminal: they become escapes, such as \\x1b."""
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def shorten(text: str, most: int = 200) -> str:
    """The text, or the start and the end of a longer one."""
    return text if len(text) <= most else f"{text[: most // 2]}...{text[-(most // 2) :]}"


def make_sentence(message: str) -> str:
    """A message for a terminal, parts of which anybody may have written."""
    return make_printable(re.sub(r"\s*\n\s*", " ", shorten(message.strip(), MOST_CHARACTERS)))


class _Ended(Exception):
    """Parts of the message may come from an untrusted folder."""

    def __str__(self) -> str:
        return make_sentence(super().__str__())


class Mistake(_Ended):
    """A person can correct it. The message says what was given, what was expected and what to type."""

    status, exit_status = "failed", 2


class Damaged(Mistake):
    """A file in a run's folder isn't what a run writes."""


class Failure(_Ended):
    """No network, a full disk and the like. The message says what happened and how to get around it."""

    status, exit_status = "failed", 1


class Diverged(_Ended):
    """The loss is NaN or infinite."""

    status, exit_status = "diverged", 1


def nearest(given: Any, known: Sequence[str], prefix: str = "") -> str:
    """The end of a sentence about an unknown name: asks for the most similar known name, or lists the known names.

    lr is most similar to optimizer.lr. Of more than MOST_NAMES only the usual ones are listed.
    """
    within = [name for name in known if re.split("[./]", name)[-1] == str(given)]
    close = within or get_close_matches(str(given)[:100], known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {prefix}{close[0]}?"
    if len(known) <= MOST_NAMES:
        return f"; there are {', '.join(sorted(known)) or 'none'}."
    listed = [name for name in USUAL_NAMES if name in known] or sorted(known)[:10]
    return f"; there are {', '.join(listed)} and {len(known) - len(listed)} more."


# What a disk or its rights refuse. No other OSError is expected: it is a bug, and shows its trace.
DISK = (ENOSPC, EDQUOT, EFBIG, EROFS, EACCES, EPERM, EIO)


@contextmanager
def mistakes_end_the_program() -> Iterator[None]:
    """Turns a Mistake, a Failure, a full disk or Ctrl-C into one message on stderr and the exit status.

    With HYDRA_FULL_ERROR=1 the stack trace of what caused it comes first.
    If the reader of the output, such as `head`, has ended, the program ends quietly.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ± or Chinese still prints the line
    try:
        try:
            yield
        except (Mistake, Failure) as error:
            if WANTS_TRACE and error.__cause__ is not None:
                traceback.print_exception(error.__cause__)
            show(error, sys.stderr)
            sys.exit(error.exit_status)
        except (KeyboardInterrupt, ImportError) as error:
            if not _is_interrupt(error):
                raise
            print("stopped by SIGINT", file=sys.stderr)
            sys.exit(130)
        finally:
            if sys.stdout is not None:  # it is None if the program was started with it closed
                sys.stdout.flush()  # Python's own flush at the end would print a stack trace
    except OSError as error:
        if error.errno not in (*DISK, EPIPE):
            raise
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is flushed to the reader again
        if error.errno in DISK:
            show(describe_disk(error), sys.stderr)
            sys.exit(1)
        ended = error.__context__
        sys.exit(ended.code if isinstance(ended, SystemExit) else 0)


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether it is Ctrl-C. A compiled library that is stopped in its import makes an ImportError of that."""
    return isinstance(error, KeyboardInterrupt) or (
        isinstance(error, ImportError) and _is_interrupt(error.__cause__ or error.__context__)
    )


def describe_disk(error: OSError) -> str:
    """A sentence about an error of DISK."""
    if error.filename is None:
        return f"What was to be written is incomplete: {error.strerror}. Make room there, then give the command again."
    return f"{error.filename} can't be used: {error.strerror}."
