"""Every command in the READMEs and the documents composes, and both READMEs say the same commands."""

import re
import runpy
import shlex
import sys

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from alexnet.config import checks
from alexnet.config.overrides import with_overrides
from support.programs import ROOT

READMES = ["README.md", "README.zh-CN.md"]
DOCUMENTS = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]


def commands(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return [line for block in re.findall(r"```bash\n(.*?)```", text, re.S) for line in block.splitlines()]


def test_both_readmes_have_the_same_commands_and_pictures():
    english, chinese = map(commands, READMES)
    assert english == chinese and len(english) > 5
    pictures = [re.findall(r"\]\((docs/[^)]+)\)", (ROOT / name).read_text(encoding="utf-8")) for name in READMES]
    assert pictures[0] == pictures[1]
    assert all((ROOT / path).is_file() for path in pictures[0])


def test_the_first_two_commands_install_into_a_venv_of_their_own():
    for command in commands("README.md")[:2]:
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")


@pytest.mark.parametrize("command", dict.fromkeys(command for name in DOCUMENTS for command in commands(name)))
def test_every_command_runs_as_far_as_its_configuration(command, monkeypatch):
    program, _, rest = command.split("&&")[-1].strip().partition(" ")
    assert program.endswith("python")
    script, *arguments = shlex.split(rest)
    if script == "-m":
        assert arguments == ["pytest"]
    elif script == "scripts/train.py":
        overrides = OverridesParser.create().parse_overrides([word for word in arguments if word != "-m"])
        for job in BasicSweeper.split_arguments(overrides, None)[0]:
            checks.check(composed(job))
    elif script in ("scripts/compare.py", "scripts/runs.py", "scripts/track.py"):
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        assert runpy.run_path(str(ROOT / script))["parse"]().folders
    elif script in ("scripts/summary.py", "scripts/find_lr.py") or script.startswith("benchmarks/"):
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        checks.check(composed(runpy.run_path(str(ROOT / script))["parse"]().overrides))
    elif script == "scripts/export.py":
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        given = {}
        monkeypatch.setattr("alexnet.inference.export.export", lambda **values: given.update(values) or 0)
        with pytest.raises(SystemExit, match="0"):
            runpy.run_path(str(ROOT / script), run_name="__main__")
        assert given["folder"].startswith("outputs/")
    elif script in ("scripts/show.py", "scripts/predict.py", "scripts/features.py", "scripts/probe.py"):
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        given = vars(runpy.run_path(str(ROOT / script))["parse"]())
        assert (given.get("run") or given["arguments"][0]).startswith("outputs/")
    else:
        assert script in ("scripts/resume.py", "scripts/reproduce.py", "scripts/evaluate.py")
        folder, *overrides = arguments
        assert (ROOT / script).is_file() and folder.startswith("outputs/")
        checks.check(with_overrides(composed([]), overrides)[0])


def composed(overrides):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("train", overrides)
