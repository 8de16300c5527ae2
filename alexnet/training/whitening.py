"""conv1's initial weights, taken from training images (Jordan 2024, §3.2)."""

import torch
from torch import Tensor, nn

from alexnet.data.colours import principal_components
from alexnet.models.alexnet_cifar import AlexNetCifar


@torch.no_grad()
def whiten(network: AlexNetCifar, images: Tensor) -> None:
    """Makes conv1's kernels the principal components of the images' patches, so that its maps don't repeat one
    another, and of variance 1 (Jordan 2024, §3.2).

    images: (B, channels, H, W), normalised as in training. Each component comes with its negative, for ReLU to
    keep both; small ones are mostly noise, so that a hundredth of the pixels' variance is added to theirs. Columns
    take turns. Where there are fewer than half the kernels, as of grey images, the rest stay as they are.
    """
    columns = network.convolutions()[::5]
    side = columns[0].kernel_size[0]
    patches = nn.functional.unfold(images, side, stride=side)  # (B, values, places)
    patches = patches.transpose(0, 1).flatten(1).double()
    variances, components = principal_components(patches.cov())
    vary = variances > 1e-6 * variances[0]  # the rest is rounding
    kernels = components[vary] / (variances[vary] + images.var() / 100).sqrt()[:, None]
    pairs = torch.stack([kernels, -kernels], 1)
    for column, layer in enumerate(columns):
        own = pairs[column :: len(columns)].flatten(0, 1)[: layer.out_channels]
        layer.weight[: len(own)] = own.view(-1, *layer.weight.shape[1:])
        layer.bias[: len(own)] = -own @ patches.mean(1)
