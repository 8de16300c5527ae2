"""The table as text, Markdown, CSV and JSON."""

import csv
import io
import json
import shutil
import subprocess

import pytest

from support.comparisons import list_configurations
from support.run_folders import make


def test_the_table_has_only_the_keys_that_differ_and_the_best_first(compare, sweep):
    lines = compare("sweep").stdout.splitlines()
    assert lines[0].split("  ")[0] == "optimizer.lr" and "momentum" not in lines[0] and "seed" not in lines[0]
    assert lines[1].split()[:5] == ["0.1", "3", "91.00", "±", "1.00"] and "[88.52, 93.48]" in lines[1]
    assert lines[0].endswith("  folders in sweep") and [line.split("  ")[-1] for line in lines[1:3]] == [
        "0 1 2",
        "3 4 5",
    ]


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
    rows = compare(".", "--across-models").stdout.splitlines()[1:3]
    assert [row.split("  1  ")[0] for row in rows] == ["网络 ", "net  "]  # a Chinese character is two columns wide


def test_a_value_cannot_break_out_of_a_markdown_cell(compare, tmp_path):
    make(tmp_path / "a", {"model.dropout": "x | y\n| z"})
    make(tmp_path / "b")
    table = compare(".", "--markdown").stdout.split("\n\n")[0].splitlines()
    assert len(table) == 4 and len({line.replace(r"\|", "").count("|") for line in table}) == 1


@pytest.mark.parametrize("form", ["", "--markdown", "--csv", "--json", "--diff", "--diff --json", "--diff --markdown"])
def test_nothing_from_a_folder_steers_the_terminal(compare, tmp_path, form):
    """What would is written as Python or JSON writes it, so two names stay two."""
    controls = "\x1b\x07\x7f\x9b\u202e\u2028\u200b"
    escape = f"\x1b]0;owned{controls}\n\n"
    make(tmp_path / f"alexnet.{escape}", {"model.dropout": escape, escape: 1})
    make(tmp_path / "b", {}, None, {"status": escape, "reason": escape})
    environment = {"device_name": escape, escape: escape, "source": {"commit": escape}}
    (tmp_path / "b" / "environment.json").write_text(json.dumps(environment))
    ended = compare(".", *form.split())
    assert ended.status == 0 and "alexnet." in ended.stdout and "]0;owned" in ended.stdout
    assert not {*controls} & {*ended.stdout, *ended.stderr}
    assert "\\u202e" in ended.stdout


def test_json_is_valid_whatever_number_a_configuration_has(compare, tmp_path):
    for number, value in enumerate((float("nan"), [float("inf"), {"a": float("-inf")}])):
        make(tmp_path / str(number), {"optimizer.lr": value})
    for form in ("--json", "--diff --json"):
        json.loads(compare(".", *form.split()).stdout, parse_constant=pytest.fail)
    first, second = list_configurations(compare(".", "--json"))
    assert {first["config"]["optimizer.lr"], second["config"]["optimizer.lr"][0]} == {"nan", "inf"}


def test_json_has_every_text_as_it_is(compare, tmp_path):
    make(tmp_path / "a", {"model.dropout": "\x1b\u202e网络 \U000e0041" * 1000})
    (row,) = list_configurations(compare(".", "--json"))
    assert row["config"]["model.dropout"] == "\x1b\u202e网络 \U000e0041" * 1000


def test_a_long_value_is_shortened_in_a_table(compare, tmp_path):
    for name in "ab":
        make(tmp_path / name, {"model.dropout": f"{name}{'x' * 100_000}{name}"})
    for form in ([], ["--markdown"], ["--csv"], ["--diff"]):
        assert len(compare(".", *form).stdout) < 5000


def test_markdown_becomes_no_link_picture_code_or_html(compare, tmp_path):
    text = "[a](javascript:b) ![c][d] `e` <img src=x> f|g *h* \\"
    make(tmp_path / "a", {"model.dropout": text})
    make(tmp_path / "b", {"[x]": "]: http://example.org"}, None, {"status": "failed", "reason": text})
    table, _, notes = compare(".", "--markdown").stdout.partition("\n\n")
    escaped = r"[a\](javascript:b) ![c\][d] \`e\` &lt;img src=x> f\|g \*h\* \\"
    assert escaped in table and escaped in notes


def test_json_has_each_seeds_numbers_folder_and_the_checkpoint_that_was_tested(compare, tmp_path):
    for seed, names in enumerate((["last"], ["last", "best"], [])):
        folder = make(tmp_path / str(seed), {"seed": seed, "dataset.validation": 0.1}, 0.9 + seed / 100)
        (folder / "checkpoints").mkdir()
        for name in names:
            (folder / "checkpoints" / f"{name}.pt").touch()
    last = make(tmp_path / "test", {"seed": 0}, 0.8)
    (last / "checkpoints").mkdir()
    (last / "checkpoints" / "last.pt").touch()
    held_out, single = list_configurations(compare(".", "--json"))
    assert [(run["seed"], run["folder"], run["checkpoint"]) for run in held_out["runs"]] == [
        (0, "0", None),
        (1, "1", "1/checkpoints/best.pt"),
        (2, "2", None),
    ]
    assert [run["metrics"]["test_accuracy"] for run in held_out["runs"]] == [0.9, 0.91, 0.92]
    assert single["runs"][0]["checkpoint"] == "test/checkpoints/last.pt"


def test_latex_is_a_booktabs_table_that_compiles_whatever_a_value_has_in_it(compare, tmp_path):
    for number, value in enumerate((r"50% & $x$ a_b^c #1 {~} \end{tabular} <'\"`>", "[x]")):
        for seed in (0, 1):
            changes = {"model.dropout": value, "seed": seed}
            make(tmp_path / f"{number}{seed}", changes, 0.9 - number / 10 + seed / 100)
    make(tmp_path / "digits", {"dataset._target_": "alexnet.data.digits.digits"})
    table = compare(".", "--latex").stdout
    assert table.count(r"\begin{tabular}") == table.count(r"\bottomrule") == 3
    assert r"50\% \& \$x\$ a\_b\^{}c \#1 \{\textasciitilde{}\} \textbackslash{}end\{tabular\}" in table
    assert r" {}[x] " in table and r"90.50 $\pm$ 0.71" in table
    if shutil.which("pdflatex"):
        page = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{table}\end{{document}}"
        (tmp_path / "page.tex").write_text(page)
        command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "page.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_the_table_and_its_sentences_speak_the_language_of_the_runs_and_csv_stays_english(compare, tmp_path):
    for seed, status in enumerate(("finished", "finished", "failed", "diverged")):
        result = {"status": status, "validation_accuracy": 0.8 + seed / 100}
        make(tmp_path / str(seed), {"seed": seed, "language": "zh"}, 0.9 if seed < 2 else None, result)
    told = compare(".").stdout
    assert "验证集准确率 %" in told and "1 失败, 1 发散" in told and "95% 区间" in told
    assert not {"accuracy", "averaged", "failed", "folders", "interval"} & {*told.replace("_", " ").split()}
    assert compare(".", "--csv").stdout.startswith("dataset,model,n,validation_accuracy,")
    make(tmp_path / "english", {"seed": 9}, 0.9)
    assert "not averaged: 1 failed, 1 diverged" in compare(".").stdout  # runs of several languages
