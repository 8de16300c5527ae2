"""scripts/runs.py: a line for each run, and the path of the best one for other programs."""

import csv
import io
import json
import runpy
import sys
from collections import namedtuple

import pytest
from wcwidth import wcswidth

from alexnet.comparison import listing
from alexnet.comparison.records import read_all
from alexnet.launch.evaluate import evaluate
from support.programs import ROOT
from support.run_folders import make

SCRIPT = str(ROOT / "scripts" / "runs.py")
Ended = namedtuple("Ended", "status out err")
DIGITS = {"dataset._target_": "alexnet.data.digits.digits"}
VALIDATED = {"dataset.validation": 0.1}


@pytest.fixture
def list_runs(tmp_path, monkeypatch, capsys):
    """list_runs("a", "--json") runs the script in tmp_path."""
    monkeypatch.chdir(tmp_path)

    def list_runs(*arguments):
        monkeypatch.setattr(sys, "argv", [SCRIPT, *arguments])
        try:
            runpy.run_path(SCRIPT, run_name="__main__")
            status = 0
        except SystemExit as end:
            status = end.code
        return Ended(status, *capsys.readouterr())

    return list_runs


def make_day(place):
    """Two runs on CIFAR-10, of which the first is tagged, one on digits, and one that diverged."""
    make(place / "9", {"tags": ["wide"], "note": "Try 1"}, 0.7, {"started": "2026-11-27T09", "epochs": 2})
    make(place / "10", {"seed": 1}, 0.8, {"started": "2026-11-27T10", "epochs": 2})
    make(place / "2", DIGITS, 0.9, {"started": "2026-11-27T08", "epochs": 2}, data="digits")
    make(place / "11", {"seed": 2}, None, {"status": "diverged", "reason": "NaN", "started": "2026-11-27T11"})


def test_each_run_has_a_line_and_the_newest_is_the_last(list_runs, tmp_path):
    make_day(tmp_path / "outputs")
    ended = list_runs()
    assert (ended.status, ended.err) == (0, "")
    headers, *lines = ended.out.splitlines()
    assert [line.split()[-1] for line in lines] == [f"outputs/{name}" for name in ("2", "9", "10", "11")]
    assert " ".join(headers.split()) == "status test % data set model epochs seconds tags note folder"
    assert " ".join(lines[1].split()) == "finished 70.00 cifar10 alexnet_cifar 2 60 wide Try 1 outputs/9"
    assert " ".join(lines[3].split()) == "diverged - cifar10 alexnet_cifar 2 of 2 - - - outputs/11"


@pytest.mark.parametrize(
    "key, order",
    [
        ("test_accuracy", ["2", "10", "9", "11"]),
        ("folder", ["2", "9", "10", "11"]),
        ("status", ["11", "2", "9", "10"]),
        ("seed", ["2", "9", "10", "11"]),
        ("tags", ["9", "2", "10", "11"]),
    ],
)
def test_runs_are_sorted_by_a_key_or_a_metric_best_first(list_runs, tmp_path, key, order):
    make_day(tmp_path)
    rows = json.loads(list_runs(".", "--sort", key, "--json").out)
    assert [row["folder"] for row in rows] == order


def test_other_programs_get_unrounded_values(list_runs, tmp_path):
    make_day(tmp_path)
    (row,) = json.loads(list_runs(".", "--where", "tags=wide", "--where", "note=try", "--json").out)
    assert (row["test_accuracy"], row["tags"], row["note"], row["seed"]) == (0.7, ["wide"], "Try 1", 0)
    assert (row["metrics"]["best_loss"], row["config"]["optimizer.lr"], row["checkpoint"]) == (1.0, 0.01, None)
    rows = list(csv.DictReader(io.StringIO(list_runs(".", "--csv").out)))
    assert [row["test_accuracy"] for row in rows] == ["0.9", "0.7", "0.8", ""]


def test_the_best_run_is_tested_by_its_folder_and_its_checkpoint_is_there(list_runs, trained, tmp_path, capsys):
    (tmp_path / "days").mkdir()
    trained("dataset.validation=0.25", "tags=[a]", folder="days/0")
    trained("dataset.validation=0.25", "optimizer.lr=1e-9", folder="days/1")
    ended = list_runs("days", "--where", "tags=a", "--best", "folder")
    assert (ended.status, ended.err) == (0, "") and ended.out == "days/0\n"
    assert evaluate(ended.out.strip(), []) == 0
    capsys.readouterr()
    ended = list_runs("days/0", "--best", "checkpoint")
    assert ended.out == "days/0/checkpoints/best.pt\n"
    (tmp_path / "days/0/checkpoints/best.pt").unlink()
    ended = list_runs("days/0", "--best", "checkpoint")
    assert ended.status == 1 and ended.out == "" and "has no checkpoint any more" in ended.err


def test_validation_chooses_the_best_wherever_there_is_some_and_any_other_choice_is_told(list_runs, tmp_path):
    for number, (validation, test) in enumerate([(0.8, 0.7), (0.7, 0.9), (0.8, 0.95)]):
        result = {"validation_accuracy": validation, "started": f"2026-11-27T{number}"}
        make(tmp_path / f"{number}", {"seed": number, **VALIDATED}, test, result)
    assert list_runs(".", "--best", "folder") == (0, "0\n", "")  # the first of equal ones; the test decides nothing
    make(tmp_path / "3", {"seed": 3}, 0.99)
    ended = list_runs(".", "--best", "folder")
    assert ended.out == "0\n" and "1 of 4 runs have none and were left out" in ended.err and ended.err.count("\n") == 1
    ended = list_runs("3", "--best", "folder")
    assert ended.out == "3\n" and "Chosen by test accuracy, because no run held out images" in ended.err
    make(tmp_path / "4", DIGITS, 0.99, data="digits")  # left out of the choice, but nobody asked for CIFAR-10 only
    assert list_runs(".", "--best", "folder").status == 2


def test_the_best_of_two_data_sets_is_refused_by_their_names(list_runs, tmp_path):
    make_day(tmp_path)
    ended = list_runs(".", "--best", "folder")
    assert (ended.status, ended.out) == (2, "")
    assert "2 data sets can't be compared: cifar10, digits." in ended.err and "--where dataset=digits" in ended.err
    assert list_runs(".", "--best", "folder", "--where", "dataset=digits").out == "2\n"


def test_without_a_finished_run_there_is_no_best(list_runs, tmp_path):
    make(tmp_path / "a", accuracy=None)
    for what in ("folder", "checkpoint"):
        ended = list_runs(".", "--best", what)
        assert (ended.status, ended.out) == (1, "") and "None of these runs (1) has an accuracy" in ended.err
    assert "unfinished" in list_runs(".").out


def test_a_terminal_gets_no_line_longer_than_its_width(tmp_path):
    make(tmp_path / "图像", {"tags": ["词" * 30], "note": "\x1b[31m" + "长" * 300})
    records = read_all([str(tmp_path)], print)
    for width in (20, 80, 81, 140):
        shown = listing.list_runs(records, width)
        assert all(wcswidth(line) <= width for line in shown.splitlines())
        assert width == 20 or ("词词词" in shown and "长长" in shown and "图像" in shown)
    text = listing.list_runs(records, None)
    assert "\\x1b" in text and "\x1b" not in text


def test_tags_and_note_are_seen_at_80_columns_and_everything_at_140(tmp_path):
    """Seconds, epochs and the model go first, and the folder is shortened."""
    changes = {**DIGITS, **VALIDATED, "tags": ["baseline", "digits"], "note": "lower rate, as in the paper"}
    make(tmp_path / "2026-11-27/09-10-03/3", changes, 0.9, {"validation_accuracy": 0.91})
    make(tmp_path / "2026-11-27/15-40-00", {"dataset._target_": "alexnet.data.image_folder.image_folder"}, None)
    records = read_all([str(tmp_path)], print)
    shown = listing.list_runs(records, 80)
    row = next(line for line in shown.splitlines() if "91.00" in line)
    assert "  baseline,digits  lower rate, as" in row and row.endswith("  09-10-03/3") and "not shown: seconds" in shown
    assert f"foldersarein{tmp_path}/2026-11-27" in "".join(shown.split())  # a long path is broken
    for width in (140, 1000, None):
        shown = listing.list_runs(records, width)
        words = [
            "seconds",
            "alexnet_cifar",
            "unfinished",
            "image_folder data",
            "baseline,digits  lower rate, as in the paper",
        ]
        assert all(word in shown for word in words) and "…" not in shown
    assert str(records[0].run.folder) in shown


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["nowhere"], "nowhere: there is no such folder"),
        ([".", "--sort", "test_acuracy"], "did you mean test_accuracy?"),
        ([".", "--sort", "foo"], "there are test_accuracy, best_loss, final_loss, seconds, epochs, "),
        (
            [".", "--where", "foo=1"],
            "there are epochs, batch_size, dataset, model, optimizer, optimizer.lr, seed, tags ",
        ),
        ([".", "--where", "tags=x"], "Here tags is [wide]"),
        ([".", "--where", "optimizer.lr=9"], " or 0.6 or 13 more."),
    ],
)
def test_a_mistake_is_one_sentence_of_a_few_lines(list_runs, tmp_path, arguments, words):
    make_day(tmp_path)
    for number in range(20):  # a hundred other metrics and keys
        result = {f"per_class_accuracy.{number}.{each}": 1.0 for each in range(5)}
        make(tmp_path / f"more{number}", {f"model.option{number}": 1, "optimizer.lr": number / 10}, 0.5, result)
    ended = list_runs(*arguments)
    assert ended.status == 2 and words in ended.err and ended.err.count("\n") == 1 and ended.out == ""
    assert len(ended.err) < 4 * 80
