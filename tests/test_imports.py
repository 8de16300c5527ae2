"""Which folder may import which, and what must never import torch: the map in the folders' __init__.py is true."""

import ast
import re
import subprocess
import sys

import pytest

from support.programs import ROOT

# Of each folder, the others that it may import.
BELOW_CONFIG = {"errors", "disk", "messages", "models", "data", "engine", "runs"}
MAY_IMPORT = {
    "__init__": {"inference"},
    "errors": {"messages"},
    "messages": set(),
    "disk": {"errors"},
    "models": {"errors"},
    "data": {"errors", "disk", "messages", "models"},
    "engine": {"errors", "models"},
    "runs": {"errors", "disk", "messages", "models"},
    "config": BELOW_CONFIG,
    "training": {*BELOW_CONFIG, "config"},
    "comparison": {*BELOW_CONFIG, "config"},
    "tracking": {*BELOW_CONFIG, "config", "comparison"},
    "inference": {*BELOW_CONFIG, "config", "training", "comparison"},
    "launch": {*BELOW_CONFIG, "config", "training", "comparison", "inference", "tracking"},
}
FILES = sorted((ROOT / "alexnet").glob("**/*.py"))
WITHOUT_TORCH = ["messages", "config", "comparison", "models/limits", "models/drawing", "data/facts"]
WITHOUT_TORCH += ["tracking/trackers", "tracking/event_files"]  # the others need packages that may not be there


def imports_of(path):
    """The modules of this project that a file imports, at its top or within a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] == "alexnet")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "alexnet":
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_imports_from_a_folder_above_its_own(path):
    folder = path.relative_to(ROOT / "alexnet").parts[0].removesuffix(".py")
    wrong = [name for name in imports_of(path) if name.split(".")[1] not in {folder, *MAY_IMPORT.get(folder, ())}]
    assert not wrong, f"{folder} may import {', '.join(sorted(MAY_IMPORT.get(folder, ()))) or 'nothing'}"


def test_every_folder_has_its_place_and_its_line():
    folders = {path.name for path in (ROOT / "alexnet").iterdir() if (path / "__init__.py").is_file()}
    assert folders | {"errors", "disk", "__init__"} == set(MAY_IMPORT)
    assert len([path for path in (ROOT / "alexnet").iterdir() if path.name != "__pycache__"]) <= 14
    for folder in folders:
        line = ast.get_docstring(ast.parse((ROOT / "alexnet" / folder / "__init__.py").read_text(encoding="utf-8")))
        assert line and "\n" not in line and "mports" in line


@pytest.mark.parametrize("place", WITHOUT_TORCH)
def test_nothing_in_them_imports_torch_later(place):
    files = sorted((ROOT / "alexnet" / place).glob("*.py")) or [ROOT / "alexnet" / f"{place}.py"]
    for path in files:
        assert not re.search(r"^\s*(import|from) torch\b", path.read_text(encoding="utf-8"), re.MULTILINE), path


@pytest.mark.parametrize("place", WITHOUT_TORCH)
def test_what_answers_a_mistake_or_compares_never_imports_torch(place):
    files = sorted((ROOT / "alexnet" / place).glob("*.py")) or [ROOT / "alexnet" / f"{place}.py"]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files]
    program = f"import sys, {', '.join(names)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
