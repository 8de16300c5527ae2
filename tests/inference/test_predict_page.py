"""The page and the picture of predict.py."""

import json
import re
from collections import Counter
from itertools import pairwise
from types import SimpleNamespace

import pytest
from matplotlib import pyplot
from PIL import Image

from alexnet.inference.pictures import name
from alexnet.inference.predict import predict
from alexnet.inference.predict_page import CHINESE, ENGLISH, WEB
from alexnet.inference.predict_plot import Figure
from alexnet.inference.rows import Row, Totals
from alexnet.messages.lines import measure

HOSTILE = "<script>document['title'] = 'taken over'<script>\x1b\u202e\udc80\u4e2d.png"


@pytest.fixture(scope="module")
def written(digit_run, digit_folder, tmp_path_factory):
    """The folder with out.html, out.json and a hostile file, of 130 images with a broken one, and figures drawn."""
    home = tmp_path_factory.mktemp("page")
    folder = home / "digits"
    for path in sorted((digit_folder / "test").rglob("*.png")) + sorted((digit_folder / "train").rglob("*.png"))[:28]:
        place = folder / path.relative_to(digit_folder).parts[1].removeprefix("digit ")
        place.mkdir(parents=True, exist_ok=True)
        (place / path.name).write_bytes(path.read_bytes())
    (folder / HOSTILE.replace("/", "")).write_bytes(next((folder / "0").iterdir()).read_bytes())
    (folder / "broken.png").write_text("no image")
    given = {name: str(home / f"out.{name}") for name in ("html", "json")}
    assert predict(str(digit_run.folder), [str(folder)], **given, plot=str(home / "out.png")) == 1
    return home


@pytest.fixture(scope="module")
def predictions(written):
    return json.loads((written / "out.json").read_text())


def test_the_page_holds_every_text_as_text_and_loads_nothing(written, predictions):
    page = (written / "out.html").read_text(encoding="utf-8")
    (data,) = re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert "<" not in data and "taken over" in data and not {"\x1b", "\u202e"} & {*page}
    rows = json.loads(data)["rows"]
    assert len(rows) == len(predictions["predictions"]) == 130
    assert all(row["image"].startswith("data:image/png;base64,") for row in rows if row["top"])
    assert "http" not in re.sub(r"http-equiv", "", page)


def test_both_languages_have_every_text_and_the_same_places_in_it():
    def count_places(texts):
        return {key: len(re.findall(r"{\d*}", text)) for key, text in texts.items()}

    assert count_places(ENGLISH) == count_places(CHINESE)
    used = "".join((WEB / name).read_text() for name in ("predictions.html", "predictions.js"))
    named = {*re.findall(r"TEXT\.(\w+)|{{ text\.(\w+) }}", used)}
    assert {name for pair in named for name in pair if name} <= {*ENGLISH}


@pytest.mark.browser
@pytest.mark.slow
def test_a_person_filters_the_page_by_class_and_by_confidence(written, predictions, tmp_path):
    pages = pytest.importorskip("support.pages", reason="selenium is not installed: pip install -e '.[test]'")
    browser = pages.open_browser(tmp_path)
    if browser is None:
        pytest.skip("there is no Chromium with its chromedriver on this machine")
    try:
        browser.get((written / "out.html").as_uri())
        pages.wait_for(browser, "figure")
        rows = predictions["predictions"]
        best = [row["top"][0] for row in rows if row["top"]]

        def count(**chosen):
            for name in ("predicted", "truth", "kind", "order", "from", "to"):
                value = chosen.get(name, {"kind": "all", "order": "given", "from": 0, "to": 100}.get(name, ""))
                browser.execute_script(
                    "const control = document.getElementById(arguments[0]); control.value = arguments[1];"
                    "control.dispatchEvent(new Event('input'))",
                    name,
                    str(value),
                )
            return int(pages.find(browser, "#count").text.split(" of 130 images")[0])

        assert browser.title == "Predictions" and count() == 130
        browser.execute_script("window.scrollTo(0, 1e6)")
        pages.wait_for(browser, "figure:nth-child(130)")
        (common, times), *_ = Counter(each["class"] for each in best).most_common()
        assert count(predicted=common) == times
        assert count(truth=3) == sum(row.get("true_class") == "3" for row in rows)
        assert count(**{"from": 60, "to": 90}) == sum(0.6 <= each["probability"] <= 0.9 for each in best)
        known = [row for row in rows if row["top"] and "true_class" in row]
        wrong = sum(row["top"][0]["class"] != row["true_class"] for row in known)
        assert count(kind="wrong") == wrong > 0 and count(kind="right") == len(known) - wrong
        assert count(kind="broken") == 1 and "no known format" in pages.find(browser, "figure .error").text
        count(order="most")
        shown = [float(text.rstrip("%")) for text in pages.texts(browser, "figure li:first-child span:last-child")]
        assert shown == sorted(shown, reverse=True)
        accuracy = f"Accuracy {100 * predictions['accuracy']:.2f}% of {len(known)} images"
        assert pages.find(browser, "#accuracy").text.startswith(accuracy)
        width = "return document.querySelector('li i').style.width"
        assert browser.execute_script(width) == f"{shown[0]}%".replace(".0%", "%")
        loaded = browser.execute_script("return performance.getEntriesByType('resource')")
        assert all(each["name"].startswith("data:") for each in loaded) and browser.get_log("browser") == []
    finally:
        browser.quit()


@pytest.mark.parametrize(("readable", "drawn"), [(13, 12), (5, 5), (1000, 12), (0, 0)])
def test_the_picture_shows_readable_images_only_evenly_spaced(readable, drawn, tmp_path):
    about = SimpleNamespace(names=["a"], count=1, inverted=False)
    trained = SimpleNamespace(side=8, channels=3, config={"language": "en"})
    figure = Figure(about, readable + 9, trained, tmp_path / "out.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")
    rows = [Row(str(tmp_path / "image.png"), [(0, number)]) for number in range(readable)]
    broken = [Row("broken.png", [], broken="no image")] * 3
    figure.add(broken + rows[:2] + broken + rows[2:] + broken)
    places = [row.top[0][1] for row, _ in figure._choose()]
    steps = [after - before for before, after in pairwise(places)]
    assert len(places) == drawn and places[:1] == list(range(readable))[:1]
    assert not steps or (max(steps) <= 1.3 * max(readable / drawn, 1) + 1 and min(steps) >= 0.7 * readable // drawn)
    figure.end(Totals())
    assert (tmp_path / "out.png").exists()


def test_names_below_images_are_as_wide_as_them_in_any_script():
    for given in ("猫" * 40, "aimé" * 10, "短", "", "x" * 16, "猫.jpg" * 9):
        assert measure(name(given, 16)) <= 16
    assert name("x" * 16) == "x" * 16 and name("猫" * 8) == "猫" * 8
    assert name("猫" * 9 + ".jpg").endswith(".jpg")


def test_the_picture_has_the_true_class_and_five_bars_for_each_image(written, tmp_path, monkeypatch):
    """The true class has a bar of its own colour."""
    assert Image.open(written / "out.png").size[0] > 1000
    drawn = []
    monkeypatch.setattr(pyplot, "close", drawn.append)
    run = json.loads((written / "out.json").read_text())["run"]
    files = sorted((written / "digits" / "3").iterdir())[:3]
    assert predict(run, list(map(str, files)), plot=str(tmp_path / "out.svg")) == 0
    (figure,) = drawn
    images = [axes for axes in figure.axes if axes.images]
    bars = [axes for axes in figure.axes if axes.patches]
    assert [axes.get_title() for axes in images] == ["3"] * 3 and [len(axes.patches) for axes in bars] == [5] * 3
    for axes in bars:
        colours = {text.get_text(): bar.get_facecolor() for text, bar in zip(axes.texts, axes.patches, strict=True)}
        others = {colour for name, colour in colours.items() if name != "3"}
        assert len(others) == 1 and colours.get("3") not in others
