"""The AlexNet of 2012, in two columns (Krizhevsky, Sutskever, Hinton 2012, §3.5).

| layer             | output of each column | sees         | then                        | parameters |
|-------------------|-----------------------|--------------|-----------------------------|-----------:|
| conv1 11x11, 4    | 48 x 55 x 55          | the image    | ReLU, LRN, max-pool 3/2     |     34,944 |
| conv2 5x5         | 128 x 27 x 27         | own column   | ReLU, LRN, max-pool 3/2     |    307,456 |
| conv3 3x3         | 192 x 13 x 13         | both columns | ReLU                        |    885,120 |
| conv4 3x3         | 192 x 13 x 13         | own column   | ReLU                        |    663,936 |
| conv5 3x3         | 128 x 13 x 13         | own column   | ReLU, max-pool 3/2          |    442,624 |
| fc6               | 2048                  | both columns | ReLU, dropout               | 37,752,832 |
| fc7               | 2048                  | both columns | ReLU, dropout               | 16,781,312 |
| fc8, 1000 classes | 1000 in all           | both columns |                             |  4,097,000 |

60,965,224 in all; 62,378,344 as one column.
"""

from collections.abc import Sequence

from torch import nn

from alexnet.models import layers
from alexnet.models.columns import ColumnNetwork, prepend_cross
from alexnet.models.limits import check_choice, check_size, list_crossings, split_kernels


class AlexNet2012(ColumnNetwork):
    """Five convolutions and three fully connected layers: images (B, channels, size, size) to logits (B, classes).

    columns: 2 | 1. cross: none | conv3 (the paper's) | all: see CROSS in limits.py. kernels: of both columns
    together, in each convolution. lrn: §3.3, over the neighbouring kernels of the same column. pool: side of a
    pooling's window, 3 | 2; its stride is 2, so that 3 overlaps (§3.4). dropout: probability, after fc6 and fc7
    (§4.2). activation: relu | tanh (§3.1) | gelu.

    The initial weights are §5's, made for pixels of 0 to 255 less their mean: dataset.std=0.00392157, which is
    1/255, gives such. Raises ValueError where a knob has another value, or the image is too small.
    """

    def __init__(
        self,
        classes: int,
        channels: int,
        size: int,
        columns: int = 2,
        cross: str = "conv3",
        kernels: Sequence[int] = (96, 256, 384, 384, 256),
        lrn: bool = True,
        pool: int = 3,
        dropout: float = 0.5,
        activation: str = "relu",
    ):
        crossing, kernels = list_crossings(columns, cross), split_kernels(kernels, columns)
        act = layers.choose_activation(activation)
        check_choice("pool", pool)
        check_size("alexnet_2012", size)
        # conv1 has no padding, but its last window may reach over the edge: 224 pixels are taken as 227.
        overhang = (11 - size) % 4
        side = (size + overhang - 11) // 4 + 1
        for _ in range(3):
            side = (side - pool) // 2 + 1

        def convolution(number: int, kernel: int, stride: int = 1, padding: int = 0) -> list[nn.Module]:
            crosses, inputs = prepend_cross(number, kernels[number - 2] if number > 1 else channels, crossing)
            layer = nn.Conv2d(inputs, kernels[number - 1], kernel, stride, padding)
            return [*crosses, _initial(layer, bias=number in (2, 4, 5)), act()]

        def normalised_pool() -> list[nn.Module]:
            return [*([layers.make_local_response_norm()] if lrn else []), nn.MaxPool2d(pool, 2)]

        def hidden(number: int, inputs: int) -> list[nn.Module]:
            crosses, inputs = prepend_cross(number, inputs, crossing)
            return [*crosses, _initial(nn.Linear(inputs, 4096 // columns), bias=1), act(), nn.Dropout(dropout)]

        convolutions = [
            nn.Sequential(
                nn.ZeroPad2d((0, overhang, 0, overhang)),
                *convolution(1, 11, stride=4),  # (B, 48, 55, 55)
                *normalised_pool(),  # (B, 48, 27, 27)
                *convolution(2, 5, padding=2),  # (B, 128, 27, 27)
                *normalised_pool(),  # (B, 128, 13, 13)
                *convolution(3, 3, padding=1),  # (B, 192, 13, 13)
                *convolution(4, 3, padding=1),
                *convolution(5, 3, padding=1),
                nn.MaxPool2d(pool, 2),  # (B, 128, 6, 6)
            )
            for _ in range(columns)
        ]
        connected = [
            nn.Sequential(*hidden(6, kernels[4] * side * side), *hidden(7, 4096 // columns)) for _ in range(columns)
        ]
        super().__init__(convolutions, connected, _initial(nn.Linear(4096, classes), bias=0))


def _initial(layer: nn.Conv2d | nn.Linear, bias: float) -> nn.Module:
    """§5: weights from a Gaussian of standard deviation 0.01, biases all 0 or all 1."""
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.constant_(layer.bias, bias)
    return layer
