"""What the page of scripts/compare.py --html promises, in a real browser."""

import shutil

import pytest
from PIL import Image

from alexnet.comparison.groups import compare_groups
from alexnet.comparison.page import write
from alexnet.comparison.records import read_all
from support.run_folders import make

pytest.importorskip("selenium", reason="selenium is not installed: pip install -e '.[test]'")
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.support.wait import WebDriverWait

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HOSTILE = "<script>document['title'] = 'taken over'</script>"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1400,1600"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("there is no Chromium with its chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in [*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('browser')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield browser
    browser.quit()


@pytest.fixture
def page(browser, tmp_path):
    """page(*run folders) writes the page, opens it and gives the browser."""

    def page(*folders):
        records = read_all(map(str, folders), pytest.fail)
        write(compare_groups(records, across_models=True), tmp_path / "page.html")
        browser.get((tmp_path / "page.html").as_uri())
        WebDriverWait(browser, 20).until(lambda _: browser.find_elements("css selector", "#curves .main-svg"))
        assert browser.get_log("browser") == []  # no script failed, nothing was refused
        loaded = browser.execute_script("return performance.getEntriesByType('resource')")
        assert all(each["name"].startswith("data:") for each in loaded)  # so it works offline
        return browser

    return page


def texts(browser, selector):
    return [element.text for element in browser.find_elements("css selector", selector)]


def column(browser, number):
    return texts(browser, f"#configurations td:nth-child({number})")


def visible_curves(browser):
    return len(browser.find_elements("css selector", "#curves .scatterlayer path.js-line"))


def test_a_click_on_a_column_sorts_by_it_up_and_down_with_numbers_as_numbers(page, tmp_path):
    folders = [make(tmp_path / str(rate), {"optimizer.lr": rate}, 0.5) for rate in (2, 10, 0.5)]
    browser = page(*folders)
    head = browser.find_element("css selector", "#configurations th")
    assert head.text == "optimizer.lr" and column(browser, 1) == ["2", "10", "0.5"]
    head.click()
    assert column(browser, 1) == ["0.5", "2", "10"] and head.get_attribute("aria-sort") == "ascending"
    head.click()
    assert column(browser, 1) == ["10", "2", "0.5"] and head.get_attribute("aria-sort") == "descending"


def test_what_has_no_value_sorts_last_both_ways(page, tmp_path):
    folders = [
        make(tmp_path / str(rate), {"optimizer.lr": rate}, accuracy)
        for rate, accuracy in ((1, None), (2, 0.5), (3, 0.9))
    ]
    browser = page(*folders)
    head = browser.find_elements("css selector", "#configurations th")[2]
    for order in (["50.00", "90.00", "-"], ["90.00", "50.00", "-"]):
        head.click()
        assert column(browser, 3) == order


def test_a_click_in_the_legend_hides_the_curve_and_its_band(page, tmp_path):
    folders = [
        make(tmp_path / f"{rate}-{seed}", {"optimizer.lr": rate, "seed": seed}, losses=(2, rate + seed / 10))
        for rate in (0.1, 0.5)
        for seed in (0, 1)
    ]
    browser = page(*folders)
    assert set(texts(browser, "#curves .legendtext")) == {"optimizer.lr=0.1 (n=2)", "optimizer.lr=0.5 (n=2)"}
    assert visible_curves(browser) == 2
    browser.find_element("css selector", "#curves .legendtoggle").click()
    # plotly waits a little for a second click before it hides the curve.
    WebDriverWait(browser, 20).until(lambda _: visible_curves(browser) == 1)
    hidden = browser.execute_script("return curves.data.filter(each => each.visible === 'legendonly')")
    assert len(hidden) == 2  # the curve and its band


def test_a_curve_tells_its_name_and_numbers_under_the_mouse(page, tmp_path):
    browser = page(make(tmp_path / "a", losses=(2, 1)), make(tmp_path / "b", {"epochs": 3}, losses=(9, 8, 7)))
    curve = browser.find_elements("css selector", "#curves .scatterlayer path.js-line")[1]
    # The middle of the three windows lies in the middle of a straight line.
    ActionChains(browser).move_to_element(curve).perform()
    WebDriverWait(browser, 20).until(lambda _: texts(browser, "#curves .hoverlayer text"))
    words = " ".join(texts(browser, "#curves .hoverlayer text"))
    assert "epochs=3 (n=1)" in words and "8" in words


def test_the_page_holds_each_runs_plots(page, tmp_path):
    folder = make(tmp_path / "run")
    Image.new("RGB", (30, 20)).save(folder / "alexnet_training_curve.png")
    (folder / "confusion_matrix.png").write_text("some other file that was linked here")
    browser = page(folder)
    browser.find_element("css selector", "summary").click()
    (image,) = browser.find_elements("css selector", "details img")
    assert (image.get_property("naturalWidth"), image.get_property("naturalHeight")) == (30, 20)


def test_no_text_of_a_run_folder_becomes_part_of_the_page(page, tmp_path):
    quoted = f"'\"> {HOSTILE} &lt;"
    browser = page(
        make(tmp_path / "<b>a", {"model._target_": HOSTILE, HOSTILE: 1}),
        make(tmp_path / "b", {"language": HOSTILE}, None, {"status": HOSTILE, "reason": quoted}),
        make(tmp_path / "c", {"model._target_": "{{ nonce }}</script><img src=x onerror=alert(1)>"}),
        make(tmp_path / "d", {"model._target_": "<i>slanted</i>"}),
    )
    assert browser.title == "Runs compared"
    assert not browser.find_elements("css selector", "td *, li *, summary *, th *, img[src=x]")
    assert len(browser.find_elements("css selector", "script")) == 2
    assert HOSTILE in browser.find_element("id", "configurations").text
    assert quoted in " ".join(texts(browser, "summary"))
    legend = " ".join(texts(browser, "#curves .legendtext"))
    assert HOSTILE in legend and "<i>slanted</i>" in legend


def test_chinese_names_are_drawn_as_they_are(page, tmp_path):
    browser = page(make(tmp_path / "运行", {"model._target_": "网络"}), make(tmp_path / "b"))
    assert column(browser, 1) == ["网络", "alexnet_cifar"]
    assert "运行" in " ".join(texts(browser, "summary"))
    drawn = browser.execute_script("""
        const pen = document.createElement("canvas").getContext("2d");
        return ["网", "络"].map(letter => {
          pen.reset();
          pen.font = "40px 'Noto Sans SC'";
          pen.fillText(letter, 0, 100);
          return pen.canvas.toDataURL();
        })""")
    assert drawn[0] != drawn[1]  # missing letters would be drawn as the same box
