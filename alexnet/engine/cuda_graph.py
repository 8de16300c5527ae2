"""A step of training as a CUDA graph: what it does on the GPU is recorded once, then sent there as a whole."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

WARM_UP = 3  # calls before one is recorded: libraries choose their algorithms, the optimizer makes its state


class Recorder:
    """Calls functions of tensors on a GPU, each of which it records once for every shape of its tensors.

    Replayed, a function does to the GPU's memory what it did when it was called, with the same bits: its random
    numbers are those of the seed of torch's generator at that moment. Its Python isn't run again, so it mustn't depend
    on values that are on the processor. Recordings share their memory.
    """

    def __init__(self, device: torch.device):
        self.stream = torch.cuda.Stream(device)
        self.memory = torch.cuda.graph_pool_handle()
        self.calls = Counter()
        self.recordings = {}

    def __call__(self, function: Callable[..., Tensor], fixed: Any, *tensors: Tensor) -> Tensor:
        """function(fixed, *tensors); what it returns is overwritten by the next call.

        fixed: in all calls the same.
        """
        key = function, *((tensor.shape, tensor.stride(), tensor.dtype) for tensor in tensors)
        self.calls[key] += 1
        if self.calls[key] <= WARM_UP:
            return self._call(function, fixed, tensors)
        if key not in self.recordings:
            self.recordings[key] = self._record(function, fixed, tensors)
        graph, inputs, returned = self.recordings[key]
        for own, given in zip(inputs, tensors, strict=True):
            own.copy_(given)
        graph.replay()
        return returned

    def _call(self, function: Callable[..., Tensor], fixed: Any, tensors: Sequence[Tensor]) -> Tensor:
        """On the stream that is recorded, for what a library keeps for each stream to be there by then.

        torch warns of an optimizer that could be recorded and isn't: it will be.
        """
        current = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")
            returned = function(fixed, *tensors)
        current.wait_stream(self.stream)
        return returned

    def _record(
        self, function: Callable[..., Tensor], fixed: Any, tensors: Sequence[Tensor]
    ) -> tuple[torch.cuda.CUDAGraph, Sequence[Tensor], Tensor]:
        """The recording, and the places of what it is given and of what it returns."""
        graph, inputs = torch.cuda.CUDAGraph(), [tensor.clone() for tensor in tensors]
        # Other threads, such as the one that pins streamed batches, may go on with what they do.
        with torch.cuda.graph(graph, self.memory, self.stream, capture_error_mode="thread_local"):
            returned = function(fixed, *inputs)
        return graph, inputs, returned
