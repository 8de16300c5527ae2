"""What classes and functions take, read from their sources."""

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def read_parameters(target: str) -> dict[str, bool] | None:
    """What a class or function takes, and whether it must be given, read from the source: to import torch takes
    seconds. None where that isn't found.

    A class of a folder's is looked for in the file of its name in small letters, as torch.optim's are.
    """
    place, _, name = target.rpartition(".")
    package, *inner = place.split(".")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent.joinpath(*inner)
    path = path / f"{name.lower()}.py" if path.is_dir() else path.with_suffix(".py")
    if not path.is_file():
        return None
    found = _named(name, ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(found, ast.ClassDef):
        found = _named("__init__", found)
    if not isinstance(found, ast.FunctionDef) or found.args.kwarg:
        return None
    positional = [*found.args.posonlyargs, *found.args.args]
    needed = [True] * (len(positional) - len(found.args.defaults)) + [False] * len(found.args.defaults)
    needed += [default is None for default in found.args.kw_defaults]
    names = [each.arg for each in (*positional, *found.args.kwonlyargs)]
    return {name: must for name, must in zip(names, needed, strict=True) if name != "self"}


def _named(name: str, within: ast.Module | ast.ClassDef) -> ast.AST | None:
    return next((node for node in within.body if getattr(node, "name", None) == name), None)
