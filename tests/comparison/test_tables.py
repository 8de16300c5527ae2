"""The table as text, Markdown, CSV and JSON."""

import csv
import io

from support.comparisons import list_configurations
from support.run_folders import make


def test_the_table_has_only_the_keys_that_differ_and_the_best_first(compare, sweep):
    lines = compare("sweep").stdout.splitlines()
    assert lines[0].split("  ")[0] == "optimizer.lr" and "momentum" not in lines[0] and "seed" not in lines[0]
    assert lines[1].split()[:5] == ["0.1", "3", "91.00", "±", "1.00"] and "[88.52, 93.48]" in lines[1]
    assert lines[1].endswith("finished  sweep/{0,1,2}") and lines[2].endswith("finished  sweep/{3,4,5}")


def test_csv_markdown_and_json_agree(compare, sweep):
    rows = list(csv.DictReader(io.StringIO(compare("sweep", "--csv").stdout)))
    spreads = [row["metrics"]["test_accuracy"] for row in list_configurations(compare("sweep", "--json"))]
    assert [float(row["test_accuracy"]) for row in rows] == [spread["mean"] for spread in spreads]
    assert [float(row["test_accuracy_low"]) for row in rows] == [spread["low"] for spread in spreads]
    lines = compare("sweep", "--markdown").stdout.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in (lines[0], lines[2])]
    assert cells[0][:3] == ["optimizer.lr", "n", "test_accuracy %"] and set(lines[1]) <= {"|", "-", " "}
    assert cells[1][:3] == ["0.1", "3", "91.00 ± 1.00"]


def test_columns_with_chinese_line_up_in_a_terminal(compare, tmp_path):
    make(tmp_path / "a", {"model._target_": "网络"}, 0.9)
    make(tmp_path / "b", {"model._target_": "net"}, 0.8)
    rows = compare(".").stdout.splitlines()[1:3]
    assert [row.split("  1  ")[0] for row in rows] == ["网络 ", "net  "]  # a Chinese character is two columns wide


def test_a_value_cannot_break_out_of_a_markdown_cell(compare, tmp_path):
    make(tmp_path / "a", {"model.dropout": "x | y\n| z"})
    make(tmp_path / "b")
    table = compare(".", "--markdown").stdout.split("\n\n")[0].splitlines()
    assert len(table) == 4 and len({line.replace(r"\|", "").count("|") for line in table}) == 1


def test_nothing_from_a_folder_steers_the_terminal(compare, tmp_path):
    escape = "\x1b[31m"
    make(tmp_path / f"alexnet.{escape}", {"model.dropout": escape, escape: 1})
    make(tmp_path / "b", {}, None, {"status": escape, "reason": f"{escape}\n\n"})
    for form in ([], ["--markdown"], ["--csv"], ["--json"], ["--diff"]):
        ended = compare(".", *form)
        assert ended.status == 0 and "\x1b" not in ended.stdout and "alexnet." in ended.stdout
