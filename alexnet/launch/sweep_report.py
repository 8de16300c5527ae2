"""A sweep's report, written again after each of its jobs."""

import sys
from collections import Counter
from pathlib import Path

from omegaconf import DictConfig

from alexnet.errors import Damaged, nearest
from alexnet.launch.sweep import without_launch
from alexnet.runs.files import replace_text, replacing
from alexnet.runs.folder import Run, Sweep, find_runs


def format_job_name(settings: DictConfig) -> str:
    """'job 1 (optimizer.lr=0.1)'. settings: the job's hydra node."""
    return f"job {settings.job.num} ({' '.join(without_launch(settings.overrides.task))})"


def score_run(run: Run) -> float | None:
    """What a search maximises: the best validation accuracy, 0 for a run that diverged; None for one that has no end.

    What was killed, or failed for another reason than its values, must not count against them.
    """
    result = run.result() or {}
    return {"finished": result.get("validation_accuracy"), "diverged": 0.0}.get(result.get("status"))


def write_report(sweep_folder: str, asked: DictConfig) -> str:
    """Writes sweep.csv, sweep.md and sweep.png of the jobs so far, and returns the table for the console.

    A row is a configuration, averaged over its seeds. asked: the configuration's `report`, what to compare by.
    """
    # Here and not above: they take longer to import than --help or a mistake should take to answer.
    from alexnet.comparison.configurations import METRICS, compare, is_epochs_to
    from alexnet.comparison.picture import draw
    from alexnet.comparison.records import read_all
    from alexnet.comparison.tables import describe

    sweep = Sweep(sweep_folder)
    records = read_all([str(sweep.folder)], lambda line: print(line, file=sys.stderr))
    there = {*METRICS, *(name for record in records for name in record.metrics)}  # before the first end only METRICS
    metrics = [name for name in asked.metrics if name in there or is_epochs_to(name)]
    unknown = [name for name in asked.metrics if name not in metrics]
    if unknown and there - {*METRICS}:
        near = nearest(unknown[0], sorted(there))
        print(f"report.metrics: no run here has {', '.join(unknown)}{near}", file=sys.stderr)
    comparison = compare(records, metrics or METRICS[:1], best_of=asked.best_of)
    replace_text(sweep.csv, describe("csv", comparison) + "\n")
    replace_text(sweep.markdown, describe("markdown", comparison) + "\n")
    with replacing(sweep.picture) as temporary:
        draw(comparison, temporary)
    return describe("text", comparison)


def count_statuses(folder: str | Path) -> Counter[str]:
    """How many of the sweep's jobs have finished, diverged, failed and so on."""
    return Counter(map(_status, find_runs(folder)))


def _status(run: Run) -> str:
    try:
        return (run.result() or {}).get("status", "unfinished")
    except Damaged:
        return "damaged"
