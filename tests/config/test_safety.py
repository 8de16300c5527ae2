"""Anybody may have written a run's folder: nothing in a saved configuration or checkpoint may run code."""

import os
import pickle

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from alexnet.config import options
from alexnet.config.saved import load_run_config
from alexnet.errors import Mistake
from alexnet.launch.evaluate import evaluate
from alexnet.launch.reproduce import reproduce
from alexnet.launch.resume import resume
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from alexnet.training import targets
from support.images import small_data


@pytest.fixture
def saved(compose, images, tmp_path):
    """saved(change) writes a run's config.yaml after change(config), and returns the folder."""

    def saved(change=lambda config: None):
        config = OmegaConf.to_container(compose("model=cuda_convnet", *small_data(images)))
        change(config)
        folder = tmp_path / "untrusted"
        folder.mkdir()
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        return folder

    return saved


def put(path, value):
    """A change that sets `path` (group.key.key) to the value."""

    def change(config):
        *groups, key = path.split(".")
        for group in groups:
            config = config.setdefault(group, {})
        config[key] = value

    return change


CALL = {"_target_": "os.system", "command": "touch owned"}
HOSTILE = {
    "a function of os": put("optimizer._target_", "os.system"),
    "an alias of it": put("optimizer._target_", "logging.os.system"),
    "an alias in torch": put("model._target_", "torch.os.system"),
    "an alias in our own module": put("dataset._target_", "alexnet.data.dataset.os.system"),
    "a re-exported name": put("dataset._target_", "alexnet.data.dataset.fetch"),
    "another group's target": put("model._target_", "alexnet.data.digits.digits"),
    "a loader of pickles": put("model._target_", "torch.load"),
    "builtins": put("schedule._target_", "builtins.eval"),
    "hydra's own": put("model._target_", "hydra.utils.instantiate"),
    "a method of an allowed class": put("optimizer._target_", "torch.optim.SGD.load_state_dict"),
    "spaces around a name": put("optimizer._target_", " torch.optim.SGD"),
    "no text": put("optimizer._target_", ["torch.optim.SGD"]),
    "a target in an option": put("model.activation", CALL),
    "a target deep in an option": put("dataset.mean", {"a": {"b": CALL}}),
    "a target in a list": put("dataset.mean", [CALL]),
    "a target on top": put("_target_", "os.system"),
    "a target in a group of its own": put("hook", CALL),
    "a target in device": put("device._target_", "os.system"),
    "partial": put("optimizer._partial_", True),
    "arguments": put("optimizer._args_", ["touch owned"]),
    "conversion": put("model._convert_", "all"),
    "the environment": put("dataset.root", "${oc.env:HOME}"),
    "the environment in a key": put("dataset.${oc.env:HOME}", 1),
    "a decoded interpolation": put("dataset.root", "${oc.decode:1}"),
    "an own resolver": put("seed", "${now:%S}"),
    "no value": put("model.activation", "???"),
    "no value in a list": put("dataset.mean", ["???"]),
    "no value where the range is unknown": put("model.anything", "???"),
    "a number as a key": lambda config: config.update({1: 2}),
    "a list for a text": put("model.activation", ["relu"]),
    "more threads than fit anywhere": put("device.threads", 10**9),
    "hydra's settings": put("hydra.callbacks.x", CALL),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_configuration_is_refused_by_every_command(saved, change, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = saved(change)
    for command in (reproduce, resume, evaluate):
        with pytest.raises(Mistake):
            command(str(folder), [])
    assert not (tmp_path / "owned").exists() and not (tmp_path / "outputs").exists()


def test_the_configuration_that_the_hostile_ones_are_made_from_is_accepted(saved):
    assert load_run_config(Run(saved()), [])[0].model._target_ == "alexnet.models.cuda_convnet.CudaConvnet"


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch owned']",
        "seed: !!python/name:os.system",
        "a: &a [x, x]\nb: &b [*a, *a]\nseed: *b",
        "[" * 100_000,
        "seed: 0\x00",
        "- a list",
        "",
    ],
)
def test_a_hostile_yaml_file_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(Mistake):
        reproduce(str(tmp_path), [])
    assert not (tmp_path / "owned").exists()


def test_an_empty_configuration_is_damaged_and_not_replaced_by_the_composed_one(saved):
    folder = saved()
    (folder / ".hydra").mkdir()
    (folder / "config.yaml").rename(folder / ".hydra" / "config.yaml")
    (folder / "config.yaml").touch()
    with pytest.raises(Mistake, match=r"config\.yaml can't be read: expected a mapping"):
        load_run_config(Run(folder), [])


def test_a_number_as_a_key_in_a_group_is_an_unknown_option(saved):
    folder = saved(lambda config: config["model"].update({1: 2}))
    with pytest.raises(Mistake, match=r"model\.1 isn't an option of CudaConvnet"):
        resume(str(folder), [])


def test_a_wrong_number_of_epochs_cannot_be_extended(saved):
    folder = saved(put("epochs", "many"))
    with pytest.raises(Mistake, match="epochs=5 is less than the run's many"):
        resume(str(folder), ["epochs=5"])


def test_a_key_that_is_newer_than_the_run_has_its_default(saved, capsys):
    """It is printed if it has an effect on the numbers."""
    folder = saved(lambda config: [config.pop(key) for key in ("label_smoothing", "checkpoint_minutes")])
    config, _ = load_run_config(Run(folder), [])
    assert (config.label_smoothing, config.checkpoint_minutes) == (0, 10)
    (printed,) = capsys.readouterr().err.splitlines()
    assert printed.endswith("has no label_smoothing: the default, 0, is used.")


def test_the_object_behind_an_allowed_name_is_checked_too(compose, monkeypatch):
    """Even if a name is allowed, the object that it leads to must be of the group's kind."""
    names = {"optimizer": "logging.os.getcwd", "schedule": "alexnet.training.schedules.cos", "model": "torch.optim.SGD"}
    monkeypatch.setattr(options, "list_targets", lambda group: {names[group]})
    for group, name in names.items():
        with pytest.raises(Mistake, match=f"not to a valid {group}"):
            targets.find_target(group, OmegaConf.create({"_target_": name}))


class Hostile:
    def __reduce__(self):
        return os.mkdir, ("owned",)


@pytest.mark.parametrize(
    "content",
    [
        {"model": Hostile()},
        Hostile(),
        {"model": {}, "optimizer": {}, "state": {}},
        {"model": {"features.0.weight": torch.zeros(1)}, "optimizer": {}, "state": {}},
        {"model": None},
        [1, 2, 3],
        torch.zeros(3),
    ],
)
def test_a_hostile_checkpoint_is_refused(saved, tmp_path, monkeypatch, capsys, content):
    monkeypatch.chdir(tmp_path)
    folder = saved()
    (folder / "checkpoints").mkdir()
    torch.save(content, folder / "checkpoints" / "last.pt")
    assert resume(str(folder), []) == 2
    printed = capsys.readouterr().err
    assert "checkpoint" in printed.lower() and "weights_only" not in printed and printed.count("\n") == 1
    with pytest.raises(Mistake):
        evaluate(str(folder), [])
    assert not (tmp_path / "owned").exists()


def test_a_plain_pickle_is_not_a_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "last.pt").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(Mistake):
        checkpoints.load(tmp_path, "last")
    assert not (tmp_path / "owned").exists()
