"""Describes all options as a JSON schema (2020-12), for editors: train.py --schema. No torch."""

from collections.abc import Mapping
from typing import Any

from alexnet.config.checks import choose_rule
from alexnet.config.help import GROUPS as MEANINGS
from alexnet.config.help import read_comments
from alexnet.config.options import GROUPS, is_own, list_folders, list_targets, load_file, load_files

WHOLE = {"type": "integer", "minimum": 1, "maximum": 2**16}
# Options that models/limits.py checks, because they depend on each other.
SHAPES: dict[str, dict[str, Any]] = {
    "model.columns": {"enum": [1, 2]},
    "model.kernels": {"type": "array", "items": WHOLE, "minItems": 5, "maxItems": 5},
    "model.kernel_sizes": {"type": "array", "items": {"enum": [*range(1, 16, 2)]}, "minItems": 5, "maxItems": 5},
    "model.pool_after": {"type": "array", "items": {"enum": [*range(1, 6)]}, "minItems": 3, "maxItems": 3},
    "model.pool_to": {"anyOf": [{**WHOLE, "maximum": 15}, {"type": "null"}]},
    "model.hidden": WHOLE,
    "device.columns": {"anyOf": [{"type": "array", "items": {"type": "string"}, "minItems": 1}, {"type": "null"}]},
}
KINDS = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}


def make_schema() -> dict[str, Any]:
    """Of a configuration, and of a file that changes some of it, such as an experiment. No key is required.

    A group has the options of all its files, because an experiment needn't say which one is chosen. Values that
    exclude each other are found when a run begins.
    """
    run, comments = load_file("train", list_folders()), read_comments("train", list_folders())
    properties: dict[str, Any] = {"defaults": {"type": "array"}, "hydra": {"type": "object"}}
    for key, value in run.items():
        if isinstance(value, Mapping) and key != "hydra":
            inner = {
                name: _describe(f"{key}.{name}", {}, comments.get(f"{key}.{name}"), each)
                for name, each in value.items()
            }
            properties[key] = _describe_object(inner, comments.get(key, ""))
        elif key != "hydra":
            properties[key] = _describe(key, {}, comments.get(key), value)
    for group in GROUPS:
        properties[group] = _describe_object(_list_options(group), MEANINGS[group])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Options of scripts/train.py",
        **_describe_object(properties, ""),
    }


def _describe_object(properties: Mapping[str, Any], text: str) -> dict[str, Any]:
    described = {"description": text} if text else {}
    return {"type": "object", **described, "properties": dict(properties), "additionalProperties": False}


def _list_options(group: str) -> dict[str, Any]:
    """Each option of the group's files. One that the files describe differently has only what they have in common."""
    found: dict[str, dict[str, Any]] = {}
    if targets := sorted(list_targets(group)):
        found["_target_"] = {"enum": targets, "description": "the class or function"}
    for name, file in load_files(group).items():
        comments = read_comments(f"{group}/{name}", list_folders())
        for key, value in file.items():
            if key != "_target_":
                new = _describe(f"{group}.{key}", file, comments.get(key), value)
                known = found.get(key, new)
                texts = {"description": known.get("description", new.get("description"))}
                common = {part: known[part] for part in known if part in new and known[part] == new[part]}
                found[key] = {**common, **{part: text for part, text in texts.items() if text}}
    return found


def _describe(path: str, file: Mapping[str, Any], comment: str | None, default: Any) -> dict[str, Any]:
    """An option. file: the group's file that has it. comment: on it there."""
    rule = choose_rule(path, file)
    return {
        **(_describe_shape(path, file, default) if rule is None else rule.schema),
        **({"description": comment} if comment else {}),
        **({} if default == "???" else {"default": default}),
    }


def _describe_shape(path: str, file: Mapping[str, Any], default: Any) -> dict[str, Any]:
    """Of an option without a rule. One of a person's own has the type of its default, or is null."""
    group = path.partition(".")[0]
    target = str(file.get("_target_"))
    if path in SHAPES and not ("." in target and is_own(group, target)):
        return SHAPES[path]
    kind = KINDS.get(type(default))
    return {} if kind is None or default == "???" else {"type": [kind, "null"]}
