"""Small trainings on half of the digits, to transfer from and to."""

import torch

from alexnet.config.compose import compose_config
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from alexnet.training.build import assemble
from alexnet.training.job import execute
from alexnet.training.transfer import list_tensors

SMALL = ["dataset=digits", "device=cpu", "device.precision=float32", "epochs=1", "batch_size=64", "optimizer.lr=0.01"]
BATCH = ["model.kernels=[8,8,12,12,8]", "model.hidden=16", "model.normalisation=batch", "model.dropout=0.3"]
A, B = "dataset.only=[0,1,2,3,4]", "dataset.only=[5,6,7,8,9]"


def train(folder, *given):
    folder.mkdir(parents=True)
    assert execute(compose_config([*SMALL, *given])[0], Run(folder)) == 0
    return Run(folder)


def load(run):
    return checkpoints.load(run.checkpoints, "last")["model"]


def start(*given):
    """A training before its first step."""
    return assemble(compose_config([*SMALL, *given])[0])


def find_equal(network, other):
    """The layers of which all tensors are equal. other: a state dict."""
    state = network.state_dict()
    return [name for name, own in list_tensors(network).items() if all(torch.equal(state[k], other[k]) for k in own)]
