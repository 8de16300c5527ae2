"""Keeps a network's weights in 16 bits beside those in float32, so that a step moves fewer bytes."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim.sgd import SGD, sgd

# Weights that are updated at once, so that they stay in a processor's cache. A multiple of 64: torch's kernel computes
# what doesn't fill a vector of the processor in another way.
PIECE = 2**20


class HalfWeights:
    """A network that computes with bfloat16 copies of its weights.

    torch.autocast makes such copies in every step, and float32 ones of their gradients: with SGD that moves 32 bytes a
    weight. Here `update` reads the gradients as they are and writes the next copies, which is 20 bytes. The bits are
    those of autocast and optimizer.step(). Other weights than those of convolutions and fully connected layers, which
    autocast leaves in float32, aren't copied.
    """

    def __init__(self, model: nn.Module):
        layers = (module for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear)))
        cast = {weight for layer in layers for weight in layer.parameters(recurse=False) if _is_dense(weight)}
        self.model = model
        self.weights = {name: weight for name, weight in model.named_parameters() if weight in cast}
        self.copies = {
            name: weight.detach().bfloat16().requires_grad_(weight.requires_grad)
            for name, weight in self.weights.items()
        }
        self.versions = self._list_versions()
        self.scratch = torch.empty(PIECE)

    def __call__(self, images: Tensor) -> Tensor:
        """The model's logits. Weights that were changed in place since the last call, as load_state_dict and optimizers
        do it, are copied first. torch doesn't count changes through `weight.data`.
        """
        now = self._list_versions()
        for name, version in now.items():
            if version != self.versions[name]:
                with torch.no_grad():
                    self.copies[name].copy_(self.weights[name])
        self.versions = now
        return functional_call(self.model, self.copies, (images,))

    @torch.no_grad()
    def update(self, optimizer: torch.optim.Optimizer) -> None:
        """Takes the step of an optimizer that suits, see `suits`, and forgets the gradients of the copies."""
        optimizer.step()  # of the weights without copies; the others have no gradient in float32
        copies = {weight: self.copies[name] for name, weight in self.weights.items()}
        for group in optimizer.param_groups:
            options = {name: group[name] for name in ("lr", "momentum", "weight_decay", "nesterov", "maximize")}
            for weight in group["params"]:
                copy = copies.get(weight)
                if copy is None or copy.grad is None:
                    continue
                state = optimizer.state[weight]
                if state.get("momentum_buffer") is None:  # the first step
                    state["momentum_buffer"] = torch.zeros_like(weight)
                parts = _cut(weight, copy.grad, state["momentum_buffer"], copy)
                for part, gradient, velocity, half in parts:
                    single = self.scratch[: len(part)].copy_(gradient)
                    sgd([part], [single], [velocity], fused=True, dampening=0, **options)
                    half.copy_(part)
                copy.grad = None
        self.versions = self._list_versions()

    def _list_versions(self) -> dict[str, int]:
        """How often each weight was changed."""
        return {name: weight._version for name, weight in self.weights.items()}


def suits(optimizer: torch.optim.Optimizer) -> bool:
    """Whether `HalfWeights.update` can take its steps."""
    options = optimizer.defaults
    return type(optimizer) is SGD and bool(options["fused"]) and options["momentum"] > 0 and options["dampening"] == 0


def _is_dense(weight: Tensor) -> bool:
    return weight.is_contiguous() or weight.is_contiguous(memory_format=torch.channels_last)


def _lie_alike(one: Tensor, other: Tensor) -> bool:
    """Whether elements with the same index have the same place in memory. A dimension of length 1 has no stride."""
    strides = zip(one.shape, one.stride(), other.stride(), strict=True)
    return one.shape == other.shape and all(mine == theirs for length, mine, theirs in strides if length > 1)


def _cut(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Equal pieces of dense tensors that lie in memory alike."""
    assert all(_lie_alike(tensor, tensors[0]) for tensor in tensors)
    flat = (tensor.as_strided((tensor.numel(),), (1,)).split(PIECE) for tensor in tensors)
    return zip(*flat, strict=True)
