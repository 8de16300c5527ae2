"""The state of training between two steps: the sums behind the rows, and what a checkpoint holds."""

import logging
from dataclasses import dataclass, field
from shlex import quote
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from alexnet.errors import Mistake
from alexnet.messages.console import translate
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from alexnet.training.build import Training

logger = logging.getLogger(__name__)


class Tally:
    """Sums over the batches of a window or an epoch. They stay on the device and are read only when asked for."""

    def __init__(self, device: torch.device, sums: tuple[float, float] = (0.0, 0.0), seconds: float = 0.0):
        """seconds: that it has counted already."""
        precision = torch.float32 if device.type == "mps" else torch.float64
        self.sums = torch.tensor(sums, dtype=precision, device=device)  # of losses, of right answers
        self.batches = self.images = 0
        self.since = perf_counter() - seconds

    @classmethod
    def from_plain(cls, plain: dict[str, Any], device: torch.device) -> "Tally":
        """What `to_plain` gave; the time between isn't counted."""
        tally = cls(device, plain["sums"], plain["seconds"])
        tally.batches, tally.images = plain["batches"], plain["images"]
        return tally

    def to_plain(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "sums": self.sums.tolist(),
            "batches": self.batches,
            "images": self.images,
            "seconds": self.seconds(),
        }

    def seconds(self) -> float:
        return perf_counter() - self.since

    def add(self, figures: Tensor, images: int) -> None:
        """Adds one batch of so many images. figures: (2,), its loss and how many answers were right."""
        self.sums += figures
        self.batches += 1
        self.images += images

    def loss(self) -> float:
        """The mean of the batches' losses."""
        return self.sums[0].item() / self.batches

    def to_row(self) -> dict[str, float]:
        """loss, accuracy (a share) and images_per_second since the tally began."""
        speed = self.images / self.seconds()
        accuracy = self.sums[1].item() / self.images
        return {"loss": self.loss(), "accuracy": accuracy, "images_per_second": round(speed, 1)}


@dataclass
class State:
    """The position of training between two steps: with the weights, all that its further steps depend on."""

    epoch_tally: Tally  # of the current epoch
    window_tally: Tally
    epoch: int = 0  # finished epochs
    batch: int = 0  # finished batches of the current one
    errors: list[float] = field(default_factory=list)  # of each finished epoch, for the schedule
    best_accuracy: float = -1.0  # on validation images, if there are any
    best_epoch: int = 0
    best: dict[str, Any] | None = None  # that epoch's weights, until the next checkpoint is written
    learnt: bool = False  # the only batch, with `overfit`
    window_losses: list[float] = field(default_factory=list)  # of the current epoch's windows, for a warning
    warned: bool = False  # that nothing is learnt
    since: float = field(default_factory=perf_counter)  # when training began, pauses left out
    saved_at: float = field(default_factory=perf_counter)  # when the last checkpoint was written
    saving_seconds: float = 0.0  # how long that took
    sealed: dict[str, Any] | None = field(default=None, init=False)  # `Run.seal` in the checkpoint that it comes from

    def to_plain(self) -> dict[str, Any]:
        """All of it as plain values; times as seconds so far."""
        plain = {
            name: getattr(self, name) for name in ("epoch", "batch", "errors", "best_accuracy", "best_epoch", "learnt")
        }
        return {
            **plain,
            "whole": self.epoch_tally.to_plain(),  # version 0.1.0's name for it
            "window": self.window_tally.to_plain(),
            "seconds": self.seconds(),
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any], device: torch.device) -> "State":
        """What `to_plain` gave. Raises KeyError, TypeError or ValueError for anything else."""
        plain = dict(plain)
        since = perf_counter() - plain.pop("seconds")
        tallies = [Tally.from_plain(plain.pop(name), device) for name in ("whole", "window")]
        state = cls(tallies[0], tallies[1], since=since, **plain)
        counts = [state.epoch, state.batch, state.best_epoch]
        counts += [count for tally in tallies for count in (tally.batches, tally.images)]
        numbers = [state.best_accuracy, *state.errors]
        if (
            any(type(count) is not int or count < 0 for count in counts)
            or any(type(number) not in (int, float) for number in numbers)
            or any(tally.sums.shape != (2,) for tally in tallies)
        ):
            raise ValueError("its state is not what a training writes")
        return state

    def seconds(self) -> float:
        return perf_counter() - self.since

    def steps(self, training: Training) -> int:
        """How many have been taken since training began."""
        return self.epoch * len(training.batches.train) + self.batch


def save_checkpoint(run: Run, training: Training, state: State) -> None:
    """Writes the checkpoint to resume from: weights, optimizer, scaler and state, as tensors and plain types.

    The best epoch's weights are written just before it, so that they are never of a later epoch. Of several processes,
    which have the same weights, the first one writes them.
    """
    if training.group.rank > 0:
        state.best = None
        return
    began, folder = perf_counter(), run.seal()
    if state.best is not None:
        checkpoints.save(run.checkpoints, "best", {**state.best, "folder": folder})
        state.best = None
    parts = {name: getattr(training, name).state_dict() for name in ("model", "optimizer", "scaler")}
    if training.average is not None:
        parts["average"] = training.tested.model.state_dict()
    checkpoints.save(run.checkpoints, "last", {**parts, "state": state.to_plain(), "folder": folder})
    state.saved_at = perf_counter()
    state.saving_seconds = state.saved_at - began
    logger.debug(translate("Checkpoint: epoch {}, {:.2f} s").format(state.epoch, state.saving_seconds))


def restore_checkpoint(run: Run, training: Training, from_start: bool = False) -> State:
    """The state in the folder's last checkpoint, whose weights and optimizer `training` is given; a new state if there
    is no checkpoint, or with `from_start`.

    Nothing in the folder changes. Raises Mistake if the checkpoint isn't this network's, Damaged if it isn't this
    folder's or a row up to it isn't what the run wrote.
    """
    saved = None if from_start else checkpoints.load_newest(run.checkpoints)
    if saved is None:
        if run.has_rows:
            lost = translate("No checkpoint is left: training from epoch 1.")
            logger.warning(translate("Training from epoch 1.") if from_start else lost)
        return State(Tally(training.engine.device), Tally(training.engine.device))
    if "optimizer" not in saved and {"model", "epoch"} <= saved.keys():
        raise Mistake(
            f"{run.folder} has only weights (keep=weights), from which no training is resumed. To train from epoch 1, "
            f"with the same result: python scripts/resume.py {quote(str(run.folder))} --from-start"
        )
    try:
        training.model.load_state_dict(saved["model"])
        training.optimizer.load_state_dict(_with_own_settings(training.optimizer, saved["optimizer"]))
        training.scaler.load_state_dict(saved["scaler"])
        if training.average is not None:
            training.tested.model.load_state_dict(saved["average"])
        state = State.from_plain(saved["state"], training.engine.device)
        if state.batch > len(training.batches.train) or state.epoch > training.epochs:
            raise ValueError(f"it stands in epoch {state.epoch + 1}, after batch {state.batch}")
        if "folder" in saved:  # version 0.1.0 had none
            run.check_seal(saved["folder"])
            state.sealed = saved["folder"]
        if state.best_epoch > 0:  # damage is told now, and not after the training
            run.check_owner(checkpoints.load(run.checkpoints, "best"))
        return state
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        why = " ".join(str(error).split())
        raise Mistake(f"The checkpoint in {run.folder} doesn't fit the network of its config.yaml: {why}") from error


def _with_own_settings(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    """The saved state of an optimizer, with the settings of this one: another device may compute in another way.

    Raises ValueError if it has another number of groups.
    """
    groups = zip(optimizer.state_dict()["param_groups"], saved["param_groups"], strict=True)
    return {**saved, "param_groups": [{**own, "params": theirs["params"]} for own, theirs in groups]}
