"""Computes a batch that is cut into shares: the same bits, however many processes compute them."""

import torch
from torch import Tensor, nn

from alexnet.data import randomness
from alexnet.engine.shares import Sums, cut
from alexnet.training.build import Training


def sum_shares(training: Training, images: Tensor, labels: Tensor, targets: Tensor, epoch: int, batch: int) -> Tensor:
    """What all shares add to the step, packed, on the device.

    images, labels, targets: those of the batch that this process computes; there may be one before them, which CutMix
    or MixUp has used. Each share has a dropout of its own; batch normalisation is over a share.
    """
    group, packing, count = training.group, training.packing, training.batches.train.count(batch)
    assert packing is not None
    parts, rows = cut(count, group.shards), group.get_rows(count)
    first = rows.start - (len(images) - len(rows))
    whole = torch.full((), count, dtype=torch.float32, device=images.device)  # unlike a copy, a GPU isn't waited for
    sums, own = Sums(), [share for share in group.get_shares() if parts[share]]
    packing.begin_step()
    for share in own:
        place = slice(parts[share].start - first, parts[share].stop - first)
        torch.manual_seed(randomness.derive_seed(training.seed, randomness.STEP, epoch, batch, share))
        packed = training.call(compute_share, images[place], labels[place], targets[place], whole)
        waits = share % 2 == 0 or share == own[0]  # for its neighbour: the others are added to theirs at once
        kept = waits and share != own[-1]  # the next call overwrites it
        sums.add(share, packed.clone() if kept else packed)
    return group.add_up(sums, min(count, group.shards), packing.length).to(images.device)


def compute_share(training: Training, images: Tensor, labels: Tensor, targets: Tensor, count: Tensor) -> Tensor:
    """What a share of a batch of `count` images adds to the step, packed."""
    assert training.packing is not None
    training.packing.begin_share()
    logits = training.forward(images)
    loss = nn.functional.cross_entropy(logits, targets, label_smoothing=training.label_smoothing, reduction="sum")
    loss = loss / count
    training.scaler.scale(loss).backward()
    figures = torch.stack([loss.detach(), (logits.argmax(1) == labels).sum()])
    return training.packing.pack(figures, len(images) / count)
