"""An interrupted sweep is resumed as it was. Nothing in an untrusted folder makes Hydra run or write anything."""

import re
from pathlib import Path

import hydra
import pytest
import yaml
from omegaconf import OmegaConf

from alexnet.errors import Mistake
from alexnet.launch.sweep_resume import find_existing_sweep, rebuild_command
from support.programs import ROOT

LAUNCHERS = {name: f"hydra_plugins.alexnet.{name}" for name in ("Parallel", "Search")}
RATES_AND_SEEDS = ["optimizer.lr=0.1,0.2", "seed=0,1"]


def hydra_settings(
    task=(), hydra=(), launcher="Basic", sweeper="BasicSweeper", trials=3, subdir="${hydra.job.num}", **options
):
    """What multirun.yaml holds of Hydra's settings, as far as they matter here."""
    return {
        "launcher": {"_target_": LAUNCHERS.get(launcher, launcher), **options},
        "sweeper": {"_target_": LAUNCHERS.get(sweeper, f".{sweeper}"), "params": None, "trials": trials},
        "sweep": {"dir": "s", "subdir": subdir},
        "overrides": {"task": list(task), "hydra": ["hydra.mode=MULTIRUN", "hydra.sweep.dir=s", *hydra]},
    }


@pytest.fixture
def begun(tmp_path):
    """begun(task=["seed=0,1"]) makes a folder as such a sweep leaves it."""

    def begun(**settings):
        (tmp_path / "multirun.yaml").write_text(yaml.safe_dump({"hydra": hydra_settings(**settings)}))
        return str(tmp_path)

    return begun


def check_resumed(config, said):
    """The sweep is resumed, or refused with that sentence."""
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        if said is None:
            assert find_existing_sweep(config) == Path(config.resume)
        else:
            with pytest.raises(Mistake, match=re.escape(said)):
                find_existing_sweep(config)


@pytest.mark.parametrize(
    "before, after, said",
    [
        (RATES_AND_SEEDS, ["optimizer.lr=0.1,0.2", "seed=choice(0,1)", "resume=s"], None),
        (["optimizer=adam", "seed=0,1"], ["seed=0,1", "optimizer=adam"], None),
        (
            RATES_AND_SEEDS,
            ["seed=0,1", "optimizer.lr=0.1,0.2"],
            "job 2 was optimizer.lr=0.1 seed=1 and would be optimizer.lr=0.2 seed=0",
        ),
        (RATES_AND_SEEDS, ["optimizer.lr=0.2,0.1", "seed=0,1"], "without optimizer.lr=0.1,0.2, with optimizer.lr=0.2"),
        (["seed=0,1"], ["seed=0,1,2"], "without seed=0,1, with seed=0,1,2"),
        (["seed=1", "seed=2"], ["seed=2", "seed=1"], "job 1 was seed=2 and would be seed=1"),
    ],
)
def test_a_sweep_goes_on_with_the_same_jobs_under_the_same_numbers(begun, before, after, said):
    """Whatever words they are given in; an order that numbers them otherwise is refused with the first of them."""
    config = OmegaConf.create({"resume": begun(task=before), "hydra": hydra_settings(task=after)})
    check_resumed(config, said)


@pytest.mark.parametrize(
    "before, after, said",
    [
        ({}, {"launcher": "Parallel"}, "hydra.launcher._target_=hydra_plugins.alexnet.Parallel in place of Basic"),
        ({"launcher": "Parallel"}, {}, "hydra.launcher._target_=Basic in place of hydra_plugins.alexnet.Parallel"),
        ({}, {"subdir": "same"}, "hydra.sweep.subdir=same in place of ${hydra.job.num}"),
        ({"sweeper": "Search"}, {"sweeper": "Search", "trials": 9}, None),
        ({"launcher": "Slurm", "minutes": 60}, {"launcher": "Slurm", "minutes": 600}, None),
        ({"launcher": "Slurm", "gpus": 0}, {"launcher": "Slurm", "gpus": 1}, "hydra.launcher.gpus=1 in place of 0"),
    ],
)
def test_a_sweep_goes_on_with_its_launcher_and_folders(begun, before, after, said):
    config = OmegaConf.create({"resume": begun(**before), "hydra": hydra_settings(**after)})
    check_resumed(config, said)


@pytest.mark.parametrize(
    "given",
    [
        ["hydra/launcher=parallel", "hydra.launcher.jobs=2", "hydra.sweep.subdir=lr-${optimizer.lr}"],
        ["hydra/launcher=slurm", "hydra.launcher.partition=gpu-long", "hydra.launcher.minutes=90"],
    ],
)
def test_resume_gives_all_that_the_sweep_was_begun_with(begun, given):
    folder = begun(task=["optimizer.lr=0.1,0.2", "resume=s"], hydra=given)
    assert rebuild_command(folder) == ["--multirun", *given, "optimizer.lr=0.1,0.2", f"resume='{folder}'"]


@pytest.mark.parametrize(
    "task, settings",
    [
        (["hydra.callbacks.x._target_=os.system"], []),
        (["+hydra.callbacks.x._target_=os.system"], []),
        (["--config-dir=elsewhere"], []),
        (["optimizer@hydra.callbacks.x=sgd"], []),
        (["dataset.root=${oc.env:HOME}"], []),
        ([], ["hydra.searchpath=[file://elsewhere]"]),
        ([], ["hydra.launcher._target_=os.system"]),
        ([], ["hydra.launcher.partition=a --wrap=reboot"]),
        ([], ["hydra.sweep.subdir=../elsewhere"]),
        ([], ["hydra.sweep.subdir=/elsewhere"]),
        ([], ["hydra.sweep.subdir=${oc.env:HOME}"]),
        (["dataset.root=../elsewhere"], ["hydra.sweep.subdir=${dataset.root}"]),
    ],
)
def test_an_untrusted_sweep_cannot_have_hydra_run_or_write_anything(begun, task, settings):
    folder = begun(task=task, hydra=settings)
    with pytest.raises(Mistake, match=r"isn't used from a folder.* give its own command with resume="):
        rebuild_command(folder)


def test_its_callbacks_are_left_out_and_named_so_that_the_person_may_give_them_again(begun, capsys):
    given = ["+hydra.callbacks.x._target_=os.system", "hydra/callbacks=notify", "~hydra.callbacks.alexnet"]
    folder = begun(task=["optimizer.lr=0.1,0.2"], hydra=given)
    assert rebuild_command(folder) == ["--multirun", "optimizer.lr=0.1,0.2", f"resume='{folder}'"]
    assert " ".join(given) in " ".join(capsys.readouterr().err.split())


def test_report_settings_of_version_0_1_0_are_used_under_their_new_names(begun):
    given = ["hydra.callbacks.alexnet.metrics=[test_loss]", "hydra.callbacks.alexnet.best_of=optimizer.lr"]
    folder = begun(task=["optimizer.lr=0.1,0.2"], hydra=given)
    report = ["report.metrics=[test_loss]", "report.best_of=optimizer.lr"]
    assert rebuild_command(folder) == ["--multirun", "optimizer.lr=0.1,0.2", *report, f"resume='{folder}'"]
