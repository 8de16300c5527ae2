"""The folder of own files that docs/extending.md describes."""

import re

from support.programs import ROOT

PAGE = ROOT / "docs" / "extending.md"


def write_own_files(place):
    """Writes each file of the page, and returns the folder my_conf."""
    for name, text in re.findall(r"^`(my_conf/[\w./]+)`:\n\n```\w+\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place / "my_conf"


def list_commands():
    """The page's commands, each as its words."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    return [line.split() for block in blocks for line in block.splitlines() if line.startswith("python scripts/")]
