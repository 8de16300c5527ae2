"""Places the panels of a figure by measuring them, so that nothing covers or squeezes anything.

Every panel gets the same room. The numbers and names around its axes are measured and get their part of it; legends
and colour bars are below the panels, and the figure becomes as high as all that needs. Lengths are in inches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

ROOM, HEIGHT = 4.4, 2.5  # of a panel with what is around it; of its axes
LEAST_LEFT, LEAST_RIGHT = 0.7, 0.2  # around the axes, so that those of a column are in line
DPI = 200
GAP, EDGE = 0.15, 0.12  # between panels and below rows; around the figure
LINES = 3  # that a name may take


@dataclass
class Key:
    """A legend, or a colour bar, that belongs to panels."""

    handles: Sequence[Any] = ()
    names: Sequence[str] = ()
    title: str = ""
    colours: Any = None  # a ScalarMappable: draws a colour bar and not a legend
    ticks: Sequence[float] = ()  # of the colour bar


@dataclass
class Cell:
    axes: Axes
    height: float = HEIGHT
    columns: int = 1  # 2: as wide as two panels
    ticks: Sequence[float] = ()  # numbers to write on the x axis, as far as there is room
    key: Key | None = None


@dataclass
class Row:
    cells: list[Cell] = field(default_factory=list)
    title: str = ""  # above
    key: Key | None = None  # below all panels
    note: str = ""  # below the key


def place(figure: Figure, rows: Sequence[Row], title: str = "") -> None:
    """Gives the figure its size, and everything in the rows its place."""
    width = ROOM * max(sum(cell.columns for cell in row.cells) for row in rows) + 2 * EDGE
    moves: list[Callable[[float], None]] = []  # to be called with the figure's height, once it is known
    top = EDGE
    figure.set_size_inches(width, 10)  # measured is in inches, so any height does
    if title:
        top += _write(figure, moves, title, top, width, size="large", centred=True)
    for row in rows:
        if row.title:
            top += GAP
            top += _write(figure, moves, row.title, top, width, size="large")
        top = _place_cells(figure, moves, row.cells, top)
        if row.key is not None and (row.key.handles or row.key.colours):
            top += _place_key(figure, moves, row.key, EDGE, top, ROOM * sum(cell.columns for cell in row.cells))
        if row.note:
            top += _write(figure, moves, row.note, top, width, size="small")
    height = top + EDGE
    figure.set_size_inches(width, height)
    for move in moves:
        move(height)


def _write(figure: Figure, moves: list, text: str, top: float, width: float, size: str, centred: bool = False) -> float:
    """Returns the height of the text."""
    place = (0.5, "center") if centred else (2 * EDGE / width, "left")
    colour = "#555555" if size == "small" else "black"
    written = figure.text(place[0], 0, text, ha=place[1], va="top", fontsize=size, color=colour)
    wrap(written, width - 4 * EDGE)
    moves.append(lambda height: written.set_y(1 - top / height))
    return measure(written)[1] + GAP


def _place_cells(figure: Figure, moves: list, cells: Sequence[Cell], top: float) -> float:
    """Returns where the row ends."""
    around = [_measure_around(figure, cell) for cell in cells]
    above = max(margins[3] for margins in around)
    start, end = EDGE, top
    for cell, (left, right, below, _) in zip(cells, around, strict=True):
        box = (start + left, top + above, ROOM * cell.columns - left - right, cell.height)
        moves.append(lambda height, axes=cell.axes, box=box: _set_box(figure, axes, box, height))
        bottom = top + above + cell.height + below + GAP
        if cell.key is not None:
            bottom += _place_key(figure, moves, cell.key, start, bottom, ROOM * cell.columns)
        start, end = start + ROOM * cell.columns, max(end, bottom)
    return end


def _measure_around(figure: Figure, cell: Cell) -> tuple[float, float, float, float]:
    """What the axes' numbers and names take: left, right, below, above. Writes the ticks that there is room for."""
    axes, room = cell.axes, ROOM * cell.columns
    left, right = LEAST_LEFT, LEAST_RIGHT
    for _ in range(2):  # the numbers at a narrower axis may be others
        _set_box(figure, axes, (left, 1, room - left - right, cell.height), figure.get_figheight())
        if cell.ticks:
            thin_ticks(figure, axes, cell.ticks)
        wrap(axes.xaxis.label, room - left - right)
        wrap(axes.yaxis.label, cell.height)
        outer, inner = axes.get_tightbbox() or axes.bbox, axes.bbox
        left = max(LEAST_LEFT, (inner.x0 - outer.x0) / DPI + EDGE)
        right = max(LEAST_RIGHT, (outer.x1 - inner.x1) / DPI + EDGE)
    return left, right, (inner.y0 - outer.y0) / DPI, (outer.y1 - inner.y1) / DPI


def _set_box(figure: Figure, axes: Axes, box: tuple[float, float, float, float], height: float) -> None:
    """box: left, top (from the figure's top), width, height."""
    width = figure.get_figwidth()
    axes.set_position((box[0] / width, 1 - (box[1] + box[3]) / height, box[2] / width, box[3] / height))


def _place_key(figure: Figure, moves: list, key: Key, left: float, top: float, room: float) -> float:
    """Returns the height that it takes. At most `room` wide."""
    if key.colours is not None:
        return _place_colour_bar(figure, moves, key, left + LEAST_LEFT, top, room - LEAST_LEFT - LEAST_RIGHT)
    legend = figure.legend(key.handles, key.names, title=key.title or None, loc="upper center", frameon=False)
    widest = 0.0
    for text in (*legend.get_texts(), legend.get_title()):
        wrap(text, room - 0.6)
    widest = max(measure(text)[0] for text in legend.get_texts()) + 0.45  # with the line before it
    texts = [text.get_text() for text in legend.get_texts()]
    title = legend.get_title().get_text()
    legend.remove()
    columns = max(1, min(len(texts), int(room / widest)))
    legend = figure.legend(
        key.handles, texts, title=title or None, loc="upper center", frameon=False, ncols=columns, borderaxespad=0
    )
    middle = left + room / 2

    def move(height: float) -> None:
        legend.set_bbox_to_anchor((middle / figure.get_figwidth(), 1 - top / height), transform=figure.transFigure)

    moves.append(move)
    return legend.get_window_extent().height / DPI + GAP


def _place_colour_bar(figure: Figure, moves: list, key: Key, left: float, top: float, room: float) -> float:
    width = min(room, 4.0)
    axes = figure.add_axes((0.1, 0.5, 0.8, 0.1))
    figure.colorbar(key.colours, cax=axes, orientation="horizontal")
    axes.minorticks_off()
    axes.grid(visible=False)
    axes.set_xlabel(key.title)
    box = (left + (room - width) / 2, top, width, 0.12)
    _set_box(figure, axes, box, figure.get_figheight())
    thin_ticks(figure, axes, key.ticks)
    wrap(axes.xaxis.label, room)
    below = (axes.bbox.y0 - (axes.get_tightbbox() or axes.bbox).y0) / DPI
    moves.append(lambda height: _set_box(figure, axes, box, height))
    return 0.12 + below + GAP


def thin_ticks(figure: Figure, axes: Axes, ticks: Sequence[float]) -> None:
    """Writes those of the numbers that don't overlap one another, from the smallest one on."""
    kept: list[float] = []
    end = float("-inf")
    for tick in sorted(set(ticks)):
        text = figure.text(0, 0, f"{tick:.4g}", fontsize=axes.xaxis.get_ticklabels()[0].get_fontsize())
        half = text.get_window_extent().width / 2
        text.remove()
        middle = axes.transData.transform((tick, 0))[0]
        if middle - half > end:
            kept.append(tick)
            end = middle + half + 0.08 * DPI
    axes.set_xticks(kept, [f"{tick:.4g}" for tick in kept])
    axes.minorticks_off()


def measure(text: Text) -> tuple[float, float]:
    """Width and height."""
    box = text.get_window_extent()
    return box.width / DPI, box.height / DPI


def wrap(text: Text, room: float) -> None:
    """Breaks the text into at most LINES lines, which take up to `room` along their direction. The rest becomes '…'."""
    content = text.get_text()
    along = 1 if text.get_rotation() == 90 else 0
    taken = measure(text)[along]
    if taken <= room or "\n" in content:
        return
    length = max(8, int(len(content) * room / taken * 0.92))
    text.set_text("\n".join(break_lines(content, length)))


def break_text(figure: Figure, content: str, room: float) -> str:
    """The content in lines that take up to `room`, as numbers at an axis are written."""
    text = figure.text(0, 0, content)
    wrap(text, room)
    text.remove()
    return text.get_text()


def break_lines(content: str, length: int) -> list[str]:
    """At most LINES lines of up to `length` characters, broken after a space or punctuation where there is one."""
    lines: list[str] = []
    while content and len(lines) < LINES:
        part = content[:length]
        if len(content) > length:
            space = max(part.rfind(mark) for mark in (" ", ",", "，", "。", "/", "_", "-"))
            if space > length // 2:
                part = part[: space + 1]
        lines.append(part.rstrip())
        content = content[len(part) :].lstrip()
    if content:
        lines[-1] = lines[-1][: length - 1] + "…"
    return lines
