"""The four-layer CIFAR-10 network of cuda-convnet, the program that AlexNet grew out of ("18% error in 20 minutes").

| layer            | output at 3x32x32 | parameters |
|------------------|-------------------|-----------:|
| conv1 5x5, 32    | 32 x 32 x 32      |      2,432 |
| max-pool 3/2     | 32 x 16 x 16      |            |
| conv2 5x5, 32    | 32 x 16 x 16      |     25,632 |
| average-pool 3/2 | 32 x 8 x 8        |            |
| conv3 5x5, 64    | 64 x 8 x 8        |     51,264 |
| average-pool 3/2 | 64 x 4 x 4        |            |
| fc4, 10 classes  | 10                |     10,250 |

It has 89,578 parameters: small enough to try things out. Two things differ from cuda-convnet. The initial weights are
torch's, for pixels in [-1, 1] instead of 0 to 255. With lrn=true, response normalisation follows the first two poolings
as it does there, but over neighbouring kernels, as in the 2012 paper (§3.3); cuda-convnet's goes over neighbouring
pixels.
"""

from functools import partial

import torch
from torch import Tensor, nn

from alexnet.models.layers import choose_activation, make_local_response_norm
from alexnet.models.limits import check_choice, check_size


class CudaConvnet(nn.Module):
    """Three convolutions and a fully connected layer: images (B, channels, size, size) to logits (B, classes).

    activation: relu | tanh | gelu.
    lrn: response normalisation after the first two poolings.
    pool: side of the pooling window, 3 | 2; the stride is 2, so windows of 3 overlap. Both halve an even side.

    Raises ValueError if an option has another value, or if images of that size don't fit the network.
    """

    def __init__(
        self, classes: int, channels: int, size: int, activation: str = "relu", lrn: bool = False, pool: int = 3
    ):
        super().__init__()
        act = choose_activation(activation)
        check_choice("pool", pool)
        check_size("cuda_convnet", size)
        side = size
        for _ in range(3):
            side = -(-(side - pool) // 2) + 1  # the last window may reach past the edge
        norm = [make_local_response_norm()] if lrn else []
        # There is no padding to count, but saying so keeps torch.compile away from a wrong gradient (pytorch#198119).
        average = partial(nn.AvgPool2d, pool, 2, ceil_mode=True, count_include_pad=False)
        self.features = nn.Sequential(
            nn.Conv2d(channels, 32, 5, padding=2),  # (B, 32, 32, 32)
            nn.MaxPool2d(pool, 2, ceil_mode=True),  # (B, 32, 16, 16)
            act(),
            *norm,
            nn.Conv2d(32, 32, 5, padding=2),  # (B, 32, 16, 16)
            act(),
            average(),  # (B, 32, 8, 8)
            *norm,
            nn.Conv2d(32, 64, 5, padding=2),  # (B, 64, 8, 8)
            act(),
            average(),  # (B, 64, 4, 4)
        )
        self.classifier = nn.Linear(64 * side * side, classes)  # (B, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(images), 1))
