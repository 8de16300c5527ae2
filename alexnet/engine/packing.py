"""Packs what a step changes into one tensor, so that processes can add it up at once."""

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn


class Packing:
    """What is added up over the shares of a batch, side by side in one tensor (N,) float32: the gradients, how much
    each buffer (a running statistic of normalisation) changed, the loss, and how many answers were right.
    """

    def __init__(self, model: nn.Module, device: torch.device):
        """device: of the loss."""
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.buffers = [buffer for buffer in model.buffers() if buffer.dtype is not torch.bool]
        self.before = [buffer.clone() for buffer in self.buffers]  # the step
        counts = [each.numel() for each in (*self.parameters, *self.buffers)]
        *self.starts, self.length = accumulate([*counts, 2], initial=0)
        self.packed = torch.empty(self.length, device=device)  # new memory in each step would take longer than a copy

    def begin_step(self) -> None:
        """Remembers the buffers."""
        self._copy(self.buffers, self.before)

    def begin_share(self) -> None:
        """Every share starts from the same buffers, and with no gradient."""
        self._copy(self.before, self.buffers)
        for parameter in self.parameters:
            parameter.grad = None

    def pack(self, figures: Tensor, weight: Tensor) -> Tensor:
        """What one share adds. The next call overwrites it.

        figures: (2,), its loss and right answers. weight: its part of all images.
        """
        gradients, changes, own_figures = self._split(self.packed)
        for parameter, own in zip(self.parameters, gradients, strict=True):
            if parameter.grad is None:
                own.zero_()
            else:
                own.copy_(parameter.grad)
        for buffer, before, own in zip(self.buffers, self.before, changes, strict=True):
            own.copy_((buffer - before) * weight)
        own_figures.copy_(figures)
        return self.packed

    def unpack(self, total: Tensor) -> Tensor:
        """Gives the parameters the sum of all gradients, as views, and the buffers their new values; returns the
        figures, (2,).
        """
        gradients, changes, figures = self._split(total)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        for buffer, before, change in zip(self.buffers, self.before, changes, strict=True):
            buffer.copy_(before + (change if buffer.is_floating_point() else change.round().to(buffer.dtype)))
        return figures.clone()

    def _split(self, packed: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Views of the gradients, the buffers' changes and the figures."""
        like = [*self.parameters, *self.buffers]
        views = [
            packed.as_strided(each.shape, each.stride(), start)
            for each, start in zip(like, self.starts[:-1], strict=True)
        ]
        return views[: len(self.parameters)], views[len(self.parameters) :], packed[self.starts[-1] :]

    @staticmethod
    def _copy(sources: Sequence[Tensor], targets: Sequence[Tensor]) -> None:
        for source, target in zip(sources, targets, strict=True):
            target.copy_(source)
