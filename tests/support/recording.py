"""scripts/train.py with jobs that train nothing, and a callback that notes what they see: FOLDER/JOB.jsonl."""

import json
import logging
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hydra import version
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.experimental.callback import Callback
from omegaconf import OmegaConf

from alexnet.launch import callback, launcher, train
from alexnet.training import job as training


def see():
    """All that a job may depend on, besides its configuration."""
    resolvers = [name for name in ("hydra", "now", "options", "python_version") if OmegaConf.has_resolver(name)]
    handlers = [(type(each).__name__, getattr(each, "baseFilename", "")) for each in logging.getLogger().handlers]
    kinds = {kind.__name__ for kind in Singleton._instances} - {"Plugins"}
    return {
        "directory": os.getcwd(),
        "environment": dict(os.environ),
        "arguments": [given for given in sys.argv[1:] if "launcher" not in given],
        "version base": str(version.getbase()),
        "singletons": sorted(kinds),
        "loader": GlobalHydra.instance().config_loader() is not None,
        "resolvers": resolvers,
        "handlers": handlers,
        "hydra": OmegaConf.to_yaml(HydraConfig.get()),
    }


class Recorder(Callback):
    """Notes each call of a hook; a job's with what the job sees."""

    def __init__(self, folder):
        self.folder, self.state = folder, "no sweep"

    def note(self, hook, config, **others):
        number = None if OmegaConf.is_missing(config.hydra.job, "num") else config.hydra.job.num
        name = number if "job" in hook else "program"
        with open(f"{self.folder}/{name}.jsonl", "a") as file:
            file.write(json.dumps({"hook": hook, "state": self.state, **others}) + "\n")

    def on_run_start(self, config, **_):
        self.note("on_run_start", config)

    def on_run_end(self, config, **_):
        self.note("on_run_end", config)

    def on_multirun_start(self, config, **_):
        self.state = "of this sweep"
        self.note("on_multirun_start", config)

    def on_multirun_end(self, config, **_):
        self.note("on_multirun_end", config)

    def on_job_start(self, config, *, task_function, **_):
        self.note("on_job_start", config, task=task_function.__qualname__, **see())

    def on_job_end(self, config, job_return, **_):
        self.note("on_job_end", config, result=job_return.return_value, status=job_return.status.name)


class Unsendable(Callback):
    def __init__(self):
        self.held = open(os.devnull)  # noqa: SIM115


def execute(config, run, label, checked):
    """In place of a training."""
    logging.getLogger("alexnet").info("trained with seed %s, checked: %s", config.seed, checked)
    run.write_result({"status": "finished", "test_accuracy": 0.5, "validation_accuracy": config.seed / 10})
    return 0


own_job = train.job


def job(config):
    training.execute = execute
    return own_job(config)


if __name__ == "__main__":
    from support import recording  # the functions that another process can import

    train.job = recording.job
    for module in (train, callback, launcher):  # a report takes long to import what it draws with
        module.write_report = lambda *_: "table"
    train.main()
