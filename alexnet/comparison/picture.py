"""Draws comparisons: the learning curves, and the metric over each swept key."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter, MaxNLocator, NullFormatter

from alexnet.comparison.compare import Comparison, rank_by_metric
from alexnet.comparison.configurations import Curve
from alexnet.comparison.curves import choose_curves, get_level, list_curves
from alexnet.comparison.groups import Group
from alexnet.comparison.over import draw_over
from alexnet.comparison.panels import Panel, list_panels
from alexnet.comparison.placing import DPI, HEIGHT, Cell, Key, Row, place
from alexnet.comparison.points import draw_panel, has_intervals
from alexnet.comparison.styles import (
    CURVE_COLOURS,
    MOST_COLOURS,
    Style,
    choose_styles,
)
from alexnet.comparison.wording import Wording, parse_labels
from alexnet.errors import Mistake, make_printable
from alexnet.messages.lines import join_sentences
from alexnet.runs.plots import use_fonts
from alexnet.runs.texts import Texts

PICTURES = (".png", ".pdf", ".svg")
MOST_TOGETHER = 4  # configurations whose training and validation curves share a panel
LOOK: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 8.5,
    "legend.title_fontsize": 8.5,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "text.parse_math": False,  # names may have dollar signs
    "pdf.fonttype": 42,  # publishers refuse matplotlib's default
}


def draw(
    groups: Sequence[Group], path: str | Path, title: str = "", labels: Sequence[str] = (), over: str | None = None
) -> None:
    """Draws each group below the other: the curves that belong to the metric, and the metric over each swept key.

    200 dpi. labels: NAME=TEXT, for what stands in the picture; see parse_labels. over: a key; then only the metric over
    that is drawn, see over.py, which raises Mistake, too.
    Raises Mistake if the file's ending is not a picture's, if the picture has no such NAME, or if the file can't be
    written.
    """
    path = Path(path)
    if path.suffix.lower() not in PICTURES:
        raise Mistake(f"--plot {path}: the name must end in {' or '.join(PICTURES)}: --plot curves.png.")
    given = parse_labels(labels, [group.comparison for group in groups])
    use_fonts()
    with matplotlib.rc_context(LOOK):
        figure = make_figure(groups, title, given, over)
        try:
            figure.savefig(path, dpi=DPI)
        except OSError as error:
            raise Mistake(
                f"--plot {path} can't be written: {error.strerror}. Name a file in an existing folder."
            ) from error


def make_figure(
    groups: Sequence[Group], title: str = "", labels: Mapping[str, str] | None = None, over: str | None = None
) -> Figure:
    """labels: texts by the names that they stand for."""
    figure = Figure(dpi=DPI)  # and not pyplot's, which keeps all figures and warns of many
    FigureCanvasAgg(figure)  # measures quicker
    rows: list[Row] = []
    for group in groups:
        wording = Wording(group.comparison, labels or {})
        drawn = [draw_over(figure, wording, over)] if over is not None else _draw_group(figure, wording)
        drawn[0].title = make_printable(group.name) if len(groups) > 1 else ""
        if rows and rows[-1].note == drawn[-1].note:
            rows[-1].note = ""
        rows += drawn
    place(figure, rows, title)
    return figure


def _draw_group(figure: Figure, wording: Wording) -> list[Row]:
    comparison = wording.comparison
    styles, key = _style_configurations(wording)
    curves = _draw_curves(figure, wording, styles, key)
    panels = list_panels(comparison)
    cells = [draw_panel(figure, panel, wording, styles) for panel in panels]
    if len(curves) == 1 and len(cells) > 1:
        curves[0].columns = 2
    rows = [Row(curves[start : start + 2]) for start in range(0, len(curves), 2)]
    if len(cells) == 1 and (len(rows) == 1 or (rows and cells[0].height == HEIGHT)):
        rows[0].cells.append(cells.pop())
    if rows:
        rows[-1].key = key
    for cell in cells:
        if rows and rows[-1].key is None and sum(each.columns for each in (*rows[-1].cells, cell)) <= 2:
            rows[-1].cells.append(cell)
        else:
            rows.append(Row([cell]))
    if not rows:
        rows = [Row([_draw_nothing(figure, wording.texts)])]
    rows[-1].note = _write_note(comparison, wording.texts, has_bands(styles), panels)
    return rows


def _draw_nothing(figure: Figure, texts: Texts) -> Cell:
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    axes.set_axis_off()
    axes.text(0.5, 0.5, texts.no_runs, ha="center", va="center", transform=axes.transAxes)
    return Cell(axes, HEIGHT / 3)


def has_bands(styles: Mapping[int, Style]) -> bool:
    """Whether curves have a band of one standard deviation: many bands would hide one another."""
    return sum(style.is_front for style in styles.values()) <= MOST_COLOURS


def _write_note(comparison: Comparison, texts: Texts, with_bands: bool, panels: Sequence[Panel]) -> str:
    """What the picture's reader can't see in it."""
    counts = {len(each.repeats) for each in comparison.configurations if each.repeats}
    without = sum(not each.repeats for each in comparison.configurations)
    notes = []
    if max(counts, default=0) > 1:
        notes.append(texts.curves_note)
        notes += [texts.band_note] if with_bands else []
        notes += [texts.points_note] if panels else []
        notes += [texts.interval_note] if any(has_intervals(panel) for panel in panels) else []
        notes += [texts.seeds_note.format(*counts)] if len(counts) == 1 else []
    if without and counts:
        notes.append(texts.left_out_note.format(without))
    return join_sentences(*notes)


def _style_configurations(wording: Wording) -> tuple[dict[int, Style], Key]:
    """The style of each configuration, by its id, and what explains them."""
    comparison = wording.comparison
    drawn = [each for each in comparison.configurations if each.repeats]
    best = sorted(drawn, key=lambda each: rank_by_metric(each, comparison.metric))
    only = comparison.keys[0] if len(comparison.keys) == 1 else None
    numbers = [each.config.get(only) for each in drawn] if only in comparison.find_swept_keys() else []
    order = [best.index(each) for each in drawn]
    styles, key = choose_styles(
        [wording.name_curve(each) for each in drawn], order, numbers, CURVE_COLOURS, wording.texts.others
    )
    key.title = "" if only is None else wording.name_key(only)
    return {id(each): style for each, style in zip(drawn, styles, strict=True)}, key


def _draw_curves(figure: Figure, wording: Wording, styles: Mapping[int, Style], key: Key) -> list[Cell]:
    """A panel for losses and one for errors; with many configurations, one each for training and validation."""
    names = choose_curves(wording.comparison)
    kinds = [[name for name in names if name.endswith(kind)] for kind in ("loss", "error")]
    together = len(styles) <= MOST_TOGETHER
    cells: list[Cell] = []
    for kind in kinds:
        first: Axes | None = None
        for shown in [kind] if together and kind else [[name] for name in kind]:
            axes = figure.add_axes((0.1, 0.1, 0.8, 0.8), label=str(len(figure.axes)), sharey=first)
            first = first or axes
            _draw_curve_panel(axes, wording, shown, styles)
            cells.append(Cell(axes))
    if together and any(len(kind) > 1 for kind in kinds):
        points = (curve.epochs for name in names for _, curve in list_curves(wording.comparison, name))
        marker = "o" if all(len(epochs) == 1 for epochs in points) else None
        for width, fill, text in ((0.9, "white", wording.texts.training), (1.9, "grey", wording.texts.validation)):
            line = Line2D([], [], color="grey", linewidth=width, marker=marker, ms=5, markerfacecolor=fill)
            key.handles, key.names = [*key.handles, line], [*key.names, text]
    return cells


def _draw_curve_panel(axes: Axes, wording: Wording, names: Sequence[str], styles: Mapping[int, Style]) -> None:
    """names: of one curve, or of training and validation, which is thicker."""
    comparison = wording.comparison
    most, lows, highs = 1.0, [], []
    for name in names:
        is_thin = len(names) > 1 and name.startswith("training")
        for each, curve in list_curves(comparison, name):
            _draw_curve(axes, curve, styles[id(each)], is_thin, with_band=has_bands(styles) and not is_thin)
            most = max(most, curve.epochs[-1])
            lows.append(float(curve.mean.min()))
            highs.append(float(curve.mean.max()))
    kind = names[0].partition("_")[2]
    axes.set_ylabel(wording.say(names[0] if len(names) == 1 else kind))
    axes.set_xlabel(wording.say("epoch"))
    axes.set_xlim(0, most * (1.02 if most > 1 else 1.1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if kind == "loss" and min(lows) > 0 and max(highs) > 100 * min(lows):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    level = get_level(comparison)
    if level is not None and names[0] == "training_error":
        axes.axhline(level, color="black", linewidth=0.8, linestyle="--")


def _draw_curve(axes: Axes, curve: Curve, style: Style, is_thin: bool, with_band: bool) -> None:
    epochs, mean, std = curve
    order = 2.5 if style.is_front else 2
    width = 0.9 if is_thin or not style.is_front else 1.6
    marker = "." if len(epochs) < 20 and style.is_front and not is_thin else None
    if len(epochs) == 1:
        marker = "o"
    fill = "white" if is_thin else style.colour
    axes.plot(
        epochs, mean, color=style.colour, linewidth=width, marker=marker, ms=5, markerfacecolor=fill, zorder=order
    )
    if std is not None and style.is_front and with_band:
        axes.fill_between(epochs, mean - std, mean + std, color=style.colour, alpha=0.2, linewidth=0)
