"""A model, a schedule and an optimizer as a person may add them: their own errors answer a bad option."""

import torch

ERRORS = {
    101: FileNotFoundError(2, "No such file", "nowhere.pth"),
    102: ImportError("no module"),
    103: StopIteration(),
    104: ValueError("out_channels must be divisible by groups"),
    105: ValueError("width=105: expected an even number"),
    106: NotImplementedError("not yet"),
    107: PermissionError(13, "Permission denied"),
    108: TypeError("'int' object is not iterable"),
}


class Tiny(torch.nn.Module):
    def __init__(self, classes, channels, size, width=8):
        super().__init__()
        if width == 0:
            width = size // width
        assert width < 100 or width in ERRORS
        if width in ERRORS:
            raise ERRORS[width]
        if width == 98:
            template = "no place for it"
            template % width
        if width < -10:
            [][width]
        if width == 13:
            {}["13"]
        if width == 99:
            self.fc = torch.nn.Linear(self.with_a_bug, classes)
        self.fc = torch.nn.Linear(width, classes + (width == 3))

    def forward(self, images):
        if self.fc.in_features == 4:
            raise RuntimeError("no answer")
        return self.fc(images.flatten(1)[:, : self.fc.in_features])


def bumpy(epoch, epochs, errors, every=1):
    return 0.5 ** (epoch // every)


class Steep(torch.optim.SGD):
    def __init__(self, params, lr, slope=1):
        super().__init__(params, lr)
        self.slope = 1 / slope
