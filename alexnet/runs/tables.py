"""The tables of a run: rows are appended as it trains, and cut back to a checkpoint when it is resumed."""

import csv
import io
from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from shlex import quote
from typing import Any

from alexnet.disk import sync
from alexnet.errors import Damaged
from alexnet.runs.reading import MOST_TABLE, read_bytes

TABLES = ("losses.csv", "epochs.csv")


def append_row(path: Path, row: dict[str, Any], check: Callable[[], Any] = lambda: None) -> None:
    """Writes one row, after a header if it is the first.

    check: ends a program that may not write any more. If it stands still after that, it writes to a file that the
    next program has replaced.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, row, lineterminator="\n")
    is_new = not path.exists()
    with open(path, "a", encoding="utf-8") as file:  # one write per row: a reader sees whole rows only
        if file.tell() == 0:
            writer.writeheader()
        writer.writerow(row)
        check()
        file.write(text.getvalue())
    sync(path)  # a checkpoint must never be on disk before the rows up to it
    if is_new:
        sync(path.parent)


def describe(folder: Path) -> dict[str, list[Any]]:
    """Of each table [number of rows, SHA-256 of the text with its header], without a half-written row."""
    return {name: _describe(_read_lines(folder / name)) for name in TABLES}


def cut(folder: Path, described: dict[str, list[Any]]) -> dict[Path, str]:
    """The texts as they were when `describe` gave that. Raises Damaged if they aren't there any more."""
    texts = {}
    for path, (rows, digest) in ((folder / name, described[name]) for name in TABLES):
        lines = _read_lines(path)
        kept = lines[: rows + 1] if rows > 0 else []
        if rows > _describe(kept)[0]:
            found = _describe(lines)[0]
            raise _refuse(path, f"expected rows: {rows}, found: {found}")
        if _describe(kept)[1] != digest:
            raise _refuse(path, "its rows aren't those that the run wrote (their SHA-256 differs)")
        texts[path] = b"".join(kept).decode()
    return texts


def cut_by_column(folder: Path, epoch: int, step: int) -> dict[Path, str]:
    """The rows up to there, for a checkpoint of version 0.1.0, which doesn't describe the tables.

    Raises Damaged for other tables, and if a row is missing.
    """
    losses, epochs = folder / "losses.csv", folder / "epochs.csv"
    texts = {losses: _cut_by_column(losses, "step", step), epochs: _cut_by_column(epochs, "epoch", epoch)}
    windows, ends = (_read_numbers(path, text) for path, text in texts.items())
    if len(ends) != epoch:
        raise _refuse(epochs, f"expected a row for each epoch, rows: {epoch}, found: {len(ends)}")
    batches = int(ends[-1]["step"]) // epoch if epoch > 0 else step  # of an epoch
    length = batches  # of a window, in batches; log_every may have been another one in another epoch
    for number in range(1, epoch + 2):
        done = batches if number <= epoch else step - epoch * batches
        found = {int(row["batch"]) for row in windows if row["epoch"] == number}
        if found:
            length = min(after - before for before, after in pairwise([0, *sorted(found)]))
        elif epoch == 0:  # nothing tells how long a window is
            break
        if missing := set(range(length, done + 1, max(length, 1))) - found:
            raise _refuse(losses, f"the row of epoch {number}, batch {min(missing)} is missing")
    return texts


def _cut_by_column(path: Path, key: str, last: int) -> str:
    """The rows whose value in a column isn't above `last`. Raises Damaged if there is no such column."""
    lines = [line.decode(errors="replace") for line in _read_lines(path)]
    if not lines or not last:  # empty if the run was stopped before its first row
        return ""
    try:
        column = lines[0].strip().split(",").index(key)
        return "".join([lines[0], *(line for line in lines[1:] if int(line.split(",")[column]) <= last)])
    except (IndexError, ValueError) as error:
        raise Damaged(f"{path} is damaged: expected a table with a column {key}.") from error


def _read_numbers(path: Path, text: str) -> list[dict[str, float]]:
    """The rows, of the columns that tell where a row belongs. Raises Damaged if one isn't a number."""
    try:
        rows = list(csv.DictReader(io.StringIO(text), strict=True))
        return [{key: float(row[key]) for key in ("epoch", "batch", "step") if key in row} for row in rows]
    except (TypeError, ValueError, csv.Error) as error:
        raise _refuse(path, "it isn't a table of numbers") from error


def _refuse(path: Path, why: str) -> Damaged:
    again = f"python scripts/resume.py {quote(str(path.parent))} --from-start"
    return Damaged(f"{path} is damaged: {why}. Bring it back, or train from epoch 1: {again}")


def check(folder: Path, described: Any) -> None:
    """Raises Damaged if a table isn't as it was when `describe` gave that. described: of an untrusted file."""
    for name, now in describe(folder).items():
        if isinstance(described, dict) and described.get(name, now) != now:
            raise _refuse(folder / name, "it isn't as the run wrote it (its SHA-256 differs)")


def _describe(lines: list[bytes]) -> list[Any]:
    return [len(lines) - 1, sha256(b"".join(lines)).hexdigest()] if len(lines) > 1 else [0, None]


def _read_lines(path: Path) -> list[bytes]:
    content = read_bytes(path, MOST_TABLE) or b""
    return [line for line in content.splitlines(keepends=True) if line.endswith(b"\n")]
