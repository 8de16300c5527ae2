"""A run whose weights other runs start from."""

import pytest

from support.transfer import BATCH, A, train


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """A run on the digits 0 to 4, with batch normalisation and dropout."""
    return train(tmp_path_factory.mktemp("source") / "run", *BATCH, A)
