"""Breaks what is printed into lines as wide as the terminal, and joins sentences."""

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

NARROWEST = 20  # columns; a terminal that says less is taken for one that doesn't know
# A command stays in one piece, so that it can be copied: its words with =, a slash, a dash before them or quotes.
COMMAND = r"(?:python scripts/\S+|pip install)(?: (?:-\S+|'[^']*'\S*|[^\s']*[=/]\S*))*"
WIDE = "\u2e80-\u2fff\u3040-\u9fff\uac00-\ud7af\U00020000-\U0003ffff"  # a line may end after each of these letters
AFTER = r"[^\s\w]"  # a mark, which no line begins with
# What stays in one line, after the blank before it.
UNIT = re.compile(rf"(\s*)({COMMAND}|[^\w\s]*[{WIDE}]{AFTER}*|[^\s{WIDE}]+?(?=[^\w\s{WIDE}]*[{WIDE}]|\s|$))")


def wrap(text: str, width: int, indent: str = "  ", breaks_words: bool = True) -> str:
    """The text in lines of that width. textwrap counts no wide characters.

    breaks_words: breaks a word that is longer than a line; else it gets a line of its own, as a path must.
    """
    lines: list[str] = []
    line = ""
    for blank, unit in UNIT.findall(text):
        longer = f"{line}{blank and line and ' '}{unit}"
        if line and measure(longer) > _count_room(width, indent, lines):
            lines.append(line)
            longer = unit
        line = longer
        while breaks_words and measure(line) > (room := _count_room(width, indent, lines)):
            end = next(end for end in range(len(line), 0, -1) if end == 1 or measure(line[:end]) <= room)
            lines.append(line[:end])
            line = line[end:]
    return f"\n{indent}".join([*lines, line])


def _count_room(width: int, indent: str, lines: Sequence[str]) -> int:
    return max(width - (len(indent) if lines else 0), 2)


def measure(text: str) -> int:
    """The columns that the text takes in a terminal: two for a Chinese character."""
    from wcwidth import wcswidth  # imported here, so that a short mistake is answered sooner

    return max(max(wcswidth(line), 0) for line in text.split("\n"))


def measure_terminal(stream: Any) -> int | None:
    """The columns of the terminal that the stream goes to. None for a file or a pipe."""
    if stream is None or not stream.isatty():
        return None
    with suppress(OSError, ValueError, AttributeError):  # a stream without a file
        columns = int(os.environ.get("COLUMNS", 0)) or os.get_terminal_size(stream.fileno()).columns
        if columns >= NARROWEST:
            return columns
    return 80


def fit(text: str, stream: Any) -> str:
    """The text with its lines broken if the stream is a terminal that is narrower than they are."""
    width = measure_terminal(stream)
    if width is None:
        return text
    lines = text.split("\n")
    return "\n".join(wrap(line, width, breaks_words=False) if measure(line) > width else line for line in lines)


def show(text: Any, stream: Any = None) -> None:
    """Prints the text, with its lines as wide as the terminal. stream: None for stdout."""
    stream = sys.stdout if stream is None else stream
    print(fit(str(text), stream), file=stream, flush=True)


def join_sentences(*sentences: str) -> str:
    """One after the other, with a blank between them unless a Chinese full stop has it already."""
    return re.sub("(?<=[。！？；]) ", "", " ".join(sentences))
