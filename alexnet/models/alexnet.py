"""The single-column AlexNet (Krizhevsky 2014, "One weird trick"), with the same layers and keys as torchvision's.

| layer             | output at 3x224x224 | parameters |
|-------------------|---------------------|-----------:|
| conv1 11x11, 64   | 64 x 55 x 55        |     23,296 |
| max-pool 3/2      | 64 x 27 x 27        |            |
| conv2 5x5, 192    | 192 x 27 x 27       |    307,392 |
| max-pool 3/2      | 192 x 13 x 13       |            |
| conv3 3x3, 384    | 384 x 13 x 13       |    663,936 |
| conv4 3x3, 256    | 256 x 13 x 13       |    884,992 |
| conv5 3x3, 256    | 256 x 13 x 13       |    590,080 |
| max-pool 3/2      | 256 x 6 x 6         |            |
| fc6               | 4096                | 37,752,832 |
| fc7               | 4096                | 16,781,312 |
| fc8, 1000 classes | 1000                |  4,097,000 |

It has 61,100,840 parameters. It has no response normalisation. Dropout comes before fc6 and fc7.
"""

import torch
from torch import Tensor, nn

from alexnet.models.limits import check_size


class AlexNet(nn.Module):
    """Five convolutions and three fully connected layers: images (B, channels, size, size) to logits (B, classes).

    dropout: probability, before fc6 and fc7.

    Raises ValueError if the images are too small.
    """

    def __init__(self, classes: int, channels: int, size: int, dropout: float = 0.5):
        super().__init__()
        check_size("alexnet", size)
        self.features = nn.Sequential(
            nn.Conv2d(channels, 64, 11, stride=4, padding=2),  # (B, 64, 55, 55)
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),  # (B, 64, 27, 27)
            nn.Conv2d(64, 192, 5, padding=2),  # (B, 192, 27, 27)
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),  # (B, 192, 13, 13)
            nn.Conv2d(192, 384, 3, padding=1),  # (B, 384, 13, 13)
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),  # (B, 256, 13, 13)
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),  # (B, 256, 13, 13)
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),  # (B, 256, 6, 6)
        )
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),  # (B, 4096)
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),  # (B, 4096)
            nn.ReLU(inplace=True),
            nn.Linear(4096, classes),  # (B, classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        maps = self.features(images)
        if maps.shape[2:] != (6, 6):  # at 224 pixels pooling changes nothing, and its CUDA gradient isn't reproducible
            maps = nn.functional.adaptive_avg_pool2d(maps, 6)  # (B, 256, 6, 6)
        return self.classifier(torch.flatten(maps, 1))
