"""The line that restores the packages of a run, as a person pastes it into a shell."""

import shlex

import pytest

from alexnet.engine import environment
from alexnet.engine.environment import PACKAGES, describe_restoring

HERE = {"torch": "2.14.1", "torchvision": "0.29.1+cpu", "numpy": "2.4.6", "pillow": None}
INDEX = "--extra-index-url https://download.pytorch.org/whl/cu128"


@pytest.mark.parametrize(
    "recorded, command",
    [
        ({"torch": "2.14.1", "numpy": "2.4.6", "pillow": None}, ""),
        ({"numpy": "2.4.5", "pillow": "12.3.0", "torch": "2.9.0rc1"}, "torch==2.9.0rc1 numpy==2.4.5 pillow==12.3.0"),
        (
            {"torch": "2.14.1+cu128", "torchvision": "0.29.1+cu128"},
            f"torch==2.14.1+cu128 torchvision==0.29.1+cu128 {INDEX}",
        ),
        ({"torch": "2.9.0+git1234abc"}, "torch==2.9.0"),  # somebody's own build: only its version can be had
        ({"torch": "2.14.1+git1234abc"}, ""),
        ({"torchvision": "0.29.1"}, "torchvision===0.29.1"),  # for pip, == is satisfied by 0.29.1+cpu
    ],
)
def test_the_line_has_the_versions_that_are_not_here(monkeypatch, recorded, command):
    monkeypatch.setattr(environment, "_find_version", HERE.get)
    expected = f"To install them: pip install {command}" if command else ""
    assert describe_restoring({"packages": recorded}) == expected


def test_another_python_is_named(monkeypatch):
    monkeypatch.setattr(environment, "_find_version", HERE.get)
    described = describe_restoring({"python": "3.2.6", "packages": {"numpy": "1.7"}})
    assert described == "To install them (Python 3.2): pip install numpy==1.7"


HOSTILE = [
    "1.0; rm -rf ~",
    "$(id)",
    "1.0`id`",
    "1.0\nid",
    "1.0\n",
    "1.0 --index-url http://x",
    "١.٢",
    "1" * 99,
    "-r",
    "",
]


@pytest.mark.parametrize("version", [*HOSTILE, *(f"1.0+{text}" for text in HOSTILE), 1.0, ["1.0"], {"a": 1}, None])
def test_nothing_that_a_shell_or_pip_would_obey_gets_into_the_line(version):
    assert describe_restoring({"packages": dict.fromkeys(PACKAGES, version)}) == ""
    described = describe_restoring({"python": version, "packages": {"torch": "1.0", "evil": "1.0"}})
    assert described == "To install them: pip install torch==1.0"


@pytest.mark.parametrize("packages", [None, [], "torch", 1, {}])
def test_an_environment_without_packages_has_no_line(packages):
    assert describe_restoring({"packages": packages}) == ""


def test_a_shell_takes_the_line_as_it_stands(monkeypatch):
    monkeypatch.setattr(environment, "_find_version", HERE.get)
    line = describe_restoring({"packages": {"torch": "2.14.1+cu128"}}).partition(": ")[2]
    assert shlex.split(line) == line.split()
