"""Prepares all that a run needs before its first step, and raises what may keep it from starting."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from alexnet.config.checks import check_run
from alexnet.config.keys import MEASURED
from alexnet.config.machine import check_machine
from alexnet.config.own_code import hash_own_code
from alexnet.config.processes import count_shards
from alexnet.data.preparation import Preparation
from alexnet.disk import check_space
from alexnet.runs.folder import Run
from alexnet.training.leader import Leader
from alexnet.training.resumable import refuse_other_checkpoint, resume_config, resume_environment

if TYPE_CHECKING:
    from alexnet.training.build import Training
    from alexnet.training.state import State


@dataclass
class Prepared:
    config: DictConfig  # with what was measured on the data
    training: "Training"
    state: "State"
    environment: dict[str, Any]  # for environment.json


def prepare(config: DictConfig, run: Run, parent: Run | None, checked: bool, leader: Leader) -> Prepared:
    """Builds the run, from its last checkpoint if it has one, unless the leader trains from the start.

    Writes config.yaml in a new folder, and nothing in a folder with a run. parent: the run that this one reproduces.
    leader: of the run's processes.
    Raises Mistake if the folder, its disk, the data or the checkpoint refuses the run, Failure if the data can't be
    downloaded.
    """
    if not checked:
        check_run(config)
        check_machine(config, begins=leader.from_start or not run.has_checkpoint)
    config = _note_shards(config) if run.is_new else resume_config(config, run)
    if run.is_new:
        run.write_config(as_yaml(config))
    # torch takes seconds to import: only for values that are known to be good.
    from alexnet.engine.environment import describe
    from alexnet.training.build import assemble
    from alexnet.training.state import restore_checkpoint
    from alexnet.training.transfer import refuse_other_weights

    _check_space(config, run, parent)
    before = run.environment().get("transferred_from")
    resumes = run.has_checkpoint and not leader.from_start
    training = assemble(config, began=before if resumes else None, join=leader.join)
    dataset = training.dataset
    environment = describe(training.engine, dataset.fingerprint())
    environment |= {"classes": list(dataset.classes), "channels": dataset.channels}
    if own_code := hash_own_code(config):
        environment["own_code"] = own_code
    if training.transfer is not None:
        noted = {name: value for name, value in vars(training.transfer).items() if name != "notes"}
        environment["transferred_from"] = noted
        if isinstance(before, dict):
            refuse_other_weights(noted["weights_sha256"], before, run)
    if parent is not None:
        environment["reproduces"] = str(parent.folder.absolute())
    state = restore_checkpoint(run, training, leader.from_start)
    refuse_other_checkpoint(config, run, state)
    environment |= leader.meet(training, state)
    environment = resume_environment(environment, run, training, state)
    return Prepared(_note_measured(config, training.batches.train.preparation), training, state, environment)


def as_yaml(config: DictConfig) -> str:
    return OmegaConf.to_yaml(config, resolve=True)


def _note_shards(config: DictConfig) -> DictConfig:
    """With the number of shares, so that another number of processes doesn't change it."""
    return OmegaConf.create({**config, "device": {**config.device, "shards": count_shards(config)}})


def _note_measured(config: DictConfig, preparation: Preparation) -> DictConfig:
    """With the mean and components that were measured, so that no command has to measure them again."""
    measured = {key: getattr(preparation, key) for key in MEASURED if config.dataset.get(key) is None}
    found = {key: value for key, value in measured.items() if value is not None}
    return OmegaConf.create({**config, "dataset": {**config.dataset, **found}})


def _check_space(config: DictConfig, run: Run, parent: Run | None) -> None:
    """Raises Mistake if the disk hasn't the room for what the run still has to write."""
    from alexnet.training.disk_use import estimate

    there = sum(path.stat().st_size for path in run.checkpoints.glob("*.pt"))
    if there > 0:
        way_out = "move the folder to another disk and resume it there: python scripts/resume.py FOLDER"
    elif parent is not None:
        way_out = "call this in a folder on another disk"
    else:
        way_out = "give a folder on another disk with hydra.run.dir=FOLDER (hydra.sweep.dir=FOLDER)"
    check_space(run.folder, max(0, estimate(config).peak - there), way_out)
