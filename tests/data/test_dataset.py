"""The sources of images, on archives of the true format that the tests build, and on a local server."""

import functools
import gzip
import hashlib
import http.server
import pickle
import struct
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from sklearn.datasets import load_digits

from alexnet.data import cifar as cifar_module
from alexnet.data import dataset as datasets
from alexnet.data import fashion_mnist as fashion_module
from alexnet.data import image_files as images_module
from alexnet.data.digits import digits
from alexnet.data.fashion_mnist import FASHION_MNIST, fashion_mnist
from alexnet.data.image_folder import image_folder
from alexnet.errors import Failure, Mistake
from support.images import write_images

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def md5(path):
    return hashlib.md5(Path(path).read_bytes()).hexdigest()


def build_cifar(folder, source):
    """An archive of that source's format, 10 images a batch, and the class attributes with its hashes."""
    random = np.random.default_rng(0)
    fine = source is torchvision.datasets.CIFAR100
    classes = [f"class {index}" for index in range(100 if fine else 10)]
    inner = folder / source.base_folder
    inner.mkdir(parents=True)
    for name, _ in [*source.train_list, *source.test_list]:
        labels = random.integers(len(classes), size=10).tolist()
        batch = {"data": random.integers(256, size=(10, 3072), dtype=np.uint8)}
        batch |= {"fine_labels" if fine else "labels": labels}
        (inner / name).write_bytes(pickle.dumps(batch))
    (inner / source.meta["filename"]).write_bytes(pickle.dumps({source.meta["key"]: classes}))
    archive = folder / source.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(inner, source.base_folder)
    hashes = {
        "tgz_md5": md5(archive),
        "train_list": [[name, md5(inner / name)] for name, _ in source.train_list],
        "test_list": [[name, md5(inner / name)] for name, _ in source.test_list],
        "meta": {**source.meta, "md5": md5(inner / source.meta["filename"])},
    }
    return archive, inner, hashes


@pytest.fixture(params=["cifar10", "cifar100"])
def cifar(request, tmp_path, monkeypatch):
    """(dataset function, archive, extracted folder) with torchvision's hashes set to those of the archive."""
    source = getattr(torchvision.datasets, request.param.upper())
    archive, inner, hashes = build_cifar(tmp_path / "published", source)
    for name, value in hashes.items():
        monkeypatch.setattr(source, name, value)
    return getattr(cifar_module, request.param), archive, inner


@pytest.fixture
def server():
    """server(folder) serves it on this machine and gives (its address, the list of what was asked for)."""
    servers = []

    def serve(folder):
        asked = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                super().do_GET()

            def log_message(self, *_):
                pass

        made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
        threading.Thread(target=made.serve_forever, daemon=True).start()
        servers.append(made)
        return f"http://127.0.0.1:{made.server_port}", asked

    yield serve
    for made in servers:
        made.shutdown()


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
    """The archive alone will do, and so will the extracted folder alone."""
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
    assert [path.suffix for path in (tmp_path / "data").iterdir()] == [".lock"]  # nothing else is left


@pytest.mark.slow
def test_parallel_first_runs_download_once(tmp_path, server):
    """Three processes that start together ask the server for the archive once."""
    archive, _, hashes = build_cifar(tmp_path / "published", torchvision.datasets.CIFAR10)
    url, asked = server(archive.parent)
    program = (
        "import torchvision; from alexnet.data import cifar\n"
        f"for name, value in {hashes!r}.items(): setattr(torchvision.datasets.CIFAR10, name, value)\n"
        f"print(cifar.cifar10({str(tmp_path / 'data')!r}, True, '{url}/{archive.name}', 32).fingerprint())"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(3)
    ]
    outputs = {process.communicate(timeout=120)[0] for process in processes}
    assert len(outputs) == 1 and len(outputs.pop().strip()) == 64
    assert asked == [f"/{archive.name}"]


def write_idx(path, array):
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    content = header + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def fashion(tmp_path, monkeypatch):
    """A folder with four small files of the true format, their hashes made the published ones."""
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
def test_debians_fashion_mnist_is_taken_where_it_lies(tmp_path):
    """The real set, compared with torchvision's own reading of the unpacked files."""
    data = fashion_mnist(str(DEBIAN), False, None, 28)
    home = tmp_path / "FashionMNIST" / "raw"
    home.mkdir(parents=True)
    for path in DEBIAN.glob("*.gz"):
        (home / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    reference = torchvision.datasets.FashionMNIST(tmp_path, train=False)
    assert torch.equal(data.test.images[:, 0], reference.data)
    assert torch.equal(data.test.labels, reference.targets)
    assert len(data.train) == 60_000


def test_digits_are_scikit_learns():
    """All 1,797 are there, once; brighter where the 8x8 original is brighter."""
    data = digits(32)
    assert len(data.train) + len(data.test) == 1797 and len(data.test) == 360
    assert data.train.images.shape[1:] == (3, 32, 32)
    small = torch.nn.functional.avg_pool2d(torch.cat([data.train.images, data.test.images])[:, :1].float(), 4)
    means = small.flatten(1).mean(1).sort().values
    expected = torch.from_numpy(load_digits().images).flatten(1).mean(1).float().mul(255 / 16).sort().values
    torch.testing.assert_close(means, expected, atol=3, rtol=0.05)


def test_image_folder_is_torchvisions_reading(images):
    """The same pixels and labels as torchvision's ImageFolder gives for RGB images of the size asked for."""
    data = image_folder(str(images), 32, 0.25)
    reference = torchvision.datasets.ImageFolder(images / "train")
    for index, (image, label) in enumerate(reference):
        assert torch.equal(data.train.images[index], torchvision.transforms.functional.pil_to_tensor(image))
        assert data.train.labels[index] == label
    assert data.classes == ["dark", "light"]


def test_image_folder_takes_every_common_kind(tmp_path):
    """JPEG, PNG, WebP; grey, 16-bit grey, RGBA, palette, CMYK; wide, high and tiny; rotated by EXIF."""
    root = write_images(tmp_path / "images", train=1)
    folder = root / "train" / "dark"
    grey = Image.fromarray(np.full((50, 90), 77, np.uint8))
    grey.save(folder / "grey.png")
    Image.fromarray(np.full((40, 40), 77 * 257, np.uint16)).save(folder / "deep.png")
    grey.convert("RGBA").save(folder / "alpha.webp", lossless=True)
    grey.convert("P").save(folder / "palette.png")
    Image.merge("CMYK", [Image.new("L", (20, 300), 255 - 77)] * 3 + [Image.new("L", (20, 300))]).save(
        folder / "print.jpg", quality=100
    )
    Image.new("RGB", (3, 2), (77, 77, 77)).save(folder / "tiny.jpeg")
    sideways = Image.new("RGB", (64, 32), (0, 0, 0))
    sideways.paste((255, 255, 255), (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise: what was left is on top
    sideways.save(folder / "turned.jpg", exif=exif, quality=100)
    data = image_folder(str(root), 32, 0.25)
    names = [path.name for path in sorted(folder.iterdir())]
    shown = dict(zip(names, data.train.images, strict=False))
    for name in ("grey.png", "deep.png", "alpha.webp", "palette.png", "print.jpg", "tiny.jpeg"):
        assert (shown[name].int() - 77).abs().max() <= 3, name
    assert shown["turned.jpg"][:, 0].float().mean() > 200 > 50 > shown["turned.jpg"][:, -1].float().mean()


def test_streamed_images_are_those_held_in_memory(images):
    held = image_folder(str(images), 32, 0.25)
    streamed = image_folder(str(images), 32, 0)
    assert isinstance(streamed.train.images, images_module.ImageFiles)
    assert torch.equal(streamed.train.images.decode_all(), held.train.images)
    assert torch.equal(streamed.train.labels, held.train.labels)


def test_val_will_do_for_test(images):
    (images / "test").rename(images / "val")
    assert len(image_folder(str(images), 32, 0.25).test) == 8


def test_hidden_files_and_folders_are_no_images(images):
    """What editors and operating systems leave behind is passed over."""
    (images / "train" / ".ipynb_checkpoints").mkdir()
    (images / "train" / "dark" / "._00.jpg").write_bytes(b"no image")
    assert len(image_folder(str(images), 32, 0.25).train) == 24


@pytest.mark.parametrize(
    "spoil, named",
    [
        (lambda root: (root / "train/light/05.jpg").write_bytes(b"no image"), "05.jpg"),
        (
            lambda root: (root / "train/dark/03.jpg").write_bytes((root / "train/dark/02.jpg").read_bytes()[:300]),
            "03.jpg",
        ),
        (lambda root: (root / "train" / "grey").mkdir(), "grey"),
        (lambda root: (root / "test" / "light").rename(root / "test" / "bright"), "test alone has bright"),
        (lambda root: (root / "test").rename(root / "later"), "no val folder"),
        (lambda root: root.rename(root.with_name("gone")), "no such folder"),
    ],
)
def test_what_is_wrong_with_a_folder_is_named(images, spoil, named):
    spoil(images)
    with pytest.raises(Mistake, match=named):
        image_folder(str(images), 32, 0.25)


def test_validation_split_is_disjoint_complete_and_seeded(images):
    train = datasets.Split(torch.arange(24, dtype=torch.uint8).view(24, 1, 1, 1), torch.arange(24))
    kept, chosen = datasets.split_validation(train, 0.25, seed=0)
    assert (len(kept), len(chosen)) == (18, 6)
    assert sorted(kept.labels.tolist() + chosen.labels.tolist()) == list(range(24))
    assert torch.equal(chosen.images.flatten().long(), chosen.labels)
    assert torch.equal(datasets.split_validation(train, 0.25, seed=0)[1].labels, chosen.labels)
    assert not torch.equal(datasets.split_validation(train, 0.25, seed=1)[1].labels, chosen.labels)
    assert datasets.split_validation(train, 0, seed=0) == (train, None)


def test_a_share_of_the_training_images_is_seeded_and_apart_from_the_validation_images():
    train = datasets.Split(torch.arange(40, dtype=torch.uint8).view(40, 1, 1, 1), torch.arange(40))
    kept, chosen = datasets.split_validation(train, 0.25, seed=0)
    some = datasets.take_part(kept, 0.5, seed=0)
    assert len(set(some.labels.tolist())) == 15 and not set(some.labels.tolist()) & set(chosen.labels.tolist())
    assert torch.equal(some.images.flatten().long(), some.labels)
    assert torch.equal(datasets.take_part(kept, 0.5, seed=0).labels, some.labels)
    assert not torch.equal(datasets.take_part(kept, 0.5, seed=1).labels, some.labels)
    assert datasets.take_part(train, 1, seed=0) == train
    with pytest.raises(Mistake, match=r"dataset\.share=0\.01 of 40 training images is none"):
        datasets.take_part(train, 0.01, seed=0)
