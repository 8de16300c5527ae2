"""The processes of a run: which part of a batch each computes, and how they add up what they computed."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from socket import gethostname
from time import sleep

import torch
import torch.distributed as dist
from torch import Tensor

from alexnet.engine.shares import Node, Sums, add_up, cut, list_nodes
from alexnet.errors import Failure

FOREVER = timedelta(days=7)  # an exchange needs no limit: it is noticed otherwise that a process ended


class Messages:
    """Texts that the processes of a run leave for one another."""

    def __init__(self, store: dist.Store):
        self.store = store

    def put(self, key: str, text: str) -> None:
        self.store.set(key, text)

    def wait(self, key: str) -> str:
        """The text, when it is there. A signal ends the wait, unlike the store's own."""
        while not self.store.check([key]):
            sleep(0.02)
        return self.store.get(key).decode()


class Group:
    """The processes of a run, as one of them, number `rank` of `size`, sees them. Alone, it exchanges nothing.

    shards: shares of a batch, a multiple of size. Each process computes equally many, one after the other.
    local_rank: the number among the processes on this machine.
    """

    def __init__(
        self, rank: int = 0, size: int = 1, shards: int = 1, local_rank: int = 0, messages: Messages | None = None
    ):
        self.rank, self.size, self.shards, self.local_rank, self.messages = rank, size, shards, local_rank, messages
        self.device = torch.device("cpu")  # of what is exchanged
        self.received: dict[Node, Tensor] = {}  # of other processes, in memory that all steps use
        self.find_stop: Callable[[], int] = lambda: 0  # the signal that a process has got, as far as this one knows
        self.stop: Callable[[int], None] = lambda number: None  # ends this process, because of that signal
        self.explain: Callable[[Exception], Exception] = lambda error: error  # why an exchange failed

    def compare(self, moment: str, weights: str) -> None:
        """Raises Failure in process 0 if another process has other weights at that moment. weights: their hash."""
        assert self.messages is not None
        self.messages.put(f"weights/{moment}/{self.rank}", f"{weights} {gethostname()}")
        for rank in range(1, self.size) if self.rank == 0 else ():
            theirs, host = self.messages.wait(f"weights/{moment}/{rank}").rsplit(" ", 1)
            if theirs != weights:
                raise Failure(
                    f"Process {rank} on {host} has other weights than process 0 on {gethostname()} after {moment}, so "
                    f"they computed differently: expected processors of the same kind."
                )

    def connect(self, device: torch.device) -> None:
        """Connects the processes, by NCCL or, without NVIDIA's GPUs, by Gloo. Returns when all have called it.

        device: that this process computes on.
        """
        assert self.messages is not None
        backend, place = ("nccl", device) if device.type == "cuda" and not SHARE_GPUS else ("gloo", self.device)
        self.messages.put(f"ready/{self.rank}", backend)
        for rank in range(self.size):
            self.messages.wait(f"ready/{rank}")
        with self._explaining():
            dist.init_process_group(
                backend, store=self.messages.store, rank=self.rank, world_size=self.size, timeout=FOREVER
            )
        self.device = place

    def wait(self) -> None:
        """Returns when all processes have called it."""
        self.count(torch.zeros((), dtype=torch.int64))

    def close(self) -> None:
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()

    def get_shares(self, rank: int | None = None) -> range:
        """The shares that a process computes; this one, if none is given."""
        own, rank = self.shards // self.size, self.rank if rank is None else rank
        return range(rank * own, (rank + 1) * own)

    def get_rows(self, count: int) -> range:
        """The images that this process computes of a batch of so many."""
        parts, own = cut(count, self.shards), self.get_shares()
        return range(parts[own[0]].start, parts[own[-1]].stop)

    def add_up(self, sums: Sums, shares: int, length: int) -> Tensor:
        """The sum over all shares, (length,) float32: the same bits in all processes, and for any number of them.

        sums: of this process's shares; changed, and its memory returned. shares: that have images, the first ones. Each
        process adds up one part of all values, and sends it to the others.
        """
        if self.size == 1:
            return add_up(sums.nodes, shares)
        own = {node: value.to(self.device) for node, value in sums.nodes.items()}
        total = next(iter(own.values()), None)  # what it held is sent before the sum comes
        total = torch.empty(length, device=self.device) if total is None else total
        parts = [slice(part.start, part.stop) for part in cut(length, self.size)]
        with self._explaining():
            nodes = self._collect(own, parts, shares)
            total[parts[self.rank]] = add_up(nodes, shares)
            self._run(
                [("send", total[parts[self.rank]], peer) for peer in self._others()]
                + [("receive", total[parts[peer]], peer) for peer in self._others()]
            )
        return total

    def _collect(self, own: dict[Node, Tensor], parts: Sequence[slice], shares: int) -> dict[Node, Tensor]:
        """This process's part of the values of all nodes."""
        mine = parts[self.rank]
        nodes = {node: value[mine] for node, value in own.items()}
        transfers = []
        for peer in self._others():
            transfers += [("send", value[parts[peer]], peer) for value in own.values()]
            busy = self.get_shares(peer)
            for node in list_nodes(range(busy.start, max(busy.start, min(busy.stop, shares)))):
                if node not in self.received:
                    self.received[node] = torch.empty(mine.stop - mine.start, device=self.device)
                nodes[node] = self.received[node]
                transfers.append(("receive", nodes[node], peer))
        self._run(transfers)
        return nodes

    def _run(self, transfers: Sequence[tuple[str, Tensor, int]]) -> None:
        """Sends to, and receives from, other processes at the same time. What two exchange is in the same order."""
        kinds = {"send": dist.isend, "receive": dist.irecv}
        wanted = [dist.P2POp(kinds[kind], tensor, peer) for kind, tensor, peer in transfers if len(tensor) > 0]
        for work in dist.batch_isend_irecv(wanted) if wanted else ():
            work.wait()

    def _others(self) -> Iterator[int]:
        """The other processes, each beginning with the next one, so that not all send to the same one."""
        return ((self.rank + step) % self.size for step in range(1, self.size))

    def gather(self, values: Tensor) -> Tensor:
        """The values (N,) of all processes, one after the other: (size * N,)."""
        if self.size == 1:
            return values
        found = [torch.empty_like(values, device=self.device) for _ in range(self.size)]
        with self._explaining():
            dist.all_gather(found, values.to(self.device))
        return torch.cat(found).to(values.device)

    def count(self, counts: Tensor) -> Tensor:
        """The sum over the processes, of whole numbers."""
        if self.size == 1:
            return counts
        found = counts.to(self.device)
        with self._explaining():
            dist.all_reduce(found)
        return found.to(counts.device)

    def settle(self) -> None:
        """Ends all processes here if one of them got a signal."""
        if self.size > 1:
            number = torch.tensor(self.find_stop(), device=self.device)
            with self._explaining():
                dist.all_reduce(number, dist.ReduceOp.MAX)
            self.stop(int(number))

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Raises, in place of an error of the library, what happened to the other processes."""
        try:
            yield
        except RuntimeError as error:
            raise self.explain(error) from error


SHARE_GPUS = os.environ.get("ALEXNET_SHARE_GPUS") == "1"  # for tests of several processes on one GPU
