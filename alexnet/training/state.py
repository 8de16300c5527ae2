"""Where training stands between two steps, and the sums that its rows are made of."""

from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from alexnet.training.build import Training


class Tally:
    """Sums over the batches of a window or an epoch, kept on the device and read only when asked for."""

    def __init__(self, device: torch.device, saved: dict[str, Any] | None = None):
        """An empty one, or what `saved()` gave, the time between not counted."""
        saved = saved or {"sums": [0.0, 0.0], "batches": 0, "images": 0, "seconds": 0.0}
        precision = torch.float32 if device.type == "mps" else torch.float64
        self.sums = torch.tensor(saved["sums"], dtype=precision, device=device)  # of losses, of right answers
        self.batches, self.images = saved["batches"], saved["images"]
        self.since = perf_counter() - saved["seconds"]

    def saved(self) -> dict[str, Any]:
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
        """One batch of so many images. figures: (2,), its loss and how many were right."""
        self.sums += figures
        self.batches += 1
        self.images += images

    def loss(self) -> float:
        """The mean of the batches' losses."""
        return self.sums[0].item() / self.batches

    def row(self) -> dict[str, float]:
        """loss, accuracy (a share) and images_per_second since the tally began."""
        speed = self.images / self.seconds()
        accuracy = self.sums[1].item() / self.images
        return {"loss": self.loss(), "accuracy": accuracy, "images_per_second": round(speed, 1)}


@dataclass
class State:
    """Where training stands between two steps: with the weights, all that its rest depends on."""

    epoch_tally: Tally  # of the current epoch
    window_tally: Tally
    epoch: int = 0  # finished epochs
    batch: int = 0  # finished batches of the current one
    errors: list[float] = field(default_factory=list)  # of each finished epoch, for the schedule
    best_accuracy: float = -1.0  # on validation, where there is one
    best_epoch: int = 0
    best: dict[str, Any] | None = None  # that epoch's weights, until the next checkpoint is written
    since: float = field(default_factory=perf_counter)  # when training began, pauses left out
    saved_at: float = field(default_factory=perf_counter)  # the last checkpoint
    saving_seconds: float = 0.0  # that it took

    def saved(self) -> dict[str, Any]:
        """All of it as plain values, times as seconds so far."""
        plain = {name: getattr(self, name) for name in ("epoch", "batch", "errors", "best_accuracy", "best_epoch")}
        return {
            **plain,
            "whole": self.epoch_tally.saved(),
            "window": self.window_tally.saved(),
            "seconds": self.seconds(),
        }

    @classmethod
    def restored(cls, saved: dict[str, Any], device: torch.device) -> "State":
        """What `saved()` gave. Raises KeyError, TypeError or ValueError for anything else."""
        saved = dict(saved)
        since = perf_counter() - saved.pop("seconds")
        whole, window = (Tally(device, saved.pop(name)) for name in ("whole", "window"))
        state = cls(whole, window, since=since, **saved)
        tallied = [count for tally in (whole, window) for count in (tally.batches, tally.images)]
        counts = [state.epoch, state.batch, state.best_epoch, *tallied]
        numbers = [state.best_accuracy, *state.errors]
        if (
            any(type(count) is not int or count < 0 for count in counts)
            or any(type(number) not in (int, float) for number in numbers)
            or any(tally.sums.shape != (2,) for tally in (whole, window))
        ):
            raise ValueError("its state is not what a training writes")
        return state

    def seconds(self) -> float:
        return perf_counter() - self.since

    def steps(self, training: Training) -> int:
        """How many have been taken since training began."""
        return self.epoch * len(training.train) + self.batch
