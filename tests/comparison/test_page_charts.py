"""What the charts of the page of scripts/compare.py --html promise, in a real browser."""

import re
from itertools import product

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
    assert points["x"] == pytest.approx([0.5, 2, 10]) and points["y"] == [70, 50, 90]
    assert len(browser.find_elements("css selector", "#parallel path")) == 4
    grip = find(browser, "#parallel .grip")
    ActionChains(browser).move_to_element(grip).click_and_hold().move_by_offset(0, -200).release().perform()
    assert re.fullmatch(r"optimizer\.lr>=[\d.]+", find(browser, "#filter").get_attribute("value"))
    assert names(browser) == ["10"]


def test_zero_and_powers_of_ten_lie_evenly_and_lone_values_at_their_place_on_a_parallel_axis(page, tmp_path):
    decays = (0, 1e-5, 1e-4, 1e-3, 1e-2)
    browser = page(*(make(tmp_path / str(each), {"optimizer.weight_decay": each}, 0.5 + each * 9) for each in decays))
    (line,) = browser.execute_script(
        "return document.querySelector('#swept .chart').data.filter(each => each.mode === 'lines+markers' && each.name)"
    )
    assert line["x"] == pytest.approx([0, 1, 2, 3, 4])
    layout = browser.execute_script("return document.querySelector('#swept .chart').layout.xaxis")
    assert layout["ticktext"] == ["0", "1e-05", "0.0001", "0.001", "0.01"]  # as the table has them
    paths = [path.get_attribute("d") for path in browser.find_elements("css selector", "#parallel path")]
    starts = sorted(float(re.match(r"M[\d.]+,([\d.]+)L", path)[1]) for path in paths)
    ends = browser.execute_script("return [heightOf(1), heightOf(0)]")
    step = (ends[1] - ends[0]) / 4
    assert starts == pytest.approx([ends[0] + step * number for number in range(5)], abs=0.1)


def test_lines_through_one_value_fan_out_within_the_axis(page, tmp_path):
    browser = page(
        *(make(tmp_path / str(n), {"optimizer.lr": 1 + n % 2, "batch_size": n}, 0.5 + n / 20) for n in range(6))
    )
    paths = [path.get_attribute("d") for path in browser.find_elements("css selector", "#parallel path")]
    heights = {float(y) for path in paths for y in re.findall(r",([\d.]+)", path)}
    low, high = browser.execute_script("return [heightOf(1), heightOf(0)]")
    assert low <= min(heights) and max(heights) <= high and len({path.split("L")[1] for path in paths}) == 6


def test_long_words_lie_in_rows_beside_one_another_and_leave_the_points_their_room(page, tmp_path):
    words = ["a_name_that_a_program_made_" * 3 + letter for letter in "abc"]
    for number, (word, drop) in enumerate(product(words, (0.0, 0.5))):
        make(tmp_path / str(number), {"model.cross": word, "model.dropout": drop}, 0.5 + number / 20)
    browser = page(*tmp_path.iterdir())
    find(browser, "#over").send_keys("model.cross")
    chart = "document.querySelector('#swept .chart')"
    WebDriverWait(browser, 20).until(lambda _: browser.execute_script(f"return {chart}.layout.yaxis.ticktext"))
    assert browser.execute_script(f"return {chart}._fullLayout._size.w / {chart}.clientWidth") > 0.5
    first, second = browser.execute_script(f"return {chart}.data.filter(each => each.name).map(each => each.y)")
    assert all(abs(a - b) > 0.05 for a, b in zip(first, second, strict=True))


def test_where_no_run_has_finished_the_page_says_so_in_place_of_empty_axes(page, tmp_path):
    browser = page(*(make(tmp_path / str(rate), {"optimizer.lr": rate}, None, losses=()) for rate in (1, 2)))
    assert [find(browser, f"#{name} .hint").text for name in ("swept", "parallel")] == ["No run has finished."] * 2
    shown = [each.is_displayed() for each in browser.find_elements("css selector", ".pair .chart, #parallel svg")]
    assert shown == [False, False]
