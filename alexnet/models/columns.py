"""Columns: the same layers side by side, which see each other's feature maps only where a Cross stands (§3.2).

On one device they are the two halves of a grouped network. `place` puts each on a device of its own, as in
2012; then a Cross is where data goes from one device to the other.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from alexnet.models.limits import check_devices


class Cross(nn.Module):
    """Gives every column the channels of all: (B, C, ...) of each column to (B, columns * C, ...) for each column."""

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        return [torch.cat([each.to(own.device) for each in maps], 1) for own in maps]

    @staticmethod
    def bytes_sent(maps: Sequence[Tensor]) -> int:
        """From one column to another: of each column's maps to all others."""
        return sum(map(_bytes, maps)) * (len(maps) - 1)


class Merge(nn.Module):
    """Gives the last column's device the channels of all: (B, C, ...) of each column to one (B, columns * C, ...)."""

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        return torch.cat([each.to(maps[-1].device) for each in maps], 1)

    @staticmethod
    def bytes_sent(maps: Sequence[Tensor]) -> int:
        """From one column to another: of all others' maps to the last."""
        return sum(map(_bytes, maps[:-1]))


class Columns(nn.ModuleList):
    """One nn.Sequential a column, all of the same layers."""

    def forward(self, maps: Tensor | Sequence[Tensor]) -> list[Tensor]:
        """maps: one (B, C, ...) a column, or one that all columns see. Gives one a column, where that column is."""
        if isinstance(maps, Tensor):
            maps = [maps.to(next(column.parameters()).device) for column in self]
        if self.training:
            seed_apart([each.device for each in maps])
        for layers in zip(*self, strict=True):
            if isinstance(layers[0], Cross):
                maps = layers[0](maps)
            else:
                maps = [layer(each) for layer, each in zip(layers, maps, strict=True)]
        return maps


class ColumnNetwork(nn.Module):
    """`features` and `classifier` of one column or two: images (B, channels, size, size) to logits (B, classes).

    `features` gives (B, C, H, W), or with two columns a list of such, one a column.
    """

    def __init__(self, convolutions: Sequence[nn.Sequential], connected: Sequence[nn.Sequential], output: nn.Linear):
        """A Sequential a column of its convolutions, one of its hidden fully connected layers; fc8 is for all."""
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


def prepend_cross(number: int, inputs: int, crossing: Sequence[int]) -> tuple[list[nn.Module], int]:
    """What stands before a column's layer of that number, and how many inputs the layer has, of `inputs` a column."""
    return ([Cross()], 2 * inputs) if number in crossing else ([], inputs)


def place(network: nn.Module, devices: Sequence[torch.device]) -> None:
    """Moves each column to its device, and the rest, fc8, to the last one.

    Raises ValueError where the network hasn't as many columns as there are devices.
    """
    found = [module for module in network.modules() if isinstance(module, Columns)]
    count = len(found[0]) if found else 1
    check_devices(list(map(str, devices)), count)
    network.to(devices[-1])
    for columns in found:
        for column, device in zip(columns, devices, strict=True):
            column.to(device)


@torch.no_grad()
def count_bytes_crossed(network: nn.Module, channels: int, size: int) -> int:
    """Bytes that an image's forward pass sends between columns, counted while one goes through; 0 for one column.

    The backward pass sends as many back, as gradients. Under torch.autocast they are of its
    type. The image, which every column is given, isn't counted.
    """
    sent = []
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
    """Gives the dropout of each GPU a seed of its own: torch.manual_seed gives all the same, for the same units.

    It is drawn from the processor's generator. So with dropout two GPUs don't repeat one to the last digit.
    """
    for device in devices[1:]:
        if device.type == "cuda" and device != devices[0]:
            torch.cuda.default_generators[device.index].manual_seed(torch.randint(2**62, ()).item())


def _bytes(maps: Tensor) -> int:
    return maps.numel() * maps.element_size()
