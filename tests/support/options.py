"""The options of each group, as the files in conf/ have them."""

from omegaconf import OmegaConf

from support.programs import ROOT


def options_of(group):
    return sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml"))


def filled(group, option):
    """The overrides that choose that option, with something for a value that has no default."""
    missing = [key for key in OmegaConf.load(ROOT / "conf" / group / f"{option}.yaml") if key == "root"]
    return [f"{group}={option}", *(f"{group}.{key}=somewhere" for key in missing)]
