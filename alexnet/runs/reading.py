"""Reads YAML, JSON and tables that anybody may have written. Everything is bounded: size, depth, numbers, names.

Each bound is far above what a run writes, so that a long run can always be read.
"""

import csv
import json
import re
import reprlib
import stat
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from alexnet.errors import Damaged

MOST_DEPTH = 50
MOST_DIGITS = 100  # of a number; Python takes very long to print some longer ones, and refuses others
MOST_KEYS, MOST_NAME = 5000, 1000  # those in one another counted; characters of a key with the keys around it
MOST_YAML, MOST_NODES = 2**20, 5000  # bytes; values, lists and mappings. A run has about 200
MOST_JSON, MOST_TEXTS, MOST_PARTS = 2**26, 1_000_000, 200_000  # bytes; texts; keys, lists and mappings
MOST_VALUES = 20_000_000  # of result.json: the confusion matrix of 4,000 classes, in 50 MB
MOST_TABLE, MOST_ROWS, MOST_LINE = 2**28, 2_000_000, 10_000  # bytes; rows; characters of a row
BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C reads ten times as fast


class _PlainLoader(BASE):
    """Reads plain values only: texts, numbers, true, false, null, lists and mappings. A date is a text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []  # super() refuses another node
        names = [key.value for key, _ in pairs if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            raise ValueError("a key is there twice")
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        if len(node.value) > MOST_DIGITS:
            raise ValueError(f"a number has more than {MOST_DIGITS} digits")
        return BASE.yaml_constructors[node.tag](self, node)


TAGS = {
    kind: f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "str", "seq", "map", "int", "float", "timestamp")
}
_PlainLoader.yaml_constructors = {
    **{tag: BASE.yaml_constructors[tag] for tag in TAGS.values()},
    TAGS["int"]: _PlainLoader.construct_number,
    TAGS["float"]: _PlainLoader.construct_number,
    TAGS["timestamp"]: BASE.construct_yaml_str,
    None: BASE.construct_undefined,  # refuses every other tag
}


def load_yaml(text: str) -> Any:
    """Plain values only, whoever wrote the text.

    Raises ValueError or YAMLError for other values, aliases, more than 50 levels, 5,000 values or 100 digits. No run
    writes such, and a few aliases can stand for a billion values.
    """
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_PlainLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > MOST_DEPTH or number > MOST_NODES:
            raise ValueError(f"it has YAML aliases, more than {MOST_DEPTH} levels or {MOST_NODES} values")
    try:
        return yaml.load(text, Loader=_PlainLoader)
    except LookupError as error:  # a tag and a value that don't match: !!bool maybe, !!int ""
        raise ValueError("a value isn't of the kind that its tag names") from error


def load_json(text: str, most_values: int = MOST_VALUES) -> Any:
    """Raises ValueError for what isn't JSON, and for more levels, digits and values than a run writes."""
    bare = text.replace("\\\\", "").replace('\\"', "")
    if bare.count('"') > 2 * MOST_TEXTS:
        raise ValueError(f"it has more than {MOST_TEXTS} texts")
    bare = "".join(bare.split('"')[::2])  # what lies outside of texts
    if bare.count(",") > most_values or sum(map(bare.count, "[{:")) > MOST_PARTS:
        raise ValueError(f"it has more than {most_values} values, or more than {MOST_PARTS} keys and lists")
    depth = 0
    for bracket in re.findall(r"[][{}]", bare):
        depth += 1 if bracket in "[{" else -1
        if depth > MOST_DEPTH:
            raise ValueError(f"it has more than {MOST_DEPTH} levels")
    if re.search(rf"(?<!\d)\d{{{MOST_DIGITS + 1}}}", bare):
        raise ValueError(f"a number has more than {MOST_DIGITS} digits")
    return json.loads(text)


def read_yaml(path: Path) -> dict[Any, Any] | None:
    """The mapping in the file; None if there is no file. Raises Damaged for anything else."""
    return _read_mapping(path, MOST_YAML, load_yaml)


def read_json(path: Path, most_values: int = MOST_VALUES) -> dict[str, Any] | None:
    """The mapping in the file; None if there is no file. Raises Damaged for anything else."""
    return _read_mapping(path, MOST_JSON, partial(load_json, most_values=most_values))


def read_table(path: Path) -> list[dict[str, float | None]]:
    """The rows of a CSV file, None for an empty cell. A last line that is only half written is no row.

    Raises Damaged for anything but a table of numbers.
    """
    return _parse(path, MOST_TABLE, _load_table) or []


def read_bytes(path: Path, most: int) -> bytes | None:
    """The content of a file of at most `most` bytes; None if there is no file.

    Raises Damaged for anything else: a pipe, for example, would be waited for.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it isn't a file")
        if status.st_size > most:
            raise ValueError(f"it has more than {most >> 20} MB, and no run writes so much")
        with open(path, "rb") as file:
            return file.read(most)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _refuse(path, error) from error


def _read_mapping(path: Path, most: int, load: Callable[[str], Any]) -> dict[Any, Any] | None:
    def load_mapping(text: str) -> dict[Any, Any]:
        content = load(text)
        if not isinstance(content, dict):
            raise ValueError(f"expected a mapping, not {reprlib.repr(content):.20}")
        _check_names(content, 0, count(1))
        return content

    return _parse(path, most, load_mapping)


def _parse(path: Path, most: int, load: Callable[[str], Any]) -> Any:
    """What `load` makes of the file's text; None if there is no file. Raises Damaged for what it refuses."""
    content = read_bytes(path, most)
    try:
        return None if content is None else load(content.decode().replace("\r\n", "\n"))
    except (ValueError, TypeError, RecursionError, csv.Error, yaml.YAMLError) as error:
        raise _refuse(path, error) from error


def _refuse(path: Path, error: Exception) -> Damaged:
    why = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
    why = why.replace('in "<unicode string>", ', "in ")  # PyYAML's name for a text
    return Damaged(f"{path} can't be read: {why.rstrip('.')}.")


def _check_names(content: dict[Any, Any], length: int, numbers: Iterator[int]) -> None:
    """Raises ValueError for many or long keys. Each key is later written with those around it, which have `length`."""
    for key, value in content.items():
        total = length + len(str(key)) + 1
        if total > MOST_NAME or next(numbers) > MOST_KEYS:
            raise ValueError(f"it has more than {MOST_KEYS} keys, or more than {MOST_NAME} characters in one")
        if isinstance(value, dict):
            _check_names(value, total, numbers)


def _load_table(text: str) -> list[dict[str, float | None]]:
    if text.count("\n") > MOST_ROWS:
        raise ValueError(f"it has more than {MOST_ROWS} rows")
    lines = text.split("\n")[:-1]
    if max(map(len, lines), default=0) > MOST_LINE:
        raise ValueError(f"a row has more than {MOST_LINE} characters")
    header, *rows = filter(None, csv.reader(lines, strict=True)) if lines else [[]]
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"a row hasn't the {len(header)} cells of the first one")
    return [{name: float(cell) if cell else None for name, cell in zip(header, row, strict=True)} for row in rows]
