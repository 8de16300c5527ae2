"""The folder of own files that docs/extending.md describes."""

import re
import sys

from support.programs import ROOT, run_script

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


def start(command, place, **variables):
    """Runs one of these commands beside my_conf."""
    return run_script([sys.executable, str(ROOT / command[1]), *command[2:]], place, **variables)


def write(folder, name, text):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
