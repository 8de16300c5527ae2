"""Fits a comparison's table into the columns of a terminal.

What can be spared depends on what it is, so tables aren't left to rich, which squeezes and wraps every column.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from wcwidth import wcwidth

from alexnet.comparison.columns import Column
from alexnet.comparison.compare import Comparison
from alexnet.errors import make_printable
from alexnet.messages.console import translate
from alexnet.messages.lines import measure, wrap

LEAST_VALUES = 14  # with less room for a value, there is no column for each run
GAP = 2  # spaces between two columns
LEAST_FOLDERS = 12  # with less room, the folders are left out
WIDE_KEYS = 36  # with less room, the interval is left out
LEAST_KEYS = 20
SPARED = ("seconds", "epochs", "model", "data set")  # of a list of runs, in this order
LEAST_SHOWN = {"folder": 12, "tags": 12, "note": 16, "status": 8, "data set": 8}  # columns of cells that may be cut


def fit(comparison: Comparison, columns: Sequence[Column], width: int) -> tuple[list[Column], list[str]]:
    """The columns that fit, and notes on what isn't shown.

    First headers get two lines. Then the folders are cut, then they go, then the interval does. If that isn't enough,
    one column has what differs in each row from the usual values.
    """
    *shown, folders = columns
    tight, without = _break_headers(shown), _break_headers(_drop(shown, "interval"))
    for each in (shown, tight):
        if (last := _fit_folders(each, folders, width)) is not None:
            return [*each, last], _note_missing(columns, [*each, last])
    if _measure(tight) <= width:
        return tight, _note_missing(columns, tight)
    if (last := _fit_folders(without, folders, width)) is not None:
        return [*without, last], _note_missing(columns, [*without, last])
    if _measure(without) <= width:
        return without, _note_missing(columns, without)
    rest = _break_headers(_drop(shown, "key"))
    if width - _measure(rest) - GAP < WIDE_KEYS:
        rest = _drop(rest, "interval")
    keys, usual = _join_keys(comparison, max(LEAST_KEYS, width - _measure(rest) - GAP))
    return [keys, *rest], [*usual, *_note_missing(columns, rest)]


def _fit_folders(others: Sequence[Column], folders: Column, width: int) -> Column | None:
    """The folders as far as there is room beside the others; None if there is too little."""
    for each in (folders, *_break_headers([folders])):
        if _measure([*others, each]) <= width:
            return each
    room = width - _measure(others) - GAP
    return _cut(each, room) if room >= LEAST_FOLDERS else None


def _note_missing(columns: Sequence[Column], shown: Sequence[Column]) -> list[str]:
    """A sentence on the columns that aren't shown, or whose cells are cut."""
    there = {column.kind for column in shown}
    missing = [column.kind for column in columns if column.kind in ("interval", "folders") and column.kind not in there]
    if len(missing) == 2:
        return [translate("95% interval and folders are left out: --json or a wider terminal has them")]
    if missing == ["interval"]:
        return [translate("the 95% interval is left out: --json or a wider terminal has it")]
    if missing:
        return [translate("folders are left out: --json or a wider terminal has them")]
    is_cut = shown[-1].cells != columns[-1].cells
    return [translate("folders are cut: --json or a wider terminal has all")] if is_cut else []


def fit_overview(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns with headers of two lines and the first column's names cut, as far as it is needed."""
    if _measure(columns) <= width:
        return list(columns)
    first, *rest = _break_headers(columns)
    room = max(LEAST_FOLDERS, width - _measure(rest) - GAP)
    return [first._replace(cells=[_cut_text(cell, room) for cell in first.cells]), *rest]


def fit_runs(columns: Sequence[Column], width: int) -> tuple[list[Column], list[str]]:
    """The columns of a list of runs, and the headers of those that there is no room for.

    Cells are cut before a column goes. Tags and notes always stay, because a person typed them.
    """
    spared = [each for each in SPARED if each in [column.kind for column in columns]]
    for number in range(len(spared) + 1):
        shown = [column for column in columns if column.kind not in spared[:number]]
        whole = [max(map(measure, (column.kind, *column.cells))) for column in shown]
        widths = [min(full, LEAST_SHOWN.get(column.kind, full)) for column, full in zip(shown, whole, strict=True)]
        room = width - sum(widths) - GAP * (len(widths) - 1)
        if room >= 0:
            break
    kinds = [column.kind for column in shown]
    for kind in LEAST_SHOWN:
        if kind in kinds:
            place = kinds.index(kind)
            more = min(whole[place] - widths[place], max(room, 0))
            widths[place], room = widths[place] + more, room - more
    cut = [
        column._replace(cells=[_CUTS.get(column.kind, cut_end)(cell, least) for cell in column.cells])
        for column, least in zip(shown, widths, strict=True)
    ]
    return cut, spared[:number]


def fit_cells(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """The headers and rows of any table. The last column is wrapped, and the one before it if it is long."""
    table = [list(row) for row in (headers, *rows)]
    for number in (-2, -1):
        others = sum(max(measure(row[place]) for row in table) + GAP for place in range(len(headers) + number))
        room = max((width - others) // -number - GAP * (number == -2), LEAST_KEYS)
        for row in table:
            row[number] = wrap(row[number], room, "")
    return table


def fit_values(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[list[str]] | None:
    """The headers and rows of a table, with all but the first column cut to fit; None if they have too little room."""
    keys = max(measure(row[0]) for row in (headers, *rows))
    room = (width - keys) // (len(headers) - 1) - GAP
    return [[row[0], *_cut_alike(row[1:], room)] for row in (headers, *rows)] if room >= LEAST_VALUES else None


def _cut_alike(cells: Sequence[str], room: int) -> list[str]:
    """Those that are too long from shortly before their first difference."""
    long = [cell for cell in cells if measure(cell) > room]
    if not long:
        return list(cells)
    unlike = (place for place, letters in enumerate(zip(*long, strict=False)) if len(set(letters)) > 1)
    first = next(unlike, min(map(len, long))) if len(set(long)) > 1 else 0
    ends = [len(cell) - len(_cut_text(cell[-room - 1 :], room)) + 1 for cell in long]  # no shorter than there is room
    start = max(0, min(first - room // 3, *ends))
    return [cut_end(f"…{cell[start:]}" if start and cell in long else cell, room) for cell in cells]


def _measure(columns: Sequence[Column]) -> int:
    widths = [max(map(measure, (column.header, *column.cells))) for column in columns]
    return sum(widths) + GAP * (len(widths) - 1)


def _drop(columns: Sequence[Column], kind: str) -> list[Column]:
    return [column for column in columns if column.kind != kind]


def _break_headers(columns: Sequence[Column]) -> list[Column]:
    """Headers that are wider than their cells in two lines: broken after a group's dot, a blank or an underscore."""
    return [
        column._replace(header=_break(column.header))
        if measure(column.header) > max(map(measure, column.cells))
        else column
        for column in columns
    ]


def _break(header: str) -> str:
    for sign in (".", "in ", "_", " "):
        first, found, rest = header.partition(sign)
        if found and rest:
            return f"{first}{found}\n{rest}".replace(" \n", "\n")
    return header


def _cut(folders: Column, room: int) -> Column:
    """The folders of each row as far as there is room, and how many more there are."""
    header = "\n".join(_cut_text(line, room) for line in folders.header.split("\n"))
    return folders._replace(header=header, cells=[_cut_places(cell, room) for cell in folders.cells])


def _cut_places(cell: str, room: int) -> str:
    """'09-10-03/0 +2' for '09-10-03/{0,1,2}'."""
    if measure(cell) <= room:
        return cell
    first, *others = re.split(r"[ ,]", cell)
    more = f" +{len(others)}" if others else ""
    return _cut_text(first.replace("{", "").removesuffix("}"), room - len(more)) + more


def _cut_text(text: str, room: int) -> str:
    """The end of a text that is too long: it says more of a path than the start."""
    while measure(text) > max(room, 1):
        text = "…" + text.removeprefix("…")[1:]
    return text


def cut_end(text: str, room: int) -> str:
    """The start of a text that is too long, with an ellipsis."""
    columns = list(accumulate(max(0, wcwidth(letter)) for letter in text))
    if not columns or columns[-1] <= room:
        return text
    return text[: sum(column < room for column in columns)] + "…"


def _cut_data(name: str, room: int) -> str:
    """Of an image folder the end, which tells it from others."""
    return (_cut_text if " " in name else cut_end)(name, room)


_CUTS = {"folder": _cut_text, "data set": _cut_data}


def _join_keys(comparison: Comparison, width: int) -> tuple[Column, list[str]]:
    """A column of 'key=value key=value' with what differs from the usual values, and a note with these."""
    usual = _find_usual(comparison)
    cells = []
    for each in comparison.configurations:
        values = {key: comparison.format_value(each, key) for key in comparison.keys}
        changed = {key: value for key, value in values.items() if value != usual.get(key)}
        cells.append(wrap(_join(changed), width, "") or translate("usual"))
    text = translate("usual: {}; the other rows say what differs from it")
    note = [text.format(_join(usual))] if usual else []
    return Column("key", translate("configuration"), cells), note


def _find_usual(comparison: Comparison) -> dict[str, str]:
    """The most frequent value of each key, unless it is in one row only."""
    usual = {}
    for key in comparison.keys:
        counts = Counter(comparison.format_value(each, key) for each in comparison.configurations)
        ((value, count),) = counts.most_common(1)
        if count > 1:
            usual[key] = value
    return usual


def _join(values: dict[str, str]) -> str:
    """As they are typed: 'optimizer=sgd optimizer.lr=0.1'."""
    return " ".join(f"{make_printable(key)}={value}" for key, value in values.items())
