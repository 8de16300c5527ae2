"""Compares what another program computes from an exported file with what torch computes from the network itself."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from alexnet.data.batches import Batches
from alexnet.data.dataset import Split
from alexnet.data.preparation import Preparation
from alexnet.errors import Failure, Mistake
from alexnet.messages.console import progress
from alexnet.training.network import load_split

if TYPE_CHECKING:
    from alexnet.inference.exporters import Exported

BATCH = 64  # images; the last batch is smaller, which shows that any number is taken
NOISE = 1000  # images, if there are no data
MEASURED = 128  # images from which the rounding error is measured, in float64

Compute = Callable[[Tensor], tuple[Tensor, Tensor]]  # images (B, C, size, size) uint8 to logits, probabilities (B, K)


@dataclass
class Verdict:
    """How the logits of two programs compare. bound: the largest difference that rounding explains; 0: none."""

    reader: str
    images: str  # what they are
    bound: float
    reason: str = ""  # why they aren't the run's test images
    count: int = 0
    same: int = 0
    largest: float = 0.0
    timed: int = 0
    seconds: tuple[float, float] = (0.0, 0.0)  # of torch, of the reader

    @property
    def holds(self) -> bool:
        """Two classes differ only where their logits are closer than the bound, so the bound is enough."""
        return self.largest <= self.bound

    def describe(self) -> str:
        if self.largest == 0:
            difference = "all logits equal bit for bit"
        else:
            of = f"rounding explains {self.bound:.1e}" if self.bound else "expected the same bits"
            difference = f"largest difference of a logit {self.largest:.1e} ({of})"
        ties = ", the others are ties in float32's rounding" if self.holds and self.same < self.count else ""
        lines = [
            *([f"The test images aren't here: {self.reason}"] if self.reason else []),
            f"{self.images}, read back by {self.reader}:",
            f"{self.same:,} of {self.count:,} the same class{ties}, {difference}",
        ]
        if self.bound and self.timed:
            torchs, readers = (f"{self.timed / seconds:,.0f}" for seconds in self.seconds)
            threads = torch.get_num_threads()
            how = f"float32, {BATCH} a batch, {threads} thread{'s' if threads > 1 else ''}"
            lines.append(f"{self.reader} {readers} images/s, torch {torchs} ({how})")
        return "\n".join(lines)


@torch.no_grad()
def compare(exported: "Exported", read: Compute, reader: str, exact: bool) -> Verdict:
    """Gives both the run's test images, or noise if they aren't here, in float32 on the processor, in turns.

    exact: whether the bits are to be equal. Else the bound is ten times the error that rounding to float32 makes in
    torch itself, which float64 shows: another order of the same sums has an error of the same size. Raises Failure if
    the network gives numbers that aren't finite.
    """
    name, count, batches, reason = _choose_images(exported)
    verdict = Verdict(reader, f"{count:,} {name}", 0.0, reason)
    with progress("Comparing", count, "image") as advance:
        for number, images in enumerate(batches):
            if number * BATCH < MEASURED and not exact:
                verdict.bound = max(verdict.bound, _measure_rounding(exported, images))
            sides: list[Compute] = [exported.network, read]
            answers, seconds = {}, {}
            for side in (0, 1) if number % 2 == 0 else (1, 0):
                began = perf_counter()
                answers[side] = sides[side](images)
                seconds[side] = perf_counter() - began
            _add(verdict, answers[0], answers[1])
            if number > 0:  # the first call prepares both
                verdict.timed += len(images)
                verdict.seconds = (verdict.seconds[0] + seconds[0], verdict.seconds[1] + seconds[1])
            advance(len(images))
    return verdict


def _add(verdict: Verdict, ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor]) -> None:
    """Adds a batch. Of logits or probabilities, whichever differ more; probabilities can't by more than logits."""
    if not ours[0].isfinite().all():
        raise Failure("The network answers with numbers that aren't finite: its training has diverged.")
    verdict.count += len(ours[0])
    verdict.same += int((ours[0].argmax(1) == theirs[0].argmax(1)).sum())
    for own, other in zip(ours, theirs, strict=True):
        difference = float((own - other).abs().max())
        verdict.largest = max(verdict.largest, difference) if difference == difference else float("inf")


def _measure_rounding(exported: "Exported", images: Tensor) -> float:
    """The bound for those images."""
    if exported.exactly is None:
        exported.exactly = copy.deepcopy(exported.network).double()
    logits = exported.network(images)[0]
    error = float((exported.exactly(images)[0] - logits).abs().max())
    return 10 * error + 4 * torch.finfo(torch.float32).eps * float(logits.abs().max())


def _choose_images(exported: "Exported") -> tuple[str, int, Iterator[Tensor], str]:
    """What they are, their number, batches (B, C, size, size) uint8 and why they are noise.

    They are the centres of the test images if these are here.
    """
    trained = exported.trained
    config = trained.options.copy()
    if "download" in config.dataset:  # nothing is downloaded only to compare
        config.dataset.download = False
    try:
        if trained.run is None and not exported.names_data:
            raise Mistake("a file of weights has none.")
        _, given = load_split(config, trained.network.engine, "test", trained.classes)
    except (Mistake, Failure) as error:
        if exported.names_data:
            raise
        return "images of noise (seed 0)", NOISE, _make_noise(trained.channels, trained.size), str(error)
    plain = Preparation(mean=0, std=1, views=1)  # pixels / 255
    batches = Batches(
        Split(given.images, torch.zeros(len(given.labels), dtype=torch.int64)),
        plain,
        BATCH,
        torch.device("cpu"),
        size=trained.size,
        workers=config.device.workers,
    )
    pixels = (images.mul(255).round().to(torch.uint8) for images, _ in batches.epoch())
    return "test images", len(given.labels), pixels, ""


def _make_noise(channels: int, size: int) -> Iterator[Tensor]:
    random = torch.Generator().manual_seed(0)
    for start in range(0, NOISE, BATCH):
        count = min(BATCH, NOISE - start)
        yield torch.randint(256, (count, channels, size, size), generator=random, dtype=torch.uint8)
