"""Small files in the formats in which data sets are published, with random images."""

import gzip
import hashlib
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import torchvision


def md5(path):
    return hashlib.md5(Path(path).read_bytes()).hexdigest()


def build_cifar(folder, source):
    """An archive of that torchvision class's format, 10 images a batch; its folder; and the attributes of the class
    that hold the hashes."""
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


def write_idx(path, array):
    """Writes an IDX file, compressed if its name ends in .gz. Returns the MD5 of its content without compression."""
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    content = header + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return hashlib.md5(content).hexdigest()
