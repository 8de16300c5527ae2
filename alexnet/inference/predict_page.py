"""Writes predictions as one HTML page with its pictures, which opens without a network. Memory stays flat.

File names and the texts of a run's folder may be anybody's. They reach the page as JSON and are shown as text, and the
page may load nothing and run only its own script.
"""

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from secrets import token_urlsafe
from types import SimpleNamespace
from typing import IO, Any

from jinja2 import FileSystemLoader
from markupsafe import Markup

from alexnet.comparison.page import TEMPLATES, embed_font, to_json
from alexnet.comparison.page import WEB as PAGE_WEB
from alexnet.errors import make_printable
from alexnet.inference.looks import THUMBNAIL
from alexnet.inference.rows import About, Row, Totals

WEB = Path(__file__).parent / "web"
ENGLISH = {
    "title": "Predictions",
    "predicted": "Predicted",
    "truth": "True class",
    "kind": "Show",
    "confidence": "Confidence",
    "to": "to",
    "order": "Order",
    "more": "Show more",
    "any": "any",
    "all": "all",
    "right": "right",
    "wrong": "wrong",
    "broken": "can't be read",
    "given": "as given",
    "most": "most confident first",
    "least": "least confident first",
    "is": "true class: {}",
    "count": "{} of {} images",
    "accuracy": "Accuracy {} of {} images in class folders, 95% interval {} to {}.",
    "network": "{}, {} weights, after epoch {}, SHA-256 {}",
    "file": "{}, SHA-256 {}",
    "views": "{} views of each image",
    "inverted": "images inverted",
}
CHINESE = {
    "title": "预测",
    "predicted": "预测类别",
    "truth": "真实类别",
    "kind": "显示",
    "confidence": "置信度",
    "to": "至",
    "order": "顺序",
    "more": "显示更多",
    "any": "任意",
    "all": "全部",
    "right": "正确",
    "wrong": "错误",
    "broken": "无法读取",
    "given": "输入顺序",
    "most": "置信度从高到低",
    "least": "置信度从低到高",
    "is": "真实类别: {}",
    "count": "{} 张 (共 {} 张)",
    "accuracy": "类别目录中 {1} 张图像的准确率为 {0}, 95% 区间 {2} 至 {3}。",
    "network": "{}, {} 权重, 第 {} 轮之后, SHA-256 {}",
    "file": "{}, SHA-256 {}",
    "views": "每张图像 {} 个视图",
    "inverted": "图像已反相",
}
TEXTS = {"en": ENGLISH, "zh": CHINESE}
MARK = "ROWS-AND-TOTALS"


class Page:
    """Takes the rows, and writes each at once."""

    def __init__(self, about: About, paths: Sequence[str], language: str, side: int, file: IO[str]):
        """paths: of all images to come. language: en, zh. side: pixels of the images as the network gets them."""
        self.file, self.separator = file, ""
        text = TEXTS.get(language, ENGLISH)
        names = list(map(make_printable, about.names))
        data = {"text": text, "names": names, "network": _describe(about, text), "small": side <= THUMBNAIL}
        page = (
            TEMPLATES.overlay(loader=FileSystemLoader([WEB, PAGE_WEB]))
            .get_template("predictions.html")
            .render(
                language="zh" if text is CHINESE else "en",
                text=SimpleNamespace(**text),
                data=MARK,
                style=Markup((WEB / "predictions.css").read_text(encoding="utf-8")),
                script=Markup((WEB / "predictions.js").read_text(encoding="utf-8")),
                font=embed_font("".join([to_json(data), *map(make_printable, paths)])),
                nonce=token_urlsafe(16),
            )
        )
        head, self.tail = page.split(MARK)
        file.write(head + to_json(data)[:-1] + ',"rows":[')

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self.file.write(f"{self.separator}\n{to_json(_as_values(row))}")
            self.separator = ","

    def end(self, totals: Totals) -> None:
        self.file.write(f'],"totals":{to_json(totals.as_values())}}}{self.tail}')


def _as_values(row: Row) -> dict[str, Any]:
    picture = ""
    if row.thumbnail:
        kind = "png" if row.thumbnail.startswith(b"\x89PNG") else "webp"
        picture = f"data:image/{kind};base64,{b64encode(row.thumbnail).decode()}"
    return {
        "path": make_printable(row.path),
        "top": [[number, round(probability, 5)] for number, probability in row.top],
        "truth": row.truth,
        "error": row.broken,
        "image": picture,
    }


def _describe(about: About, text: dict[str, str]) -> str:
    """The network and how it sees the images, in a line."""
    source, sha256 = make_printable(about.source), about.sha256
    network = (
        text["file"].format(source, sha256)
        if about.epoch is None
        else text["network"].format(source, about.weights, about.epoch, sha256)
    )
    others = [text["views"].format(about.views)] * (about.views > 1) + [text["inverted"]] * about.inverted
    return "; ".join([network, *others])
