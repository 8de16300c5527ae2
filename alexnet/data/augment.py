"""Augments a whole batch of images at once, on its device. The caller draws the random numbers, except `mix`'s."""

import torch
from torch import Tensor


def crop(images: Tensor, size: int, padding: int, offsets: Tensor) -> Tensor:
    """Pads each image by `padding` black pixels a side and cuts size x size out of it.

    images: (B, C, S, S) uint8; returns (B, C, size, size). offsets: (2, B), the first row and column of each cut, from
    0 to S + 2 * padding - size.
    """
    padded = torch.nn.functional.pad(images, [padding] * 4)
    windows = padded.unfold(2, size, 1).unfold(3, size, 1)  # (B, C, places, places, size, size), nothing copied
    return windows[torch.arange(len(images), device=images.device), :, offsets[0], offsets[1]]


def take_views(images: Tensor, size: int, padding: int, count: int) -> Tensor:
    """The views of each image that a test averages over, after padding by `padding` black pixels a side.

    images: (B, C, S, S) uint8; returns (V * B, C, size, size), view by view. count 1: the centre. count 2: the
    centre and its mirror image. count 10: the four corners and the centre, and those of the mirror image (§4.1); V is 2
    if the crops all fall on the same place.
    """
    padded = torch.nn.functional.pad(images, [padding] * 4)
    spare = padded.shape[-1] - size
    centre = round(spare / 2)
    places = [(centre, centre)]
    if count == 10 and spare:
        places = [(0, 0), (0, spare), (spare, 0), (spare, spare), *places]
    sources = [padded] if count == 1 else [padded, padded.flip(3)]
    return torch.cat([source[:, :, top : top + size, left : left + size] for source in sources for top, left in places])


def resize(images: Tensor, side: int) -> Tensor:
    """Images (B, C, H, W) to (B, C, side, side), bilinear with anti-aliasing; type and memory format stay."""
    memory_format = torch.channels_last if images.is_contiguous(memory_format=torch.channels_last) else None
    resized = torch.nn.functional.interpolate(images, size=(side, side), mode="bilinear", antialias=True)
    return resized.contiguous(memory_format=memory_format or torch.contiguous_format)


def flip(images: Tensor, mirrored: Tensor) -> Tensor:
    """Mirrors those of the images (B, C, H, W) left to right for which `mirrored`, (B,) bool, is true."""
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def cut_out(images: Tensor, side: int, centres: Tensor) -> Tensor:
    """Sets a square of `side` pixels in each normalised image (B, C, S, S) to 0, in place (DeVries, Taylor 2017, §3).

    centres: (2, B), the square's row and column, 0 to S - 1. The part beyond the image's edge hides nothing.
    """
    places = torch.arange(images.shape[-1], device=images.device) - centres[..., None] + side // 2  # (2, B, S)
    rows, columns = (places >= 0) & (places < side)
    return images.masked_fill_((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def mix(images: Tensor, labels: Tensor, classes: int, cutmix: float, mixup: float) -> tuple[Tensor, Tensor]:
    """Mixes each image with its neighbour: in a random share `cutmix` of the batches a rectangle of it is replaced by
    the neighbour's (Yun et al. 2019, §3.1), in a share `mixup` all of it is the weighted mean of both (Zhang et al.
    2018, §2). Both with alpha 1.

    The target is then both classes, each by the part that is seen of it. images: (B, C, H, W). labels: (B,); returned
    as (B, classes) shares if the batch is mixed, else unchanged. Draws from the processor's global generator.
    """
    if cutmix + mixup == 0 or (drawn := torch.rand(())) >= cutmix + mixup:
        return images, labels
    from torchvision.transforms.v2 import CutMix, MixUp  # takes a second to import, and most runs don't need it

    way = CutMix if drawn < cutmix else MixUp
    return way(num_classes=classes)(images, labels)


def compute_colour_shifts(factors: Tensor, components: Tensor) -> Tensor:
    """What is added to all pixels of each image: the sum of factor i times component i (§4.1), as (B, C, 1, 1).

    factors: (B, C). components: (C, C), one a row: a principal component of the colours times its eigenvalue.
    """
    return (factors @ components)[:, :, None, None]


def normalise(images: Tensor, mean: Tensor, std: Tensor, memory_format: torch.memory_format) -> Tensor:
    """uint8 pixels to float32: (value / 255 - mean) / std. mean, std: of any shape that broadcasts to (B, C, 1, 1)."""
    return images.to(torch.float32, memory_format=memory_format).div_(255).sub_(mean).div_(std)
