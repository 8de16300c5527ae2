"""Seeded batches of one split, the same whether its images are held in memory or streamed."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from multiprocessing import parent_process
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import shared_cache
from torch.utils.data import DataLoader

from alexnet.data import augment, randomness
from alexnet.data.dataset import Split
from alexnet.errors import Mistake

DEVICE_SHARE = 0.25  # of a GPU's memory: images that take more stay in the machine's


class Batches:
    """The batches of a split, ready for the network: images (B, C, size, size) float32, labels (B,) int64.

    size: of the network's images; None: that of the split's. Larger ones are cropped at a random place, from
    `crop` pixels of padding around them where it is above 0. progressive: sides that the training of `epochs` begins
    with; each of them, and `size` at last, has an equal part of the steps. views: for tests; nothing is random then,
    and of each image come V views, the batch's first, then its second, ...: images (V * B, ...), see augment.views.

    Workers only decode; order and augmentation are drawn here, from (seed, epoch, step). So their
    number changes nothing but speed, and an epoch can be entered at any batch.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        device: torch.device,
        *,
        memory_format: torch.memory_format = torch.contiguous_format,
        size: int | None = None,
        mean: float | Sequence[float] = 0.5,
        std: float | Sequence[float] = 0.5,
        crop: int = 0,
        flip: bool = False,
        cutout: int = 0,
        colour: float = 0,
        components: Sequence[Sequence[float]] | None = None,
        progressive: Sequence[int] = (),
        epochs: int = 1,
        views: int | None = None,
        shuffle: bool = False,
        seed: int = 0,
        workers: int = 0,
    ):
        self.batch_size = max(1, batch_size // (views or 1))  # the network takes no more at once than in training
        self.device, self.memory_format = device, memory_format
        self.crop, self.flip, self.shuffle, self.seed, self.workers = crop, flip, shuffle, seed, workers
        self.cutout = cutout
        self.colour, self.components, self.views = colour, torch.tensor(components or [], dtype=torch.float32), views
        held = split.images.shape[-1] if isinstance(split.images, Tensor) else split.images.size
        self.size = size or held
        self.sides, self.epochs = [*progressive, self.size], epochs
        self.spare = held + 2 * crop - self.size  # where a crop may begin: 0 to here
        self.mean, self.std = (
            torch.tensor(value, dtype=torch.float32, device=device).view(-1, 1, 1) for value in (mean, std)
        )
        self.labels = split.labels.to(device)
        fits = isinstance(split.images, Tensor) and split.images.nbytes <= DEVICE_SHARE * _memory(device)
        self.images = split.images.to(device) if fits else split.images

    def __len__(self) -> int:
        """Batches an epoch; the last one may be smaller."""
        return -(-len(self.labels) // self.batch_size)

    def epoch(self, epoch: int = 0, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch, from number `start` on; none where that is their number.

        What is random is drawn for the whole epoch, on the processor, and sent at once: so it is the same on
        every device, and a GPU isn't made to wait within the epoch.
        """
        if start == len(self):
            return  # an order of no images would be split into one batch of none
        count = len(self.labels)
        order = torch.arange(count)
        if self.shuffle:
            order = torch.randperm(count, generator=randomness.make_generator(self.seed, randomness.ORDER, epoch))
        draws = randomness.make_generator(self.seed, randomness.AUGMENTATION, epoch)
        offsets = torch.randint(self.spare + 1, (2, count), generator=draws).to(self.device)
        mirrored = (torch.rand(count, generator=draws) < 0.5).to(self.device)
        if self.colour:
            factors = self.colour * torch.randn(count, len(self.components), generator=draws)
            shifts = augment.compute_colour_shifts(factors, self.components).to(self.device)
        if self.cutout:
            centres = torch.randint(self.size, (2, count), generator=draws).to(self.device)
        labels = self.labels[order.to(self.device)]
        for step, images in enumerate(self._raw(order[start * self.batch_size :]), start):
            batch = slice(step * self.batch_size, (step + 1) * self.batch_size)
            if self.views:
                images = augment.take_views(images, self.size, self.crop, self.views)
            elif self.spare:
                images = augment.crop(images, self.size, self.crop, offsets[:, batch])
            if self.flip:
                images = augment.flip(images, mirrored[batch])
            mean = self.mean - shifts[batch] if self.colour else self.mean
            images = augment.normalise(images, mean, self.std, self.memory_format)
            if self.cutout:
                images = augment.cut_out(images, self.cutout, centres[:, batch])
            side = self.side(epoch + step / len(self), self.epochs)
            yield (images if side == self.size else augment.resize(images, side)), labels[batch]

    def side(self, epoch: float, epochs: int) -> int:
        """Pixels a side of the images at that moment of a training of so many epochs."""
        return self.sides[min(int(epoch / epochs * len(self.sides)), len(self.sides) - 1)]

    def _raw(self, order: Tensor) -> Iterator[Tensor]:
        """uint8 images (B, C, H, W) on the device, batch by batch."""
        pinned = self.device.type == "cuda"  # only then can the processor go on while the images travel
        if isinstance(self.images, Tensor):
            for some in order.to(self.images.device).split(self.batch_size):
                images = self.images[some]
                if images.device.type != self.device.type:  # a device without a number is not equal to its own
                    images = (images.pin_memory() if pinned else images).to(self.device, non_blocking=True)
                yield images
            return
        loader = DataLoader(
            self.images,
            batch_sampler=[some.tolist() for some in order.split(self.batch_size)],
            num_workers=self.workers,
            collate_fn=_as_it_is,
            worker_init_fn=_start_worker,
            pin_memory=pinned,
        )
        for images in loader:
            _forget_shared_batches()
            if isinstance(images, Mistake):  # a worker's exception would arrive wrapped in its stack trace
                raise images
            yield images.to(self.device, non_blocking=True)


def _memory(device: torch.device) -> float:
    """Bytes of the device's own memory; where it shares the machine's, the images are in it already."""
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else float("inf")


def _start_worker(worker: int) -> None:
    """Where the run was killed while its workers started, torch would have them wait for it forever."""
    ignore_interrupts()
    sys.excepthook = _excepthook
    if os.getppid() != parent_process().pid:
        os._exit(1)


def _excepthook(kind: type[BaseException], *error: Any) -> None:
    """A run that is stopped while it takes a batch from a worker hangs up on it, which is no news to anybody."""
    if not issubclass(kind, ConnectionError):
        sys.__excepthook__(kind, *error)


def _as_it_is(batch: Tensor | Mistake) -> Tensor | Mistake:
    """The files come as a whole batch already. (No lambda: a spawned worker must be able to import it.)"""
    _forget_shared_batches()
    return batch


def _forget_shared_batches() -> None:
    """Lets go of the marks that torch keeps of the last 128 batches on both sides of a worker.

    Each lies in the memory that a batch left and keeps the next one from taking it: measured, the memory of
    100 batches never came back.
    """
    with shared_cache.lock:
        shared_cache.free_dead_references()


def ignore_interrupts(worker: int = 0) -> None:
    """For a worker process: the terminal sends Ctrl-C to it as well; the parent decides what to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
