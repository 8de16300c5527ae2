"""The arguments of the scripts, as people type them."""

import runpy
import sys

import pytest

from alexnet.launch.arguments import run_on_folder
from support.programs import ROOT


@pytest.mark.parametrize(
    "typed",
    ["run --from-start epochs=3 seed=1", "run epochs=3 --from-start seed=1", "--from-start run epochs=3 seed=1"],
)
def test_an_option_may_stand_anywhere(monkeypatch, typed):
    monkeypatch.setattr(sys, "argv", ["resume.py", *typed.split()])
    given = {}
    with pytest.raises(SystemExit, match="0"):
        run_on_folder("", lambda **arguments: given.update(arguments) or 0, from_start="train from epoch 1")
    assert given == {"folder": "run", "overrides": ["epochs=3", "seed=1"], "from_start": True}


@pytest.mark.parametrize("script", ["compare", "resume", "reproduce", "evaluate", "summary"])
def test_a_wrong_option_is_repeated_without_what_controls_a_terminal(monkeypatch, capsys, script):
    monkeypatch.setattr(sys, "argv", [script, "run", "--x\x1b[31m"])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(ROOT / "scripts" / f"{script}.py"), run_name="__main__")
    shown = capsys.readouterr().err
    assert "\x1b" not in shown and "--x\\x1b[31m" in shown


@pytest.mark.parametrize("script", ["resume", "reproduce", "evaluate"])
@pytest.mark.parametrize("flag, meant", [("--verbose", "console=verbose"), ("-q", "console=quiet")])
def test_flags_of_other_programs_are_told_the_option(monkeypatch, capsys, script, flag, meant):
    monkeypatch.setattr(sys, "argv", [script, "run", flag])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(ROOT / "scripts" / f"{script}.py"), run_name="__main__")
    assert capsys.readouterr().err == f"{flag}: an option has no dashes: give {meant}\n"


@pytest.mark.parametrize("typed", ["abc", "0", "1.5", "-3"])
def test_a_number_that_is_none_is_answered_in_words(monkeypatch, capsys, typed):
    monkeypatch.setattr(sys, "argv", ["summary.py", "--classes", typed])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(ROOT / "scripts" / "summary.py"), run_name="__main__")
    assert f"{typed}: expected a whole number above 0" in capsys.readouterr().err
