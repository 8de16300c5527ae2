"""What is done to a whole batch of images at once, on the device where they are.

Random numbers come from a CPU generator that the caller seeds, so the same seed gives the same batch
on every device.
"""

import torch
from torch import Tensor


def random_crop(images: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Each image padded by `padding` black pixels a side and cut back to size at a random place.

    images: (B, C, H, W) uint8; returns the same shape and type.
    """
    count, channels, height, width = images.shape
    offsets = torch.randint(2 * padding + 1, (2, count), generator=generator).to(images.device)
    padded = torch.nn.functional.pad(images, [padding] * 4)  # (B, C, H+2p, W+2p)
    rows = offsets[0, :, None] + torch.arange(height, device=images.device)  # (B, H)
    columns = offsets[1, :, None] + torch.arange(width, device=images.device)  # (B, W)
    image = torch.arange(count, device=images.device)
    channel = torch.arange(channels, device=images.device)
    return padded[image[:, None, None, None], channel[:, None, None], rows[:, None, :, None], columns[:, None, None, :]]


def random_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image mirrored left to right with probability 1/2. images: (B, C, H, W)."""
    flipped = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(flipped.to(images.device)[:, None, None, None], images.flip(3), images)


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """uint8 pixels to float32: (value / 255 - mean) / std. mean, std: (C, 1, 1) or (1, 1, 1)."""
    return images.float().div_(255).sub_(mean).div_(std)
