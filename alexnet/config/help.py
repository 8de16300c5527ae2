"""Writes the parts of train.py --help that follow from conf/, ranges.py and scripts/. No torch."""

import ast
import re
from functools import cache
from pathlib import Path
from textwrap import wrap
from typing import Any

from omegaconf import DictConfig, OmegaConf

from alexnet.config import options
from alexnet.config.compose import without_hydra
from alexnet.config.keys import flatten
from alexnet.config.ranges import find_rule
from alexnet.errors import make_printable

WIDTH = 80
COLUMN = 28  # where the descriptions begin
SCRIPTS = options.CONF.parent / "scripts"
GROUPS = {
    "model": "the network",
    "dataset": "the images, their augmentation, how many are held out for validation",
    "optimizer": "how the weights are updated; optimizer.lr is the base learning rate",
    "schedule": "how the learning rate changes during training",
    "device": "where to compute; auto: on a GPU if there is one",
    "experiment": "recipes that set several of the above",
    "experiment/paper": "the paper's claims, each a sweep: experiment=paper/NAME",
    "experiment/transfer": "from other weights: experiment=transfer/NAME",
}


def register_resolver() -> None:
    """Makes ${help:groups}, ${help:options} and ${help:scripts} known to OmegaConf: conf/hydra/help has them."""
    parts = {"groups": list_groups, "options": list_options, "scripts": list_scripts}

    def write(part: str, _root_: DictConfig) -> str:
        return "\n".join(parts[part](_root_)).replace("$", "$$")  # Hydra fills in a string.Template

    OmegaConf.register_new_resolver("help", write, replace=True)


def list_groups(config: DictConfig) -> list[str]:
    """The lines about the groups of conf/ and the names that may be given for each."""
    lines = []
    for group, text in GROUPS.items():
        names = sorted(path.stem for folder in options.list_folders() for path in (folder / group).glob("*.yaml"))
        lines += [f"{group}: {text}", *_indent(" | ".join(names), 4)]
    return lines


def list_options(config: DictConfig) -> list[str]:
    """The lines about each key: its value in this configuration, its choices, and the comment on it in conf/."""
    chosen = config.hydra.runtime.choices
    comments = read_comments("train", options.list_folders())
    headed, lines = "", []
    for group in options.GROUPS:
        for name, comment in read_comments(f"{group}/{chosen[group]}", options.list_folders()).items():
            comments[f"{group}.{name}"] = comment
    for path, value in flatten(without_hydra(config)).items():
        group, _, name = path.rpartition(".")
        if name == "_target_":
            continue
        if group != headed:
            headed = group
            lines += ["", f"{group}={chosen[group]}" if group in options.GROUPS else group]
        lines += _describe(path, value, comments.get(path, ""))
    return lines


def list_scripts(config: DictConfig) -> list[str]:
    """A line, or two, about each of the other scripts, from the first line of its file."""
    lines = []
    for path in sorted(SCRIPTS.glob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if path.stem != "train":
            lines += _describe_in_columns(path.name, text.partition("\n")[0].partition(": python")[0])
    return lines


def _describe(path: str, value: Any, comment: str) -> list[str]:
    rule = find_rule(path)
    choices = [] if rule is None else [_format(choice) for choice in rule.choices]
    unnamed = [choice for choice in choices if not re.search(rf"(?<![\w.]){re.escape(choice)}(?![\w.])", comment)]
    if unnamed:
        comment = ": ".join(filter(None, (" | ".join(choices), comment)))
    return _describe_in_columns(f"{path}={_format(value)}", comment)


def _describe_in_columns(name: str, text: str) -> list[str]:
    """The name, and beside it the text, or below it if the name is too long."""
    lines = _indent(text, COLUMN)
    if lines and len(name) < COLUMN - 3:
        return [f"  {name}{lines[0][len(name) + 2 :]}", *lines[1:]]
    return [*wrap(name, WIDTH, initial_indent="  ", subsequent_indent="    "), *lines]


def _indent(text: str, spaces: int) -> list[str]:
    return wrap(text, WIDTH, initial_indent=" " * spaces, subsequent_indent=" " * spaces, break_on_hyphens=False)


def _format(value: Any) -> str:
    """The value as it is typed."""
    if OmegaConf.is_list(value):
        return f"[{','.join(map(_format, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else make_printable(value)


@cache
def read_comments(name: str, folders: tuple[Path, ...]) -> dict[str, str]:
    """The comment on each key of a file, such as optimizer/adam, or of the files in its defaults list."""
    path = options.find_file(name, folders)
    if path is None:
        return {}
    comments: dict[str, str] = {}
    for each in options.read_file(path).get("defaults") or []:
        if isinstance(each, str) and each != "_self_":
            comments |= read_comments(options.name_inherited(name, each), folders)
    text = path.read_text(encoding="utf-8")
    above, key = "", ""
    for line in text.splitlines():
        found = re.match(r"( *)(\w+):[^#]*(?:#\s*(.*))?$", line)
        if found is not None:
            above = above if found[1] else ""
            key = f"{above}{found[2]}"
            if not found[1]:
                above = f"{found[2]}."
            if found[3]:
                comments[key] = found[3]
        elif (more := re.match(r" +#\s*(.*)", line)) is not None and key in comments:
            comments[key] += f" {more[1]}"
    return comments
