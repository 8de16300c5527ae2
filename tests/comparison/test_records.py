"""What a comparison reads: which runs it finds, their numbers, damaged folders, and --where."""

import json
import os

import pytest

from support.comparisons import list_configurations, parse_json
from support.run_folders import make


def test_best_and_final_loss_are_those_of_the_epochs(compare, tmp_path):
    make(tmp_path / "run", losses=(2.0, 0.5, 0.75))
    metrics = list_configurations(compare("run", "--json"))[0]["metrics"]
    assert metrics["best_loss"]["mean"] == 0.5 and metrics["final_loss"]["mean"] == 0.75


def test_any_number_of_result_json_is_a_metric(compare, tmp_path):
    make(tmp_path / "a", result={"per_class_accuracy": {"猫": 0.25}})
    header, row = compare("a", "--metric", "per_class_accuracy.猫").stdout.splitlines()[:2]
    assert "per_class_accuracy.猫 %" in header and "25.00" in row


def test_runs_are_found_in_runs_sweeps_days_patterns_and_copies_each_once(compare, tmp_path):
    for number in (10, 2):
        make(tmp_path / "outputs" / "2012-09-30" / "10-00-00" / str(number), {"seed": number})
    make(tmp_path / "outputs" / "2012-09-30" / "11-00-00", {"seed": 3})
    day = "outputs/2012-09-30"
    for given in (["outputs"], [day], ["outputs/*/*"], ["outputs", f"{day}/11-00-00"]):
        (row,) = list_configurations(compare(*given, "--json"))
        assert sorted(row["folders"]) == [f"{day}/10-00-00/10", f"{day}/10-00-00/2", f"{day}/11-00-00"]
    (tmp_path / "outputs").rename(tmp_path / "moved")
    folders = list_configurations(compare("moved/2012-09-30/10-00-00", "--json"))[0]["folders"]
    assert folders == ["moved/2012-09-30/10-00-00/2", "moved/2012-09-30/10-00-00/10"]


@pytest.mark.parametrize(
    "name, content",
    [
        ("config.yaml", "optimizer: {lr: ["),
        ("config.yaml", "just text"),
        ("config.yaml", ""),
        ("config.yaml", "a: &a [1]\nb: *a"),
        ("config.yaml", "[" * 100_000),
        ("config.yaml", "a: !!python/object/apply:os.system ['touch ran']"),
        ("config.yaml", "a: 0x" + "f" * 20_000),
        ("config.yaml", "a: !!omap [b: 1]"),
        ("config.yaml", "".join(f"k{number}: 1\n" for number in range(100_000))),
        ("config.yaml", "a: " + "x" * 20_000_000),
        ("config.yaml", "a: 1\x1b"),
        ("environment.json", "{"),
        ("result.json", '{"status": "fini'),
        ("result.json", "[1]"),
        ("result.json", "[" * 100_000),
        ("result.json", '{"status": "finished", "a": ' + "[" * 900 + "]" * 900 + "}"),
        ("result.json", '{"status": 1}'),
        ("result.json", json.dumps({str(number): number for number in range(100_000)})),
        ("environment.json", '{"extended_from": 1}'),
        ("result.json", '{"status": "finished", "test_accuracy": 1' + "0" * 400 + "}"),
        ("epochs.csv", "epoch,step,loss\n1,10,two\n"),
        ("epochs.csv", "epoch,step\n1,10\n"),
        ("epochs.csv", "a,b\n1,2,3\n"),
        ("losses.csv", "step,loss\n1\n"),
        ("losses.csv", b"\xff\xfe\x00"),
    ],
)
def test_a_damaged_folder_is_one_warning_and_the_others_are_compared(compare, sweep, tmp_path, name, content):
    damaged = make(sweep / "6", {"optimizer.lr": 0.1, "seed": 3})
    (damaged / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    ended = compare("sweep", "--json")
    assert [row["seeds"] for row in parse_json(ended)["configurations"]] == [[0, 1, 2], [0, 1, 2]]
    (warning,) = ended.stderr.splitlines()
    assert warning.startswith("left out: sweep/6") and len(warning) < 3000
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["config.yaml", "environment.json", "result.json", "losses.csv", "epochs.csv"])
def test_what_is_no_file_is_one_warning_and_never_waited_for(compare, sweep, name):
    for number, put in enumerate((os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero"))):
        damaged = make(sweep / str(6 + number), {"optimizer.lr": 0.1, "seed": 3})
        (damaged / name).unlink()
        put(damaged / name)
    ended = compare("sweep", "--json")
    assert [row["seeds"] for row in parse_json(ended)["configurations"]] == [[0, 1, 2], [0, 1, 2]]
    assert [line[:17] for line in ended.stderr.splitlines()] == [f"left out: sweep/{number}" for number in (6, 7, 8)]


@pytest.mark.parametrize("number", ["1e308", "-1e999", "Infinity", "NaN", "-1e100"])
def test_a_number_too_large_to_average_is_no_metric(compare, tmp_path, number):
    for seed in (0, 1):
        folder = make(tmp_path / "runs" / str(seed), {"seed": seed}, 0.5)
        (folder / "result.json").write_text(f'{{"status": "finished", "test_accuracy": 0.5, "seconds": {number}}}')
        (folder / "epochs.csv").write_text(f"epoch,step,loss\n1,10,{number.replace('Infinity', 'inf')}\n")
    (row,) = list_configurations(compare("runs", "--json"))
    assert row["metrics"]["test_accuracy"]["mean"] == 0.5
    assert row["metrics"]["seconds"] is row["metrics"]["final_loss"] is None


def test_a_folder_that_a_job_has_only_just_claimed_is_no_damage(compare, sweep):
    """The report after one of two parallel jobs may find the folder of the next job before anything is in it."""
    (sweep / "6" / ".hydra").mkdir(parents=True)
    assert compare("sweep").stderr == ""


@pytest.mark.parametrize(
    "condition, folders",
    [
        ("optimizer.lr=1e-1", "012"),
        ("optimizer=sgd", "012345"),
        ("seed=1", "14"),
        ("optimizer=torch.optim.SGD", "012345"),
        ("model=alexnet_cifar", "012345"),
    ],
)
def test_where_keeps_the_runs_with_the_value(compare, sweep, condition, folders):
    rows = list_configurations(compare("sweep", "--where", condition, "--json"))
    assert [folder for row in rows for folder in row["folders"]] == [f"sweep/{number}" for number in folders]


def test_where_is_repeatable(compare, sweep):
    conditions = ["--where", "optimizer.lr=0.1", "--where", "seed=2"]
    (row,) = list_configurations(compare("sweep", *conditions, "--json"))
    assert row["folders"] == ["sweep/2"]
