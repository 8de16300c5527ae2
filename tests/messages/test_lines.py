"""Lines in a terminal: broken where a person would, with commands and paths in one piece."""

import io

import pytest

from alexnet.messages.lines import join_sentences, measure, show, wrap

COMMAND = "python scripts/train.py -m optimizer.lr=0.002,0.02 'note=two words' resume=outputs/2026-11-24/12-00-00"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("columns", [40, 80, 140])
def test_a_long_line_fits_the_terminal_and_its_command_and_path_can_be_copied(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    path = "/a/path/" + "b" * 150
    text = f"{path}: there is no such folder; expected one of those that ls outputs shows. To resume it: {COMMAND}"
    terminal, pipe = Terminal(), io.StringIO()
    show(text, terminal)
    show(text, pipe)
    assert pipe.getvalue() == f"{text}\n"
    lines = terminal.getvalue().splitlines()
    assert lines[0] == f"{path}:" and lines[-1].endswith(COMMAND)
    assert all(measure(line) <= columns for line in lines[1:-1])
    assert " ".join(line.strip() for line in lines) == text


def test_short_lines_and_lines_of_a_table_stay_as_they_are(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    show("optimizer.lr   n\n  0.1          2\n", terminal)
    assert terminal.getvalue() == "optimizer.lr   n\n  0.1          2\n\n"


def test_chinese_is_broken_between_letters_but_not_before_a_mark():
    text = "按测试集准确率排序, 所以最好一行的准确率偏高。请用多个种子重复(若可以)。"
    for width in range(12, 60):
        lines = wrap(text, width).split("\n")
        assert all(measure(line) <= width and line.lstrip()[0] not in ",。)" for line in lines)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_no_blank_follows_a_chinese_full_stop():
    assert (
        join_sentences("n=1 时无法区分差异与偶然。", "请用多个种子重复") == "n=1 时无法区分差异与偶然。请用多个种子重复"
    )
    assert join_sentences("One run.", "Repeat it: 轮") == "One run. Repeat it: 轮"
