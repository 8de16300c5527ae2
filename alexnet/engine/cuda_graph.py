"""Records a training step as a CUDA graph: its work on the GPU is recorded once, then sent there as a whole."""

import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

WARM_UP = 3  # calls before recording: libraries choose their algorithms, the optimizer makes its state


class Recording(NamedTuple):
    graph: torch.cuda.CUDAGraph
    inputs: Sequence[Tensor]  # copy the arguments here before a replay
    returned: Tensor  # find the result here afterwards


class Recorder:
    """Calls functions of tensors on a GPU, and records each function once for every shape of its tensors.

    A replayed function does to the GPU's memory what a call does, with the same bits: its random numbers are those of
    the current seed of torch's generator. Its Python code doesn't run again, so it mustn't depend on values in the
    processor's memory. All recordings share their memory.
    """

    def __init__(self, device: torch.device):
        self.stream = torch.cuda.Stream(device)
        self.memory = torch.cuda.graph_pool_handle()
        self.calls: Counter[Hashable] = Counter()
        self.recordings: dict[Hashable, Recording] = {}

    def __call__(self, function: Callable[..., Tensor], fixed: Any, *tensors: Tensor) -> Tensor:
        """function(fixed, *tensors). The next call overwrites what it returns. fixed: the same object in all calls."""
        key = function, *((tensor.shape, tensor.stride(), tensor.dtype) for tensor in tensors)
        self.calls[key] += 1
        if self.calls[key] <= WARM_UP:
            return self._call(function, fixed, tensors)
        if key not in self.recordings:
            self.recordings[key] = self._record(function, fixed, tensors)
        recording = self.recordings[key]
        for own, given in zip(recording.inputs, tensors, strict=True):
            own.copy_(given)
        recording.graph.replay()
        return recording.returned

    def _call(self, function: Callable[..., Tensor], fixed: Any, tensors: Sequence[Tensor]) -> Tensor:
        """Calls the function on the stream of the recordings, so that libraries set up what they keep per stream.

        torch warns of an optimizer that could be recorded and isn't. That warning is hidden: it will be recorded.
        """
        current = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This instance was constructed with capturable=True")
            returned = function(fixed, *tensors)
        current.wait_stream(self.stream)
        return returned

    def _record(self, function: Callable[..., Tensor], fixed: Any, tensors: Sequence[Tensor]) -> Recording:
        graph, inputs = torch.cuda.CUDAGraph(), [tensor.clone() for tensor in tensors]
        # Other threads, such as the one that pins streamed batches, may continue their work.
        with torch.cuda.graph(graph, self.memory, self.stream, capture_error_mode="thread_local"):
            returned = function(fixed, *inputs)
        return Recording(graph, inputs, returned)
