"""What the charts of the page of scripts/compare.py --html promise, in a real browser."""

import re

import pytest

from support.run_folders import make

pytest.importorskip("selenium", reason="selenium is not installed: pip install -e '.[test]'")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from support.pages import column, drawn, find, names, texts

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_ticked_rows_are_the_coloured_curves_and_the_rest_is_grey(page, rates):
    browser = page(*rates)
    assert drawn(browser) == ["10", "0.5", "2", "1"]
    find(browser, "tr[data-id] input[aria-label='2']").send_keys(Keys.SPACE)
    WebDriverWait(browser, 20).until(lambda _: drawn(browser) == ["2"])
    assert texts(browser, "#curves .legend a") == ["2"]
    assert (
        browser.execute_script("return document.querySelector('#curves .chart').data[0].x.length") == 9
    )  # three others
    find(browser, "#clear").click()
    WebDriverWait(browser, 20).until(lambda _: len(drawn(browser)) == 4)


def test_averaged_rows_have_the_mean_and_a_band_of_one_deviation_that_ends_at_zero(page, tmp_path):
    folders = [
        make(
            tmp_path / f"{rate}-{seed}",
            {"optimizer.lr": rate, "seed": seed},
            0.9 - rate / 10 + seed / 100,
            None,
            (2, rate + seed),
        )
        for rate in (0.1, 0.5)
        for seed in (0, 1)
    ]
    browser = page(*folders)
    assert names(browser) == ["lr=0.1", "lr=0.5"]
    assert column(browser, "test_accuracy %") == ["89.50 ± 0.71", "85.50 ± 0.71"]
    _, band, curve, *_ = browser.execute_script("return document.querySelector('#curves .chart').data")
    assert curve["x"] == [1, 2] and curve["y"] == pytest.approx([2, 0.6])
    assert band["y"] == pytest.approx([2, 0.6 + 0.5**0.5, 0, 2])
    find(browser, "#averaged").send_keys("each")
    assert len(names(browser)) == 4 and column(browser, "seed") == ["1", "0", "1", "0"]


def test_the_metric_is_drawn_over_each_option_and_along_parallel_axes(page, rates):
    browser = page(*rates)
    points = browser.execute_script("return document.querySelector('#swept .chart').data.at(-1)")
    assert (points["x"], points["y"]) == ([0.5, 2, 10], [70, 50, 90])
    assert len(browser.find_elements("css selector", "#parallel path")) == 4
    grip = find(browser, "#parallel .grip")
    ActionChains(browser).move_to_element(grip).click_and_hold().move_by_offset(0, -200).release().perform()
    assert re.fullmatch(r"optimizer\.lr>=[\d.]+", find(browser, "#filter").get_attribute("value"))
    assert names(browser) == ["10"]
