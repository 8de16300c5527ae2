"""The same run again, with a verdict; and measured again from its folder alone."""

import json
import shutil
import sys

import pytest

from alexnet.config import options
from alexnet.config.overrides import with_overrides
from alexnet.launch.reproduce import list_environment_changes
from alexnet.runs.folder import Run
from support.images import small_data, write_images
from support.programs import ROOT, list_run_folders, run_script, train_command
from support.run_folders import make


@pytest.fixture
def script(tmp_path):
    def script(name, *arguments):
        command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *map(str, arguments)]
        return run_script(command, tmp_path)

    return script


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run with seed 0, augmentation and a validation split, and the images it was trained on."""
    home = tmp_path_factory.mktemp("finished")
    settings = ["model=cuda_convnet", *small_data(write_images(home / "images"))]
    command = train_command(*settings, "dataset.crop=4", "dataset.validation=0.25", "seed=0", "hydra.run.dir=run")
    done = run_script(command, home)
    assert done.returncode == 0, done.stderr
    return home


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished / "run", tmp_path / "run")


def test_identical_with_the_windows_counted(run, script, tmp_path):
    """In a new folder that names its parent; also from a copy elsewhere, without .hydra, and for seed 0."""
    copy = tmp_path / "elsewhere" / "copied"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns(".hydra", "checkpoints"))
    done = script("reproduce", copy)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "identical: 6 of 6 windows, weights equal"
    (folder,) = list_run_folders(tmp_path)
    assert Run(folder).environment()["reproduces"] == str(copy)
    assert Run(folder).result()["weights_sha256"] == Run(run).result()["weights_sha256"]


def test_an_override_is_the_intended_difference_and_the_first_one_is_measured(run, script):
    done = script("reproduce", run, "optimizer.lr=0.002", "seed=0")
    assert done.returncode == 1
    assert "intended difference: optimizer.lr: 0.001 -> 0.002" in done.stdout
    assert "intended difference: seed" not in done.stdout
    assert "different: first in epoch 1, batch 2: learning_rate 0.001 -> 0.002" in done.stdout


def test_what_differs_in_data_and_environment_is_named(finished, run, script, tmp_path):
    """The images elsewhere are others, and the original says that it was made with another torch."""
    images = shutil.copytree(finished / "images", tmp_path / "images")
    for image in (images / "train" / "dark").iterdir():
        image.write_bytes((images / "train" / "light" / image.name).read_bytes())
    environment = Run(run).environment()
    environment["packages"]["torch"] = "1.0"
    (run / "environment.json").write_text(json.dumps(environment))
    done = script("reproduce", run, f"dataset.root={images}")
    assert done.returncode == 1 and "different: first in epoch 1" in done.stdout
    assert "environment differs: packages.torch: 1.0 -> " in done.stdout
    restoring = "the original had other packages. To install them: pip install torch==1.0"
    before, after = done.stdout.split("different: first")
    assert restoring in before.splitlines() and restoring in after.splitlines()
    assert "environment differs: data_sha256: " in done.stdout


@pytest.mark.parametrize("lengths, changes", [("111", []), ("222", [("data_sha256", "111", "abc")])])
def test_data_that_an_earlier_version_knew_by_its_lengths_is_no_difference(tmp_path, lengths, changes):
    runs = [Run(make(tmp_path / "a", data="111")), Run(make(tmp_path / "b", data="abc", lengths=lengths))]
    assert list_environment_changes(*runs) == changes


def test_weights_that_differ_are_no_identical_run(run, script):
    result = Run(run).result()
    (run / "result.json").write_text(json.dumps({**result, "weights_sha256": "0" * 64}))
    done = script("reproduce", run)
    assert done.returncode == 1 and "6 of 6 windows equal, weights not" in done.stdout


def test_an_unfinished_run_is_compared_as_far_as_it_went(run, script):
    (run / "result.json").unlink()
    lines = (run / "losses.csv").read_text().splitlines(keepends=True)
    (run / "losses.csv").write_text("".join(lines[:3]))
    done = script("reproduce", run)
    assert done.returncode == 0 and "identical as far as the original went: 2 of 2 windows" in done.stdout


def test_what_could_not_be_trained_gets_no_verdict(run, script):
    """Even where the original has no window that could differ."""
    for file in ("result.json", "losses.csv"):
        (run / file).unlink()
    done = script("reproduce", run, "dataset=cifar10", "dataset.url=http://127.0.0.1:9/none")
    assert done.returncode == 1 and "Could not download" in done.stderr
    assert "identical" not in done.stdout and "different:" not in done.stdout


@pytest.mark.parametrize("name", ["reproduce", "resume", "evaluate"])
def test_a_folder_that_is_no_runs_is_one_sentence(script, tmp_path, name):
    done = script(name, tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "isn't the folder of a run" in done.stderr


def test_unknown_overrides_are_refused(run, script):
    for override, said in (
        ("optimizer.lrr=1", "lrr"),
        ("model=alexnet_cifr", "alexnet_cifar"),
        ("seed=1,2", "seed=1,2"),
    ):
        done = script("reproduce", run, override)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("group", options.GROUPS)
def test_every_option_of_a_group_can_take_the_place_of_the_runs_own(compose, group):
    """With all that its file takes over from another's, and a value in letters that Hydra's grammar doesn't know."""
    config = compose("dataset=digits")
    for path in (ROOT / "conf" / group).glob("*.yaml"):
        root = ["dataset.root=图像(1)"] if "root" in list(compose(f"{group}={path.stem}")[group]) else []
        changed, _ = with_overrides(config, [f"{group}={path.stem}", *root])
        assert changed[group] == compose(f"{group}={path.stem}", *(["dataset.root='图像(1)'"] if root else []))[group]


def test_another_option_of_a_group_takes_the_place_of_the_runs_own(compose):
    """With its own keys, which may be set in the same breath, and none of the former's left over."""
    config = compose("dataset=digits", "optimizer=sgd", "optimizer.lr=0.5")
    changed, _ = with_overrides(config, ["optimizer=adamw", "optimizer.betas=[0.8,0.9]"])
    expected = compose("dataset=digits", "optimizer=adamw", "optimizer.betas=[0.8,0.9]")
    assert changed.optimizer == expected.optimizer
