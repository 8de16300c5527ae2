"""What a tracker is told of a run: all of it follows from the content of the run's folder, so a copy says the same."""

import json
import struct
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from alexnet.comparison.records import Record, flatten_config, format_value, is_usable, read
from alexnet.config.keys import MAY_CHANGE
from alexnet.errors import Damaged, make_printable
from alexnet.runs.folder import Run
from alexnet.runs.reading import read_bytes

MOST_ROWS = 100_000  # of a table with more, every second, fourth, ... row is sent
MOST_OPTIONS = 1000  # a run has about 100
MOST_COLUMNS = 50
MOST_PICTURE, MOST_PIXELS = 2**25, 20_000  # bytes; a side
PNG = b"\x89PNG\r\n\x1a\n"
POSITION = ("epoch", "batch", "step")  # the columns that say where a row belongs
TRAINED = ("model", "dataset", "optimizer", "schedule", "seed", "batch_size")  # the keys that no resuming changes


class Row(NamedTuple):
    """A row of losses.csv or epochs.csv. seconds: of training until then; values: (name, number)."""

    step: int
    seconds: float
    values: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Identity:
    """Which run it is, wherever its folder lies.

    former: what a run without an id is known by, as version 0.1.0 wrote them; one that is resumed gets an id.
    """

    id: str
    former: str
    starts: int  # how often it was started or resumed

    @property
    def ids(self) -> list[str]:
        """All that a tracker may know it by."""
        return list(dict.fromkeys([self.id, *([self.former] if self.starts > 1 else [])]))


class Part(NamedTuple):
    """That a run is part of a sweep. members: the sweep's runs among those that are sent, in their order."""

    folder: Path
    members: list[Identity]


@dataclass(frozen=True)
class Snapshot:
    """A run as its folder is now."""

    record: Record
    identity: Identity
    began: float  # seconds since 1970
    options: dict[str, str]  # as compare.py shows them
    rows: list[Row]  # by step
    figures: dict[str, float]  # of a finished run, as compare.py has them; those of each class are in result.json
    result: str | None  # the text of result.json
    pictures: dict[str, bytes]  # PNG files

    @property
    def status(self) -> str:
        return make_printable(self.record.status)

    @property
    def reason(self) -> str:
        return make_printable(self.record.reason)

    @property
    def last_step(self) -> int:
        return self.rows[-1].step if self.rows else 0

    @property
    def seconds(self) -> float:
        """From the start to the end, as far as the folder says."""
        return self.figures.get("seconds", self.rows[-1].seconds if self.rows else 0.0)

    def digest(self) -> str:
        """The same for two snapshots that say the same."""
        told = [self.options, self.rows, self.figures, self.result, self.status, self.reason]
        pictures = {name: sha256(content).hexdigest() for name, content in self.pictures.items()}
        return sha256(json.dumps([*told, pictures]).encode()).hexdigest()


def identify(run: Run) -> Identity | None:
    """None if the run has written nothing yet. Raises Damaged if a file in the folder is not what a run writes."""
    environment, result = run.environment(), run.result()
    if not environment and not run.is_done():
        return None
    started = str(environment.get("started", (result or {}).get("started", "")))
    trained = {
        key: format_value(value)
        for key, value in sorted(flatten_config(run.config()).items())
        if key.partition(".")[0] in TRAINED and key not in MAY_CHANGE and value is not None
    }
    former = _hash(started, trained)
    own = former if environment.get("id") is None else _hash(started, str(environment["id"]))
    return Identity(own, former, len(environment.get("earlier", [])) + 1)


def _hash(*parts: Any) -> str:
    return sha256(json.dumps(parts).encode()).hexdigest()[:32]


def take(run: Run, identity: Identity) -> Snapshot:
    """Raises Damaged if a file in the folder is not what a run writes."""
    record = read(run)
    if len(record.config) > MOST_OPTIONS:
        raise Damaged(f"{run.folder} has more than {MOST_OPTIONS} options, and no run has so many.")
    result = run.result()
    figures = {name: value for name, value in record.metrics.items() if not name.startswith("per_class_accuracy.")}
    return Snapshot(
        record,
        identity,
        _read_start(run.environment().get("started", record.started)),
        {make_printable(key): format_value(value) for key, value in record.config.items()},
        _read_rows(run, record.config.get("batch_size")),
        {make_printable(name): float(value) for name, value in figures.items()},
        None if result is None else _encodable(json.dumps(result, indent=1, ensure_ascii=False)),
        {path.name: content for path in (run.curve, run.confusion) if (content := _read_picture(path))},
    )


def _encodable(text: str) -> str:
    """Without halves of characters, which JSON may have and UTF-8 may not: they become escapes."""
    return text.encode(errors="backslashreplace").decode()


def _read_start(started: Any) -> float:
    """Seconds since 1970; 0 if the run doesn't say."""
    try:
        return max(datetime.fromisoformat(started).timestamp(), 0.0)
    except (TypeError, ValueError, OverflowError, OSError):
        return 0.0


def _read_rows(run: Run, batch_size: Any) -> list[Row]:
    """The rows of both tables by step, an epoch's after those of its windows."""
    tables = {"window": run.windows(), "epoch": run.epochs()}
    parts = [(step, kind, row) for kind, rows in tables.items() for step, row in _number(run, rows).items()]
    parts.sort(key=lambda part: part[0])  # stable: windows stay before epochs
    rows, seconds, before = [], 0.0, 0
    for step, kind, row in parts:
        speed = row.get("images_per_second")
        if kind == "window" and type(batch_size) is int and speed and is_usable(speed) and speed > 0:
            seconds += (step - before) * batch_size / speed
            before = step
        values = ((f"{kind}/{make_printable(name)}", value) for name, value in row.items() if name not in POSITION)
        sent = ((name, value) for name, value in values if value is not None and is_usable(value))
        rows.append(Row(step, seconds, tuple(sent)))
    return rows


def _number(run: Run, rows: list[dict[str, float | None]]) -> dict[int, dict[str, float | None]]:
    """The rows by their step, thinned out if they are very many. Raises Damaged for a step that no run writes."""
    if rows and len(rows[0]) > MOST_COLUMNS:
        raise Damaged(f"A table in {run.folder} has more than {MOST_COLUMNS} columns, and no run writes so many.")
    stride = 1
    while len(rows) > stride * MOST_ROWS:
        stride *= 2
    numbered = {}
    for row in rows[stride - 1 :: stride]:
        step = row.get("step")
        if step is None or not (0 <= step < 2**53 and step == int(step)):
            raise Damaged(f"A table in {run.folder} has a row without a step.")
        numbered[int(step)] = row
    return numbered


def _read_picture(path: Path) -> bytes | None:
    """A PNG file of the run's own; None for anything else: a link could lead to any file of the person who sends."""
    if path.is_symlink():
        return None
    content = read_bytes(path, MOST_PICTURE) or b""
    return content if content.startswith(PNG) and max(measure_picture(content)) <= MOST_PIXELS else None


def measure_picture(content: bytes) -> tuple[int, int]:
    """Width and height in pixels of a PNG file."""
    width, height = struct.unpack(">II", content[16:24].ljust(8, b"\0"))
    return width, height
