"""A comparison drawn: as a picture, or as one page with everything in it that opens without a network.

Run folders come from anybody, so every text out of them is escaped, only real PNG files are embedded, and the
page may load nothing and run no script but its own.
"""

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from io import BytesIO
from math import nan
from pathlib import Path
from secrets import token_urlsafe
from string import Template
from typing import Any

from alexnet.comparison import tables
from alexnet.comparison.configurations import Comparison, Configuration, Curve, is_share, reached
from alexnet.comparison.records import Record, printable, shown
from alexnet.comparison.spread import Spread
from alexnet.errors import Mistake
from alexnet.runs import plots
from alexnet.runs.texts import TEXTS, Texts

Line = tuple[str, list[Any], list[float], list[float]]  # name, values, means, half the 95% intervals
MOST_CURVES = 20  # more can't be told apart
MOST_PLOTS = 200  # runs; at about 0.3 MB each
PICTURES = (".png", ".pdf", ".svg")
PAGE = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))


def draw(comparison: Comparison, path: str | Path) -> None:
    """The learning curves, and the metric over each of the first three swept numbers, or where none was, of each.

    Raises Mistake for an ending that is no picture's, and where the file can't be written.
    """
    path = Path(path)
    if path.suffix.lower() not in PICTURES:
        raise Mistake(f"--plot {path}: the name must end in {' or '.join(PICTURES)}: --plot curves.png.")
    scale = 100 if is_share(comparison.metric) else 1
    sweeps = {printable(key): _lines(comparison, key, scale) for key in comparison.swept()[:3]}
    sweeps = {key: lines for key, lines in sweeps.items() if any(len(values) > 1 for _, values, _, _ in lines)}
    sweeps = sweeps or _each_alone(comparison, scale)
    curves = [(name, *curve) for name, curve in drawn(comparison)]
    texts = language(comparison)
    metric = texts.metrics.get(comparison.metric, comparison.metric) + (" %" if scale == 100 else "")
    try:
        plots.comparison(path, curves, sweeps, metric, texts, _level(comparison))
    except OSError as error:
        raise unwritable("--plot", path, error) from error


def _level(comparison: Comparison) -> float | None:
    """The training error in percent to come to, where the curves are of that; None where they are of the loss."""
    share = reached(comparison.metric)
    return None if share is None else 100 * share


def _lines(comparison: Comparison, key: str, scale: float) -> list[Line]:
    """As plots.comparison takes them: name, values, means, half the 95% intervals."""
    return [_line(name, points, scale) for name, points in list(comparison.lines(key).items())[:MOST_CURVES]]


def _each_alone(comparison: Comparison, scale: float) -> dict[str, list[Line]]:
    """The same where nothing that they differ in is a number: a point for each configuration, by what it is."""

    def place(each: Configuration) -> str:
        if len(comparison.keys) == 1:
            return printable(shown(each.config.get(comparison.keys[0])))
        return comparison.name(each).replace(", ", "\n")

    spreads = [(place(each), each.spread(comparison.metric)) for each in comparison.configurations]
    points = [(name, spread) for name, spread in spreads if spread][:MOST_CURVES]
    return {", ".join(map(printable, comparison.keys)): [_line("", points, scale)]} if len(points) > 1 else {}


def _line(name: str, points: Sequence[tuple[Any, Spread]], scale: float) -> Line:
    values, spreads = zip(*points, strict=True)
    halves = [nan if spread.high is None else scale * (spread.high - spread.mean) for spread in spreads]
    return name, list(values), [scale * spread.mean for spread in spreads], halves


def unwritable(option: str, path: Path, error: OSError) -> Mistake:
    return Mistake(f"{option} {path} can't be written: {error.strerror}. Name a file in an existing folder.")


def drawn(comparison: Comparison) -> list[tuple[str, Curve]]:
    """The curves of the first configurations of the table that have one, by name: 'optimizer.lr=0.01 (n=3)'."""
    curves = [
        (f"{comparison.name(each)} (n={len(each.repeats)})", each.curve(comparison.metric))
        for each in comparison.configurations
    ]
    return [(name, curve) for name, curve in curves if curve][:MOST_CURVES]


def language(comparison: Comparison) -> Texts:
    """That of the runs, where they agree on one."""
    spoken = {record.config.get("language") for each in comparison.configurations for record in each.records}
    return TEXTS.get(spoken.pop() if len(spoken) == 1 else "en", TEXTS["en"])


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
    level = _level(comparison)
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
    words = ": ".join(printable(word) for word in (record.run.folder, record.status, record.reason) if word)
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
