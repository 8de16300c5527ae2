"""What the page of scripts/compare.py --html promises, in a real browser."""

import json
import re

import pytest

from support.run_folders import make

pytest.importorskip("selenium", reason="selenium is not installed: pip install -e '.[test]'")
from selenium.webdriver.common.keys import Keys

from support.pages import column, find, names, texts, type_filter, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HOSTILE = "<script>document['title'] = 'taken over'</script>"


def test_a_header_sorts_by_the_keyboard_up_and_down_and_what_has_no_value_comes_last(page, rates):
    browser = page(*rates)
    assert names(browser) == ["10", "0.5", "2", "1"]  # the best first
    up, down = "ascending", "descending"
    for name, orders, directions in (
        ("optimizer.lr", (["0.5", "1", "2", "10"], ["10", "2", "1", "0.5"]), (up, down)),
        ("test_accuracy %", (["90.00", "70.00", "50.00", "-"], ["50.00", "70.00", "90.00", "-"]), (down, up)),
    ):
        for order, direction in zip(orders, directions, strict=True):
            head = next(
                each for each in browser.find_elements("css selector", "thead button") if each.text.startswith(name)
            )
            head.send_keys(Keys.ENTER)
            assert column(browser, name) == order
            focused = browser.switch_to.active_element
            assert focused.text.startswith(name)  # ready for the next key
            sorted_by = browser.find_elements("css selector", "th[aria-sort]")
            assert [each.get_attribute("aria-sort") for each in sorted_by] == [direction]


def test_a_filter_leaves_the_rows_that_meet_every_word(page, rates):
    browser = page(*rates)
    for typed, left in (
        ("lr=2", ["2"]),
        ("optimizer.lr>=2", ["10", "2"]),
        ("lr<=2 test_accuracy>60", ["0.5"]),  # in percent, as it is shown
        ("status!=finished", ["1"]),
        ("FINISHED lr!=10", ["0.5", "2", "1"]),
        ('"lr=0.5"', ["0.5"]),
        ("", ["10", "0.5", "2", "1"]),
    ):
        type_filter(browser, typed)
        assert names(browser) == left
        assert find(browser, "#count").text == f"{len(left)} of 4 rows."


def test_a_page_of_several_groups_begins_with_the_best_of_each_and_goes_there(page, tmp_path):
    other = {"dataset._target_": "alexnet.data.digits.digits"}
    browser = page(
        make(tmp_path / "a", {"optimizer.lr": 2}, 0.9),
        make(tmp_path / "b", {"optimizer.lr": 3}, 0.8),
        make(tmp_path / "c", {**other, "optimizer.lr": 4}, None, {"status": "failed"}),
        make(tmp_path / "d", {**other, "optimizer.lr": 5}, 0.7, {"validation_accuracy": 0.6}),
    )
    rows = [
        [cell.text for cell in row.find_elements("css selector", "th, td")]
        for row in browser.find_elements("css selector", "#overview tbody tr")
    ]
    assert rows == [
        ["cifar10", "2", "2 of 2", "-", "90.00", "optimizer.lr=2"],
        ["digits", "2", "1 of 2", "60.00", "70.00", "optimizer.lr=5"],
    ]
    mark = find(browser, "#scroller thead .mark")  # also where the test images order the rows
    assert mark.text == "test" and "order these rows" in mark.get_attribute("title")
    browser.find_elements("css selector", "#overview a")[1].click()
    assert names(browser) == ["d", "c"]
    assert "chose nothing" in find(browser, "#scroller thead .mark").get_attribute("title")


def test_numbers_have_four_digits_the_tooltip_all_and_a_filter_takes_both(page, tmp_path):
    for number, rate in enumerate((0.0016767984705442513, 1e-5, 0.1)):
        make(tmp_path / str(number), {"optimizer.lr": rate}, 0.9 - number / 7)
    browser = page(*tmp_path.iterdir())
    assert column(browser, "optimizer.lr") == ["0.001677", "1e-05", "0.1"]  # as the sentences and the console say them
    assert find(browser, "#scroller td[title^='0.00']").get_attribute("title") == "0.0016767984705442513"
    for typed in ("lr=0.001677", "lr=0.0016767984705442513", "lr>=0.001677 lr!=0.1", "test_accuracy=90", "0.001677"):
        type_filter(browser, typed)
        assert names(browser) == ["0"]


def test_a_filter_that_means_nothing_says_so_and_leaves_the_rows(page, rates):
    browser = page(*rates)
    for typed, problem in (("lrr=3", "no column is called lrr"), ("lr>x", "expected a number after lr>")):
        type_filter(browser, typed)
        assert find(browser, "#filter-problem").text == problem
        assert find(browser, "#filter").get_attribute("aria-invalid") == "true" and len(names(browser)) == 4


def test_the_page_is_never_wider_than_its_window(page, rates):
    """With all columns, at 800 pixels, with the menu of columns open."""
    browser = page(*rates)
    find(browser, "#columns summary").click()
    for button in range(3):
        browser.find_elements("css selector", "#columns .bar button:first-child")[button].click()
    try:
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": 800, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        )
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 800
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_columns_are_chosen_and_the_first_one_stays_in_sight(page, rates):
    browser = page(*rates)
    find(browser, "#columns summary").click()
    find(browser, "input[name='metric seconds']").click()
    find(browser, "input[name='fact started']").click()
    heads = texts(browser, "#scroller thead th")
    assert "seconds" not in heads and heads[-1] == "started" and heads[0] == "run"
    find(browser, "#columns summary").send_keys(Keys.ESCAPE)
    assert not find(browser, "#columns .menu").is_displayed()
    browser.execute_script("scroller.style.width = '300px'; scroller.scrollLeft = 400")
    first = find(browser, "#scroller tbody th")
    assert first.location["x"] <= find(browser, "#scroller").location["x"] + 1


def test_a_run_is_reached_by_keys_and_has_its_section(page, tmp_path):
    folders = [
        make(
            tmp_path / f"run {number}",
            {"seed": number},
            0.9 - number / 10,
            {"chosen_epoch": 2, "confusion_matrix": [[5, 1], [2, 8]], "status": "finished"},
        )
        for number in (0, 1)
    ]
    browser = page(*folders)
    find(browser, "#averaged").send_keys("each")
    find(browser, "#scroller tbody a").send_keys(Keys.ARROW_DOWN)
    assert browser.switch_to.active_element.text == "run 1"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    wait_for(browser, "#run-curve .main-svg")
    assert browser.switch_to.active_element.get_attribute("id") == "run"
    assert find(browser, "#run code").text == f"python scripts/reproduce.py '{folders[1]}'"
    assert texts(browser, "#run .heat td") == ["", "5", "1", "2", "8"]
    content = find(browser, "#run").text
    assert re.search("test_accuracy % ?test 80.00", content) and "optimizer.lr" in content and "3.11.2" in content
    assert "chosen: epoch 2" in find(browser, "#run-curve").text
    find(browser, "#run").send_keys(Keys.ESCAPE)
    assert browser.switch_to.active_element.text == "run 1"


def test_tags_and_note_are_columns_stand_in_the_section_and_are_filtered_as_in_where(page, tmp_path):
    typed = {"tags": ["baseline", "digits"], "note": "Lower rate, as in the paper"}
    browser = page(
        make(tmp_path / "a", {**typed, "optimizer.lr": 2}, 0.9),
        make(tmp_path / "b", {"optimizer.lr": 3, "tags": [], "note": None}, 0.8),
    )
    for typed, left in (
        ("tags=digits", ["a"]),
        ("tags!=digits", ["b"]),
        ("tags=digit", []),
        ('note="lower rate"', ["a"]),
        ('"in the paper"', ["a"]),
        ("", ["a", "b"]),
    ):
        type_filter(browser, typed)
        assert names(browser) == left
    assert column(browser, "tags") == ["baseline, digits", "-"] and column(browser, "note")[1] == "-"
    find(browser, "#scroller tbody a").send_keys(Keys.ENTER)
    wait_for(browser, "#run-curve .main-svg")
    assert texts(browser, "#run .noted") == ["tags: baseline, digits", "note: Lower rate, as in the paper"]


def test_no_text_of_a_run_folder_becomes_part_of_the_page(page, tmp_path):
    quoted = f"'\"> {HOSTILE} &lt;"
    browser = page(
        make(tmp_path / "<b>a", {"model._target_": HOSTILE, HOSTILE: 1, "__proto__": 1}),
        make(tmp_path / "b", {"language": HOSTILE}, None, {"status": HOSTILE, "reason": quoted}),
        make(tmp_path / "c", {"model._target_": "{{ nonce }}</script><img src=x onerror=alert(1)>"}),
        make(tmp_path / "d", {"model._target_": "<i>slanted</i>"}, 10**40, {"toString": 1}, (float("nan"), 1e308)),
    )
    shown = ""
    for number in range(4):
        browser.execute_script(f"location.hash = 'run-{number}'")
        browser.execute_script("openFromAddress()")  # the event comes later
        shown += find(browser, "#run").text
    assert browser.title == "Runs compared"
    assert not browser.find_elements("css selector", "i, b, img[src=x]")
    assert len(browser.find_elements("css selector", "script")) == 4
    assert HOSTILE in shown and quoted in shown and "<i>slanted</i>" in shown


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_can_be_read_on_a_light_and_on_a_dark_ground(page, rates, dark):
    """Contrast as WCAG 2 computes it: 4.5 to 1."""
    browser = page(*rates, dark=dark)
    browser.execute_script("location.hash = 'run-0'")
    wait_for(browser, "#run-curve .main-svg")
    worst = browser.execute_script("""
        const light = colour => {
          const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(each => each / 255)
            .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
          return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
        };
        const ground = element => {
          const colour = getComputedStyle(element).backgroundColor;
          return /rgba.*, 0\\)/.test(colour) && element.parentElement ? ground(element.parentElement) : colour;
        };
        const found = [];
        for (const element of document.querySelectorAll("body *")) {
          const own = [...element.childNodes].some(each => each.nodeType === 3 && each.textContent.trim());
          if (!own || !element.checkVisibility() || element.closest("svg, script, .heat")) continue;
          const [a, b] = [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => b - a);
          found.push([(a + 0.05) / (b + 0.05), element.outerHTML.slice(0, 100)]);
        }
        return [found.length, found.sort((a, b) => a[0] - b[0])[0],
                light(getComputedStyle(document.body).backgroundColor)];""")
    assert worst[0] > 50 and worst[1][0] > 4.5, worst
    assert (worst[2] < 0.1) == dark


def test_chinese_names_are_drawn_as_they_are(page, tmp_path):
    chinese = {"language": "zh"}
    browser = page(make(tmp_path / "运行", {"model._target_": "网络", **chinese}), make(tmp_path / "b", chinese))
    heading = browser.execute_script("""
        const range = document.createRange(), heading = document.querySelector("h1");
        range.selectNodeContents(heading);
        return range.getBoundingClientRect().width / parseFloat(getComputedStyle(heading).fontSize);""")
    assert heading == pytest.approx(len("运行对比"), abs=0.1)  # boxes of missing characters are narrower
    assert column(browser, "model") == ["网络", "alexnet_cifar"]
    assert "运行" in names(browser)
    shapes = browser.execute_script("""
        const pen = document.createElement("canvas").getContext("2d");
        return ["网", "络"].map(letter => {
          pen.reset();
          pen.font = "40px 'Noto Sans SC'";
          pen.fillText(letter, 0, 100);
          return pen.canvas.toDataURL();
        })""")
    assert shapes[0] != shapes[1]  # missing letters would be drawn as the same box


@pytest.fixture
def thousand(page, rates, browser, tmp_path):
    """The browser with a page of a thousand rows."""
    page(*rates)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    found = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    data = json.loads(found[1])
    run, configuration = data["runs"][0], data["groups"][0]["configurations"][0]
    data["runs"] = [{**run, "name": f"run {number}"} for number in range(1000)]
    data["groups"][0]["configurations"] = [
        {**configuration, "runs": [number], "averaged": [number]} for number in range(1000)
    ]
    (tmp_path / "page.html").write_text(
        text.replace(found[1], json.dumps(data).replace("<", "\\u003c")), encoding="utf-8"
    )
    browser.get((tmp_path / "page.html").as_uri())
    wait_for(browser, "#curves .main-svg")
    return browser


def test_the_corner_of_the_table_stays_in_sight_in_both_directions(thousand):
    place = "const [a, b] = [scroller, scroller.querySelector('thead th')].map(each => each.getBoundingClientRect());"
    thousand.execute_script("scroller.style.width = '300px'; scroller.scrollTo(200, 1000)")
    away = thousand.execute_script(f"{place} return [b.left - a.left, b.top - a.top, scroller.scrollTop]")
    assert 0 <= away[0] < 3 and 0 <= away[1] < 3 and away[2] == 1000


def test_the_focus_stays_on_a_row_when_its_row_is_recycled(thousand):
    find(thousand, "#scroller tbody a").send_keys(Keys.PAGE_DOWN)
    for _ in range(2):
        thousand.switch_to.active_element.send_keys(Keys.PAGE_DOWN)
    assert int(thousand.switch_to.active_element.text.removeprefix("run ")) > 30
    thousand.execute_script("scroller.scrollTop = 15000; drawVisibleRows()")  # as the wheel does
    assert thousand.switch_to.active_element.text == "run 484"  # the first that is whole in sight
    thousand.switch_to.active_element.send_keys(Keys.HOME)
    assert thousand.switch_to.active_element.text == "run 0"


def test_a_thousand_rows_scroll_sort_and_filter_in_less_than_a_blink(thousand):
    """Only the rows in sight are in the page, and every row can be reached."""
    browser = thousand
    assert len(browser.find_elements("css selector", "#scroller tbody tr")) < 100
    find(browser, "#scroller tbody a").send_keys(Keys.END)
    assert browser.switch_to.active_element.text == "run 999"
    times = browser.execute_script("""
        const time = change => { const start = performance.now(); change(); return performance.now() - start; };
        const box = document.getElementById("filter");
        return [
          time(() => document.querySelectorAll("#scroller th button")[2].click()),
          time(() => { box.value = "lr>=2"; box.dispatchEvent(new Event("input")); }),
          time(() => { scroller.scrollTop = 15000; drawVisibleRows(); }),
        ];""")
    assert max(times) < 500, times  # about 30 ms on an idle machine
