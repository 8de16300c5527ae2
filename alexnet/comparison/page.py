"""Writes a comparison as one HTML page, which contains everything it shows and opens without a network.

A run folder may be untrusted. So every text in it is escaped, only real PNG files are embedded, and the page may load
nothing and run only its own scripts.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from secrets import token_urlsafe

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from alexnet.comparison.columns import list_headers, list_rows
from alexnet.comparison.compare import Comparison
from alexnet.comparison.curves import (
    MOST_CURVES,
    choose_curves,
    choose_texts,
    get_level,
    label_curve,
    list_curves,
    name_curve,
)
from alexnet.comparison.groups import Group
from alexnet.comparison.notes import write_notes
from alexnet.comparison.records import Record
from alexnet.errors import Damaged, Mistake, make_printable
from alexnet.runs.reading import read_bytes
from alexnet.runs.texts import find_chinese_font

MOST_PICTURE = 2**22  # bytes; a run's own has at most 2 MB
MOST_PLOTS = 200  # runs with plots, about 0.3 MB each
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write(groups: Sequence[Group], path: str | Path) -> None:
    """Writes the page: the table, the notes, the curves and the plots of each run.

    Raises Mistake if there are several groups, or if the file can't be written.
    """
    from plotly.offline import get_plotlyjs

    if len(groups) > 1:
        names = "; ".join(group.name for group in groups)
        raise Mistake(f"--html shows one data set and model; here are {names}. Choose one with --where.")
    comparison = groups[0].comparison

    records = [record for each in comparison.configurations for record in each.records]
    name = next(iter(choose_curves(comparison)), "training_loss")
    headers, rows, notes = list_headers(comparison), list_rows(comparison), write_notes(comparison)
    runs = [_describe_run(record, with_plots=index < MOST_PLOTS) for index, record in enumerate(records)]
    axes = [choose_texts(comparison).epoch, label_curve(comparison, name)]
    words = [*headers, *(cell for row in rows for cell in row), *notes, *(title for title, _ in runs), *axes]
    page = TEMPLATES.get_template("page.html").render(
        headers=headers,
        rows=rows,
        notes=notes,
        curves=min(MOST_CURVES, len(list_curves(comparison, name))),
        most_curves=MOST_CURVES,
        runs=runs,
        most_plots=MOST_PLOTS,
        figure=_draw_figure(comparison, name),
        font=_embed_font(words),
        plotly=Markup(get_plotlyjs()),
        nonce=token_urlsafe(16),
    )
    try:
        Path(path).write_text(page, encoding="utf-8")
    except OSError as error:
        raise Mistake(
            f"--html {path} can't be written: {error.strerror}. Name a file in an existing folder."
        ) from error


def _draw_figure(comparison: Comparison, curve_name: str) -> Markup:
    """The curves for plotly, as JSON that can't end the script element around it."""
    from plotly.colors import qualitative
    from plotly.graph_objects import Figure

    figure, curves = Figure(), list_curves(comparison, curve_name)
    for index, (configuration, curve) in enumerate(curves[:MOST_CURVES]):
        (epochs, mean, std), name = curve, name_curve(comparison, configuration)
        colour = qualitative.Dark24[index]
        # plotly reads a name as HTML. A click in the legend hides or shows a whole group.
        look = {"name": escape(name), "legendgroup": str(index)}
        figure.add_scatter(x=epochs, y=mean, **look, mode="lines", line_color=colour)
        if std is not None:
            figure.add_scatter(
                x=[*epochs, *epochs[::-1]],
                y=[*(mean + std), *(mean - std)[::-1]],
                **look,
                mode="none",
                fill="toself",
                fillcolor=colour,
                opacity=0.2,
                showlegend=False,
                hoverinfo="skip",
            )
    level = get_level(comparison)
    if level is not None:
        figure.add_hline(level, line={"color": "black", "dash": "dash", "width": 1})
    figure.update_layout(
        xaxis_title=choose_texts(comparison).epoch,
        yaxis_title=label_curve(comparison, curve_name),
        hoverlabel_namelength=-1,
        height=520,
        showlegend=True,
        template="plotly_white",
        font_family="system-ui, 'Noto Sans SC', sans-serif",
    )
    return Markup(figure.to_json().replace("<", "\\u003c"))


def _describe_run(record: Record, with_plots: bool) -> tuple[str, dict[str, str] | None]:
    """A run's title, and its plots: data: addresses by name. The plots are None if the page has no room for them."""
    title = ": ".join(make_printable(word) for word in (record.run.folder, record.status, record.reason) if word)
    if not with_plots:
        return title, None
    embedded = {path.stem: _embed_picture(path) for path in (record.run.curve, record.run.confusion)}
    return title, {name: address for name, address in embedded.items() if address is not None}


def _embed_picture(path: Path) -> str | None:
    """The file as a data: address. None for anything but a PNG, such as a link to some other file."""
    try:
        content = read_bytes(path, MOST_PICTURE)
    except Damaged:
        return None
    if content is None or not content.startswith(b"\x89PNG\r\n"):
        return None
    return f"data:image/png;base64,{b64encode(content).decode()}"


def _embed_font(words: Iterable[str]) -> str:
    """The Chinese characters of the words as a font in base64. It has a few KB; not every system has such a font."""
    from fontTools.subset import Subsetter
    from fontTools.ttLib import TTFont

    characters = {character for word in words for character in word if character > "\u2e80"}
    subsetter = Subsetter()
    subsetter.populate(text="中" + "".join(characters))  # never empty: browsers refuse a font without characters
    file = BytesIO()
    with TTFont(find_chinese_font(), lazy=True) as font:
        subsetter.subset(font)
        font.flavor = "woff"
        font.save(file)
    return b64encode(file.getvalue()).decode()
