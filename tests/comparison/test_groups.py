"""Runs of different data sets and models are never compared with each other, unless somebody asks for it."""

import csv
import io

import pytest

from support.comparisons import parse_json
from support.run_folders import make

DIGITS = {"dataset._target_": "alexnet.data.digits.digits"}
FOLDER = {"dataset._target_": "alexnet.data.image_folder.image_folder"}
CUDA_CONVNET = {"model._target_": "alexnet.models.cuda_convnet.CudaConvnet"}


@pytest.fixture
def day(tmp_path):
    """Two models on CIFAR-10, one on digits; two learning rates each, and what went wrong."""
    kinds = {"c": {}, "cc": CUDA_CONVNET, "d": DIGITS}
    for kind, (name, changes) in enumerate(kinds.items()):
        for seed in (0, 1):
            for rate in (0.1, 0.2):
                values = {**changes, "seed": seed, "optimizer.lr": rate}
                make(tmp_path / "day" / f"{name}{rate}{seed}", values, 0.6 + kind / 10 + rate / 10 + seed / 100)
    make(tmp_path / "day" / "repeat", DIGITS | {"optimizer.lr": 0.1}, 0.8)
    make(tmp_path / "day" / "diverged", DIGITS | {"optimizer.lr": 10}, None, {"status": "diverged", "reason": "nan"})
    make(tmp_path / "day" / "killed", DIGITS | {"optimizer.lr": 5}, None)
    return tmp_path / "day"


def test_each_data_set_and_model_has_its_own_table_keys_and_verdicts_after_an_overview(compare, day):
    overview, *tables = compare("day").stdout.split("\n\n")
    rows = [line.split()[:5] for line in overview.splitlines()[1:]]
    assert rows == [
        ["cifar10", "alexnet_cifar", "2", "4", "of"],
        ["cifar10", "cuda_convnet", "2", "4", "of"],
        ["digits", "alexnet_cifar", "4", "5", "of"],
    ]
    headings = [part.splitlines()[0] for part in tables if part.splitlines()[-1].startswith("---")]
    assert headings == ["cifar10, alexnet_cifar", "cifar10, cuda_convnet", "digits, alexnet_cifar"]
    assert "model=" not in "".join(tables) and "dataset=" not in "".join(tables)
    pairs = {
        (each["group"], each["best"], each["other"]) for each in parse_json(compare("day", "--json"))["differences"]
    }
    assert pairs == {(name, "optimizer.lr=0.2", "optimizer.lr=0.1") for name in headings}


def test_one_group_has_no_overview(compare, day):
    told = compare("day", "--where", "dataset=digits").stdout
    assert told.startswith("optimizer.lr  n  ") and "data set" not in told


def test_repeats_and_failures_are_one_line_and_verbose_has_them_all(compare, day):
    told = compare("day").stdout
    assert told.count("not averaged") == 1
    assert "\nnot averaged: 1 repeated seed, 1 diverged, 1 unfinished; compare.py --verbose lists them\n" in told
    lines = [line for line in compare("day", "--verbose").stdout.splitlines() if line.startswith("not averaged")]
    assert len(lines) == 3 and "not averaged: day/diverged: diverged: nan" in lines


def test_what_orders_the_tables_and_how_to_repeat_is_said_once(compare, day):
    make(day / "single", DIGITS | {"optimizer.lr": 0.3}, 0.8)
    told = compare("day").stdout
    assert told.count("dataset.validation=0.1") == 1 == told.count("python scripts/train.py -m seed=0,1,2")


def test_the_models_of_one_sweep_are_compared_and_others_if_somebody_asks(compare, day):
    asked = parse_json(compare("day", "--across-models", "--json"))
    assert [group["name"] for group in asked["groups"]] == ["cifar10", "digits"]
    assert any(each["best"] == "model=cuda_convnet, optimizer.lr=0.2" for each in asked["differences"])
    (day / "multirun.yaml").write_text("hydra: {}")
    assert parse_json(compare("day", "--json")) == asked


def test_image_folders_are_told_apart_by_their_place_and_contents(compare, tmp_path):
    """Whoever ended before the images were read belongs to the others of that place."""
    roots = {"a": ("flowers", "111"), "b": ("flowers", "111"), "c": ("birds", "222"), "d": ("flowers", None)}
    for name, (root, data) in roots.items():
        make(tmp_path / name, FOLDER | {"dataset.root": root, "optimizer.lr": ord(name)}, data=data)
    groups = parse_json(compare(".", "--json"))["groups"]
    assert [group["dataset"] for group in groups] == ["image_folder birds", "image_folder flowers"]
    make(tmp_path / "e", FOLDER | {"dataset.root": "flowers"}, data="333")
    groups = parse_json(compare(".", "--json"))["groups"]
    names = ["birds", "flowers (111)", "flowers (333)", "flowers (not read)"]
    assert [group["dataset"] for group in groups] == [f"image_folder {name}" for name in names]


def test_a_metric_or_key_of_one_group_is_no_mistake(compare, day):
    make(day / "x", DIGITS | {"optimizer.lr": 0.3, "model.width": 2}, 0.8, {"bytes": 9})
    for arguments in (["--metric", "bytes"], ["--sort", "model.width"], ["--best-of", "model.width"]):
        assert compare("day", *arguments).status == 0
    assert compare("day", "--metric", "byte").status == 2


def test_csv_is_one_table_of_all_groups(compare, day):
    rows = list(csv.DictReader(io.StringIO(compare("day", "--csv").stdout)))
    assert [(row["dataset"], row["model"], row["optimizer.lr"]) for row in rows[:3]] == [
        ("cifar10", "alexnet_cifar", "0.2"),
        ("cifar10", "alexnet_cifar", "0.1"),
        ("cifar10", "cuda_convnet", "0.2"),
    ]
    assert len(rows) == 8 and float(rows[5]["test_accuracy"]) == pytest.approx(0.81)
