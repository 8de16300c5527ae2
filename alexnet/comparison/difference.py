"""In what runs differ: the keys of configuration and environment that don't have the same value in all."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from alexnet.comparison.configurations import differing
from alexnet.comparison.records import Record, flatten_config, format_value, make_printable
from alexnet.errors import Mistake


def differences(records: Sequence[Record]) -> tuple[list[str], list[list[str]]]:
    """A table: headers (key and the runs' folders) and a row for each key that differs.

    Raises Mistake for fewer than two runs, Damaged for an environment that can't be read.
    """
    if len(records) < 2:
        raise Mistake(f"--diff needs two runs or more, and found {len(records)}: --diff FOLDER_A FOLDER_B.")
    facts = [{**record.config, **flatten_config(_environment(record), "environment.")} for record in records]
    rows = [
        [make_printable(key), *(brief(each[key]) if key in each else "-" for each in facts)]
        for key in differing(facts)
        if key not in ("data_sha256", "extended_from")  # stand there as environment.data_sha256 and so on
    ]
    return ["key", *(make_printable(record.run.folder) for record in records)], rows


def _environment(record: Record) -> dict[str, Any]:
    """Of the newest process that trained the run; without when it began, which differs anyway."""
    return {key: value for key, value in record.run.environment().items() if key not in ("earlier", "started")}


def brief(value: Any) -> str:
    """A text of many lines, such as what differs from the commit, by its length and hash."""
    lines = value.splitlines() if isinstance(value, str) else []
    if len(lines) > 1:
        return f"{len(lines)} lines, sha256 {sha256(value.encode(errors='replace')).hexdigest()[:8]}"
    return format_value(value)
