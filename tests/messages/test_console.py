"""The console: what quiet hides, bars and the lines in their place, and that every text has its Chinese."""

import ast
import logging
import re
import string
import sys

import pytest

from alexnet.messages import console
from alexnet.messages.chinese import CHINESE
from support.programs import ROOT
from support.terminal import opened, show

SPEAKING = {"translate", "say", "warn", "progress", "make_bar"}


@pytest.fixture(autouse=True)
def _as_before():
    before = dict(console.asked_for)
    yield
    console.asked_for.update(before)


def list_texts():
    """The literal texts that the program gives to be translated."""
    for path in sorted([*(ROOT / "alexnet").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in SPEAKING:
                unit = {"progress": 2, "make_bar": 1}.get(node.func.id, 0)
                for given in (node.args[0], node.args[unit]):
                    choices = [given.body, given.orelse] if isinstance(given, ast.IfExp) else [given]
                    yield from (each.value for each in choices if isinstance(getattr(each, "value", None), str))


def test_every_text_has_its_chinese_with_the_same_values_and_none_is_left_over():
    said = {text for text in list_texts() if re.search("[A-Za-z]", re.sub("{.*?}", "", text))}
    assert said - CHINESE.keys() == set()
    assert CHINESE.keys() - said == set()
    for english, chinese in CHINESE.items():
        fields = [
            sorted((name, kind) for _, name, kind, _ in string.Formatter().parse(text) if name is not None)
            for text in (english, chinese)
        ]
        if not any(name for name, _ in fields[1]):  # {0} and {1} may change places
            assert fields[0] == fields[1], english
        values = list(range(1, 10))
        assert chinese.format(*values) and english.format(*values)


@pytest.mark.parametrize(
    "asked, seen",
    [("quiet", "warn result"), ("normal", "info warn result"), ("verbose", "debug info warn result")],
)
def test_the_console_shows_what_is_asked_for_and_the_log_has_all(asked, seen, tmp_path, capsys):
    logger, log = logging.Logger("some"), tmp_path / "log"
    for handler in (console.Console(sys.stdout), logging.FileHandler(log)):
        logger.addHandler(handler)
    console.configure(asked, "en")
    logger.debug("debug")
    logger.info("info")
    logger.warning("warn")
    logger.info("result", extra=console.RESULT)
    logger.debug("trace", extra=console.LOG_ONLY)
    console.say("said")
    shown = capsys.readouterr().out.split()
    assert shown == seen.split() + ["said"] * (asked != "quiet")
    assert log.read_text().split() == ["debug", "info", "warn", "result", "trace"]


class Terminal:
    """A stderr that is a terminal."""

    encoding = "utf-8"

    def __init__(self):
        self.written = ""

    def write(self, text):
        self.written += text

    def flush(self):
        pass

    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A time that a test moves on: clock[0] += 5."""
    now = [0.0]
    monkeypatch.setattr(console, "perf_counter", lambda: now[0])
    return now


def decode(clock, count=1000, each=1, seconds=1.0):
    with console.progress("Decoding", count, "image") as advance:
        for _ in range(0, count, each):
            clock[0] += seconds
            advance(each)


def test_a_slow_pass_is_a_few_lines_in_a_log(clock, caplog):
    with caplog.at_level(logging.INFO):
        decode(clock, each=10)
    assert caplog.messages[0] == "Decoding: 100 of 1,000, 01:30 left"
    assert len(caplog.messages) == 9 and "Decoding: 800 of 1,000, 00:20 left" in caplog.messages
    caplog.clear()
    with caplog.at_level(logging.INFO):
        decode(clock, count=100_000, each=100, seconds=30)
    assert 40 <= len(caplog.messages) <= 50
    caplog.clear()
    decode(clock, count=9)
    assert not caplog.messages


@pytest.mark.parametrize("asked", ["normal", "quiet"])
def test_a_slow_pass_is_a_bar_in_a_terminal_that_ends_with_it(clock, monkeypatch, caplog, asked):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("tqdm.std.time", lambda: clock[0])
    console.configure(asked, "zh")
    with caplog.at_level(logging.INFO):
        decode(clock, each=10)
    assert ("解码" in terminal.written) == (asked == "normal")
    assert caplog.messages[0] == "解码: 100 / 1,000, 剩余 01:30"
    if asked == "normal":
        assert hasattr(caplog.records[0], "log_only")
        assert terminal.written.endswith("\r")  # the bar is wiped
        assert "100/1000" in terminal.written.replace(" ", "")


@pytest.fixture
def in_terminal(monkeypatch):
    """in_terminal(action, rows, columns) gives all that the action wrote to a real terminal: stdout and stderr."""

    def run(action, rows=24, columns=80):
        with opened(rows, columns) as (terminal, read), monkeypatch.context() as patch:
            patch.setattr("sys.stdout", terminal)
            patch.setattr("sys.stderr", terminal)
            logger = logging.Logger("some")
            logger.addHandler(console.Console(terminal))
            action(logger)
        return read()

    return run


def work_with_bars(logger):
    """Two bars, as in training with a validation, and all that writes lines meanwhile."""
    with console.make_bar(10, "batch") as bar:
        for step in range(10):
            bar.update()
            bar.refresh()
            logger.info(f"line {step}")
            if step == 4:
                with console.progress("Testing", 5, "batch") as advance:
                    logger.info("while another pass is young")
                    for _ in range(5):
                        advance(1)
                console.say("said")
                console.warn("warned")


@pytest.mark.parametrize("rows, columns", [(24, 80), (24, 60), (0, 80), (0, 0)])
def test_a_bar_is_seen_in_any_terminal_and_only_whole_lines_remain(in_terminal, rows, columns):
    """Some terminals say that they have no rows: those of a container, of `script`, of CI."""
    written = in_terminal(work_with_bars, rows, columns)
    assert "| 5/10 [" in written
    said = ["while another pass is young", "said", "warned"]
    assert show(written) == [*(f"line {step}" for step in range(5)), *said, *(f"line {step}" for step in range(5, 10))]
    widest = max(len(part) for part in re.split(r"[\r\n]", re.sub(r"\x1b\[\w", "", written)))
    assert widest < (columns or 80)


@pytest.mark.parametrize("work_seconds", [0, 5])
def test_lines_during_a_pass_leave_no_bar_behind(in_terminal, clock, monkeypatch, work_seconds):
    """Neither of a slow pass nor of one that takes less than a second."""
    monkeypatch.setattr("tqdm.std.time", lambda: clock[0])

    def work(logger):
        with console.progress("Decoding", 2, "image") as advance:
            for _ in range(2):
                logger.info("a line")
                console.warn("{} is odd", "it")
                clock[0] += work_seconds
                advance(1)

    assert show(in_terminal(work)) == ["a line", "it is odd"] * 2
