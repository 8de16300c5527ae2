"""Seeded batches of one split, the same whether its images are held in memory or streamed."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from alexnet import augment, randomness
from alexnet.datasets import Split
from alexnet.errors import Mistake
from alexnet.images import ImageFiles
from alexnet.signals import ignore_interrupts


class Batches:
    """The batches of a split, ready for the network: images (B, C, H, W) float32, labels (B,) int64.

    Workers only decode; order and augmentation are drawn here, from (seed, epoch, step). So their
    number changes nothing but speed, and an epoch can be entered at any batch.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        device: torch.device,
        *,
        mean: float | Sequence[float] = 0.5,
        std: float | Sequence[float] = 0.5,
        crop: int = 0,
        flip: bool = False,
        shuffle: bool = False,
        seed: int = 0,
        workers: int = 0,
    ):
        self.batch_size, self.device, self.crop, self.flip = batch_size, device, crop, flip
        self.shuffle, self.seed, self.workers = shuffle, seed, workers
        self.mean, self.std = (
            torch.tensor(value, dtype=torch.float32, device=device).view(-1, 1, 1) for value in (mean, std)
        )
        self.labels = split.labels.to(device)
        self.images = split.images if isinstance(split.images, ImageFiles) else split.images.to(device)

    def __len__(self) -> int:
        """Batches an epoch; the last one may be smaller."""
        return -(-len(self.labels) // self.batch_size)

    def epoch(self, epoch: int = 0, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch, from number `start` on."""
        indices = torch.arange(len(self.labels))
        if self.shuffle:
            order = randomness.generator(self.seed, randomness.ORDER, epoch)
            indices = torch.randperm(len(self.labels), generator=order)
        chosen = indices.split(self.batch_size)[start:]
        for step, (some, images) in enumerate(zip(chosen, self._raw(chosen), strict=True), start):
            yield self._prepared(images, epoch, step), self.labels[some.to(self.device)]

    def _raw(self, chosen: Sequence[Tensor]) -> Iterator[Tensor]:
        """uint8 images (B, C, H, W) on the device for each tensor of indices."""
        if isinstance(self.images, Tensor):
            for some in chosen:
                yield self.images[some.to(self.device)]
            return
        loader = DataLoader(
            self.images,
            batch_sampler=[some.tolist() for some in chosen],
            num_workers=self.workers,
            collate_fn=_as_it_is,
            worker_init_fn=ignore_interrupts,
            pin_memory=self.device.type == "cuda",
        )
        for images in loader:
            if isinstance(images, Mistake):  # a worker's exception would arrive wrapped in its stack trace
                raise images
            yield images.to(self.device, non_blocking=True)

    def _prepared(self, images: Tensor, epoch: int, step: int) -> Tensor:
        if self.crop or self.flip:
            generator = randomness.generator(self.seed, randomness.AUGMENTATION, epoch, step)
            if self.crop:
                images = augment.random_crop(images, self.crop, generator)
            if self.flip:
                images = augment.random_flip(images, generator)
        return augment.normalise(images, self.mean, self.std)


def _as_it_is(batch: Tensor | Mistake) -> Tensor | Mistake:
    """The files come as a whole batch already. (No lambda: a spawned worker must be able to import it.)"""
    return batch
