"""Hashes the code of a person's own classes and functions, which no commit of this project tells. No torch."""

import ast
from collections.abc import Iterator, Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from alexnet.config.keys import flatten, list_changes
from alexnet.config.options import GROUPS, make_importable

OURS = ("alexnet", "torch", "torchvision")  # environment.json has their commit and versions


def hash_own_code(config: DictConfig) -> dict[str, dict[str, str]]:
    """By group, the SHA-256 of each file of the group's own class or function: {"model": {"my_nets.py": "ab12..."}}.

    Its files are its module's, and those that it imports, of the same package or beside it, at any number of steps.
    """
    make_importable()
    targets = {group: str(config[group].get("_target_", "alexnet")) for group in GROUPS}
    own = {group: target for group, target in targets.items() if target.partition(".")[0] not in OURS}
    return {group: _hash_files(target) for group, target in own.items()}


def list_changed_code(before: Any, now: dict[str, dict[str, str]], groups: Sequence[str] = GROUPS) -> list[str]:
    """The files of the groups' own code, such as model.my_nets.py, whose hashes differ. before: of environment.json."""
    parts = [each if isinstance(each, dict) else {} for each in (before, now)]
    flat = [flatten({group: each[group] for group in groups if group in each}) for each in parts]
    return sorted(key for key, _, _ in list_changes(*flat))


def _hash_files(target: str) -> dict[str, str]:
    package = target.partition(".")[0]
    spec = find_spec(package)
    place = None if spec is None else next(iter(spec.submodule_search_locations or ()), spec.origin)
    if place is None or not Path(place).exists():
        return {}
    root = Path(place).parent
    only = package if {"site-packages", "dist-packages"} & set(root.parts) else None
    found: dict[str, Path] = {}
    waiting = [target.rpartition(".")[0]]
    while waiting:
        for name, path in _find_modules(root, waiting.pop(), only):
            if name not in found:
                found[name] = path
                waiting += _list_imports(name, path)
    return {str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest() for _, path in sorted(found.items())}


def _find_modules(root: Path, name: str, only: str | None) -> Iterator[tuple[str, Path]]:
    """The files of that module and of the packages that it is in. only: the one package that counts; None: all."""
    parts = name.split(".")
    if parts[0] not in OURS and only in (None, parts[0]):
        for length in range(1, len(parts) + 1):
            place = root.joinpath(*parts[:length])
            for path in (place.with_suffix(".py"), place / "__init__.py"):
                if path.is_file():
                    yield ".".join(parts[:length]), path


def _list_imports(name: str, path: Path) -> list[str]:
    """The modules that a file may import, anywhere in it: also a.b of `from a import b`, which may be a class."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return []
    around = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    modules: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = around[: len(around) + 1 - node.level] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            modules += [module, *(f"{module}.{each.name}" for each in node.names)]
    return modules
