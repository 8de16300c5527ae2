"""A batch is cut into shares, and what is computed of them is added up in an order that nothing else changes."""

import pytest
import torch

from alexnet.engine.shares import Sums, add_up, cut, list_nodes


@pytest.mark.parametrize(("count", "parts"), [(10, 4), (8, 4), (3, 4), (1, 4), (7, 1), (0, 2)])
def test_all_images_are_in_one_share_each_and_the_first_shares_are_the_larger_ones(count, parts):
    shares = cut(count, parts)
    assert [image for share in shares for image in share] == list(range(count))
    sizes = list(map(len, shares))
    assert sizes == sorted(sizes, reverse=True) and max(sizes) - min(sizes) <= 1 and len(sizes) == parts


def add_by_pairs(values):
    """The independent reference: neighbours are added, then neighbours of these sums, until one is left."""
    while len(values) > 1:
        pairs = [values[i : i + 2] for i in range(0, len(values), 2)]
        values = [pair[0] + pair[1] if len(pair) == 2 else pair[0] for pair in pairs]
    return values[0]


@pytest.mark.parametrize("shards", range(1, 17))
def test_the_sum_has_the_same_bits_for_any_number_of_processes(shards):
    values = torch.randn(shards, 1000, generator=torch.Generator().manual_seed(shards))
    for busy in {shards, max(1, shards - 1), 1}:  # the last batch may have fewer images than there are shares
        expected = add_by_pairs(list(values[:busy]))
        for processes in (each for each in range(1, shards + 1) if shards % each == 0):
            nodes = {}
            for shares in cut(shards, processes):
                sums, own = Sums(), range(shares.start, max(shares.start, min(shares.stop, busy)))
                for share in own:
                    sums.add(share, values[share].clone())
                assert list(sums.nodes) == list_nodes(own)
                nodes |= sums.nodes
            assert torch.equal(add_up(nodes, busy), expected)


def test_a_process_holds_few_tensors_however_many_shares_it_computes():
    sums, held = Sums(), []
    for share in range(64):
        sums.add(share, torch.ones(1))
        held.append(len(sums.nodes))
    assert max(held) <= 7 and sums.nodes[list_nodes(range(64))[0]].item() == 64
