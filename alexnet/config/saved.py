"""A run's saved configuration, as data that anybody may have written, and with overrides."""

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from alexnet.config import checks, keys, options
from alexnet.config.keys import LAUNCH
from alexnet.errors import Mistake
from alexnet.runs.folder import Run


def load_saved_config(run: Run) -> DictConfig:
    """The folder's resolved configuration, checked: a stranger may have written it.

    A key that conf/train.yaml got after the run was saved has its usual value there, and that is printed.
    Raises Mistake where there is none, and for any value or target that the project itself wouldn't use.
    """
    saved = run.config()
    if not saved:
        raise Mistake(f"{run.folder} isn't the folder of a run: there is no config.yaml in it.")
    for key, value in keys.flatten(saved).items():
        if "${" in f"{key} {value}":
            raise Mistake(f"{run.folder}/config.yaml is refused: {key} has an interpolation, ${{...}}.")
    try:
        config = OmegaConf.create(saved)
    except OmegaConfBaseException as error:
        raise Mistake(f"{run.folder}/config.yaml is refused: {' '.join(str(error).split())}") from error
    for key in options.list_run_keys():
        if key not in config and key not in LAUNCH:
            config[key] = options.default_of(config, key)
            print(f"{run.folder}/config.yaml has no {key}: taken as {config[key]}, which is usual.")
    checks.check(config)
    return config
