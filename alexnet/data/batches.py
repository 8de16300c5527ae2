"""Makes seeded batches of a split, the same ones whether its images are in memory or streamed from files."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import parent_process
from threading import Thread
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import shared_cache
from torch.utils.data import DataLoader

from alexnet.data import augment, randomness
from alexnet.data.dataset import Split
from alexnet.data.image_files import ImageFiles
from alexnet.data.preparation import Preparation
from alexnet.errors import Mistake

DEVICE_SHARE = 0.25  # images that take up to this share of a GPU's memory are kept there


class Batches:
    """The batches of a split, ready for the network: images (B, C, size, size) float32, labels (B,) int64.

    size: pixels a side that the network sees; None: the images' own. With V views, images are (V * B, C, size, size):
    first the first view of every image, see augment.take_views. epochs: the length of the training, divided equally
    among the sides in `preparation.progressive` and, last, `size`. files: what the images come from, if it is files.
    choose_rows: given a batch's number of images, which of them are wanted here; None: all.

    Order and augmentation are drawn here, from (seed, epoch, step); workers only decode. So their number changes
    nothing but speed, and an epoch can begin at any batch.
    """

    def __init__(
        self,
        split: Split,
        preparation: Preparation,
        batch_size: int,
        device: torch.device,
        *,
        size: int | None = None,
        memory_format: torch.memory_format = torch.contiguous_format,
        epochs: int = 1,
        shuffle: bool = False,
        seed: int = 0,
        workers: int = 0,
        choose_rows: Callable[[int], slice | Tensor] | None = None,
    ):
        self.preparation, self.choose_rows = preparation, choose_rows
        self.batch_size = max(1, batch_size // (preparation.views or 1))  # a view takes as much memory as an image
        self.device, self.memory_format = device, memory_format
        self.pinned = device.type == "cuda"  # only from pinned memory can images travel while the processor works
        self.epochs, self.shuffle, self.seed, self.workers = epochs, shuffle, seed, workers
        self.images = split.images
        held = self.images.shape[-1] if isinstance(self.images, Tensor) else self.images.size
        self.size = size or held
        self.spare = held + 2 * preparation.crop - self.size  # a crop begins at 0 to here
        self.sides = [*preparation.progressive, self.size]
        self.mean, self.std = (
            torch.tensor(value, dtype=torch.float32, device=device).view(-1, 1, 1)
            for value in (preparation.mean, preparation.std)
        )
        self.components = torch.tensor(preparation.components or [], dtype=torch.float32)
        self.labels, self.files = split.labels.to(device), split.files
        if isinstance(self.images, Tensor) and self.images.nbytes <= DEVICE_SHARE * _own_memory(device):
            self.images = self.images.to(device)

    def __len__(self) -> int:
        """Batches an epoch; the last one may be smaller."""
        return -(-len(self.labels) // self.batch_size)

    def count(self, batch: int) -> int:
        """The images of that batch of an epoch, wherever they are computed."""
        return min(self.batch_size, len(self.labels) - batch * self.batch_size)

    def epoch(self, epoch: int = 0, start: int = 0, stop: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch, from number `start` on, up to `stop` without it; all, if none is given.

        All random numbers of the epoch are drawn at once, on the processor, then sent to the device. So they are the
        same on every device, and a GPU never waits for them within the epoch.
        """
        count, preparation = len(self.labels), self.preparation
        order = torch.arange(count)
        if self.shuffle:
            order = torch.randperm(count, generator=randomness.make_generator(self.seed, randomness.ORDER, epoch))
        draws = randomness.make_generator(self.seed, randomness.AUGMENTATION, epoch)
        offsets = torch.randint(self.spare + 1, (2, count), generator=draws).to(self.device)
        mirrored = torch.rand(count, generator=draws) < 0.5
        if preparation.flip == "alternate":  # so that two epochs show both sides of every image (Jordan 2024, §3.6)
            once = torch.rand(count, generator=randomness.make_generator(self.seed, randomness.FLIP)) < 0.5
            mirrored = once[order] ^ bool(epoch % 2)
        mirrored = mirrored.to(self.device)
        if preparation.colour > 0:
            factors = preparation.colour * torch.randn(count, len(self.components), generator=draws)
            shifts = augment.compute_colour_shifts(factors, self.components).to(self.device)
        if preparation.cutout > 0:
            centres = torch.randint(self.size, (2, count), generator=draws).to(self.device)
        labels = self.labels[order.to(self.device)]
        places = [self._find_places(step) for step in range(start, len(self) if stop is None else stop)]
        for step, (batch, images) in enumerate(zip(places, self._load(order, places), strict=True), start):
            if preparation.views is not None:
                images = augment.take_views(images, self.size, preparation.crop, preparation.views)
            elif self.spare:
                images = augment.crop(images, self.size, preparation.crop, offsets[:, batch])
            if preparation.flip:
                images = augment.flip(images, mirrored[batch])
            mean = self.mean - shifts[batch] if preparation.colour > 0 else self.mean
            images = augment.normalise(images, mean, self.std, self.memory_format)
            if preparation.cutout > 0:
                images = augment.cut_out(images, preparation.cutout, centres[:, batch])
            side = self.choose_side(epoch + step / len(self), self.epochs)
            yield (images if side == self.size else augment.resize(images, side)), labels[batch]

    def _find_places(self, step: int) -> slice | Tensor:
        """Where, in the order of an epoch, the images of that batch are that are wanted here."""
        begin = step * self.batch_size
        rows = slice(0, self.batch_size) if self.choose_rows is None else self.choose_rows(self.count(step))
        if isinstance(rows, slice):
            return slice(begin + rows.start, begin + rows.stop)
        return begin + rows

    def choose_side(self, epoch: float, epochs: int) -> int:
        """Pixels a side of the images at that moment of a training of so many epochs."""
        return self.sides[min(int(epoch / epochs * len(self.sides)), len(self.sides) - 1)]

    def _load(self, order: Tensor, places: Sequence[slice | Tensor]) -> Iterator[Tensor]:
        """uint8 images (B, C, H, W) on the device, batch by batch: those at such places in the order."""
        if isinstance(self.images, ImageFiles):
            numbers = [order[place].tolist() for place in places]
            streamed = self._stream(self.images, list(filter(None, numbers)))
            none = torch.empty(0, 3, self.images.size, self.images.size, dtype=torch.uint8, device=self.device)
            for some in numbers:
                yield next(streamed) if some else none
            return
        order = order.to(self.images.device)
        for place in places:
            images = self.images[order[place]]
            if images.device.type != self.device.type:  # by type: the device cuda isn't equal to cuda:0
                images = (images.pin_memory() if self.pinned else images).to(self.device, non_blocking=True)
            yield images

    def _stream(self, files: ImageFiles, batches: list[list[int]]) -> Iterator[Tensor]:
        """The images of those numbers from files, which workers decode. Raises Mistake for a broken one."""
        loader = DataLoader(
            files,
            batch_sampler=batches,
            num_workers=self.workers,
            collate_fn=_pass_on,
            worker_init_fn=_start_worker,
            pin_memory=self.pinned,
        )
        for batch in loader:
            _forget_shared_batches()
            if isinstance(batch, Mistake):  # raised in a worker, it would arrive wrapped in a stack trace
                raise batch
            images, again = batch
            files.tell(again)
            yield images.to(self.device, non_blocking=True)


@dataclass(frozen=True)
class SplitBatches:
    """The batches of each split of a run: see dataset.Splits."""

    train: Batches
    validation: Batches | None
    test: Batches
    train_subset: Batches


def _own_memory(device: torch.device) -> float:
    """Bytes of a GPU's own memory; infinite for a device that shares the machine's, where the images already are."""
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else float("inf")


def _start_worker(worker: int) -> None:
    """Ends the worker if its run was killed while it started: torch would let it wait for the run forever."""
    ignore_interrupts()
    # Slurm sends a job's signals to all of its processes, and the run still takes batches.
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    if sys.platform == "linux":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        Thread(target=_wait_for_end, daemon=True).start()
    sys.excepthook = _report_exception
    parent = parent_process()
    if parent is not None and os.getppid() != parent.pid:
        os._exit(1)


def _wait_for_end() -> None:
    """Ends the worker when its run terminates it; if somebody else does, after 20 s, by which the run has ended it."""
    while True:
        if signal.sigwaitinfo({signal.SIGTERM}).si_pid == os.getppid():
            os._exit(0)  # torch counts another status as a failure
        signal.alarm(20)


def _report_exception(kind: type[BaseException], *error: Any) -> None:
    """Prints no error if the run stopped while it took a batch from this worker."""
    if not issubclass(kind, ConnectionError):
        sys.__excepthook__(kind, *error)


def _pass_on(batch: Any) -> Any:
    """The batch as it is: the files already come as one tensor. (No lambda: a spawned worker must import it.)"""
    _forget_shared_batches()
    return batch


def _forget_shared_batches() -> None:
    """Drops what torch remembers of the last 128 batches, on both sides of a worker.

    Each of these small objects lies in memory that a batch freed, and keeps the next batch from using it. Without this
    the memory of 100 batches was never free again.
    """
    with shared_cache.lock:
        shared_cache.free_dead_references()


def ignore_interrupts(worker: int = 0) -> None:
    """For a worker process: the terminal sends Ctrl-C to it as well, but the parent decides what to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
