"""The tables of a run: rows are appended as it trains, and cut back to a checkpoint when it is resumed."""

import csv
import io
from hashlib import sha256
from pathlib import Path
from typing import Any

from alexnet.disk import sync
from alexnet.errors import Damaged
from alexnet.runs.reading import MOST_TABLE, read_bytes

TABLES = ("losses.csv", "epochs.csv")


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Writes one row, after a header if it is the first."""
    text = io.StringIO()
    writer = csv.DictWriter(text, row, lineterminator="\n")
    is_new = not path.exists()
    if is_new or path.stat().st_size == 0:
        writer.writeheader()
    writer.writerow(row)
    with open(path, "a", encoding="utf-8") as file:  # one write per row: a reader sees whole rows only
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
            raise Damaged(f"{path} is damaged: the run wrote {rows} rows, and {_describe(lines)[0]} are there.")
        if _describe(kept)[1] != digest:
            raise Damaged(f"{path} is damaged: its rows aren't those that the run wrote (their SHA-256 differs).")
        texts[path] = b"".join(kept).decode()
    return texts


def cut_by_column(folder: Path, epoch: int, step: int) -> dict[Path, str]:
    """The rows up to there, for a checkpoint of version 0.1.0, which doesn't describe the tables.

    Raises Damaged for other tables.
    """
    texts = {}
    for path, key, last in ((folder / "losses.csv", "step", step), (folder / "epochs.csv", "epoch", epoch)):
        lines = [line.decode(errors="replace") for line in _read_lines(path)]
        if not lines or not last:  # empty if the run was stopped before its first row
            texts[path] = ""
            continue
        try:
            column = lines[0].strip().split(",").index(key)
            kept = [line for line in lines[1:] if int(line.split(",")[column]) <= last]
        except (IndexError, ValueError) as error:
            raise Damaged(f"{path} is damaged: expected a table with a column {key}.") from error
        texts[path] = "".join([lines[0], *kept])
    return texts


def check(folder: Path, described: Any) -> None:
    """Raises Damaged if a table isn't as it was when `describe` gave that. described: of an untrusted file."""
    for name, now in describe(folder).items():
        if isinstance(described, dict) and described.get(name, now) != now:
            raise Damaged(f"{folder / name} isn't as the run wrote it (its SHA-256 differs): bring it back.")


def _describe(lines: list[bytes]) -> list[Any]:
    return [len(lines) - 1, sha256(b"".join(lines)).hexdigest()] if len(lines) > 1 else [0, None]


def _read_lines(path: Path) -> list[bytes]:
    content = read_bytes(path, MOST_TABLE) or b""
    return [line for line in content.splitlines(keepends=True) if line.endswith(b"\n")]
