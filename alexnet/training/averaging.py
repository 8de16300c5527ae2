"""Averages the weights over the steps of a training (Polyak and Juditsky 1992, as an exponential moving average)."""

from copy import deepcopy

import torch

from alexnet.training.network import Network


class Average:
    """A second network that follows a trained one: after each step its weights and its statistics of normalisation move
    a part of the way to those of the trained one.

    network: the second one, to be tested in place of the first. torch's AveragedModel does the same, but asks the GPU
    in each step whether that is the first one, so its steps can't be recorded.
    """

    def __init__(self, trained: Network, decay: float):
        """decay: the part that stays in each step, once training has run for some time."""
        model = deepcopy(trained.model)
        forward = trained.engine.forward(model, recorded=False)
        self.network = Network(trained.engine, trained.group, trained.dataset, model, forward, trained.batch_size)
        self.decay = decay
        pairs = list(zip(model.state_dict().values(), trained.model.state_dict().values(), strict=True))
        self.moving = [pair for pair in pairs if pair[0].is_floating_point()]
        self.counts = [pair for pair in pairs if not pair[0].is_floating_point()]
        # Where a recorded step finds the part of the way, on each device.
        self.parts = {own.device: torch.zeros((), device=own.device) for own, _ in self.moving}

    def prepare(self, step: int) -> None:
        """Sets the part of the way for the step that follows so many.

        At first it is larger, so that the initial weights are soon forgotten: the decay is at most (1 + n) / (10 + n).
        """
        for part in self.parts.values():
            part.fill_(1 - min(self.decay, (1 + step) / (10 + step)))

    @torch.no_grad()
    def follow(self) -> None:
        for own, theirs in self.moving:
            own.lerp_(theirs, self.parts[own.device])
        for own, theirs in self.counts:
            own.copy_(theirs)
