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
to 5x5 with stride 1, and there is one column (the channel counts are those of Krizhevsky 2014), or two
with columns=2, of half the channels each. Each of these sizes is a knob.
"""

from collections.abc import Sequence
from itertools import chain

from torch import nn

from alexnet.models import layers
from alexnet.models.columns import ColumnNetwork, prepend_cross
from alexnet.models.layers import MaxPoolTo, compute_pooled_side
from alexnet.models.limits import check_choice, check_layers, check_size, list_crossings, split_kernels


class AlexNetCifar(ColumnNetwork):
    """Five convolutions and three fully connected layers: images (B, channels, size, size) to logits (B, classes).

    columns: 1 | 2 (Krizhevsky et al. 2012, §3.2). cross: none | conv3 (that paper's) | all: see CROSS in limits.py.
    kernels: of all columns together, in each convolution. kernel_sizes: their sides, odd. pool_after: the three
    convolutions that a max-pool follows, the last of them conv5. pool_to: the side of the maps that this last one
    leaves fc6; null for what windows of 3x3 with stride 2 leave. hidden: units of fc6 and of fc7, of all columns
    together. dropout: probability before fc6 and fc7. activation: relu | tanh | gelu. normalisation: none | batch
    (after each convolution) | lrn (after the first two activations, §3.3). initialisation: torch (its own) | kaiming
    (He et al. 2015: Gaussian weights that keep the variance, biases 0; and fc8 0, so that training starts from even
    chances) | whitening (Jordan 2024: conv1 as `whiten` sets it; the other convolutions pass on what they are given, a
    kernel a map, as far as they have kernels or maps, §3.3).

    It takes smaller images as well as those of its size.

    Raises ValueError where a knob has another value, or the network isn't for images of that size.
    """

    def __init__(
        self,
        classes: int,
        channels: int,
        size: int,
        columns: int = 1,
        cross: str = "conv3",
        kernels: Sequence[int] = (64, 192, 384, 256, 256),
        kernel_sizes: Sequence[int] = (5, 5, 3, 3, 3),
        pool_after: Sequence[int] = (1, 2, 5),
        pool_to: int | None = None,
        hidden: int = 4096,
        dropout: float = 0.5,
        activation: str = "relu",
        normalisation: str = "none",
        initialisation: str = "torch",
    ):
        crossing, kernels = list_crossings(columns, cross), split_kernels(kernels, columns)
        act = layers.choose_activation(activation)
        check_choice("normalisation", normalisation)
        check_choice("initialisation", initialisation)
        check_layers(columns, kernel_sizes, pool_after, pool_to, hidden)
        check_size("alexnet_cifar", size)
        side = pool_to or compute_pooled_side(compute_pooled_side(compute_pooled_side(size)))

        def convolution(number: int) -> list[nn.Module]:
            crosses, inputs = prepend_cross(number, kernels[number - 2] if number > 1 else channels, crossing)
            outputs = kernels[number - 1]
            batch = [nn.BatchNorm2d(outputs)] if normalisation == "batch" else []
            lrn = [layers.make_local_response_norm()] if normalisation == "lrn" and number <= 2 else []
            kernel = kernel_sizes[number - 1]
            pool = [MaxPoolTo(side) if number == 5 else nn.MaxPool2d(3, 2)] if number in pool_after else []
            return [*crosses, nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), *batch, act(), *lrn, *pool]

        def fully_connected(number: int, inputs: int) -> list[nn.Module]:
            crosses, inputs = prepend_cross(number, inputs, crossing)
            return [nn.Dropout(dropout), *crosses, nn.Linear(inputs, hidden // columns), act()]

        convolutions = [
            nn.Sequential(*chain.from_iterable(convolution(number) for number in range(1, 6))) for _ in range(columns)
        ]
        connected = [
            nn.Sequential(*fully_connected(6, kernels[4] * side * side), *fully_connected(7, hidden // columns))
            for _ in range(columns)
        ]
        super().__init__(convolutions, connected, nn.Linear(hidden, classes))
        if initialisation == "kaiming":
            gain = "tanh" if activation == "tanh" else "relu"  # torch has none for gelu, which is nearly relu
            for layer in self.modules():
                if isinstance(layer, (nn.Conv2d, nn.Linear)):
                    nn.init.kaiming_normal_(layer.weight, nonlinearity=gain)
                    nn.init.zeros_(layer.bias)
            nn.init.zeros_(self.classifier[-1].weight)
        self.whitens = initialisation == "whitening"
        if self.whitens:
            for index, layer in enumerate(self.convolutions()):
                column, number = index // 5, index % 5 + 1
                if number > 1:
                    nn.init.dirac_(layer.weight.data[: layer.in_channels])
                if number in crossing:  # its own column's maps first, or all columns would begin as one
                    layer.weight.data = layer.weight.data.roll(column * layer.in_channels // columns, 1)

    def convolutions(self) -> list[nn.Conv2d]:
        """Five a column."""
        return [layer for layer in self.features.modules() if isinstance(layer, nn.Conv2d)]
