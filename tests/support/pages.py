"""What the tests of the page of compare.py --html share: a browser, and what it shows."""

import shutil

from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1400,1600"
)


def open_browser(folder):
    """Chromium, with its files in that folder. None if this machine has none."""
    chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not (chromium and driver):
        return None
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in [*FLAGS.split(), f"--user-data-dir={folder}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService(driver))


def wait_for(browser, selector):
    WebDriverWait(browser, 20).until(lambda _: browser.find_elements("css selector", selector))


def texts(browser, selector):
    return [element.text for element in browser.find_elements("css selector", selector)]


def names(browser):
    return texts(browser, "#scroller tbody a")


def column(browser, name):
    heads = [text.removesuffix("test") for text in texts(browser, "#scroller thead th")]  # the mark of test images
    return texts(browser, f"#scroller tbody tr > :nth-child({heads.index(name) + 1})")


def find(browser, selector):
    return browser.find_element("css selector", selector)


def type_filter(browser, text):
    box = find(browser, "#filter")
    box.clear()
    box.send_keys(text or " " + Keys.BACKSPACE)


def drawn(browser):
    """The coloured curves: names by plotly's own data."""
    return browser.execute_script(
        "return document.querySelector('#curves .chart').data.map(each => each.name).filter(Boolean)"
    )
