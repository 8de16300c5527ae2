"""What is done to a whole batch of images at once, where they are. The caller draws the random numbers."""

import torch
from torch import Tensor


def crop(images: Tensor, size: int, padding: int, offsets: Tensor) -> Tensor:
    """Each image padded by `padding` black pixels a side, and size x size cut out at its place.

    images: (B, C, S, S) uint8; returns (B, C, size, size). offsets: (2, B), the first row and column of the cut,
    0 to S + 2 * padding - size.
    """
    padded = torch.nn.functional.pad(images, [padding] * 4)
    windows = padded.unfold(2, size, 1).unfold(3, size, 1)  # (B, C, places, places, size, size), nothing copied
    return windows[torch.arange(len(images), device=images.device), :, offsets[0], offsets[1]]


def take_views(images: Tensor, size: int, padding: int, count: int) -> Tensor:
    """What of each image a test looks at: the centre (count 1), or the four corners and the centre, and those of its
    mirror image (count 10, §4.1). It is padded by `padding` black pixels a side.

    images: (B, C, S, S) uint8; returns (V * B, C, size, size), view by view. V is 2 where all places are the same.
    """
    padded = torch.nn.functional.pad(images, [padding] * 4)
    spare = padded.shape[-1] - size
    centre = round(spare / 2)
    places, sources = [(centre, centre)], [padded]
    if count == 10:
        places = [(0, 0), (0, spare), (spare, 0), (spare, spare), *places] if spare else places
        sources = [padded, padded.flip(3)]
    return torch.cat([source[:, :, top : top + size, left : left + size] for source in sources for top, left in places])


def resize(images: Tensor, side: int) -> Tensor:
    """Images (B, C, H, W) to (B, C, side, side), bilinear with anti-aliasing, in their type and memory format."""
    memory_format = torch.channels_last if images.is_contiguous(memory_format=torch.channels_last) else None
    resized = torch.nn.functional.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
    return resized.contiguous(memory_format=memory_format or torch.contiguous_format)


def flip(images: Tensor, mirrored: Tensor) -> Tensor:
    """The images (B, C, H, W) mirrored left to right where `mirrored`, (B,) bool, says so."""
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def cut_out(images: Tensor, side: int, centres: Tensor) -> Tensor:
    """The normalised images (B, C, S, S), in place, 0 in a square of `side` pixels (DeVries and Taylor 2017, §3).

    centres: (2, B), its row and column, 0 to S - 1; what of it lies beyond the edge hides nothing.
    """
    places = torch.arange(images.shape[-1], device=images.device) - centres[..., None] + side // 2  # (2, B, S)
    rows, columns = (places >= 0) & (places < side)
    return images.masked_fill_((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def cut_mix(images: Tensor, labels: Tensor, classes: int, share: float) -> tuple[Tensor, Tensor]:
    """In a `share` of the batches, at random, each image with a rectangle of its neighbour's pixels, of any size, and
    as its target both classes by the area that is seen of them (Yun et al. 2019, §3.1, alpha 1).

    images: (B, C, H, W). labels: (B,); returned as they are where nothing is mixed, else as (B, classes) shares.
    Drawn from the processor's global generator.
    """
    if share == 0 or torch.rand(()) >= share:
        return images, labels
    from torchvision.transforms.v2 import CutMix  # takes a second to import, and most runs don't need it

    return CutMix(num_classes=classes)(images, labels)


def compute_colour_shifts(factors: Tensor, components: Tensor) -> Tensor:
    """What is added to all pixels of each image: sum over i of factor i times component i (§4.1), (B, C, 1, 1).

    factors: (B, C). components: (C, C), a row each: a principal component of the colours times its eigenvalue.
    """
    return (factors @ components)[:, :, None, None]


def normalise(images: Tensor, mean: Tensor, std: Tensor, memory_format: torch.memory_format) -> Tensor:
    """uint8 pixels to float32: (value / 255 - mean) / std. mean, std: anything that broadcasts to (B, C, 1, 1)."""
    return images.to(torch.float32, memory_format=memory_format).div_(255).sub_(mean).div_(std)
