"""Finds the nearest rows of a large table exactly, a chunk at a time."""

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from alexnet.errors import Failure

CHUNK_BYTES, MOST_ROWS = 2**26, 4096  # of rows that are compared at a time
BLOCK = 1024  # queries, likewise
PAIR_VALUES = 2**16  # of pairs that are measured at a time, within a core's cache
MANY = 64  # pairs a query; more rows than that are only so near if many are equal


def find_nearest(
    queries: Tensor, rows: Iterable[Tensor], count: int, excluded: Sequence[Collection[int]] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers (Q, count) int64 of the rows that are nearest to each query by Euclidean distance, and the distances
    (Q, count) float64, the nearest first.

    They are those of brute force in float64; of equally near rows the first ones count. If there are too few rows, the
    rest are -1, with the distance inf. queries: (Q, D) float32. rows: (N, D) float32 in parts, in order; the memory
    doesn't depend on N. excluded: of the first queries, the rows that don't count. All on the processor.

    A matrix product in float32 bounds each distance from below. Only pairs whose bound is below the largest distance
    so far are measured in float64, a few for each query. Raises Failure for values that aren't finite.
    """
    best, queries, start = _Best(len(queries), count), queries.contiguous(), 0
    lengths = _square_lengths(queries)
    # Each product and sum of D float32 values is off by at most D roundings, in whatever order it is computed.
    kept = 1 - min(2.2 * (queries.shape[1] + 8) * 2.0**-24, 1)
    for chunk in _regroup(rows, min(MOST_ROWS, max(1, CHUNK_BYTES // (4 * queries.shape[1])))):
        chunk_lengths = _square_lengths(chunk)
        for first in range(0, len(queries), BLOCK):
            block = slice(first, first + BLOCK)
            bounds = torch.addmm(chunk_lengths * kept, queries[block], chunk.T, alpha=-2)
            bounds += lengths[block, None] * kept
            for query, numbers in enumerate(excluded[block]):
                bounds[query, [each - start for each in numbers if 0 <= each - start < len(chunk)]] = torch.inf
            best.update(first, queries[block], start, chunk, bounds)
        start += len(chunk)
    return best.rows, np.sqrt(best.squares)


class _Best:
    """The nearest rows so far, and the squares of their distances: (Q, count), the nearest first."""

    def __init__(self, queries: int, count: int):
        self.rows = np.full((queries, count), -1, np.int64)
        self.squares = np.full((queries, count), np.inf)

    def update(self, first: int, queries: Tensor, start: int, chunk: Tensor, bounds: Tensor) -> None:
        """Takes in what is near in a chunk. first, start: the numbers of the first query and of the first row.

        bounds: (queries, chunk), of the squared distances from below; inf for rows that don't count. Overwritten.
        """
        limits = self.squares[first : first + len(queries), -1]  # a view, so it follows what is taken in
        is_full = bool(np.isfinite(limits).all())
        if not is_full:  # the limits come from any rows, best from those that are likely the nearest
            likely = bounds.topk(min(self.rows.shape[1], len(chunk)), largest=False).indices
            known = torch.zeros_like(bounds, dtype=torch.bool).scatter_(1, likely, True) & bounds.isfinite()
            self._measure(first, queries, start, chunk, known, with_ties=True)
            bounds[known] = torch.inf
        # Of equal distances that of a later row changes nothing; but these rows may come before the likely ones.
        limit = _round_up(limits)[:, None]
        near = bounds < limit if is_full else (bounds <= limit) & bounds.isfinite()
        self._measure(first, queries, start, chunk, near, with_ties=not is_full)

    def _measure(self, first: int, queries: Tensor, start: int, chunk: Tensor, chosen: Tensor, with_ties: bool) -> None:
        """Takes in the chosen pairs, (queries, chunk) bool, that are near enough. with_ties: or as near."""
        some, others = chosen.nonzero(as_tuple=True)
        squares = measure(queries, chunk, some, others)
        limits = self.squares[some.numpy() + first, -1]
        near = squares <= limits if with_ties else squares < limits
        self._merge(some.numpy()[near] + first, others.numpy()[near] + start, squares[near])

    def _merge(self, queries: np.ndarray, rows: np.ndarray, squares: np.ndarray) -> None:
        if len(queries) == 0:
            return
        some, places = np.unique(queries, return_inverse=True)
        count = self.rows.shape[1]
        places = np.concatenate([np.repeat(np.arange(len(some)), count), places])
        rows = np.concatenate([self.rows[some].ravel(), rows])
        squares = np.concatenate([self.squares[some].ravel(), squares])
        order = np.lexsort((rows, squares, places))
        firsts = np.searchsorted(places[order], np.arange(len(some)))
        chosen = order[firsts[:, None] + np.arange(count)]
        self.rows[some], self.squares[some] = rows[chosen], squares[chosen]


def _round_up(limits: np.ndarray) -> Tensor:
    """To float32, where none is below its float64."""
    rounded = limits.astype(np.float32)
    return torch.from_numpy(np.where(rounded < limits, np.nextafter(rounded, np.float32(np.inf)), rounded))


def measure(queries: Tensor, rows: Tensor, some: Tensor, others: Tensor) -> np.ndarray:
    """The squared distances of queries[some] from rows[others], (P,) float64."""
    if len(some) > MANY * len(queries):
        queries, of_query = torch.unique(queries, dim=0, return_inverse=True)
        rows, of_row = torch.unique(rows, dim=0, return_inverse=True)
        pairs, places = torch.unique(of_query[some] * len(rows) + of_row[others], return_inverse=True)
        return _measure(queries, rows, pairs // len(rows), pairs % len(rows))[places.numpy()]
    return _measure(queries, rows, some, others)


def _measure(queries: Tensor, rows: Tensor, some: Tensor, others: Tensor) -> np.ndarray:
    """By NumPy: torch would share out each of these small parts among its threads, which takes longer than the work."""
    left, right, first, second = (each.numpy() for each in (queries, rows, some, others))
    squares, size = np.empty(len(first)), max(1, PAIR_VALUES // left.shape[1])
    for start in range(0, len(first), size):
        part = slice(start, start + size)
        difference = left[first[part]].astype(np.float64) - right[second[part]]
        squares[part] = np.einsum("pd,pd->p", difference, difference)
    return squares


def _square_lengths(vectors: Tensor) -> Tensor:
    """(N, D) to (N,). Raises Failure if one isn't finite."""
    lengths = torch.linalg.vector_norm(vectors, dim=1).square()
    if not lengths.isfinite().all():
        raise Failure("The layer gives values that aren't finite, so no image is nearer than another.")
    return lengths


def _regroup(parts: Iterable[Tensor], size: int) -> Iterator[Tensor]:
    """The same rows, `size` at a time."""
    held, count = list[Tensor](), 0
    for part in parts:
        held.append(part)
        count += len(part)
        if count >= size:
            whole, rest = torch.cat(held), count % size
            yield from whole[: count - rest].split(size)
            held, count = [whole[count - rest :].clone()], rest
    if count:
        yield torch.cat(held)
