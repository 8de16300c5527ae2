"""What is done to a whole batch of images at once, where they are. The caller draws the random numbers."""

import torch
from torch import Tensor


def crop(images: Tensor, padding: int, offsets: Tensor) -> Tensor:
    """Each image padded by `padding` black pixels a side and cut back to size at its place.

    images: (B, C, H, W) uint8; returns the same shape and type. offsets: (2, B), the first row and column of
    the cut, 0 to 2 * padding.
    """
    count, channels, height, width = images.shape
    padded = torch.nn.functional.pad(images, [padding] * 4)  # (B, C, H+2p, W+2p)
    rows = offsets[0, :, None] + torch.arange(height, device=images.device)  # (B, H)
    columns = offsets[1, :, None] + torch.arange(width, device=images.device)  # (B, W)
    image = torch.arange(count, device=images.device)
    channel = torch.arange(channels, device=images.device)
    return padded[image[:, None, None, None], channel[:, None, None], rows[:, None, :, None], columns[:, None, None, :]]


def flip(images: Tensor, mirrored: Tensor) -> Tensor:
    """The images (B, C, H, W) mirrored left to right where `mirrored`, (B,) bool, says so."""
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def normalise(images: Tensor, mean: Tensor, std: Tensor, memory_format: torch.memory_format) -> Tensor:
    """uint8 pixels to float32: (value / 255 - mean) / std. mean, std: (C, 1, 1) or (1, 1, 1)."""
    return images.to(torch.float32, memory_format=memory_format).div_(255).sub_(mean).div_(std)
