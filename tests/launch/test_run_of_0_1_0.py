"""A folder that version 0.1.0 wrote is resumed, reproduced, evaluated and compared as its own version would."""

import json
import shutil
import sys

import pytest
import yaml

from alexnet.errors import Damaged
from alexnet.runs.tables import cut_by_column
from support.programs import ROOT, list_run_folders, run_script

SAVED = ROOT / "tests" / "support" / "run_of_0_1_0"


@pytest.fixture
def folder(tmp_path):
    assert "alexnet.datasets.digits" in (SAVED / "config.yaml").read_text(encoding="utf-8")
    return shutil.copytree(SAVED, tmp_path / "run")


def run(name, *arguments, cwd):
    return run_script([sys.executable, str(ROOT / "scripts" / f"{name}.py"), *map(str, arguments)], cwd)


def skip_if_another_machine(done):
    """Another processor or torch may round otherwise, which reproduce.py then names."""
    different = [line for line in done.stdout.splitlines() if line.startswith("environment differs: ")]
    if any(name in line for line in different for name in ("cpu_capability", "device_name", "packages.torch:")):
        pytest.skip(f"this machine computes otherwise: {'; '.join(different)}")


def test_it_is_reproduced_bit_for_bit(folder, tmp_path):
    done = run("reproduce", folder, cwd=tmp_path)
    if done.returncode == 1:
        skip_if_another_machine(done)
    assert (done.returncode, done.stderr) == (0, "")
    assert "identical: 8 of 8 windows, weights equal" in done.stdout


def test_it_is_evaluated_from_its_weights(folder, tmp_path):
    done = run("evaluate", folder, "--json", cwd=tmp_path)
    saved = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert done.stderr == ""
    measured = json.loads(done.stdout)
    assert measured["test_accuracy"] == measured["recorded"]["test_accuracy"] == saved["test_accuracy"]


def test_it_is_extended_in_its_own_folder(folder, tmp_path):
    done = run("resume", folder, "epochs=3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert (result["status"], result["epochs"]) == ("finished", 3)
    rows, before = ((place / "losses.csv").read_text(encoding="utf-8") for place in (folder, SAVED))
    assert rows.startswith(before) and rows.count("\n") == 1 + 12 + 1  # the rest of epoch 3
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    assert config["dataset"]["_target_"] == "alexnet.data.digits.digits"


@pytest.mark.parametrize("name, rows", [("losses.csv", 8), ("epochs.csv", 2)])
def test_a_row_that_is_missing_is_noticed_although_its_checkpoint_counts_none(folder, name, rows):
    path = folder / name
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(lines) == 1 + rows
    cut_by_column(folder, epoch=2, step=82)
    damages = [lines[:row] + lines[row + 1 :] for row in range(1, len(lines))] + [lines[:3][:rows], lines[:1], []]
    for damage in damages:
        path.write_text("".join(damage), encoding="utf-8")
        with pytest.raises(Damaged, match=name):
            cut_by_column(folder, epoch=2, step=82)


def test_it_is_one_configuration_with_a_run_of_today(folder, tmp_path):
    """The names that moved don't tell the two apart; another seed is a repeat."""
    overrides = (SAVED / ".hydra" / "overrides.yaml").read_text(encoding="utf-8")
    done = run("train", *yaml.safe_load(overrides), "seed=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (today,) = list_run_folders(tmp_path)
    rows = json.loads(run("compare", folder, today, "--json", cwd=tmp_path).stdout)["configurations"]
    assert [row["seeds"] for row in rows] == [[0, 1]]
