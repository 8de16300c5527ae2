"""The tables in a terminal: nothing is wider than it, and what is left out is said."""

import io
import re
import sys

import pytest

from alexnet.comparison.columns import format_ends
from alexnet.comparison.groups import compare_groups
from alexnet.comparison.records import read_all
from alexnet.comparison.tables import describe
from alexnet.messages.lines import measure, measure_terminal, wrap
from support.run_folders import make


def show(folder, width):
    return describe("text", compare_groups(read_all([str(folder)], pytest.fail)), width=width)


@pytest.fixture
def wide(tmp_path):
    """Many keys, one of them with a long name, and folders deep down."""
    for number in range(8):
        changes = {
            "optimizer.lr": 0.1 / (1 + number // 4 % 2),
            "optimizer.momentum": 0.9 - number // 6 / 10,
            "model.dropout": 0.5 - 0.25 * (number == 5),
            "model.a_key_with_a_very_long_name": number == 6,
            "epochs": 2 + (number == 7),
            "batch_size": 64 + 64 * (number == 3),
            "seed": number % 2,
        }
        result = {"validation_accuracy": 0.8 + number / 100}
        make(tmp_path / "runs" / "2026-11-27" / f"12-00-0{number}", changes, 0.9, result)
    return tmp_path / "runs"


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_no_line_is_wider_than_the_terminal_and_every_row_is_there(wide, width):
    told = show(wide, width)
    assert max(map(measure, told.splitlines())) <= width
    assert len(re.findall(r"\b8\d\.\d\d\b.*\b90\.00\b", told)) == 6  # both figures of each row, in one line


def test_at_80_columns_a_row_says_how_it_differs_from_the_usual_values(wide):
    told = show(wide, 80)
    assert "usual: epochs=2 batch_size=64 model.dropout=0.5 " in " ".join(told.split())
    assert re.search(r"^batch_size=128 optimizer.lr=0.1 +1 ", told, re.MULTILINE) and "folders are left out" in told


def test_a_wide_terminal_and_a_pipe_have_names_and_folders_in_full(wide):
    for width in (300, None):
        told = show(wide, width)
        assert "model.a_key_with_a_very_long_name  " in told and "12-00-07" in told and "left out" not in told
        assert len([line for line in told.splitlines() if "90.00" in line]) == 6


def test_folders_are_cut_before_anything_else_goes(tmp_path):
    for seed in range(9):
        make(tmp_path / "runs" / "2026-11-27" / f"12-00-0{seed}", {"seed": seed}, 0.9 + seed / 100)
    assert "  12-00-00 12-00-01 12-00-02" in show(tmp_path, 200)
    told = show(tmp_path, 60)
    assert "  12-00-00 +8\n" in told and "  [91.89, 96.11]  " in told and "folders are cut" in told


def test_folders_go_before_the_interval_and_what_is_left_out_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        changes = {"optimizer.lr": 0.1 / (1 + number // 2), "seed": number % 2}
        make(f"runs/{number}", changes, 0.9 - number // 2 / 10 + number % 2 / 100)
    said = {width: " ".join(show("runs", width).split()) for width in range(30, 61)}
    notes = ["folders are left out: ", "the 95% interval is left out: ", "95% interval and folders are left out: "]
    for told in said.values():
        shown = ["[84.15, 96.85]" not in told, " 0 1 " not in told]
        expected = [notes[0]] if shown == [False, True] else [notes[1]] if shown == [True, False] else [notes[2]]
        assert [note for note in notes if note in told][-1:] == (expected if any(shown) else [])
    assert [note for note in notes if any(note in told for told in said.values())] == notes


def test_a_terminal_gives_its_width_and_a_pipe_has_none(monkeypatch):
    monkeypatch.setenv("COLUMNS", "97")
    for is_terminal, width in ((True, 97), (False, None)):
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        monkeypatch.setattr(sys.stdout, "isatty", lambda is_terminal=is_terminal: is_terminal, raising=False)
        assert measure_terminal(sys.stdout) == width


def test_only_a_word_longer_than_a_line_is_broken_and_a_chinese_character_is_two_columns():
    assert wrap("one two three", 9, "") == "one two\nthree"
    assert wrap("网络网络网 a", 9) == "网络网络\n  网 a"


def test_pairs_are_named_by_the_keys_in_which_the_two_differ(compare, tmp_path):
    for rate, epochs, accuracy in ((0.1, 2, 0.9), (0.2, 2, 0.8), (0.1, 3, 0.7)):
        for seed in (0, 1):
            changes = {"optimizer.lr": rate, "epochs": epochs, "seed": seed}
            make(tmp_path / f"{rate}{epochs}{seed}", changes, accuracy + seed / 100)
    told = compare(".").stdout
    assert "\nthe best of several seeds is epochs=2, optimizer.lr=0.1:\n" in told
    assert "\noptimizer.lr=0.1 against optimizer.lr=0.2, seeds" in told and "\nepochs=2 against epochs=3, seeds" in told


def test_numbers_have_four_digits_unless_that_makes_two_of_them_one(compare, tmp_path):
    for number, (rate, decay) in enumerate([(0.0123456789, 0.12344), (0.0987654321, 0.12341), (0.5, 0.43219)]):
        make(tmp_path / str(number), {"optimizer.lr": rate, "model.dropout": decay}, 0.9)
    told = compare(".").stdout
    assert "0.01235" in told and "0.09877" in told and "0.12344" in told and "0.12341" in told and "0.4322" in told
    assert "0.0123456789" in compare(".", "--csv").stdout


def test_names_are_those_that_a_person_types(compare, tmp_path):
    targets = ["torch.optim.AdamW", "torch.optim.SGD", "torch.optim.Elsewhere"]
    for number, target in enumerate(targets):
        make(tmp_path / str(number), {"optimizer._target_": target}, 0.9 - number / 10)
    rows = compare(".").stdout.splitlines()[1:4]
    assert [row.split()[0] for row in rows] == ["adamw", "sgd", "Elsewhere"]


def test_both_ends_of_an_interval_have_the_same_decimals():
    assert format_ends(0.178749, 0.207, "best_loss") == "[0.1787, 0.2070]"
    assert format_ends(-0.12, 0.008126, "best_loss", "+") == "[-0.1200, +0.0081]"
    assert format_ends(9.8, 1234.6, "seconds") == "[10, 1235]" and format_ends(0, 0, "best_loss") == "[0, 0]"
    assert format_ends(0.9, 0.93455, "test_accuracy") == "[90.00, 93.45]"
