"""What only a network, an optimizer or a schedule can refuse is one sentence, before the folder is made."""

import hydra
import pytest
import torch
from omegaconf import OmegaConf, open_dict

from alexnet import errors
from alexnet.config import checks, options
from alexnet.errors import Failure, Mistake
from alexnet.launch.callback import Launch
from alexnet.training import build, targets
from support import refusing
from support.programs import ROOT


@pytest.fixture
def start(tmp_path, monkeypatch, capsys):
    """start(group, target, option=value) starts a run with a class of the person's own: (status, stderr)."""

    def start(group, target, **given):
        monkeypatch.setattr(checks, "check_run", lambda config: None)  # it looks for a file in conf/
        with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            overrides = ["dataset=digits", f"hydra.run.dir={tmp_path}/run"]
            config = hydra.compose("train", overrides, return_hydra_config=True)
        with open_dict(config):
            config[group] = {"_target_": f"support.refusing.{target}", **given}
        targets = {config[name]._target_ for name in ("model", "optimizer", "schedule")}
        monkeypatch.setattr(options, "list_targets", lambda _: targets)
        with pytest.raises(SystemExit) as ended:
            Launch().on_run_start(config)
        assert not list(tmp_path.iterdir())
        return ended.value.code, capsys.readouterr().err

    return start


OTHERS = {
    101: "nowhere.pth",
    102: "ImportError",
    103: "StopIteration",
    104: "divisible by groups",
    106: "NotImplementedError",
    107: "PermissionError",
    108: "'int' object is not iterable",
}


@pytest.mark.parametrize(
    "group, target, given, said",
    [
        ("model", "Tiny", {"width": -3}, "negative dimension -3"),  # torch's RuntimeError
        ("model", "Tiny", {"width": 0}, "ZeroDivisionError"),
        ("model", "Tiny", {"width": 1000}, "AssertionError"),
        ("model", "Tiny", {"width": -20}, "IndexError"),
        ("model", "Tiny", {"width": 13}, "KeyError"),
        ("model", "Tiny", {"width": 98}, "not all arguments converted"),
        ("model", "Tiny", {"width": 99}, "no attribute 'with_a_bug'"),
        *(("model", "Tiny", {"width": width}, said) for width, said in OTHERS.items()),
        ("optimizer", "Steep", {"lr": 0.1, "slope": 0}, "ZeroDivisionError"),
        ("schedule", "bumpy", {"every": 0}, "ZeroDivisionError"),
    ],
)
def test_an_error_of_its_own_on_a_bad_option_is_one_sentence(start, group, target, given, said):
    status, told = start(group, target, **given)
    assert status == 2 and told.count("\n") == 1 and told.startswith(f"{group}: support.refusing.{target} doesn't take")
    name, value = list(given.items())[-1]
    assert said in told and f"{name}={value}" in told and f"{refusing.__file__}, line " in told


@pytest.mark.parametrize("width, said", [(4, "RuntimeError: no answer"), (3, "shape (1, 11), expected (1, 10)")])
def test_what_only_an_image_shows_is_one_sentence_before_the_first_step(compose, monkeypatch, width, said):
    config = compose("dataset=digits")
    config.model = {"_target_": "support.refusing.Tiny", "width": width}
    targets = {config[name]._target_ for name in ("model", "optimizer", "schedule", "dataset")}
    monkeypatch.setattr(options, "list_targets", lambda _: targets)
    with pytest.raises(Mistake) as refused:
        build.assemble(config)
    assert said in str(refused.value) and f"width={width}" in str(refused.value)
    config.model.width = 8
    build.assemble(config)


def test_a_sentence_that_names_its_option_stays_as_it_is(start):
    assert start("model", "Tiny", width=105) == (2, "model: width=105: expected an even number\n")


def test_an_option_that_the_class_does_not_have_is_named(start):
    status, told = start("model", "Tiny", height=3)
    assert status == 2 and told.count("\n") == 1 and "(height=3)" in told and "build.py" not in told


def test_the_stack_trace_of_an_error_of_its_own_is_shown_if_asked_for(start, monkeypatch):
    assert "HYDRA_FULL_ERROR=1 before the command" in start("model", "Tiny", width=99)[1]
    monkeypatch.setattr(errors, "WANTS_TRACE", True)
    status, told = start("model", "Tiny", width=99)
    assert status == 2 and "Traceback" in told and "self.with_a_bug" in told


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("out of memory"), Failure("no network")])
def test_a_lack_of_memory_is_no_bad_option(error):
    with pytest.raises(type(error)), targets.refusing("model", OmegaConf.create({"_target_": "support.refusing.Tiny"})):
        raise error
