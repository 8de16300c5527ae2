"""Formats a comparison as text, Markdown, LaTeX, CSV or JSON."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from math import isfinite
from typing import Any

from tabulate import tabulate

from alexnet.comparison.columns import Column, format_mean, label_metric, list_columns
from alexnet.comparison.compare import Comparison
from alexnet.comparison.difference import list_differences, list_values
from alexnet.comparison.groups import Group, split_records
from alexnet.comparison.layout import fit, fit_cells, fit_overview, fit_values
from alexnet.comparison.notes import more_seeds, note_choice, write_notes
from alexnet.comparison.records import Record
from alexnet.comparison.values import list_everything, list_numbers
from alexnet.errors import UNPRINTABLE, make_printable, shorten
from alexnet.messages.console import translate
from alexnet.messages.lines import measure, wrap


def describe(form: str, groups: Sequence[Group], verbose: bool = False, width: int | None = None) -> str:
    """The whole comparison. form: text, markdown, latex, csv or json.

    With several groups an overview comes first. verbose: every note, however many. width: columns of the terminal that
    text must fit in; None: any width.
    """
    if form == "csv":
        return format_csv(*list_numbers(groups))
    if form == "json":
        return format_json(list_everything(groups))
    if len(groups) == 1:
        return _describe_group(form, groups[0].comparison, write_notes(groups[0].comparison, verbose), width)
    notes = [translate("the figures are those of each table's best row"), *_gather_choices(groups)]
    parts = [_join(form, _render_overview(form, groups, width), notes, width)]
    hint = False
    for group in groups:
        notes = [note for note in write_notes(group.comparison, verbose) if note not in note_choice(group.comparison)]
        hint |= any(more_seeds() in note for note in notes)
        notes = [note.removesuffix(more_seeds()).rstrip() for note in notes]
        parts += [_write_heading(form, group.name), _describe_group(form, group.comparison, notes, width)]
    return "\n\n".join([*parts, *([_join(form, "", [more_seeds()], width).lstrip()] if hint else [])])


def _gather_choices(groups: Sequence[Group]) -> list[str]:
    """What orders the tables, once for all of them."""
    counts = Counter(note for group in groups for note in note_choice(group.comparison))
    one, several = translate("1 table is {1}"), translate("{0} tables are {1}")
    return [(several if count > 1 else one).format(count, note) for note, count in counts.items()]


def describe_differences(form: str, records: Sequence[Record], width: int | None = None) -> str:
    """What differs between the runs: a column for each. Long values are whole in JSON only.

    They are cut to fit in `width`. If even that has no room for a column for each, each group of the same data set and
    model has a row for each value.
    """
    headers, rows = list_differences(records, whole=form == "json")
    if form != "text":
        return render(form, headers, rows)
    if not rows:
        return translate("Nothing differs.")
    text = format_text(headers, rows)
    if width is None or measure(text) <= width:
        return text
    if (table := fit_values(*list_differences(records, whole=True), width)) is not None:
        return _join(form, format_text(table[0], table[1:]), [translate("long values are cut: --json has them")], width)
    groups = split_records(records)
    if len(groups) == 1:
        return _list_values(records, rows, width)
    parts = []
    for (dataset, model), found in groups.items():
        parts.append(_write_heading(form, f"{dataset}, {model}" if model else dataset))
        if len(found) == 1:
            parts.append(translate("one run: {}").format(make_printable(found[0].run.folder)))
        else:
            parts.append(_list_values(found, list_differences(found)[1], width))
    return "\n\n".join(parts)


def _list_values(records: Sequence[Record], rows: Sequence[Sequence[str]], width: int) -> str:
    names, values = list_values(records, rows)
    headers, *cells = fit_cells(names, [[key, shorten(value, width), runs] for key, value, runs in values], width)
    return format_text(headers, cells) if rows else translate("Nothing differs.")


def _render_overview(form: str, groups: Sequence[Group], width: int | None) -> str:
    """Each group's number of configurations and runs, and the figures of its best configuration."""
    by_number = sorted((group.comparison.metrics for group in groups), key=len, reverse=True)  # validation first
    metrics = dict.fromkeys(name for names in by_number for name in names)
    rows = []
    for dataset, model, comparison in groups:
        records = [record for each in (*comparison.configurations, *comparison.others) for record in each.records]
        best = comparison.find_best()
        shown = {name: None if best is None else best.get_spread(name) for name in metrics}
        runs = translate("{} of {}").format(sum(record.finished for record in records), len(records))
        means = [format_mean(spread, name) for name, spread in shown.items()]
        rows.append([dataset, model or translate("all"), str(len(comparison.configurations)), runs, *means])
    names = [translate("data set"), translate("model"), translate("rows"), translate("finished")]
    headers = [*names, *map(label_metric, metrics)]
    columns = [Column("key", header, list(cells)) for header, *cells in zip(headers, *rows, strict=True)]
    return _render_columns(form, columns if width is None or form != "text" else fit_overview(columns, width))


def _write_heading(form: str, name: str) -> str:
    if form == "markdown":
        return f"## {escape_markdown(name)}"
    return f"% {name}" if form == "latex" else f"{name}\n{'-' * len(name)}"


def _describe_group(form: str, comparison: Comparison, notes: Sequence[str], width: int | None) -> str:
    columns = list_columns(comparison)
    if form == "text" and width is not None:
        columns, cut = fit(comparison, columns, width)
        notes = [*cut, *notes]
    if form == "latex":  # the folders are for the notes: no paper has room for them
        notes = [*_list_row_folders(columns), *notes]
        columns = columns[:-1]
    return _join(form, _render_columns(form, columns), notes, width)


def _render_columns(form: str, columns: Sequence[Column]) -> str:
    rows = [list(row) for row in zip(*(column.cells for column in columns), strict=True)]
    return render(form, [column.header for column in columns], rows)


def _list_row_folders(columns: Sequence[Column]) -> list[str]:
    *_, (_, header, cells) = columns
    return [f"row {number}: {header}: {cell}" for number, cell in enumerate(cells, 1)]


def _join(form: str, table: str, notes: Sequence[str], width: int | None) -> str:
    """The table with the notes under it."""
    if form == "markdown":
        notes = [f"- {escape_markdown(note)}" for note in notes]
    elif form == "latex":
        notes = [f"% {note}" for note in notes]
    elif width is not None:
        notes = [wrap(note, width) for note in notes]
    return "\n\n".join([table, "\n".join(notes)] if notes else [table])


def render(form: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Any table. form: text, markdown, latex, csv or json."""
    if form == "csv":
        return format_csv(headers, rows)
    if form == "json":
        return format_json([dict(zip(headers, row, strict=True)) for row in rows])
    if form == "markdown":
        return format_markdown(headers, rows)
    return format_latex(headers, rows) if form == "latex" else format_text(headers, rows)


def format_text(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    # The headers are given as a row, because tabulate makes the columns of headers wider.
    return tabulate([headers, *rows], tablefmt="plain", disable_numparse=True, preserve_whitespace=True)


def format_markdown(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    headers, *rows = (list(map(escape_markdown, row)) for row in (headers, *rows))
    return tabulate(rows, headers, "github", disable_numparse=True, preserve_whitespace=True)


def escape_markdown(text: str) -> str:
    """The text as Markdown shows it: no cell ends in it, and it becomes no code, link, picture or HTML."""
    return re.sub(r"[\\`*|]|\](?=[(\[])|^\[(?=.*\]:)", r"\\\g<0>", text).replace("<", "&lt;")


def format_latex(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""A tabular for \usepackage{booktabs}."""
    table = tabulate(rows, headers, "latex_booktabs", disable_numparse=True)
    # After the \\ of a row, [ or * would be its argument.
    return re.sub(r"^ (?=[\[*])", " {}", table, flags=re.MULTILINE).replace("±", r"$\pm$")


def format_json(content: Any) -> str:
    """Every text in full. What could control a terminal is escaped, as JSON allows. NaN and Infinity become texts."""
    text = json.dumps(_make_finite(content), indent=2, ensure_ascii=False, default=str, allow_nan=False)
    return UNPRINTABLE.sub(lambda found: "\n" if found[0] == "\n" else json.dumps(found[0])[1:-1], text)


def _make_finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _make_finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_make_finite(value) for value in content]
    return str(content) if isinstance(content, float) and not isfinite(content) else content


def format_csv(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([headers, *rows])
    return file.getvalue().rstrip("\n")
