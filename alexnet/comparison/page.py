"""A comparison as one page with everything in it, which opens without a network.

Run folders come from anybody, so every text out of them is escaped, only real PNG files are embedded, and the
page may load nothing and run no script but its own.
"""

from base64 import b64encode
from html import escape
from io import BytesIO
from pathlib import Path
from secrets import token_urlsafe
from string import Template

from alexnet.comparison import tables
from alexnet.comparison.configurations import Comparison, Configuration
from alexnet.comparison.picture import MOST_CURVES, drawn, language, training_error_level, unwritable
from alexnet.comparison.records import Record, make_printable
from alexnet.runs import plots
from alexnet.runs.texts import Texts

MOST_PLOTS = 200  # runs; at about 0.3 MB each


PAGE = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))


def write(comparison: Comparison, path: str | Path) -> None:
    """One HTML page: the table, the notes, the curves and each run's own plots.

    Raises Mistake where the file can't be written.
    """
    from plotly.offline import get_plotlyjs

    path = Path(path)
    records = [record for each in comparison.configurations for record in each.records]
    texts = language(comparison)
    parts = {
        "headers": "".join(f"<th>{escape(header)}</th>" for header in tables.headers(comparison)),
        "rows": "\n".join(_row(comparison, configuration) for configuration in comparison.configurations),
        "notes": "\n".join(f"<li>{escape(note)}</li>" for note in tables.notes(comparison)),
        "most": f"The first {MOST_CURVES} of the table." if len(drawn(comparison)) == MOST_CURVES else "",
        "figure": _figure(comparison, texts),
        "runs": "\n".join(_run(record, index < MOST_PLOTS) for index, record in enumerate(records)),
    }
    font = _font("".join([*parts.values(), texts.epoch, texts.curve_label, texts.training_error]))
    page = PAGE.substitute(parts, nonce=token_urlsafe(16), font=font, plotly=get_plotlyjs())
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise unwritable("--html", path, error) from error


def _row(comparison: Comparison, configuration: Configuration) -> str:
    cells = (f"<td>{escape(cell)}</td>" for cell in tables.cells(comparison, configuration))
    return f"<tr>{''.join(cells)}</tr>"


def _figure(comparison: Comparison, texts: Texts) -> str:
    """The curves as plotly takes them: JSON in which nothing can end the script around it."""
    from plotly.colors import qualitative
    from plotly.graph_objects import Figure

    figure = Figure()
    for index, (name, (epochs, mean, std)) in enumerate(drawn(comparison)):
        colour = qualitative.Dark24[index]
        look = {"name": escape(name), "legendgroup": str(index)}  # a click in the legend takes the group
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
    level = training_error_level(comparison)
    if level is not None:
        figure.add_hline(level, line={"color": "black", "dash": "dash", "width": 1})
    figure.update_layout(
        xaxis_title=texts.epoch,
        yaxis_title=texts.curve_label if level is None else texts.training_error,
        hoverlabel_namelength=-1,
        height=520,
        showlegend=True,
        template="plotly_white",
        font_family="system-ui, 'Noto Sans SC', sans-serif",
    )
    return figure.to_json().replace("<", "\\u003c")


def _run(record: Record, with_plots: bool) -> str:
    """A fold with the run's own pictures, or why it has none."""
    plots = [record.run.curve, record.run.confusion] if with_plots else []
    images = "".join(f'<img alt="{path.stem}" src="{data}">' for path in plots if (data := _embedded(path)))
    words = ": ".join(make_printable(word) for word in (record.run.folder, record.status, record.reason) if word)
    why = "It has no plots." if with_plots else f"This page holds the plots of its first {MOST_PLOTS} runs."
    return f"<details><summary>{escape(words)}</summary>{images or why}</details>"


def _embedded(path: Path) -> str | None:
    """As a data: address; None for what isn't a PNG, such as a link to some other file."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if not content.startswith(b"\x89PNG\r\n"):
        return None
    return f"data:image/png;base64,{b64encode(content).decode()}"


def _font(text: str) -> str:
    """The Chinese letters of the text as a font of a few KB, base64: not every system has one."""
    from fontTools.subset import Subsetter
    from fontTools.ttLib import TTFont

    letters = Subsetter()
    # "中" is always among them, for browsers refuse a font without letters.
    letters.populate(text="中" + "".join(letter for letter in set(text) if letter > "\u2e80"))
    font = TTFont(plots.chinese_font(), lazy=True)
    letters.subset(font)
    font.flavor = "woff"
    file = BytesIO()
    font.save(file)
    return b64encode(file.getvalue()).decode()
