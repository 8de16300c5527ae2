"""Shows lines and bars on the console: as many as `console` asks for, in the language that `language` asks for."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, TextIO

from alexnet.messages.chinese import CHINESE
from alexnet.messages.lines import fit, show

if TYPE_CHECKING:
    from tqdm import tqdm

logger = logging.getLogger(__name__)

# Of a log record, as its `extra`.
RESULT = {"result": True}  # shown with console=quiet, too
LOG_ONLY = {"log_only": True}  # written to train.log, not shown

SECONDS = 10.0  # between two lines that stand in for a bar
MOST_LINES = 50

asked_for = {"console": "normal", "language": "en"}  # by the command that this process runs


def configure(console: Any, language: Any) -> None:
    """Sets what the console shows from now on. console: quiet, normal or verbose. language: en or zh."""
    asked_for.update(console=console, language=language)


def translate(text: str) -> str:
    """The text in the person's language. Its English is the key in chinese.py."""
    return CHINESE.get(text, text) if asked_for["language"] == "zh" else text


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """translate() gives this language meanwhile."""
    before = asked_for["language"]
    asked_for["language"] = language
    try:
        yield
    finally:
        asked_for["language"] = before


def is_quiet() -> bool:
    return asked_for["console"] == "quiet"


def say(text: str, *values: Any) -> None:
    """Prints a line that train.log needn't have, with values in place of each {}."""
    if not is_quiet():
        with _above_bars(sys.stdout):
            show(translate(text).format(*values))


def warn(text: str, *values: Any) -> None:
    """Prints a line to stderr, with values in place of each {}."""
    with _above_bars(sys.stderr):
        show(translate(text).format(*values), sys.stderr)


def from_here(path: str | Path) -> Path:
    """The path as short as it can be typed here."""
    path, here = Path(path), Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


class Console(logging.StreamHandler):
    """The handler of the console's log lines. They appear above a bar, if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        if not _is_wanted(record):
            return
        with _above_bars(self.stream):
            super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.exc_info else fit(text, self.stream)


def _above_bars(stream: TextIO) -> AbstractContextManager[None]:
    """What is written meanwhile appears above the bars, if there are any."""
    module = sys.modules.get("tqdm")
    return nullcontext() if module is None else module.tqdm.external_write_mode(stream)


def _is_wanted(record: logging.LogRecord) -> bool:
    if is_quiet():
        return record.levelno >= logging.WARNING or hasattr(record, "result")
    return not hasattr(record, "log_only") and (record.levelno >= logging.INFO or asked_for["console"] == "verbose")


def make_bar(total: float | None, unit: str, **options: Any) -> "tqdm[Any]":
    """A bar on stderr that is wiped at its end; a disabled one if that is no terminal, or with console=quiet.

    unit: in English.
    """
    from tqdm import tqdm  # imported here, so that --help and mistakes are answered sooner

    disable = True if is_quiet() else None  # None: unless it is a terminal
    return tqdm(total=total, unit=translate(unit), disable=disable, leave=False, **_choose_size(), **options)


def _choose_size() -> dict[str, Any]:
    """tqdm's options for the size of a bar. It shows none in a terminal that says it has no rows, as some say."""
    try:
        columns, rows = os.get_terminal_size(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):  # no terminal
        return {"dynamic_ncols": True}
    return {"dynamic_ncols": True} if columns and rows else {"ncols": (columns or 80) - 1, "nrows": 24}


@contextmanager
def progress(text: str, total: int | None, unit: str, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Shows how far a slow pass is: a bar if stderr is a terminal, else a log line every ten seconds or so.

    Nothing is shown of a pass that takes less than a second. train.log has the lines in any case. Yields a function to
    be called with the number of things that were just done. text, unit: in English; total: None if it isn't known;
    done: by an earlier try.
    """
    from tqdm import tqdm

    said = began = perf_counter()
    before, said_at, text = done, done, translate(text)
    scale = unit == "B"  # bytes are shown as 12.3M

    def write(count: float) -> str:
        return tqdm.format_sizeof(count) if scale else f"{count:,}"

    def advance(count: int) -> None:
        nonlocal done, said, said_at
        done += count
        bar.update(count)
        now = perf_counter()
        if now - said < SECONDS or (total is not None and (done - said_at < total / MOST_LINES or done >= total)):
            return
        said, said_at = now, done
        if total is None:
            line = f"{text}: {write(done)}"
        else:
            left = tqdm.format_interval((now - began) / (done - before) * (total - done))
            line = translate("{}: {} of {}, {} left").format(text, write(done), write(total), left)
        logger.info(line, extra=None if bar.disable else LOG_ONLY)

    with make_bar(total, unit, desc=text, initial=done, unit_scale=scale, delay=1) as bar:
        try:
            yield advance
        finally:
            bar.clear()  # tqdm doesn't in the first second, in which a log line makes it appear
