"""Runs become configurations: what is averaged, what is left out, and what makes a configuration another one."""

import json

import numpy as np
import pytest
from scipy import stats

from alexnet.comparison.configurations import group_records
from alexnet.comparison.records import read_all
from support.comparisons import FIRST, SECOND, list_configurations
from support.run_folders import make


def test_runs_that_differ_in_their_seed_are_one_row_with_mean_deviation_and_interval(compare, sweep):
    first, second = list_configurations(compare("sweep", "--json"))
    for row, rate, accuracies in ((first, 0.1, FIRST), (second, 0.01, SECOND)):
        spread = row["metrics"]["test_accuracy"]
        low, high = stats.t.interval(0.95, 2, np.mean(accuracies), stats.sem(accuracies))
        assert (row["name"], row["seeds"], spread["n"]) == (f"optimizer.lr={rate}", [0, 1, 2], 3)
        assert spread["mean"] == pytest.approx(np.mean(accuracies))
        assert spread["std"] == pytest.approx(np.std(accuracies, ddof=1))
        assert [spread["low"], spread["high"]] == pytest.approx([low, high])
        assert row["folders"] == [f"sweep/{number}" for number in ([0, 1, 2] if rate == 0.1 else [3, 4, 5])]


@pytest.mark.parametrize(
    "result, said",
    [
        ({"status": "diverged", "reason": "The loss became nan."}, "diverged: The loss became nan."),
        ({"status": "failed", "reason": "RuntimeError: no memory"}, "failed: RuntimeError: no memory"),
        ({"status": "interrupted", "reason": "Stopped by Ctrl-C."}, "interrupted: Stopped by Ctrl-C."),
        ({"status": "failed", "reason": "x", "test_accuracy": 0.1}, "failed: x"),
        (None, "unfinished: no result.json: it is running, or was killed"),
    ],
)
def test_what_did_not_finish_is_listed_with_its_reason_and_never_averaged(compare, sweep, result, said):
    make(sweep / "6", {"optimizer.lr": 0.1, "seed": 3}, accuracy=None, result=result)
    answer = list_configurations(compare("sweep", "--json"))[0]
    assert answer["metrics"]["test_accuracy"]["mean"] == pytest.approx(np.mean(FIRST))
    assert answer["seeds"] == [0, 1, 2]
    assert answer["not_averaged"][0]["folder"] == "sweep/6"
    assert f"not averaged: sweep/6: {said}" in compare("sweep").stdout


def test_a_run_that_ended_before_its_data_was_read_belongs_to_its_configuration(compare, sweep):
    folder = make(sweep / "6", {"optimizer.lr": 0.1, "seed": 3}, accuracy=None, data=None)
    (folder / ".hydra").mkdir()
    (folder / "config.yaml").rename(folder / ".hydra" / "config.yaml")
    answer = list_configurations(compare("sweep", "--json"))
    assert [row["status"] for row in answer] == ["3 finished, 1 unfinished", "finished"]


def test_a_seed_counts_once_by_its_newest_run(compare, sweep):
    make(sweep / "6", {"optimizer.lr": 0.1, "seed": 0}, 0.99, {"started": "2012-09-30T10:00:00"})
    answer = list_configurations(compare("sweep", "--json"))[0]
    assert answer["metrics"]["test_accuracy"]["n"] == 3
    assert answer["metrics"]["test_accuracy"]["mean"] == pytest.approx(np.mean([0.99, *FIRST[1:]]))
    assert answer["not_averaged"][0]["reason"] == "the same configuration and seed as sweep/6, which is newer"


def test_a_copy_is_not_called_newer(compare, tmp_path):
    for name in ("a", "b"):
        make(tmp_path / name, result={"started": "2012-09-30T10:00:00"})
    (row,) = list_configurations(compare(".", "--json"))
    assert row["not_averaged"][0]["reason"] == "the same configuration and seed as b, which began at the same time"


def test_runs_of_several_commits_or_devices_are_averaged_with_a_note(compare, sweep):
    first, second = "0123456789abcdef" * 4, "bbb"
    for number, commit, device in ((0, first, "CPU"), (1, second, "CPU"), (2, second, "GPU")):
        environment = {"source": {"commit": commit}, "device_name": device, "data_sha256": "abc"}
        (sweep / str(number) / "environment.json").write_text(json.dumps(environment))
    lines = compare("sweep", "--verbose").stdout.splitlines()
    assert "optimizer.lr=0.1: averaged over commits 0123456789ab, bbb; see --diff" in lines
    assert "optimizer.lr=0.1: averaged over devices CPU, GPU; see --diff" in lines
    assert len([line for line in lines if "averaged over" in line]) == 2
    assert "averaged over several commits (1 row), devices (1 row); " in compare("sweep").stdout


@pytest.mark.parametrize(
    "key, value",
    [
        ("language", "zh"),
        ("log_every", 5),
        ("dataset.root", "elsewhere"),
        ("device.workers", 7),
    ],
)
def test_an_option_that_cannot_change_the_numbers_makes_no_new_configuration(compare, tmp_path, key, value):
    make(tmp_path / "a", {"seed": 0})
    make(tmp_path / "b", {"seed": 1, key: value})
    (row,) = list_configurations(compare(".", "--json"))
    assert row["seeds"] == [0, 1]


def test_what_is_measured_for_an_option_is_shown_only_if_it_alone_differs(compare, tmp_path):
    """A run that shifts colours records components, another records null. The shift already tells them apart."""
    components = [[0.1, 0.1, 0.1], [0.01, 0, -0.01], [0, 0.002, 0]]
    shifting = {"dataset.colour": 0.1, "dataset.components": components}
    make(tmp_path / "a", {"dataset.colour": 0, "dataset.components": None}, 0.8)
    make(tmp_path / "b", shifting, 0.9)
    assert "dataset.components" not in compare(".").stdout
    (best,) = list_configurations(compare(".", "--best-of", "dataset.colour", "--json"))
    assert best["config"]["dataset.colour"] == 0.1 and best["tried"] == [0, 0.1]
    make(tmp_path / "c", {**shifting, "dataset.components": components[::-1]}, 0.7)
    assert "dataset.components" in compare(".").stdout
    make(tmp_path / "given" / "a", {"dataset.mean": 0.4, "dataset.components": components}, 0.8)
    make(tmp_path / "given" / "b", {"dataset.mean": 0.6, "dataset.components": components[::-1]}, 0.9)
    assert "dataset.mean" in compare("given").stdout  # nothing else tells them apart


def test_other_data_under_the_same_name_is_another_configuration(compare, tmp_path):
    make(tmp_path / "a", data="abc")
    make(tmp_path / "b", {"seed": 1}, data="def")
    names = {row["name"] for row in list_configurations(compare(".", "--json"))}
    assert names == {"data_sha256=abc", "data_sha256=def"}


def test_other_contents_of_the_same_lengths_are_another_configuration(compare, tmp_path):
    make(tmp_path / "a", data="abc", lengths="111")
    make(tmp_path / "b", {"seed": 1}, data="def", lengths="111")
    names = {row["name"] for row in list_configurations(compare(".", "--json"))}
    assert names == {"data_sha256=abc", "data_sha256=def"}
    assert "abc" in compare("--diff", "a", "b").stdout


def test_a_run_of_an_earlier_version_belongs_to_those_with_files_of_the_same_lengths(compare, tmp_path):
    """It recorded nothing but lengths. The average says so, and --diff finds no difference that isn't known."""
    make(tmp_path / "old", data="111")
    make(tmp_path / "new", {"seed": 1}, data="abc", lengths="111")
    (row,) = list_configurations(compare(".", "--json"))
    assert sorted(row["seeds"]) == [0, 1] and "data_sha256" not in row["config"]
    assert "averaged over data hashes of contents, lengths" in compare(".").stdout
    assert "sha256" not in compare("--diff", "old", "new").stdout
    make(tmp_path / "other", {"seed": 2}, data="222", lengths="333")
    assert len(list_configurations(compare(".", "--json"))) == 2


def test_a_run_of_an_earlier_version_stays_apart_if_its_lengths_fit_different_contents(compare, tmp_path):
    make(tmp_path / "old", data="111")
    make(tmp_path / "a", {"seed": 1}, data="abc", lengths="111")
    make(tmp_path / "b", {"seed": 2}, data="def", lengths="111")
    assert len(list_configurations(compare(".", "--json"))) == 3


def test_runs_of_today_say_nothing_of_how_their_data_is_hashed(compare, tmp_path):
    make(tmp_path / "a", data="abc", lengths="111")
    make(tmp_path / "b", {"seed": 1}, data="abc", lengths="111")
    (row,) = list_configurations(compare(".", "--json"))
    assert "data_lengths_sha256" not in row["config"] and "data hashes" not in compare(".").stdout


def test_a_run_that_stopped_early_stays_at_its_last_value(compare, tmp_path):
    """The mean curve is as long as the longest one, whichever run comes first."""
    changes = {"epochs": 4, "optimizer.lr": 0.1}
    make(tmp_path / "sweep" / "0", {**changes, "seed": 0}, 0.9, {"epochs": 2}, losses=(4.0, 2.0))
    make(tmp_path / "sweep" / "1", {**changes, "seed": 1}, 0.9, {"epochs": 4}, losses=(4.0, 3.0, 2.0, 1.0))
    (configuration,) = group_records(read_all([str(tmp_path / "sweep")], print))
    curve = configuration.average_curve("training_loss")
    assert curve.epochs.tolist() == [1, 2, 3, 4] and curve.mean.tolist() == [4, 2.5, 2, 1.5]
    said = "all runs: 1 of 2 runs stopped early, after 2 epochs; their curves stay at their last values"
    assert said in compare("sweep").stdout
