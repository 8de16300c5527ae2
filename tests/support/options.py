"""The options of each group in conf/."""

from alexnet.config.options import load_files
from support.programs import ROOT


def options_of(group):
    return sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml"))


def filled(group, option):
    """The overrides that choose the option and give something for each value that has no default."""
    file = load_files(group)[option]
    return [f"{group}={option}", *(f"{group}.{key}=somewhere" for key, value in file.items() if value == "???")]
