"""Writes a comparison as one HTML page, which contains everything it shows and opens without a network.

A run folder may be untrusted. So its texts reach the page as JSON and are shown as text, and the page may load nothing
and run only its own scripts.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from secrets import token_urlsafe
from types import SimpleNamespace
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from alexnet.comparison.groups import Group
from alexnet.comparison.page_data import collect
from alexnet.comparison.page_texts import PLOTLY, TEXTS
from alexnet.comparison.records import choose_language
from alexnet.errors import Mistake
from alexnet.messages.console import speaking
from alexnet.runs.texts import TEXTS as RUN_TEXTS
from alexnet.runs.texts import find_chinese_font

PAGES = (".html", ".htm")
WEB = Path(__file__).parent / "web"
SCRIPTS = (
    "rows.js",
    "table.js",
    "scales.js",
    "charts.js",
    "swept.js",
    "parallel.js",
    "run.js",
    "main.js",
)  # in this order
TEMPLATES = Environment(
    loader=FileSystemLoader(WEB), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def write(groups: Sequence[Group], path: str | Path) -> None:
    """Writes the page: the table, the notes, the curves and a section for each run.

    Raises Mistake if the file's ending is not a page's, or if the file can't be written.
    """
    if Path(path).suffix.lower() not in PAGES:
        raise Mistake(f"--html {path}: the name must end in {' or '.join(PAGES)}: --html runs.html.")
    page = render(groups)
    try:
        Path(path).write_text(page, encoding="utf-8")
    except OSError as error:
        raise Mistake(
            f"--html {path} can't be written: {error.strerror}. Name a file in an existing folder."
        ) from error


def render(groups: Sequence[Group]) -> str:
    """The page as HTML."""
    from plotly.offline import get_plotlyjs

    configurations = [each for group in groups for each in group.comparison.configurations]
    language = choose_language(record for each in configurations for record in each.records)
    words = {"text": TEXTS[language], "labels": RUN_TEXTS[language].metrics, "plotly": PLOTLY[language]}
    with speaking(language):
        data = to_json({**words, **collect(groups)})
    return TEMPLATES.get_template("page.html").render(
        language=language,
        text=SimpleNamespace(**TEXTS[language]),
        data=Markup(data),
        style=Markup((WEB / "page.css").read_text(encoding="utf-8")),
        script=Markup("\n".join((WEB / name).read_text(encoding="utf-8") for name in SCRIPTS)),
        font=embed_font(data),
        plotly=Markup(get_plotlyjs()),
        nonce=token_urlsafe(16),
    )


def to_json(content: Any) -> str:
    """JSON that can't end the script element around it."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def embed_font(text: str) -> str:
    """The Chinese characters of the text as a font in base64, as not every system has one. "" if there are none."""
    characters = "".join({character for character in text if character > "\u2e80"})
    if not characters:
        return ""
    from fontTools.subset import Subsetter
    from fontTools.ttLib import TTFont

    subsetter = Subsetter()
    subsetter.populate(text="中" + characters)  # browsers refuse a font without characters
    file = BytesIO()
    with TTFont(find_chinese_font(), lazy=True) as font:
        subsetter.subset(font)
        font.flavor = "woff"
        font.save(file)
    return b64encode(file.getvalue()).decode()
