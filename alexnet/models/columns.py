"""Columns: the same layers side by side. A column sees the other column's feature maps only after a Cross (§3.2).

On one device, two columns are the two halves of a grouped network. `place` puts each column on its own device, as in
2012. Then each Cross sends maps from one device to the other.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from alexnet.models.limits import check_devices


class Cross(nn.Module):
    """Gives every column the maps of all columns: (B, C, ...) of each to (B, columns * C, ...) for each."""

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        return [torch.cat([each.to(own.device) for each in maps], 1) for own in maps]

    @staticmethod
    def bytes_sent(maps: Sequence[Tensor]) -> int:
        """Bytes sent between columns: every column sends its maps to all others."""
        return sum(each.nbytes for each in maps) * (len(maps) - 1)


class Merge(nn.Module):
    """Joins the maps of all columns on the last column's device: (B, C, ...) of each to one (B, columns * C, ...)."""

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        return torch.cat([each.to(maps[-1].device) for each in maps], 1)

    @staticmethod
    def bytes_sent(maps: Sequence[Tensor]) -> int:
        """Bytes sent between columns: every other column sends its maps to the last one."""
        return sum(each.nbytes for each in maps[:-1])


class Columns(nn.ModuleList):
    """One nn.Sequential per column. All have the same layers."""

    def forward(self, maps: Tensor | Sequence[Tensor]) -> list[Tensor]:
        """maps: one (B, C, ...) per column, or one that every column sees. Returns one per column, on its device."""
        own = [maps.to(next(column.parameters()).device) for column in self] if isinstance(maps, Tensor) else list(maps)
        if self.training:
            seed_apart([each.device for each in own])
        for layers in zip(*self, strict=True):
            if isinstance(layers[0], Cross):
                own = layers[0](own)
            else:
                own = [layer(each) for layer, each in zip(layers, own, strict=True)]
        return own


class ColumnNetwork(nn.Module):
    """A network of one or two columns: images (B, channels, size, size) to logits (B, classes).

    `features` gives (B, C, H, W); with two columns it gives a list, one (B, C, H, W) per column.
    """

    features: nn.Sequential | Columns
    classifier: nn.Sequential

    def __init__(self, convolutions: Sequence[nn.Sequential], connected: Sequence[nn.Sequential], output: nn.Linear):
        """convolutions, connected: one nn.Sequential per column, of its convolutions and of its fully connected layers.

        output: the last layer, which all columns share.
        """
        super().__init__()
        if len(convolutions) == 1:
            self.features, self.classifier = convolutions[0], nn.Sequential(*connected[0], output)
        else:
            self.features, self.classifier = Columns(convolutions), nn.Sequential(Columns(connected), Merge(), output)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.features(images)
        if isinstance(maps, Tensor):
            return self.classifier(torch.flatten(maps, 1))
        return self.classifier([torch.flatten(each, 1) for each in maps])

    def convolutions(self) -> list[nn.Conv2d]:
        """conv1 to conv5 of the first column, then of the second."""
        return [layer for layer in self.features.modules() if isinstance(layer, nn.Conv2d)]


def prepend_cross(number: int, inputs: int, crossing: Sequence[int]) -> tuple[list[nn.Module], int]:
    """The layers to put before a column's layer of that number, a Cross or nothing, and the inputs of that layer.

    inputs: channels or units that one column gives. crossing: numbers of the layers that see both columns.
    """
    return ([Cross()], 2 * inputs) if number in crossing else ([], inputs)


def place(network: nn.Module, devices: Sequence[torch.device]) -> None:
    """Moves each column to its device, and the rest of the network, which is fc8, to the last one.

    Raises ValueError if the network hasn't as many columns as there are devices.
    """
    found = [module for module in network.modules() if isinstance(module, Columns)]
    check_devices(list(map(str, devices)), len(found[0]) if found else 1)
    network.to(devices[-1])
    for columns in found:
        for column, device in zip(columns, devices, strict=True):
            column.to(device)


@torch.no_grad()
def count_bytes_crossed(network: nn.Module, channels: int, size: int) -> int:
    """Bytes that the forward pass of one image sends between columns; 0 for one column.

    They are counted while an image of zeros passes through. Under torch.autocast, maps have the size of its type. The
    backward pass sends as many bytes back. The image itself, which every column gets, isn't counted.
    """
    sent: list[int] = []
    hooks = [
        module.register_forward_hook(lambda module, arguments, _: sent.append(module.bytes_sent(*arguments)))
        for module in network.modules()
        if isinstance(module, (Cross, Merge))
    ]
    training = network.training
    network.eval()(torch.zeros(1, channels, size, size, device=next(network.parameters()).device))
    network.train(training)
    for hook in hooks:
        hook.remove()
    return sum(sent)


def seed_apart(devices: Sequence[torch.device]) -> None:
    """Gives each GPU after the first its own seed for dropout, drawn from the processor's generator.

    torch.manual_seed gives all GPUs the same seed, so all columns would drop the same units. Therefore two GPUs with
    dropout don't repeat the exact numbers of one.
    """
    for device in devices[1:]:
        if device.type == "cuda" and device != devices[0]:
            torch.cuda.default_generators[device.index].manual_seed(int(torch.randint(2**62, ()).item()))
