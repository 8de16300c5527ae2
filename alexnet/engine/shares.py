"""Cuts a batch into shares, and adds up what was computed of them: the same bits, however many processes share them."""

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor


class Node(NamedTuple):
    """A node of the tree of sums over shares: number `place` on its level. On level 0 there is a node for each share,
    and a node above is the sum of nodes 2 * place and 2 * place + 1 below it.
    """

    level: int
    place: int


def cut(count: int, parts: int) -> list[range]:
    """range(count) in so many parts, one after the other, of equal length but for 1. The last ones may be empty."""
    least, longer = divmod(count, parts)
    starts = [number * least + min(number, longer) for number in range(parts + 1)]
    return [range(start, end) for start, end in pairwise(starts)]


def list_nodes(shares: range) -> list[Node]:
    """The nodes that are left of neighbouring shares after all sums that can be made of them alone."""
    nodes: list[Node] = []
    for share in shares:
        node = Node(0, share)
        while nodes and node.place % 2 and nodes[-1] == Node(node.level, node.place - 1):
            node = _parent(nodes.pop())
        nodes.append(node)
    return nodes


class Sums:
    """What is left of neighbouring shares after all sums that can be made of them alone: a tensor for each node.

    As few tensors as possible are held at a time: of n shares about log2(n).
    """

    def __init__(self) -> None:
        self.nodes: dict[Node, Tensor] = {}

    def add(self, share: int, value: Tensor) -> None:
        """Adds the value of the next share. It is kept, and may be changed."""
        node = Node(0, share)
        while node.place % 2 and (left := self.nodes.pop(Node(node.level, node.place - 1), None)) is not None:
            value, node = left.add_(value), _parent(node)
        self.nodes[node] = value


def add_up(nodes: Mapping[Node, Tensor], shares: int) -> Tensor:
    """The sum of all shares, from the nodes of all processes. Changes their tensors."""

    def find(node: Node) -> Tensor:
        if node in nodes:
            return nodes[node]
        left, right = Node(node.level - 1, 2 * node.place), Node(node.level - 1, 2 * node.place + 1)
        if right.place << right.level >= shares:
            return find(left)
        return find(left).add_(find(right))

    return find(Node((shares - 1).bit_length(), 0))


def _parent(node: Node) -> Node:
    return Node(node.level + 1, node.place // 2)
