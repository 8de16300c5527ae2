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

It has 28,714,826 parameters. Compared with the network of 2012, conv1 shrinks from 11x11 with stride 4 to 5x5 with
stride 1, and one column with the kernels of Krizhevsky 2014 replaces the two. columns=2 gives two columns, each with
half the kernels. Every number of kernels, every kernel size and the place of every pooling is an option.
"""

from collections.abc import Sequence

from torch import nn

from alexnet.models.columns import ColumnNetwork, prepend_cross
from alexnet.models.initialisation import copy_maps, draw_kaiming
from alexnet.models.layers import MaxPoolTo, choose_activation, compute_pooled_side, make_local_response_norm
from alexnet.models.limits import check_choice, check_layers, check_size, list_crossings, split_kernels


class AlexNetCifar(ColumnNetwork):
    """Five convolutions and three fully connected layers: images (B, channels, size, size) to logits (B, classes).

    columns: 1 | 2 (Krizhevsky et al. 2012, §3.2).
    cross: none | conv3 (that paper's) | all, the layers that see both columns; see CROSS in limits.py.
    kernels: of each convolution, of all columns together. kernel_sizes: sides of the kernels, odd.
    stride: of conv1, 1 | 2. The convolution of 2012 has 4.
    pool: side of a pooling window, 3 | 2; the stride is 2, so windows of 3 overlap.
    pool_after: the three convolutions that a max-pool follows; the last one is conv5.
    pool_to: side of the maps that fc6 gets; null for the side that the poolings leave.
    hidden: units of fc6 and of fc7, of all columns together.
    dropout: probability, before fc6 and fc7.
    activation: relu | tanh | gelu.
    normalisation: none | batch (after each convolution) | lrn (after the first two activations, §3.3).
    initialisation: torch (its own) | kaiming (see draw_kaiming) | whitening (conv1 from training images, see
    training/whitening.py; the other convolutions copy their maps, see copy_maps).

    The network also takes images that are smaller than `size`.

    Raises ValueError if an option has another value, or if images of that size don't fit the network.
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
        stride: int = 1,
        pool: int = 3,
        pool_after: Sequence[int] = (1, 2, 5),
        pool_to: int | None = None,
        hidden: int = 4096,
        dropout: float = 0.5,
        activation: str = "relu",
        normalisation: str = "none",
        initialisation: str = "torch",
    ):
        crossing, kernels = list_crossings(columns, cross), split_kernels(kernels, columns)
        act = choose_activation(activation)
        chosen = {"normalisation": normalisation, "initialisation": initialisation, "stride": stride, "pool": pool}
        for option, value in chosen.items():
            check_choice(option, value)
        check_layers(columns, kernel_sizes, pool_after, pool_to, hidden)
        check_size("alexnet_cifar", size, stride=stride, pool=pool)
        side = pool_to if pool_to is not None else compute_pooled_side(-(-size // stride), pool, times=3)

        def convolution(number: int) -> list[nn.Module]:
            crosses, inputs = prepend_cross(number, kernels[number - 2] if number > 1 else channels, crossing)
            outputs, kernel = kernels[number - 1], kernel_sizes[number - 1]
            step = stride if number == 1 else 1
            layers = [*crosses, nn.Conv2d(inputs, outputs, kernel, step, padding=kernel // 2)]
            if normalisation == "batch":
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(act())
            if normalisation == "lrn" and number <= 2:
                layers.append(make_local_response_norm())
            if number in pool_after:
                layers.append(MaxPoolTo(side, pool) if number == 5 else nn.MaxPool2d(pool, 2))
            return layers

        def fully_connected(number: int, inputs: int) -> list[nn.Module]:
            crosses, inputs = prepend_cross(number, inputs, crossing)
            return [nn.Dropout(dropout), *crosses, nn.Linear(inputs, hidden // columns), act()]

        convolutions = [
            nn.Sequential(
                *convolution(1),  # (B, 64, 32, 32), pooled to (B, 64, 15, 15)
                *convolution(2),  # (B, 192, 15, 15), pooled to (B, 192, 7, 7)
                *convolution(3),  # (B, 384, 7, 7)
                *convolution(4),  # (B, 256, 7, 7)
                *convolution(5),  # (B, 256, 7, 7), pooled to (B, 256, 3, 3)
            )
            for _ in range(columns)
        ]
        connected = [
            nn.Sequential(
                *fully_connected(6, kernels[4] * side * side),  # (B, 4096)
                *fully_connected(7, hidden // columns),  # (B, 4096)
            )
            for _ in range(columns)
        ]
        super().__init__(convolutions, connected, nn.Linear(hidden, classes))  # (B, classes)
        if initialisation == "kaiming":
            draw_kaiming(self, activation)
        elif initialisation == "whitening":
            copy_maps(self.convolutions(), crossing)
        self.whitens = initialisation == "whitening"  # conv1 then waits for training images
