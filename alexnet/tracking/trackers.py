"""The trackers that runs can be sent to, and what each needs installed."""

import os
from importlib.util import find_spec

from alexnet.errors import Mistake
from alexnet.tracking.send import Tracker

TRACKERS = ("tensorboard", "mlflow", "wandb")
OPTIONS = {"--server": ("mlflow",), "--experiment": ("mlflow", "wandb"), "--into": ("tensorboard", "wandb")}


def open_tracker(to: str, server: str | None, experiment: str | None, into: str | None, follows: bool) -> Tracker:
    """Raises Mistake if its package is missing, or if an option isn't one of its own."""
    given = {"--server": server, "--experiment": experiment, "--into": into}
    for option, takers in OPTIONS.items():
        if given[option] is not None and to not in takers:
            raise Mistake(f"{option} isn't for --to {to}: only for --to {' and --to '.join(takers)}.")
    spec = find_spec(to)
    if spec is None or spec.origin is None:  # a folder of that name, such as the one that W&B writes, is no package
        raise Mistake(f"--to {to} needs {to}, which isn't installed: pip install -e '.[{to}]'")
    # Each imports its tracker's package, which takes seconds.
    if to == "tensorboard":
        from alexnet.tracking.event_files import EventFiles

        return EventFiles(into)
    if to == "mlflow":
        from alexnet.tracking.mlflow_runs import MlflowRuns

        return MlflowRuns(server, experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "alexnet")
    from alexnet.tracking.wandb_folders import WandbFolders

    return WandbFolders(into, experiment or os.environ.get("WANDB_PROJECT") or "alexnet", follows)
