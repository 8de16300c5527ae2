"""Reads the parameters of classes and functions from their source files, because importing torch takes seconds."""

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from alexnet.config.options import make_importable


@cache
def read_parameters(target: str) -> dict[str, bool] | None:
    """Each parameter of a class or function, and whether it must be given. None if the source isn't found.

    target: its full name, such as torch.optim.SGD. **others among the parameters also gives None.
    """
    place, _, name = target.rpartition(".")
    path = _find_source(place, name)
    if path is None:
        return None
    try:
        found = _find_definition(name, ast.parse(path.read_bytes()))
    except (SyntaxError, ValueError):  # its import says where
        return None
    if isinstance(found, ast.ClassDef):
        found = _find_definition("__init__", found)
    if not isinstance(found, ast.FunctionDef) or found.args.kwarg is not None:
        return None
    return _list_parameters(found.args)


def _find_source(place: str, name: str) -> Path | None:
    """The file of a module. In a package it is the file of the class's name in small letters, as in torch.optim."""
    package, *inner = place.split(".")
    make_importable()
    spec = find_spec(package) if package else None
    if spec is None or spec.origin is None:
        return None
    if not spec.submodule_search_locations:
        return Path(spec.origin) if not inner and spec.origin.endswith(".py") else None
    path = Path(spec.origin).parent.joinpath(*inner)
    path = path / f"{name.lower()}.py" if path.is_dir() else path.with_suffix(".py")
    return path if path.is_file() else None


def _find_definition(name: str, place: ast.Module | ast.ClassDef) -> ast.AST | None:
    return next((node for node in place.body if getattr(node, "name", None) == name), None)


def _list_parameters(arguments: ast.arguments) -> dict[str, bool]:
    positional = [*arguments.posonlyargs, *arguments.args]
    optional = len(arguments.defaults)  # the last ones
    needed = [True] * (len(positional) - optional) + [False] * optional
    needed += [default is None for default in arguments.kw_defaults]
    names = [argument.arg for argument in (*positional, *arguments.kwonlyargs)]
    return {name: must for name, must in zip(names, needed, strict=True) if name != "self"}
