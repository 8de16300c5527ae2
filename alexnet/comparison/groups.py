"""Puts runs into groups of the same data set and model, because only runs of one group can be compared."""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from alexnet.comparison.compare import Comparison, check_names, compare_known
from alexnet.comparison.records import Record, format_value
from alexnet.config.keys import DATA
from alexnet.runs.folder import Sweep


class Group(NamedTuple):
    """Runs of the same data set and model, compared."""

    dataset: str
    model: str  # "" if the group has the runs of all models
    comparison: Comparison

    @property
    def name(self) -> str:
        """'digits, alexnet_cifar'."""
        return f"{self.dataset}, {self.model}" if self.model else self.dataset


def compare_groups(
    records: Sequence[Record],
    metrics: Sequence[str] | None = None,
    sort: str | None = None,
    best_of: str | None = None,
    across_models: bool = False,
) -> list[Group]:
    """Compares the configurations of each group of runs, in the order of the groups' names. At least one group.

    metrics, sort, best_of: as in compare(); one group at least must have them.
    across_models: a group for each data set only. Runs of one sweep are always grouped so.
    Raises Mistake as compare() does.
    """
    check_names(records, metrics, sort, best_of)
    return [
        Group(*names, compare_known(found, metrics, sort, best_of))
        for names, found in split_records(records, across_models).items()
    ]


def split_records(records: Sequence[Record], across_models: bool = False) -> dict[tuple[str, str], list[Record]]:
    """The runs by data set and model, in the order of these names. model: "" if a group has the runs of all models."""
    by_model = not (across_models or are_one_sweep(records))
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for dataset, record in zip(name_data(records), records, strict=True):
        groups[dataset, format_value(record.config.get("model")) if by_model else ""].append(record)
    return {names: groups[names] for names in sorted(groups)}


def are_one_sweep(records: Sequence[Record]) -> bool:
    """Whether all runs are jobs of the same sweep."""
    common = Path(os.path.commonpath([os.path.abspath(record.run.folder.parent) for record in records]))
    return any(Sweep(folder).multirun.is_file() for folder in (common, *common.parents))


def name_data(records: Sequence[Record]) -> list[str]:
    """The name of each run's data set, as it was typed. Image folders are told apart by their place and contents.

    A run that ended before it read the images has no hash of them. It belongs to the runs with the same place, if
    these all had the same images.
    """
    names, contents = [], defaultdict(set)
    for record in records:
        name, only = (format_value(record.config.get(key)) for key in ("dataset", "dataset.only"))
        is_folder = name == "image_folder"
        name += f" {format_value(record.config.get('dataset.root'))}" if is_folder else ""
        name += f" {only}" if only != "null" else ""
        if is_folder:
            contents[name].add(record.config.get(DATA))
        names.append(name)
    several = {name for name, found in contents.items() if len(found - {None}) > 1}
    return [
        f"{name} ({format_value(record.config.get(DATA, 'not read'))})" if name in several else name
        for name, record in zip(names, records, strict=True)
    ]
