"""The nearest rows are those of brute force, ties included, however the table comes."""

import weakref

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from alexnet.errors import Failure
from alexnet.inference import knn
from alexnet.inference.knn import find_nearest


def find_by_brute_force(queries, rows, count, excluded):
    squares = ((queries[:, None].astype(np.float64) - rows[None]) ** 2).sum(2)
    for query, numbers in enumerate(excluded):
        squares[query, list(numbers)] = np.inf
    order = np.argsort(squares, axis=1, kind="stable")[:, :count]
    return order, np.sqrt(np.take_along_axis(squares, order, 1))


def make_tables():
    """Queries and rows with many ties, without any, all equal, and near to each other but far from zero."""
    random = np.random.default_rng(0)
    yield random.integers(0, 2, (9, 12)), random.integers(0, 2, (300, 12))
    yield random.normal(size=(9, 33)), random.normal(size=(300, 33))
    yield np.zeros((3, 4)), np.zeros((50, 4))
    yield np.full((3, 4), 0.3), np.full((50, 4), 0.3)
    yield 1000 + 1e-3 * random.normal(size=(9, 20)), 1000 + 1e-3 * random.normal(size=(300, 20))
    few = random.integers(0, 256, (5, 16))
    yield few, few[random.integers(0, 5, 300)]


@pytest.mark.parametrize("most_rows, block, many", [(4096, 1024, 64), (7, 2, 1)])
def test_are_those_of_brute_force_in_float64_with_ties_by_number(monkeypatch, most_rows, block, many):
    for name, value in {"MOST_ROWS": most_rows, "BLOCK": block, "MANY": many, "PAIR_VALUES": 50}.items():
        monkeypatch.setattr(knn, name, value)
    for queries, rows in make_tables():
        queries, rows = queries.astype(np.float32), rows.astype(np.float32)
        parts = [torch.from_numpy(part) for part in np.split(rows, [0, 5, 20])]
        for excluded in ([], [{0, 7, 49}, set(), {1}]):
            numbers, distances = find_nearest(torch.from_numpy(queries), parts, 6, excluded)
            expected, lengths = find_by_brute_force(queries, rows, 6, excluded)
            assert np.array_equal(numbers, expected)
            np.testing.assert_allclose(distances, lengths, rtol=1e-12, atol=0)


def test_are_those_of_scikit_learn():
    random = np.random.default_rng(1)
    queries, rows = (random.normal(size=(count, 50)).astype(np.float32) for count in (40, 900))
    numbers, distances = find_nearest(torch.from_numpy(queries), [torch.from_numpy(rows)], 3)
    theirs = NearestNeighbors(n_neighbors=3, algorithm="brute").fit(rows.astype(np.float64))
    lengths, expected = theirs.kneighbors(queries.astype(np.float64))
    assert np.array_equal(numbers, expected)
    np.testing.assert_allclose(distances, lengths, rtol=1e-9)


def test_too_few_rows_leave_places_empty_and_rows_that_are_not_finite_are_refused():
    numbers, distances = find_nearest(torch.ones(2, 3), [torch.zeros(2, 3)], 4, [{0}])
    assert numbers.tolist() == [[1, -1, -1, -1], [0, 1, -1, -1]] and np.isinf(distances[0, 1:]).all()
    with pytest.raises(Failure, match="aren't finite"):
        find_nearest(torch.ones(2, 3), [torch.full((2, 3), torch.nan)], 1)


def test_the_memory_does_not_depend_on_the_number_of_rows(monkeypatch):
    """The rows are asked for one part after the other, and none is kept."""
    monkeypatch.setattr(knn, "MOST_ROWS", 10)
    alive = []

    def make_parts():
        for _ in range(30):
            part = torch.rand(10, 8)
            alive.append(weakref.ref(part))
            yield part
            del part
            assert sum(each() is not None for each in alive) <= 3

    assert find_nearest(torch.rand(4, 8), make_parts(), 2)[0].max() > 100
