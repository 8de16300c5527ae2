"""Lists the keys of configuration and environment whose values differ between runs."""

import sys
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from alexnet.comparison.columns import find_common_parent, format_folders, label_folders
from alexnet.comparison.configurations import find_differing_keys
from alexnet.comparison.records import Record, flatten_config, format_value
from alexnet.config.keys import DATA_BY_LENGTHS, align_data_hashes
from alexnet.errors import Mistake, make_printable
from alexnet.messages.console import translate

MOST_NAMED = 3  # runs that have the usual value

# Of environment.json: the start, which always differs, what is the run's own, and what follows from the data.
NOT_COMPARED = ("id", "started", "earlier", "config", "config_before", "classes", "channels")


def list_differences(records: Sequence[Record], whole: bool = False) -> tuple[list[str], list[list[str]]]:
    """A table: its headers (key and the runs' folders), and a row for each key that differs.

    whole: also long values of one line.
    Raises Mistake if there are fewer than two runs, Damaged if an environment can't be read.
    """
    if len(records) < 2:
        raise Mistake(f"--diff needs two runs or more, and found {len(records)}: --diff FOLDER_A FOLDER_B.")
    environments = align_data_hashes([_read_environment(record) for record in records])
    facts = [
        {**record.config, **flatten_config(environment, "environment.")}
        for record, environment in zip(records, environments, strict=True)
    ]
    rows = [
        [make_printable(key), *(format_fact(each[key], whole) if key in each else "-" for each in facts)]
        for key in find_differing_keys(facts)
        if key not in ("data_sha256", "extended_from")  # the environment has them, too
        and key != f"environment.{DATA_BY_LENGTHS}"  # data_sha256 says more
    ]
    return ["key", *(make_printable(record.run.folder) for record in records)], rows


def list_values(records: Sequence[Record], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """The table of list_differences for many runs: a row for each value of each key, with the runs that have it.

    A value that most runs have, and more than MOST_NAMED, comes last and is said to be that of the others.
    """
    common, listed = find_common_parent(records), []
    for key, *cells in rows:
        counts = Counter(cells)
        usual = {value for value, count in counts.items() if count > max(MOST_NAMED, len(cells) / 2)}  # one or none
        for number, value in enumerate(sorted(counts, key=usual.__contains__)):
            having = [record for record, cell in zip(records, cells, strict=True) if cell == value]
            folders = translate("the others") if value in usual else format_folders(having, common)
            listed.append(["" if number else key, value, folders])
    return ["key", "value", label_folders(common)], listed


def _read_environment(record: Record) -> dict[str, Any]:
    """The environment of the newest process that trained the run."""
    return {key: value for key, value in record.run.environment().items() if key not in NOT_COMPARED}


def format_fact(value: Any, whole: bool = False) -> str:
    """The value in one line. A text of several lines becomes its number of lines and its hash; a long one, too, and a
    long list is cut, but for `whole`.
    """
    lines = value.splitlines() if isinstance(value, str) else []
    if len(lines) > 1 or (lines and len(value) > 200 and not whole):
        return f"{len(lines)} lines, sha256 {sha256(value.encode(errors='replace')).hexdigest()[:8]}"
    return format_value(value, sys.maxsize) if whole else format_value(value)
