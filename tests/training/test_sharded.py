"""A step on shares of a batch adds up the same tensors, whichever of them a process computes."""

import pytest
import torch

from alexnet.engine.distributed import Group
from alexnet.engine.shares import add_up
from alexnet.training.build import assemble
from alexnet.training.sharded import sum_shares
from support.several import ALL


class Kept(Group):
    """Exchanges nothing, and keeps what it would send."""

    def add_up(self, sums, shares, length):
        self.nodes = {node: value.clone() for node, value in sums.nodes.items()}
        return torch.zeros(length)


def compute_nodes(config, rank, size, shards):
    group = Kept(rank, size, shards)
    training = assemble(config, join=lambda *_: group)
    images, labels = next(training.batches.train.epoch())
    targets = torch.nn.functional.one_hot(labels, 10).float()
    sum_shares(training, images, labels, targets, 0, 0)
    return group.nodes


@pytest.mark.parametrize(("shards", "size"), [(6, 2), (6, 3), (4, 2), (3, 3)])
def test_processes_have_together_what_one_process_has(compose, shards, size):
    """With 6 shares in 2 processes, the second begins with a share whose neighbour is the first one's."""
    config = compose(*ALL, f"device.shards={shards}", "device.threads=1", "cutmix=0", "mixup=0")
    expected = add_up(compute_nodes(config, 0, 1, shards), shards)
    nodes = {}
    for rank in range(size):
        nodes |= compute_nodes(config, rank, size, shards)
    assert len(expected) > 1000 and torch.equal(add_up(nodes, shards), expected)
