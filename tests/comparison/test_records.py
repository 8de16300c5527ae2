"""What a comparison reads: which runs it finds, their numbers, damaged folders, and --where."""

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
        ("environment.json", "{"),
        ("result.json", '{"status": "fini'),
        ("result.json", "[1]"),
        ("result.json", "[" * 100_000),
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
    assert warning.startswith("left out: sweep/6")
    assert not (tmp_path / "ran").exists()


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
