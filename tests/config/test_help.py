"""train.py --help: every option with its choices, in 80 columns."""

import re

import pytest
from hydra import compose, initialize_config_dir

from alexnet.comparison.metrics import METRICS
from alexnet.config import help as help_text
from alexnet.config import options
from alexnet.config.keys import flatten
from alexnet.config.ranges import find_rule
from support.programs import ROOT

CHOICES = [f"{group}={name}" for group in options.GROUPS for name in options.load_files(group)]


def write_help(*overrides):
    help_text.register_resolver()
    with initialize_config_dir(str(options.CONF), version_base="1.3"):
        config = compose("train", list(overrides), return_hydra_config=True)
        text = config.hydra.help.template.replace("$$", "$")
    return text, config


@pytest.mark.parametrize("choice", CHOICES)
def test_help_shows_every_option_with_its_choices_in_80_columns(choice):
    text, config = write_help(choice, *(["dataset.root=data"] if choice == "dataset=image_folder" else []))
    assert max(map(len, text.splitlines())) <= 80
    shown = re.split(r"^  (?=[\w.]+=)", text.partition("== Options")[2].partition("== Sweeps")[0], flags=re.M)
    entries = {entry.partition("=")[0]: " ".join(entry.split()) for entry in shown[1:]}
    del config.hydra
    for path in flatten(config):
        if path.endswith("_target_"):
            continue
        rule = find_rule(path)
        for each in rule.choices if rule else ():
            typed = {True: "true", False: "false", None: "null"}[each] if isinstance(each, bool | None) else str(each)
            assert re.search(rf"\b{typed}\b", entries[path].partition(" ")[2]), (path, each)
    assert entries.keys() >= {path for path in flatten(config) if not path.endswith("_target_")}


def test_help_names_all_that_can_be_chosen():
    """Groups, launchers, sweepers, what a sweep's report can rank by, and the other scripts."""
    text, _ = write_help()
    for group in help_text.GROUPS:
        for path in (ROOT / "conf" / group).glob("*.yaml"):
            assert re.search(rf"(\||^) *{path.stem}\b", text, re.M), path
    for kind in ("launcher", "sweeper"):
        line = re.search(rf"hydra/{kind}=(.*)", text)[1]
        assert set(line.split(" | ")) == {"basic", *(path.stem for path in (ROOT / "conf/hydra" / kind).glob("*.yaml"))}
    metrics = text.partition("report.metrics=[")[2]
    assert all(name in metrics for name in (*METRICS, "validation_accuracy", "epochs_to_25"))
    for path in (ROOT / "scripts").glob("*.py"):
        assert path.stem == "train" or re.search(rf"^  {path.name} +[A-Z]", text, re.M)


def test_help_shows_a_value_as_it_was_given():
    text, _ = write_help("dataset.root='a$b\\\x1b'", "optimizer.lr=0.5")
    assert "dataset.root=a$b\\\\x1b" in text and "optimizer.lr=0.5" in text
