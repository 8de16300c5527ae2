"""The network that the recipes are compared with: a ResNet-18 for small images."""

from torch import nn
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock


class ResNet18(ResNet):
    """Images (B, channels, size, size) to logits (B, classes).

    torchvision's ResNet-18 (He et al. 2016, §3.3). One convolution that keeps the size of the maps replaces its stem
    for 224 pixels, as usual for CIFAR-10.
    """

    def __init__(self, classes: int, channels: int, size: int):
        super().__init__(BasicBlock, [2, 2, 2, 2], num_classes=classes)
        self.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.maxpool = nn.Identity()
