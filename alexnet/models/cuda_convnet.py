"""The four-layer network for CIFAR-10 that came with cuda-convnet, the source of AlexNet ("18% error in 20 minutes").

| layer            | output at 3x32x32 | parameters |
|------------------|-------------------|-----------:|
| conv1 5x5, 32    | 32 x 32 x 32      |      2,432 |
| max-pool 3/2     | 32 x 16 x 16      |            |
| conv2 5x5, 32    | 32 x 16 x 16      |     25,632 |
| average-pool 3/2 | 32 x 8 x 8        |            |
| conv3 5x5, 64    | 64 x 8 x 8        |     51,264 |
| average-pool 3/2 | 64 x 4 x 4        |            |
| fc4, 10 classes  | 10                |     10,250 |

89,578 in all: small enough to try things on. Left out is the response normalisation after the first two
poolings; the weights start as torch's own, for pixels in [-1, 1] instead of 0 to 255.
"""

from functools import partial

import torch
from torch import Tensor, nn


class CudaConvnet(nn.Module):
    """Three convolutions and a fully connected layer: images (B, channels, size, size) to logits (B, classes).

    activation: relu | tanh. Raises ValueError where it has another value, or the image is too small.
    """

    def __init__(self, classes: int, channels: int, size: int, activation: str = "relu"):
        super().__init__()
        activations = {"relu": nn.ReLU, "tanh": nn.Tanh}
        if activation not in activations:
            raise ValueError(f"activation={activation!r}: expected one of {', '.join(activations)}")
        act = activations[activation]
        side = _halved(_halved(_halved(size)))
        if side < 1:
            raise ValueError(f"images of {size}x{size} are too small for cuda_convnet: give dataset.size=8 or more")
        # There is no padding to count; saying so leads torch.compile around a wrong gradient (pytorch#198119).
        average = partial(nn.AvgPool2d, 3, 2, ceil_mode=True, count_include_pad=False)
        self.features = nn.Sequential(
            nn.Conv2d(channels, 32, 5, padding=2),
            nn.MaxPool2d(3, 2, ceil_mode=True),  # (B, 32, 16, 16)
            act(),
            nn.Conv2d(32, 32, 5, padding=2),
            act(),
            average(),  # (B, 32, 8, 8)
            nn.Conv2d(32, 64, 5, padding=2),
            act(),
            average(),  # (B, 64, 4, 4)
        )
        self.classifier = nn.Linear(64 * side * side, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(images), 1))


def _halved(size: int) -> int:
    """The side that a 3x3 pooling with stride 2 leaves when the last window may reach over the edge."""
    return -(-(size - 3) // 2) + 1
