"""Notices what changed in a run's folder after the run wrote it: a flipped digit, an edited file."""

import json
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from shlex import quote
from typing import Any

from alexnet.errors import Damaged


def to_json(content: dict[str, Any]) -> str:
    """A JSON file with that content, and with the SHA-256 of all of it."""
    return json.dumps({**content, "sha256": _hash(content)}, indent=2, ensure_ascii=False, default=str) + "\n"


def join_rows(text: str) -> str:
    """JSON with each list of whole numbers, such as a row of a confusion matrix, in one line."""
    return re.sub(r"\[\s+([\d,\s]+?)\s+\]", lambda row: f"[{' '.join(row[1].split())}]", text)


def without_digest(path: Path, content: dict[str, Any], way_out: str) -> dict[str, Any]:
    """The content that `to_json` got. Without a digest, as version 0.1.0 wrote it, it is taken as it is.

    Raises Damaged if the content isn't the same.
    """
    content = dict(content)
    digest = content.pop("sha256", None)
    if digest is not None and digest != _hash(content):
        raise Damaged(f"{path} isn't as the run wrote it (its SHA-256 differs): bring it back, or {way_out}.")
    return content


def check_config(path: Path, config: dict[str, Any] | None, environment: dict[str, Any]) -> None:
    """Raises Damaged if config.yaml at `path` isn't one of those that environment.json has.

    It has two while config.yaml is being replaced: the new one, and the one before.
    """
    written = [environment[key] for key in ("config", "config_before") if isinstance(environment.get(key), dict)]
    if not written:  # version 0.1.0 noted none
        return
    changes = [list(_list_changes(each, config or {})) for each in written]
    if all(changes):
        folder = quote(str(path.parent))
        what = "is missing" if config is None else f"isn't as the run wrote it ({', '.join(changes[0][:3]):.200})"
        raise Damaged(
            f"{path} {what}: bring it back. To change a run on purpose, leave the file as it is: "
            f"python scripts/resume.py {folder} epochs=40 resumes with more epochs, and "
            f"python scripts/reproduce.py {folder} optimizer.lr=0.02 trains another run from it."
        )


def _hash(content: dict[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _list_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """'optimizer.lr: 0.01 -> 0.02' for each value that differs, as JSON has it."""
    old, new = dict(_flatten(before)), dict(_flatten(after))
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key):
            yield f"{key}: {old.get(key, 'none')} -> {new.get(key, 'none')}"


def _flatten(nested: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in nested.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value, default=str, ensure_ascii=False)
