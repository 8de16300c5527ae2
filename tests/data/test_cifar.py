"""CIFAR-10 and CIFAR-100, from archives of the published format that the tests build, on a server of their own."""

import pickle
import subprocess
import sys

import pytest
import torch
import torchvision

from alexnet.data import cifar as cifar_module
from alexnet.errors import Failure, Mistake
from support.published import build_cifar, md5


@pytest.fixture(params=["cifar10", "cifar100"])
def cifar(request, tmp_path, monkeypatch):
    """(function, archive, extracted folder), with the archive's hashes as torchvision's."""
    source = getattr(torchvision.datasets, request.param.upper())
    archive, inner, hashes = build_cifar(tmp_path / "published", source)
    for name, value in hashes.items():
        monkeypatch.setattr(source, name, value)
    return getattr(cifar_module, request.param), archive, inner


def test_cifar_is_downloaded_once_and_read_right(cifar, server, tmp_path):
    load, archive, inner = cifar
    url, asked = server(archive.parent)
    for _ in range(2):
        data = load(str(tmp_path / "data"), True, f"{url}/{archive.name}", 32)
    assert asked == [f"/{archive.name}"]
    batch = pickle.loads((inner / ("train" if "100" in archive.name else "data_batch_1")).read_bytes())
    first = torch.from_numpy(batch["data"][0]).view(3, 32, 32)
    assert torch.equal(data.train.images[0], first)
    assert data.train.labels[:10].tolist() == batch.get("labels", batch.get("fine_labels"))
    assert len(data.classes) == (100 if "100" in archive.name else 10)
    assert (data.channels, data.size, len(data.test)) == (3, 32, 10)


def test_cifar_already_there_needs_no_network(cifar, tmp_path):
    """The archive alone is enough, and so is the extracted folder alone."""
    load, archive, inner = cifar
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / archive.name).write_bytes(archive.read_bytes())
    by_archive = load(str(tmp_path / "a"), False, "http://127.0.0.1:9/", 32)
    (tmp_path / "b").mkdir()
    inner.rename(tmp_path / "b" / inner.name)
    by_folder = load(str(tmp_path / "b"), False, "http://127.0.0.1:9/", 32)
    assert by_archive.fingerprint() == by_folder.fingerprint()


def test_a_truncated_archive_is_named_and_replaced(cifar, server, tmp_path, caplog):
    load, archive, _ = cifar
    url, _ = server(archive.parent)
    there = tmp_path / "data" / archive.name
    there.parent.mkdir()
    there.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(Mistake, match=archive.name):
        load(str(there.parent), False, None, 32)
    assert f"{there} is damaged" in caplog.text
    load(str(there.parent), True, f"{url}/{archive.name}", 32)
    assert md5(there) == md5(archive)


def test_a_corrupt_extracted_file_is_named_and_never_used(cifar, tmp_path, caplog):
    load, archive, inner = cifar
    victim = inner / ("test" if "100" in archive.name else "data_batch_3")
    content = bytearray(victim.read_bytes())
    content[200] ^= 1
    victim.write_bytes(content)
    data = load(str(archive.parent), False, None, 32)  # from the archive beside it
    assert f"{victim} is damaged" in caplog.text
    assert bytes(content) != victim.read_bytes() and len(data.test) == 10


def test_without_network_one_message_names_the_ways_out(cifar, tmp_path):
    load, archive, _ = cifar
    with pytest.raises(Failure) as caught:
        load(str(tmp_path / "none"), True, "http://127.0.0.1:9/x.tar.gz", 32)
    for way in ("dataset.url=", str(tmp_path / "none" / archive.name), "dataset=digits"):
        assert way in str(caught.value)


def test_another_url_is_checked_by_the_known_hash(cifar, server, tmp_path):
    load, _, _ = cifar
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.tar.gz").write_bytes(b"not the archive")
    url, _ = server(tmp_path / "elsewhere")
    with pytest.raises(Failure, match="MD5"):
        load(str(tmp_path / "data"), True, f"{url}/x.tar.gz", 32)
    assert not [path for path in (tmp_path / "data").iterdir() if path.suffix != ".lock"]


@pytest.mark.thorough
@pytest.mark.slow
def test_parallel_first_runs_download_once(tmp_path, server):
    """Three processes that start together ask the server only once."""
    archive, _, hashes = build_cifar(tmp_path / "published", torchvision.datasets.CIFAR10)
    url, asked = server(archive.parent)
    program = (
        "import torchvision; from alexnet.data import cifar\n"
        f"for name, value in {hashes!r}.items(): setattr(torchvision.datasets.CIFAR10, name, value)\n"
        f"data = cifar.cifar10({str(tmp_path / 'data')!r}, True, '{url}/{archive.name}', 32)\n"
        "print(data.fingerprint()['data_sha256'])"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(3)
    ]
    outputs = {process.communicate(timeout=120)[0] for process in processes}
    assert len(outputs) == 1 and len(outputs.pop().strip()) == 64
    assert asked == [f"/{archive.name}"]
