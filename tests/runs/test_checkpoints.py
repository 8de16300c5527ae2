"""A checkpoint holds what was saved, or is damaged: no flipped bit, cut or hostile file loads as anything else."""

import random
import zipfile

import pytest
import torch
from torch import nn

from alexnet.errors import Damaged
from alexnet.runs import checkpoints


@pytest.fixture
def saved(tmp_path):
    """(the folder, what its last.pt holds)."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.randn(2, 3, 3, 3)).sum().backward()
    optimizer.step()
    state = {"epoch": 3, "errors": [0.5, 0.25], "whole": {"sums": [1.5, 3.0], "images": 8}, "best_accuracy": 0.75}
    folder = {"id": "ab" * 16, "tables": {"losses.csv": [4, "cd" * 32], "epochs.csv": [0, None]}}
    parts = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "scaler": {}}
    checkpoints.save(tmp_path, "last", {**parts, "state": state, "folder": folder})
    return tmp_path, {**parts, "state": state, "folder": folder}


def is_same(a, b):
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(is_same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(is_same, a, b))
    return type(a) is type(b) and a == b


def change(content, draw):
    """A flipped bit, or another of the ways in which a disk or a copy loses content."""
    content, place = bytearray(content), draw.randrange(len(content))
    kind = draw.choice(["bit"] * 6 + ["cut", "zeros", "gap"])
    if kind == "bit":
        content[place] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del content[place:]
    elif kind == "gap":
        del content[place : place + draw.randrange(1, 64)]
    else:
        content[place : place + 64] = bytes(len(content[place : place + 64]))
    return bytes(content)


def test_damaged_anywhere_it_never_loads_as_anything_else(saved):
    folder, expected = saved
    content, draw = (folder / "last.pt").read_bytes(), random.Random(0)
    assert is_same(checkpoints.load(folder, "last"), expected)
    refused = 0
    for _ in range(800):
        changed = change(content, draw)
        (folder / "last.pt").write_bytes(changed)
        try:
            assert is_same(checkpoints.load(folder, "last"), expected)
        except Damaged as damage:
            refused += 1
            assert "\n" not in str(damage) and len(str(damage)) < 500
    assert refused > 400


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"weight": torch.ones(3)}},
        {"model": {"weight": torch.zeros(3, dtype=torch.int32)}},
        {"model": {"weight": torch.zeros(1, 3)}},
        {"model": {"wieght": torch.zeros(3)}},
        {"state": {"epoch": 2}},
        {"state": {"epoch": True}},
        {"state": {"epoch": 1.0}},
        {"folder": None},
        {"another": 1},
    ],
)
def test_a_value_that_changed_behind_the_checksums_is_noticed(tmp_path, changes):
    state = {"model": {"weight": torch.zeros(3)}, "state": {"epoch": 1}, "folder": {}}
    checkpoints.save(tmp_path, "last", state)
    written = torch.load(tmp_path / "last.pt", weights_only=True)
    torch.save({**written, **changes}, tmp_path / "last.pt")
    with pytest.raises(Damaged, match="SHA-256 differs"):
        checkpoints.load(tmp_path, "last")
    renamed = {("sha257" if key == "sha256" else key): value for key, value in written.items()}
    torch.save(renamed, tmp_path / "last.pt")
    with pytest.raises(Damaged, match="no checkpoint of this project"):
        checkpoints.load(tmp_path, "last")


def test_a_file_that_would_unpack_to_more_than_it_is_is_refused_unread(tmp_path):
    with zipfile.ZipFile(tmp_path / "last.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**6))
    with pytest.raises(Damaged, match="isn't packed as a checkpoint is"):
        checkpoints.load(tmp_path, "last")


@pytest.mark.parametrize(
    "content",
    [
        torch.zeros(1).expand(10**12),
        [torch.zeros(1000)] * 100_000,
        torch.empty(10**9, device="meta"),
        torch.zeros(3).to_sparse(),
        {1, 2},
    ],
)
def test_absurd_content_is_refused_at_once(tmp_path, content):
    torch.save({"model": content, "sha256": ""}, tmp_path / "last.pt")
    with pytest.raises(Damaged):
        checkpoints.load(tmp_path, "last")


def test_content_that_holds_itself_is_refused(tmp_path):
    endless = [1]
    endless.append(endless)
    torch.save({"model": endless, "sha256": ""}, tmp_path / "last.pt")
    with pytest.raises(Damaged, match="more than its size"):
        checkpoints.load(tmp_path, "last")
