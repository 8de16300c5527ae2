"""What is done to a whole batch of images at once, where they are. The caller draws the random numbers."""

import torch
from torch import Tensor


def crop(images: Tensor, size: int, padding: int, offsets: Tensor) -> Tensor:
    """Each image padded by `padding` black pixels a side, and size x size cut out at its place.

    images: (B, C, S, S) uint8; returns (B, C, size, size). offsets: (2, B), the first row and column of the cut,
    0 to S + 2 * padding - size.
    """
    count, channels = images.shape[:2]
    padded = torch.nn.functional.pad(images, [padding] * 4)  # (B, C, S+2p, S+2p)
    side = torch.arange(size, device=images.device)
    rows, columns = offsets[0, :, None] + side, offsets[1, :, None] + side  # (B, size)
    image = torch.arange(count, device=images.device)
    channel = torch.arange(channels, device=images.device)
    return padded[image[:, None, None, None], channel[:, None, None], rows[:, None, :, None], columns[:, None, None, :]]


def views(images: Tensor, size: int, padding: int, count: int) -> Tensor:
    """What of each image a test looks at: the centre (count 1), or the four corners, the centre and their mirror
    images (count 10, §4.1), of the image padded by `padding` black pixels a side.

    images: (B, C, S, S) uint8; returns (V * B, C, size, size), view by view. V is 2 where all places are the same.
    """
    spare = images.shape[-1] + 2 * padding - size
    centre = round(spare / 2)
    places = [(centre, centre)]
    if count > 1:
        places = dict.fromkeys([(0, 0), (0, spare), (spare, 0), (spare, spare), *places])
    padded = torch.nn.functional.pad(images, [padding] * 4)
    cuts = torch.cat([padded[:, :, top : top + size, left : left + size] for top, left in places])
    return torch.cat([cuts, cuts.flip(3)]) if count > 1 else cuts


def flip(images: Tensor, mirrored: Tensor) -> Tensor:
    """The images (B, C, H, W) mirrored left to right where `mirrored`, (B,) bool, says so."""
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def colour_shifts(factors: Tensor, components: Tensor) -> Tensor:
    """What is added to all pixels of each image: sum over i of factor i times component i (§4.1), (B, C, 1, 1).

    factors: (B, C). components: (C, C), a row each: a principal component of the colours times its eigenvalue.
    """
    return (factors @ components)[:, :, None, None]


def normalise(images: Tensor, mean: Tensor, std: Tensor, memory_format: torch.memory_format) -> Tensor:
    """uint8 pixels to float32: (value / 255 - mean) / std. mean, std: anything that broadcasts to (B, C, 1, 1)."""
    return images.to(torch.float32, memory_format=memory_format).div_(255).sub_(mean).div_(std)
