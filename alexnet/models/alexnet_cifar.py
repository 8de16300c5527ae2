"""The simplified AlexNet for small images.

| layer             | output at 3x32x32 | parameters |
|-------------------|-------------------|-----------:|
| conv1 5x5, 64     | 64 x 32 x 32      |      4,864 |
| max-pool 3/2      | 64 x 15 x 15      |            |
| conv2 5x5, 192    | 192 x 15 x 15     |    307,392 |
| max-pool 3/2      | 192 x 7 x 7       |            |
| conv3 3x3, 384    | 384 x 7 x 7       |    663,936 |
| conv4 3x3, 256    | 256 x 7 x 7       |    884,992 |
| conv5 3x3, 256    | 256 x 7 x 7       |    590,080 |
| max-pool 3/2      | 256 x 3 x 3       |            |
| fc6               | 4096              |  9,441,280 |
| fc7               | 4096              | 16,781,312 |
| fc8, 10 classes   | 10                |     40,970 |

28,714,826 in all. Compared with the network of 2012 the kernels of conv1 shrink from 11x11 with stride 4
to 5x5 with stride 1, and there is one column (the channel counts are those of Krizhevsky 2014).
"""

import torch
from torch import Tensor, nn

ACTIVATIONS = {"relu": lambda: nn.ReLU(inplace=True), "tanh": nn.Tanh}


class AlexNetCifar(nn.Module):
    """Five convolutions and three fully connected layers: images (B, channels, size, size) to logits (B, classes).

    dropout: probability before fc6 and fc7. activation: relu | tanh. normalisation: none | batch (after
    each convolution) | lrn (after the first two activations, Krizhevsky et al. 2012, §3.3).

    Raises ValueError where a knob has another value, or the image is too small for three poolings.
    """

    def __init__(
        self,
        classes: int,
        channels: int,
        size: int,
        dropout: float = 0.5,
        activation: str = "relu",
        normalisation: str = "none",
    ):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation={activation!r}: expected one of {', '.join(ACTIVATIONS)}")
        if normalisation not in ("none", "batch", "lrn"):
            raise ValueError(f"normalisation={normalisation!r}: expected one of none, batch, lrn")
        side = _pooled(_pooled(_pooled(size)))
        if side < 1:
            raise ValueError(f"images of {size}x{size} are too small for alexnet_cifar: give dataset.size=15 or more")
        act = ACTIVATIONS[activation]

        def convolution(inputs: int, outputs: int, kernel: int, lrn: bool = False) -> list[nn.Module]:
            layers = [nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)]
            if normalisation == "batch":
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(act())
            if normalisation == "lrn" and lrn:
                # §3.3: k=2, n=5, alpha=1e-4, beta=0.75. torch divides alpha by n, the paper doesn't.
                layers.append(nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2))
            return layers

        self.features = nn.Sequential(
            *convolution(channels, 64, 5, lrn=True),  # (B, 64, 32, 32)
            nn.MaxPool2d(3, 2),  # (B, 64, 15, 15)
            *convolution(64, 192, 5, lrn=True),
            nn.MaxPool2d(3, 2),  # (B, 192, 7, 7)
            *convolution(192, 384, 3),
            *convolution(384, 256, 3),
            *convolution(256, 256, 3),
            nn.MaxPool2d(3, 2),  # (B, 256, 3, 3)
        )
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * side * side, 4096),
            act(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            act(),
            nn.Linear(4096, classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(images), 1))


def _pooled(size: int) -> int:
    """The side that a 3x3 max-pool with stride 2 and no padding leaves."""
    return (size - 3) // 2 + 1
