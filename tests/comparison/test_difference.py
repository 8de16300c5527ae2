"""What --diff shows."""

import json
import re

import pytest

from alexnet.comparison.records import read_all
from alexnet.comparison.tables import describe_differences
from support.comparisons import parse_json
from support.run_folders import make


def test_diff_shows_only_what_differs_in_configuration_and_environment(compare, tmp_path):
    make(tmp_path / "a", {"optimizer.lr": 0.1})
    make(tmp_path / "b", {"language": "zh"})
    environment = {"python": "3.12.0", "data_sha256": "abc", "started": "2012-09-30", "earlier": [{"python": "3.10.0"}]}
    (tmp_path / "b" / "environment.json").write_text(json.dumps(environment))
    rows = parse_json(compare("--diff", "a", "b", "--json"))
    assert rows == [
        {"key": "language", "a": "en", "b": "zh"},
        {"key": "optimizer.lr", "a": "0.1", "b": "0.01"},
        {"key": "environment.python", "a": "3.11.2", "b": "3.12.0"},
    ]


def test_many_runs_have_a_row_for_each_value_if_the_terminal_has_no_room_for_a_column_each(sweep):
    records = read_all([str(sweep)], pytest.fail)
    assert describe_differences("text", records, 1000) == describe_differences("text", records)
    lines = describe_differences("text", records, 60).splitlines()
    assert [line.split() for line in lines[-2:]] == [["optimizer.lr", "0.1", "0", "1", "2"], ["0.01", "3", "4", "5"]]
    assert [line.split()[-2:] for line in lines if "seed" in line] == [["0", "3"]] and max(map(len, lines)) <= 60
    assert describe_differences("text", records[:1] * 2, 60) == "Nothing differs."


def test_two_runs_have_a_column_each_in_any_terminal_with_long_values_cut_to_what_differs(compare, tmp_path):
    common = [f"word{number}" for number in range(60)]
    for name in "ab":
        make(tmp_path / name)
        environment = json.loads((tmp_path / name / "environment.json").read_text())
        (tmp_path / name / "environment.json").write_text(json.dumps(environment | {"command": [*common, name * 90]}))
    records = read_all([str(tmp_path / name) for name in "ab"], pytest.fail)
    told = describe_differences("text", records, 80).splitlines()
    row = next(line for line in told if "environment.command" in line)
    assert max(map(len, told)) <= 80 and "aaaaa" in row and "bbbbb" in row and "word59" in row
    assert "--json" in told[-1]
    (row,) = parse_json(compare("--diff", "a", "b", "--json"))
    assert [row[name] for name in "ab"] == [f"[{', '.join([*common, name * 90])}]" for name in "ab"]


def test_what_most_runs_have_is_that_of_the_others_and_data_sets_are_apart(tmp_path):
    for number in range(5):
        make(tmp_path / f"run-{number}", {"optimizer.lr": 0.1 if number == 1 else 0.2})
    for number in range(2):
        digits = {"dataset._target_": "alexnet.data.digits.digits", "batch_size": 32 + number}
        make(tmp_path / f"digits-{number}", digits)
    told = describe_differences("text", read_all([str(tmp_path)], pytest.fail), 80)
    cifar, digits = told.split("digits, alexnet_cifar\n")
    assert re.search(r"\noptimizer.lr +0.1 +run-1\n +0.2 +the others\n", cifar)
    assert "dataset" not in told and re.search(r"\nbatch_size +32 +digits-0\n +33 +digits-1$", digits)
