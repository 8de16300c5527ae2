"""What the tests of comparisons share: the command, and a sweep to give it, and a browser for its page."""

import runpy
import sys
from collections import namedtuple

import pytest

from alexnet.comparison.groups import compare_groups
from alexnet.comparison.page import write
from alexnet.comparison.records import read_all
from support.comparisons import FIRST, SCRIPT, SECOND
from support.run_folders import make

Ended = namedtuple("Ended", "status stdout stderr")


@pytest.fixture
def compare(tmp_path, monkeypatch, capsys):
    """compare("sweep", "--json") runs the script in tmp_path and gives its exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def compare(*arguments):
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
        status = 0
        try:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        except SystemExit as end:
            status = end.code
        return Ended(status, *capsys.readouterr())

    return compare


@pytest.fixture
def sweep(tmp_path):
    """Two learning rates with three seeds each."""
    runs = [
        (rate, seed, accuracy)
        for rate, accuracies in ((0.1, FIRST), (0.01, SECOND))
        for seed, accuracy in enumerate(accuracies)
    ]
    for number, (rate, seed, accuracy) in enumerate(runs):
        make(tmp_path / "sweep" / str(number), {"optimizer.lr": rate, "seed": seed}, accuracy)
    return tmp_path / "sweep"


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    pytest.importorskip("selenium", reason="selenium is not installed: pip install -e '.[test]'")
    from support.pages import open_browser

    browser = open_browser(tmp_path_factory.mktemp("browser"))
    if browser is None:
        pytest.skip("there is no Chromium with its chromedriver on this machine")
    yield browser
    browser.quit()


@pytest.fixture
def page(browser, tmp_path):
    """page(*run folders) writes the page, opens it and gives the browser."""

    from support import pages  # selenium may not be installed

    def page(*folders, dark=False):
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        records = read_all(map(str, folders), pytest.fail)
        write(compare_groups(records, across_models=True), tmp_path / "page.html")
        browser.get((tmp_path / "page.html").as_uri())
        pages.wait_for(browser, "#swept .main-svg, #swept .chart[hidden]")
        loaded = browser.execute_script("return performance.getEntriesByType('resource')")
        assert all(each["name"].startswith("data:") for each in loaded)  # so it works offline
        return browser

    yield page
    assert browser.get_log("browser") == []  # no script failed, nothing was refused


@pytest.fixture
def rates(tmp_path):
    """Runs with three learning rates, one of which failed."""
    found = ((2, 0.5, 0), (10, 0.9, 0), (0.5, 0.7, 0), (1, None, 0))
    return [
        make(tmp_path / str(rate), {"optimizer.lr": rate, "seed": seed}, accuracy) for rate, accuracy, seed in found
    ]
