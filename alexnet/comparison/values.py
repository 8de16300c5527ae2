"""Lists a comparison's unrounded values, for other programs: as rows for CSV, and nested for JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from alexnet.comparison.columns import format_folders
from alexnet.comparison.compare import Comparison
from alexnet.comparison.configurations import Configuration
from alexnet.comparison.groups import Group
from alexnet.comparison.metrics import METRICS
from alexnet.comparison.records import format_value
from alexnet.comparison.spread import Spread
from alexnet.comparison.verdicts import judge
from alexnet.errors import make_printable

PARTS = ("mean", "std", "low", "high")


def list_metrics(groups: Sequence[Group]) -> list[str]:
    """Those that the groups are compared by, then the others that nearly every run has."""
    return list(dict.fromkeys([*(name for group in groups for name in group.comparison.metrics), *METRICS]))


def list_numbers(groups: Sequence[Group]) -> tuple[list[str], list[list[Any]]]:
    """Headers and a row for each configuration of all groups: accuracies as shares, four columns a metric."""
    metrics = list_metrics(groups)
    differing = dict.fromkeys(key for group in groups for key in group.comparison.keys)
    keys = [key for key in differing if key not in ("dataset", "model")]
    rows = [
        [
            group.dataset,
            format_value(each.config.get("model")),
            *_list_row(each, keys, metrics, group.comparison.metric),
        ]
        for group in groups
        for each in group.comparison.configurations
    ]
    columns = [name if part == "mean" else f"{name}_{part}" for name in metrics for part in PARTS]
    end = ["status", "folders", "not_averaged"]
    return ["dataset", "model", *map(make_printable, keys), "n", *columns, *end], rows


def _list_row(configuration: Configuration, keys: Sequence[str], metrics: Sequence[str], metric: str) -> list[Any]:
    config = configuration.config
    spreads = [configuration.get_spread(name) for name in metrics]
    return [
        *(format_value(config[key]) if key in config else "-" for key in keys),
        len(configuration.get_values(metric)),
        *(getattr(spread, part, None) for spread in spreads for part in PARTS),
        make_printable(configuration.status),
        format_folders(configuration.records),
        make_printable("; ".join(f"{record.run.folder}: {why}" for record, why in configuration.left_out)),
    ]


def list_everything(groups: Sequence[Group]) -> dict[str, Any]:
    """All groups in plain values. metric: null if the groups are compared by different ones."""
    compared = [group.comparison for group in groups]
    by = {comparison.metric for comparison in compared}
    return {
        "metric": by.pop() if len(by) == 1 else None,
        "best_of": next((comparison.best_of for comparison in compared if comparison.best_of is not None), None),
        "groups": [
            {
                "name": group.name,
                "dataset": group.dataset,
                "model": group.model or None,
                "metric": group.comparison.metric,
            }
            for group in groups
        ],
        "configurations": [
            {"group": group.name, **_list_configuration(group.comparison, each, list_metrics([group]))}
            for group in groups
            for each in group.comparison.configurations
        ],
        "differences": [
            {
                "group": group.name,
                "best": group.comparison.name(verdict.best),
                "other": group.comparison.name(verdict.other),
                "seeds": verdict.seeds,
                "difference": _list_spread(verdict.difference),
                "distinguishable": verdict.difference is not None and not verdict.difference.contains_zero,
            }
            for group in groups
            for verdict in judge(group.comparison)
        ],
    }


def _list_configuration(comparison: Comparison, configuration: Configuration, metrics: Sequence[str]) -> dict[str, Any]:
    """runs: those that are averaged, each with all its numbers."""
    return {
        "name": comparison.name(configuration),
        "config": configuration.config,
        "seeds": list(configuration.repeats),
        "metrics": {metric: _list_spread(configuration.get_spread(metric)) for metric in metrics},
        "runs": [
            {
                "seed": seed,
                "folder": str(record.run.folder),
                "checkpoint": str(record.checkpoint) if record.checkpoint else None,
                "tags": record.config.get("tags", ()),
                "note": record.config.get("note"),
                "metrics": record.metrics,
            }
            for seed, record in configuration.repeats.items()
        ],
        "tried": list(configuration.tried),
        "status": configuration.status,
        "folders": [str(record.run.folder) for record in configuration.records],
        "not_averaged": [
            {"folder": str(record.run.folder), "status": record.status, "reason": reason}
            for record, reason in configuration.left_out
        ],
    }


def _list_spread(spread: Spread | None) -> dict[str, Any] | None:
    return None if spread is None else asdict(spread)
