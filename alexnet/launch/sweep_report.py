"""Writes a sweep's report, again after each of its jobs."""

import sys
from collections import Counter
from pathlib import Path

from omegaconf import DictConfig

from alexnet.disk import replace_text, replacing
from alexnet.errors import DISK, Damaged, nearest
from alexnet.messages.console import from_here, translate, warn
from alexnet.messages.lines import measure_terminal, show
from alexnet.runs.folder import Run, Sweep, find_runs


def score_run(run: Run) -> float | None:
    """What a search maximises: the best validation accuracy of a finished run, 0 if it diverged, else None.

    A run that was killed, or failed for another reason, says nothing about its values.
    """
    result = run.result()
    if result is None:
        return None
    if result.get("status") == "finished":
        return result.get("validation_accuracy")
    return 0.0 if result.get("status") == "diverged" else None


def write_report(sweep_folder: str | Path, asked: DictConfig) -> str:
    """Writes sweep.csv, sweep.md and sweep.png of the jobs so far, and returns the table for the console.

    A row is a configuration, averaged over its seeds. asked: the configuration's `report`.
    """
    # Imported here because they take longer than --help or a mistake should take to answer.
    from alexnet.comparison.groups import compare_groups
    from alexnet.comparison.metrics import METRICS, is_epochs_to
    from alexnet.comparison.picture import draw
    from alexnet.comparison.records import read_all
    from alexnet.comparison.tables import describe

    sweep = Sweep(sweep_folder)
    records = read_all([str(sweep.folder)], lambda line: show(line, sys.stderr))
    known = {*METRICS, *(name for record in records for name in record.metrics)}
    given = asked.metrics or []
    metrics = [name for name in given if name in known or is_epochs_to(name)]
    unknown = [name for name in given if name not in metrics]
    if unknown and known != {*METRICS}:  # before the first job has finished, only METRICS are known
        near = nearest(unknown[0], sorted(known))
        warn("report.metrics: no run here has {}", ", ".join(unknown) + near)
    groups = compare_groups(records, metrics or None, best_of=asked.best_of, across_models=True)
    try:
        replace_text(sweep.csv, describe("csv", groups) + "\n", shared=True)
        replace_text(sweep.markdown, describe("markdown", groups, verbose=True) + "\n", shared=True)
        with replacing(sweep.picture, shared=True) as temporary:
            draw(groups, temporary)
    except OSError as error:  # the jobs go on without it
        if error.errno not in DISK:
            raise
        warn("The report in {} isn't complete: {}.", from_here(sweep.folder), error.strerror)
    return describe("text", groups, width=measure_terminal(sys.stdout))


def say_where_the_report_is(folder: str | Path) -> None:
    """Names the files of the report that are there, also with console=quiet."""
    sweep = Sweep(from_here(folder))
    there = [path for path in (sweep.markdown, sweep.csv, sweep.picture) if path.is_file()]
    if there:
        first, *others = there
        show("\n" + translate("Report: {}").format(", ".join([str(first), *(path.name for path in others)])))


def count_statuses(folder: str | Path) -> Counter[str]:
    """How many of the sweep's jobs finished, diverged, failed and so on."""
    return Counter(map(_read_status, find_runs(folder)))


def _read_status(run: Run) -> str:
    try:
        result = run.result()
    except Damaged:
        return "damaged"
    return "unfinished" if result is None else str(result.get("status", "unfinished"))
