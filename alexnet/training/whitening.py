"""Takes conv1's initial weights from training images (Jordan 2024, §3.2)."""

import torch
from torch import Tensor, nn

from alexnet.data.colours import principal_components
from alexnet.models.alexnet_cifar import AlexNetCifar


@torch.no_grad()
def whiten(network: AlexNetCifar, images: Tensor) -> None:
    """Makes conv1's kernels the principal components of the images' patches, scaled so that its maps have variance 1.

    The maps then don't repeat one another. images: (B, channels, H, W), normalised as in training. Each component comes
    with its negative, so that ReLU keeps both. A hundredth of the pixels' variance is added to each component's,
    because small ones are mostly noise. Two columns get them alternately. If there are fewer than half the kernels, as
    for grey images, the remaining kernels keep their values.
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
        if layer.bias is not None:
            layer.bias[: len(own)] = -own @ patches.mean(1)
