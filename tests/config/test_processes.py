"""A process learns its place from the variables that torchrun sets, and refuses those that tell no place."""

import os

import pytest

from alexnet.config.processes import NAMES, Place, read_place
from alexnet.errors import Mistake


@pytest.fixture
def give(monkeypatch):
    def give(**variables):
        for name in (*NAMES, "MASTER_ADDR", "TORCHELASTIC_USE_AGENT_STORE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return give


def test_a_process_that_was_started_alone_has_no_place(give):
    give()
    assert read_place() is None
    give(RANK="0", WORLD_SIZE="1")
    assert read_place() is None


def test_the_place_is_the_one_that_torchrun_tells(give):
    give(RANK="3", WORLD_SIZE="4", LOCAL_RANK="1", LOCAL_WORLD_SIZE="2", MASTER_ADDR="a", MASTER_PORT="29500")
    assert read_place() == Place(3, 4, 1, 2, "a", 29500)
    give(RANK="1", WORLD_SIZE="2", MASTER_PORT="29500", TORCHELASTIC_USE_AGENT_STORE="True")
    assert read_place() == Place(1, 2, 1, 2, port=29500, hosted=True, parent=os.getppid())


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"RANK": "0", "WORLD_SIZE": "2"}, "MASTER_PORT=: expected whole numbers"),
        ({"RANK": "-1", "WORLD_SIZE": "2", "MASTER_PORT": "1"}, "RANK=-1, .*expected whole numbers"),
        ({"RANK": "2", "WORLD_SIZE": "2", "MASTER_PORT": "1"}, "RANK=2, .*expected ranks below"),
        ({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1", "MASTER_PORT": "1"}, "expected ranks below"),
        ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_PORT": "65536"}, "MASTER_PORT=65536: expected the number of a port"),
        ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_PORT": "0"}, "MASTER_PORT=0: expected the number of a port"),
        ({"RANK": "1", "WORLD_SIZE": "0", "MASTER_PORT": "1"}, "WORLD_SIZE=0, .*expected ranks below"),
    ],
)
def test_variables_that_tell_no_place_are_refused(give, variables, said):
    give(**variables)
    with pytest.raises(Mistake, match=said):
        read_place()
