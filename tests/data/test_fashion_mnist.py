"""Fashion-MNIST, from small files of the published format, and from Debian's package if it is there."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from alexnet.data import fashion_mnist as fashion_module
from alexnet.data.fashion_mnist import FASHION_MNIST, fashion_mnist
from alexnet.errors import Mistake
from support.published import md5, write_idx

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture
def fashion(tmp_path, monkeypatch):
    """A folder with four small files, whose hashes replace the published ones."""
    random = np.random.default_rng(0)
    folder = tmp_path / "published"
    folder.mkdir()
    arrays, contents, packed = {}, {}, []
    for name in FASHION_MNIST:
        count = 12 if name.startswith("train") else 5
        shape = (count, 28, 28) if "images" in name else (count,)
        arrays[name] = random.integers(10, size=shape, dtype=np.uint8)
        contents[name] = write_idx(folder / f"{name}.gz", arrays[name])
        packed.append((f"{name}.gz", md5(folder / f"{name}.gz")))
    monkeypatch.setattr(fashion_module, "FASHION_MNIST", contents)
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", packed)
    return folder, arrays


def test_fashion_mnist_is_downloaded_once_and_read_right(fashion, server, tmp_path):
    folder, arrays = fashion
    url, asked = server(folder)
    for _ in range(2):
        data = fashion_mnist(str(tmp_path / "data"), True, url, 28)
    assert sorted(asked) == sorted(f"/{name}.gz" for name in arrays)
    assert torch.equal(data.train.images[:, 0], torch.from_numpy(arrays["train-images-idx3-ubyte"]))
    assert torch.equal(data.test.labels, torch.from_numpy(arrays["t10k-labels-idx1-ubyte"]).long())
    assert (data.channels, len(data.classes)) == (1, 10)


def test_fashion_mnist_already_there_packed_or_not(fashion, tmp_path):
    folder, arrays = fashion
    packed = fashion_mnist(str(folder), False, None, 32)
    home = tmp_path / "b" / "FashionMNIST" / "raw"  # as torchvision leaves it
    home.mkdir(parents=True)
    for name, array in arrays.items():
        write_idx(home / name, array)
    assert packed.fingerprint() == fashion_mnist(str(tmp_path / "b"), False, None, 32).fingerprint()


@pytest.mark.parametrize("damage", [lambda content: content[:-20], lambda content: content[:50] + b"x" + content[51:]])
def test_a_damaged_fashion_file_is_named(fashion, damage, caplog):
    folder, _ = fashion
    victim = folder / "t10k-images-idx3-ubyte.gz"
    victim.write_bytes(damage(victim.read_bytes()))
    with pytest.raises(Mistake, match=r"t10k-images-idx3-ubyte\.gz"):
        fashion_mnist(str(folder), False, None, 32)
    assert f"{victim} is damaged" in caplog.text


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist isn't installed")
def test_debians_fashion_mnist_is_read_where_it_is(tmp_path):
    """The real set is what torchvision reads from the unpacked files."""
    data = fashion_mnist(str(DEBIAN), False, None, 28)
    home = tmp_path / "FashionMNIST" / "raw"
    home.mkdir(parents=True)
    for path in DEBIAN.glob("*.gz"):
        (home / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    reference = torchvision.datasets.FashionMNIST(tmp_path, train=False)
    assert torch.equal(data.test.images[:, 0], reference.data)
    assert torch.equal(data.test.labels, reference.targets)
    assert len(data.train) == 60_000
