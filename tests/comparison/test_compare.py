"""Metrics, the order of the configurations, and --best-of."""

import re

import numpy as np
import pytest

from alexnet.comparison.groups import compare_groups
from alexnet.comparison.page_data import collect
from alexnet.comparison.panels import make_point
from alexnet.comparison.records import read_all
from support.comparisons import list_configurations, parse_json
from support.run_folders import make


def test_sort_orders_by_a_key_with_numbers_as_numbers(compare, tmp_path):
    for rate in (0.5, 10, 2, 1e-3):
        make(tmp_path / str(rate), {"optimizer.lr": rate}, accuracy=rate / 20)
    rows = list_configurations(compare(".", "--sort", "optimizer.lr", "--json"))
    assert [row["config"]["optimizer.lr"] for row in rows] == [1e-3, 0.5, 2, 10]


def test_best_of_keeps_the_best_of_each_group_and_notes_what_was_tried(compare, tmp_path):
    """tanh's best is in the middle, relu's at the edge. The fastest has one run only, so it isn't the best."""
    reached = {
        ("relu", 0.1): (2, 3),
        ("relu", 0.2): (4, 5),
        ("tanh", 0.1): (9, 8),
        ("tanh", 0.2): (6, 7),
        ("tanh", 0.4): (1,),
    }
    for (activation, rate), seconds in reached.items():
        for seed, value in enumerate(seconds):
            changes = {"model.activation": activation, "optimizer.lr": rate, "seed": seed}
            make(tmp_path / f"{activation}-{rate}-{seed}", changes, result={"seconds": value})
    rows = list_configurations(compare(".", "--metric", "seconds", "--best-of", "optimizer.lr", "--json"))
    assert [row["name"] for row in rows] == [
        "model.activation=relu, optimizer.lr=0.1",
        "model.activation=tanh, optimizer.lr=0.2",
    ]
    make(tmp_path / "diverged", {"model.activation": "relu", "optimizer.lr": 0.4}, None, {"status": "diverged"})
    told = compare(".", "--metric", "seconds", "--best-of", "optimizer.lr").stdout
    assert "only the best of optimizer.lr=0.1,0.2,0.4 is shown\n" in told
    edge = "\nmodel.activation=relu, optimizer.lr=0.1 is at the edge of the values tried: the best may lie beyond\n"
    assert edge in told
    assert "model.activation=tanh, optimizer.lr=0.2 is" not in told
    assert "seeds 0, 1: seconds -4, " in told
    assert "not averaged: diverged: diverged" in told


def test_if_no_run_reached_the_error_the_best_is_chosen_by_final_loss(compare, tmp_path):
    for rate, loss in ((0.1, 1.5), (0.2, 0.9), (0.4, 1.2)):
        make(tmp_path / str(rate), {"optimizer.lr": rate}, losses=(2.0, loss), errors=(0.9, loss / 2))
    (row,) = list_configurations(compare(".", "--metric", "epochs_to_25", "--best-of", "optimizer.lr", "--json"))
    assert row["config"]["optimizer.lr"] == 0.2 and row["tried"] == [0.1, 0.2, 0.4]


def test_if_no_run_finished_there_is_no_best(compare, tmp_path):
    for rate in (0.1, 0.2):
        make(tmp_path / str(rate), {"optimizer.lr": rate}, None, {"status": "failed", "reason": "no data"})
    told = compare(".", "--metric", "epochs_to_25", "--best-of", "optimizer.lr", "--verbose").stdout
    assert "no data" in told and "the best" not in told


def test_more_metrics_are_shown_and_the_first_is_compared(compare, tmp_path):
    for rate, seconds in ((0.1, 5), (0.2, 3)):
        make(tmp_path / str(rate), {"optimizer.lr": rate}, result={"seconds": seconds, "bytes_crossed_per_image": 8})
    header, first, *_ = compare(".", "--metric", "seconds", "--metric", "bytes_crossed_per_image").stdout.splitlines()
    assert header.split()[:5] == ["optimizer.lr", "n", "seconds", "bytes_crossed_per_image", "folders"]
    assert first.split()[:4] == ["0.2", "1", "3", "8"]


def test_epochs_to_an_error_are_interpolated_between_epochs(compare, tmp_path):
    """As numpy interpolates them. A note names the runs whose error never falls so far."""
    curves = {("relu", 0): (0.6, 0.4, 0.2), ("relu", 1): (0.5, 0.25, 0.1), ("tanh", 0): (0.7, 0.5, 0.3)}
    for (activation, seed), errors in curves.items():
        changes = {"model.activation": activation, "seed": seed}
        make(tmp_path / f"{activation}{seed}", changes, losses=(1.0,) * 3, errors=errors)
    relu, tanh = list_configurations(compare(".", "--metric", "epochs_to_25", "--json"))
    expected = [np.interp(-0.25, np.negative(curves["relu", seed]), [1, 2, 3]) for seed in (0, 1)]
    assert relu["config"]["model.activation"] == "relu" and tanh["metrics"]["epochs_to_25"] is None
    assert relu["metrics"]["epochs_to_25"]["mean"] == pytest.approx(np.mean(expected)) == pytest.approx(2.375)
    told = compare(".", "--metric", "epochs_to_25", "--plot", "figure.png").stdout
    note = "model.activation=tanh: 1 of 1 finished runs have no epochs_to_25: their training error never fell to 25%"
    assert note in told
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    (first,) = list_configurations(compare("relu0", "--metric", "epochs_to_60", "--json"))
    assert first["metrics"]["epochs_to_60"]["mean"] == 1


def test_for_a_loss_lower_is_better(compare, tmp_path):
    for rate, losses in ((0.1, (1.0, 1.1)), (0.01, (0.2, 0.21))):
        for seed, loss in enumerate(losses):
            make(tmp_path / f"{rate}-{seed}", {"optimizer.lr": rate, "seed": seed}, losses=(2.0, loss))
    answer = parse_json(compare(".", "--metric", "final_loss", "--json"))
    assert [row["config"]["optimizer.lr"] for row in answer["configurations"]] == [0.01, 0.1]
    assert "better with n=2" in compare(".", "--metric", "final_loss").stdout


def test_held_out_images_choose_wherever_there_are_some_and_runs_without_are_told(compare, tmp_path):
    """The better one in validation is the worse one in the test. The run without validation is the best one there."""
    make(tmp_path / "a", {"optimizer.lr": 0.1}, accuracy=0.9, result={"validation_accuracy": 0.7})
    make(tmp_path / "b", {"optimizer.lr": 0.2}, accuracy=0.8, result={"validation_accuracy": 0.75})
    header, first, *notes = compare(".").stdout.splitlines()
    assert re.split("  +", header) == ["optimizer.lr", "n", "validation_accuracy %", "test_accuracy %", "folders"]
    assert first.startswith("0.2") and any("held-out" in note for note in notes)
    make(tmp_path / "c", {"optimizer.lr": 0.3}, accuracy=0.95)
    header, first, *notes = compare(".").stdout.splitlines()
    assert (
        "validation_accuracy" in header.split()[2]
        and first.startswith("0.2")
        and notes[1].split()[:3] == ["0.3", "0", "-"]
    )
    told = (
        "optimizer.lr=0.3: 1 of 1 finished runs have no validation_accuracy; to compare them, too: compare.py --metric"
    )
    assert sum(note.startswith(told) for note in notes) == 1
    assert " 75.00 " in compare(".", "--best-of", "optimizer.lr").stdout.splitlines()[1]
    asked = compare(".", "--metric", "test_accuracy").stdout
    assert "dataset.validation" not in asked


def test_no_interval_reaches_beyond_what_can_be(compare, tmp_path):
    """Two accuracies of 0.90 and 0.99 would give 0.37 to 1.52, and 10 and 60 seconds -283 to 353."""
    for seed, (accuracy, seconds) in enumerate([(0.90, 10.0), (0.99, 60.0)]):
        make(tmp_path / str(seed), {"seed": seed}, accuracy=accuracy, result={"seconds": seconds, "error_gap": 0.01})
    (row,) = list_configurations(compare(".", "--metric", "error_gap", "--json"))
    assert row["metrics"]["test_accuracy"]["high"] == 1 and row["metrics"]["test_accuracy"]["low"] > 0.3
    assert row["metrics"]["seconds"]["low"] == 0 and row["metrics"]["seconds"]["high"] > 350
    assert compare(".", "--plot", "picture.png").status == 0


def test_an_interval_of_all_that_can_be_is_shown_nowhere_and_stays_in_json(compare, tmp_path):
    """Two accuracies of 0.3 and 0.7, and differences of -0.6 and 0.6, say nothing about the mean."""
    for rate, accuracies in ((0.1, (0.3, 0.7)), (0.2, (0.9, 0.1))):
        for seed, accuracy in enumerate(accuracies):
            make(tmp_path / f"{rate}-{seed}", {"optimizer.lr": rate, "seed": seed}, accuracy=accuracy)
    told = compare(".").stdout
    assert told.count("n too small") == 2 and "[0.00, 100.00]" not in told
    assert "points, 95% interval over all that can be: not distinguishable with n=2." in told and "100" not in told
    answer = parse_json(compare(".", "--json"))
    assert [list_ends(each["metrics"]["test_accuracy"]) for each in answer["configurations"]] == [[0, 1], [0, 1]]
    assert list_ends(answer["differences"][0]["difference"]) == [-1, 1]
    comparison = compare_groups(read_all([str(tmp_path)], pytest.fail))[0].comparison
    assert make_point(comparison, comparison.configurations[0], 1).spread.low is None  # no line across the picture
    (shown,) = collect(compare_groups(read_all([str(tmp_path)], pytest.fail)))["groups"]
    assert [each["metrics"]["test_accuracy"][3:] for each in shown["configurations"]] == [[None, None]] * 2


def list_ends(spread):
    return [spread["low"], spread["high"]]


def test_rows_of_best_of_without_validation_say_what_chose_them(compare, tmp_path):
    for rate in (0.1, 0.2):
        make(tmp_path / f"a{rate}", {"optimizer.lr": rate}, 0.9, {"validation_accuracy": rate})
        make(tmp_path / f"b{rate}", {"optimizer.lr": rate, "batch_size": 8}, 1 - rate, losses=(2.0, 2 - rate))
    told = compare(".", "--best-of", "optimizer.lr").stdout
    assert "1 of the rows by final_loss, because their runs have no validation_accuracy" in told
    assert [line.split()[:2] for line in told.splitlines()[1:3]] == [["64", "0.2"], ["8", "0.2"]]


def test_what_failed_at_every_value_is_not_at_the_edge_of_them(compare, tmp_path):
    for rate in (0.1, 1.0):
        make(tmp_path / f"good{rate}", {"optimizer.lr": rate, "batch_size": 8}, accuracy=rate / 2)
        failed = {"status": "diverged", "reason": "The loss is nan."}
        make(tmp_path / f"bad{rate}", {"optimizer.lr": rate, "batch_size": 4}, accuracy=None, result=failed)
    told = compare(".", "--best-of", "optimizer.lr").stdout
    assert told.count("the best may lie beyond") == 1 and "batch_size=8, optimizer.lr=1.0 is at the edge" in told
