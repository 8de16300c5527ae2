"""What installs the project elsewhere: the locked versions, the container, the checks before a commit and on GitHub."""

import configparser
import fnmatch
import json
import re
import subprocess
import sys

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.programs import ROOT

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
COMMAND = re.search(r"uv pip compile .*", LOCK)[0]
SYSTEMS = {"linux": ("Linux", "posix"), "darwin": ("Darwin", "posix"), "win32": ("Windows", "nt")}
PLACES = [
    {"python_version": python, "python_full_version": f"{python}.5", "sys_platform": system}
    | {"platform_system": name, "os_name": os_name, "platform_machine": machine, "extra": ""}
    | {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    for python in ("3.10", "3.11", "3.12", "3.13")
    for system, (name, os_name) in SYSTEMS.items()
    for machine in ("x86_64", "arm64")
]


def required():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    parts = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    return [Requirement(line) for part in parts for line in part.splitlines() if line.strip()]


@pytest.mark.parametrize(
    "place", PLACES, ids=lambda place: "-".join(map(place.get, ("python_version", "sys_platform", "platform_machine")))
)
def test_the_lock_has_one_allowed_version_of_each_requirement_everywhere(place):
    locked = {}
    for line in LOCK.splitlines():
        if not line.startswith("#") and ((pin := Requirement(line)).marker is None or pin.marker.evaluate(place)):
            assert pin.name not in locked and re.fullmatch(r"==[^*,]+", str(pin.specifier)), line
            locked[pin.name] = str(pin.specifier)[2:]
    for requirement in required():
        if requirement.marker is None or requirement.marker.evaluate(place):
            version = locked.get(canonicalize_name(requirement.name))
            again = f"requirements.lock has {version} for {requirement}: {COMMAND}"
            assert version and requirement.specifier.contains(version, prereleases=True), again


def test_the_lock_names_no_index_and_says_how_it_was_made():
    assert COMMAND in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    others = LOCK.replace(COMMAND, "")
    assert not any(word in others for word in ("/", "--index", "--find-links", "--hash"))
    assert "@" not in others.split()


def test_the_container_gets_the_code_and_not_what_was_made_from_it():
    """Nothing that git ignores, and all that a training needs."""
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    left_out = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()]
    assert set(left_out) <= {pattern.removeprefix("**/") for pattern in ignored}
    for name in (
        "alexnet",
        "conf",
        "scripts",
        "hydra_plugins",
        "setup.cfg",
        "README.md",
        "LICENSE",
        "requirements.lock",
    ):
        assert (ROOT / name).exists() and not any(fnmatch.fnmatch(name, pattern) for pattern in ignored)


def test_the_container_trains_the_quickstart(compose):
    docker = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    script, *overrides = json.loads(re.search(r"^CMD (.+)$", docker, re.M)[1])
    assert (ROOT / script).is_file() and compose(*overrides) == compose("experiment=quickstart")


def test_github_runs_the_oldest_and_the_newest_python():
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]["test"]
    allowed = re.search(r"python_requires = >=(3\.\d+),<3\.(\d+)", (ROOT / "setup.cfg").read_text())
    assert workflow["strategy"]["matrix"]["python"] == [allowed[1], f"3.{int(allowed[2]) - 1}"]
    assert {"run": "bash .ci/run"} in workflow["steps"]
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"pip", "github-actions"}


def test_what_is_checked_before_a_commit_is_what_make_check_does():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    makefile = (ROOT / "Makefile").read_text()
    for hook in hooks:
        assert hook["entry"].replace(".venv/bin/", "$(PYTHON) -m ") in makefile


def test_windows_is_refused_in_a_sentence():
    start = (
        "import sys; sys.platform = 'win32'; sys.argv = ['train.py']; import runpy; runpy.run_path('scripts/train.py')"
    )
    done = subprocess.run([sys.executable, "-c", start], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "WSL" in done.stderr
