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

It has 60,965,224 parameters; as one column it has 62,378,344.
"""

from collections.abc import Sequence

from torch import nn

from alexnet.models.columns import ColumnNetwork, prepend_cross
from alexnet.models.initialisation import draw_gaussian
from alexnet.models.layers import choose_activation, make_local_response_norm
from alexnet.models.limits import check_choice, check_size, list_crossings, split_kernels


class AlexNet2012(ColumnNetwork):
    """Five convolutions and three fully connected layers: images (B, channels, size, size) to logits (B, classes).

    columns: 2 | 1.
    cross: none | conv3 (the paper's) | all, the layers that see both columns; see CROSS in limits.py.
    kernels: of each convolution, of both columns together.
    lrn: response normalisation over neighbouring kernels of the same column (§3.3).
    pool: side of the pooling window, 3 | 2; the stride is 2, so windows of 3 overlap (§3.4).
    dropout: probability, after fc6 and fc7 (§4.2).
    activation: relu | tanh (§3.1) | gelu.

    The initial weights are those of §5. They are made for pixels from 0 to 255 minus their mean: give
    dataset.std=0.00392157, which is 1/255.

    Raises ValueError if an option has another value, or if the images are too small.
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
        act = choose_activation(activation)
        check_choice("pool", pool)
        check_size("alexnet_2012", size)
        # conv1 has no padding, but its last window may reach past the edge: 224 pixels become 227.
        overhang = (11 - size) % 4
        side = (size + overhang - 11) // 4 + 1
        for _ in range(3):
            side = (side - pool) // 2 + 1

        def convolution(number: int, kernel: int, stride: int = 1, padding: int = 0) -> list[nn.Module]:
            crosses, inputs = prepend_cross(number, kernels[number - 2] if number > 1 else channels, crossing)
            layer = nn.Conv2d(inputs, kernels[number - 1], kernel, stride, padding)
            return [*crosses, draw_gaussian(layer, bias=number in (2, 4, 5)), act()]

        def normalised_pool() -> list[nn.Module]:
            return [*([make_local_response_norm()] if lrn else []), nn.MaxPool2d(pool, 2)]

        def fully_connected(number: int, inputs: int) -> list[nn.Module]:
            crosses, inputs = prepend_cross(number, inputs, crossing)
            return [*crosses, draw_gaussian(nn.Linear(inputs, 4096 // columns), bias=1), act(), nn.Dropout(dropout)]

        convolutions = [
            nn.Sequential(
                nn.ZeroPad2d((0, overhang, 0, overhang)),  # (B, 3, 227, 227)
                *convolution(1, 11, stride=4),  # (B, 48, 55, 55)
                *normalised_pool(),  # (B, 48, 27, 27)
                *convolution(2, 5, padding=2),  # (B, 128, 27, 27)
                *normalised_pool(),  # (B, 128, 13, 13)
                *convolution(3, 3, padding=1),  # (B, 192, 13, 13)
                *convolution(4, 3, padding=1),  # (B, 192, 13, 13)
                *convolution(5, 3, padding=1),  # (B, 128, 13, 13)
                nn.MaxPool2d(pool, 2),  # (B, 128, 6, 6)
            )
            for _ in range(columns)
        ]
        connected = [
            nn.Sequential(
                *fully_connected(6, kernels[4] * side * side),  # (B, 2048)
                *fully_connected(7, 4096 // columns),  # (B, 2048)
            )
            for _ in range(columns)
        ]
        super().__init__(convolutions, connected, draw_gaussian(nn.Linear(4096, classes), bias=0))  # (B, classes)
