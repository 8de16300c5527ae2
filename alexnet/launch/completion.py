"""Adds to Hydra's shell completion: experiments in folders, the choices of options, own folders. No torch."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from functools import partialmethod
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.completion_plugin import CompletionPlugin

from alexnet.config import options
from alexnet.config.ranges import find_rule
from alexnet.errors import Mistake
from alexnet.launch.arguments import take_config_dirs

QUERY = CompletionPlugin._query


def extend_completion() -> None:
    """For a call with -sc, of the shell or of a person. --config-dir in the line that is completed counts, too."""
    with suppress(Mistake):
        take_config_dirs(os.environ.get("COMP_LINE", "").split())
    base: Any = CompletionPlugin
    base._query = _query
    for shell in Plugins.instance().discover(CompletionPlugin):
        plugin: Any = shell
        plugin.install = partialmethod(_install, plugin.install)


def _query(self: CompletionPlugin, config_name: str | None, line: str) -> list[str]:
    """What may stand in place of the line's last word."""
    word = line.split()[-1] if line and not line[-1].isspace() else ""
    return sorted({*_tidy(QUERY(self, config_name, line)), *_list_more(word)})


def _tidy(found: list[str]) -> Iterator[str]:
    """Hydra takes base/, which files share, and the folders of experiments for groups."""
    for each in found:
        if each in (*options.GROUPS, "experiment"):
            yield f"{each}="
        elif not each.startswith("experiment/") and "/base" not in each.partition("=")[0]:
            yield each


def _list_more(word: str) -> Iterator[str]:
    key, equals, value = word.partition("=")
    if key == "experiment" and equals:
        yield from (f"experiment={name}" for name in options.list_experiments() if name.startswith(value))
    rule = find_rule(key) if equals else None
    choices = () if rule is None else rule.choices or ((True, False) if rule.schema.get("type") == "boolean" else ())
    for choice in choices:
        text = "null" if choice is None else str(choice).lower() if isinstance(choice, bool) else str(choice)
        if text.startswith(value):
            yield f"{key}={text}"


def _install(self: CompletionPlugin, install: Callable[[CompletionPlugin], None]) -> None:
    """Prints Hydra's script for the shell. Bash's looks whether a file is a program of Hydra's, and then runs any file
    at each Tab: here it doesn't.
    """
    with redirect_stdout(io.StringIO()) as script:
        install(self)
    print(script.getvalue().replace('grep "@hydra.main" $file_path -q', 'grep -q "@hydra.main" "$file_path" || return'))
