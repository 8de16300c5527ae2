"""Keeps a network's weights in 16 bits beside those in float32, so that a step moves fewer bytes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain, groupby
from typing import Any

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
    those of autocast and optimizer.step(), unless they are compiled. Other weights than those of convolutions and fully
    connected layers, which autocast leaves in float32, aren't copied.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer):
        """optimizer: of the model's weights; one that suits, see `suits`."""
        layers = (module for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear)))
        cast = {weight for layer in layers for weight in layer.parameters(recurse=False) if _is_dense(weight)}
        self.model, self.optimizer = model, optimizer
        self.weights = {name: weight for name, weight in model.named_parameters() if weight in cast}
        self.copies = {
            name: weight.detach().bfloat16().requires_grad_(weight.requires_grad)
            for name, weight in self.weights.items()
        }
        self.versions = self._list_versions()
        self.parts = [list(names) for _, names in groupby(self.copies, lambda name: name.partition(".")[0])]
        self.branches: list[Callable[[], AbstractContextManager]] = [nullcontext for _ in self.parts]
        self.compiled_step: Callable[..., None] | None = None

    def compile(self, **options: Any) -> None:
        """Has each part of the model and each part's update compiled. options: of torch.compile.

        On a GPU the fully connected layers are then updated while the gradients of the convolutions are computed.
        """
        for part in self.model.children():
            part.compile(**options)
        self.compiled_step = torch.compile(take_step, **options)
        for number, names in enumerate(self.parts):
            trained = [self.copies[name] for name in names if self.copies[name].requires_grad]
            if trained and trained[0].is_cuda:
                self.branches[number] = Branch(trained)

    def __call__(self, images: Tensor) -> Tensor:
        """The model's logits. Weights that were changed in place since the last call, as load_state_dict and optimizers
        do it, are copied first. torch doesn't count changes through `weight.data`; a recorded step looks for none.
        """
        now = self._list_versions()
        for name, version in now.items():
            if version != self.versions[name]:
                with torch.no_grad():
                    self.copies[name].copy_(self.weights[name])
        self.versions = now
        return functional_call(self.model, self.copies, (images,))

    @torch.no_grad()
    def update(self) -> None:
        """Takes the optimizer's step, and forgets the gradients of the copies."""
        self.optimizer.step()  # of the weights without copies; the others have no gradient in float32
        for names, branch in zip(reversed(self.parts), reversed(self.branches), strict=True):
            with branch():
                for group in self.optimizer.param_groups:
                    own = set(group["params"])
                    self._update(group, [name for name in names if self.weights[name] in own])
        self.versions = self._list_versions()

    def _update(self, group: dict[str, Any], names: Sequence[str]) -> None:
        """The step of these weights. group: of the optimizer, to which they belong."""
        gradients = {name: gradient for name in names if (gradient := self.copies[name].grad) is not None}
        weights, copies = ([each[name] for name in gradients] for each in (self.weights, self.copies))
        velocities = [self._get_velocity(weight) for weight in weights]
        options = {name: group[name] for name in ("momentum", "weight_decay", "nesterov", "maximize")}
        tensors = weights, list(gradients.values()), velocities, copies
        if self.compiled_step is None:
            for piece in chain.from_iterable(map(_cut, *tensors)):
                take_step(*([tensor] for tensor in piece), fused=True, lr=group["lr"], **options)
        elif weights:  # a rate that isn't a tensor would be compiled into the program
            self.compiled_step(*tensors, foreach=True, lr=torch.as_tensor(group["lr"]), **options)
        for copy in copies:
            copy.grad = None

    def _get_velocity(self, weight: Tensor) -> Tensor:
        state = self.optimizer.state[weight]
        if state.get("momentum_buffer") is None:  # the first step
            state["momentum_buffer"] = torch.zeros_like(weight)
        return state["momentum_buffer"]

    def _list_versions(self) -> dict[str, int]:
        """How often each weight was changed."""
        return {name: weight._version for name, weight in self.weights.items()}


class Branch:
    """Work on a GPU that begins as soon as the gradients of these copies are there, on a stream of its own, beside the
    work that comes after them. What follows waits for both.
    """

    def __init__(self, copies: Sequence[Tensor]):
        self.stream = torch.cuda.Stream(copies[0].device)
        self.ready = torch.cuda.Event()
        for copy in copies:
            copy.register_post_accumulate_grad_hook(lambda _: self.ready.record())  # the last one counts

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self.stream.wait_event(self.ready)
        with torch.cuda.stream(self.stream):
            yield
        torch.cuda.current_stream(self.stream.device).wait_stream(self.stream)


def take_step(
    weights: Sequence[Tensor],
    gradients: Sequence[Tensor],
    velocities: Sequence[Tensor],
    copies: Sequence[Tensor],
    **options: Any,
) -> None:
    """SGD's step of float32 weights with bfloat16 gradients, and their next copies. options: of torch's sgd."""
    sgd([*weights], [gradient.float() for gradient in gradients], [*velocities], dampening=0, **options)
    for copy, weight in zip(copies, weights, strict=True):
        copy.copy_(weight)


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
