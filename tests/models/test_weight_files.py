"""A file of weights that anybody made is read without running it, or refused in a sentence before it takes memory."""

import json
import os
import pickle
import resource
import struct
import time
import warnings
import zipfile

import numpy as np
import pytest
import torch

from alexnet.models.weight_files import read_weights

WEIGHTS = {"a.weight": torch.arange(6.0).view(2, 3), "a.count": torch.tensor(7), "b": torch.ones(2).bfloat16()}


def write_safetensors(path, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)


def write_pickled(path, content):
    """A file as torch saves it, but with that pickle in it."""
    torch.save({"w": torch.ones(2)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, content if name.endswith("data.pkl") else part)


@pytest.mark.parametrize("zipped", [True, False])
def test_reads_what_torch_saves_in_both_of_its_formats(tmp_path, zipped):
    torch.save(WEIGHTS, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    read = read_weights(str(tmp_path / "w.pth"))
    assert list(read) == list(WEIGHTS) and all(torch.equal(read[name], value) for name, value in WEIGHTS.items())


def test_reads_what_safetensors_saves(tmp_path):
    pytest.importorskip("safetensors.torch", reason="safetensors isn't installed").save_file(
        WEIGHTS, tmp_path / "w.safetensors"
    )
    read = read_weights(str(tmp_path / "w.safetensors"))
    assert set(read) == set(WEIGHTS) and all(torch.equal(read[name], value) for name, value in WEIGHTS.items())


def list_odd_tensors():
    yield "sparse", lambda: torch.eye(3).to_sparse()
    yield "csr", lambda: torch.eye(3).to_sparse_csr()
    yield "nested", lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    yield "quantised", lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    yield "without content", lambda: torch.empty(2**40, device="meta")
    yield "repeated", lambda: torch.ones(1).expand(10**12)
    yield "complex", lambda: torch.ones(2, dtype=torch.complex64)
    yield "bool", lambda: torch.ones(2) > 0
    yield "8 bits", lambda: torch.ones(2).to(torch.float8_e4m3fn)
    yield "a number", lambda: 5
    yield "nothing", lambda: None
    yield "an array", lambda: np.ones(3)
    yield "objects", lambda: np.array([print], dtype=object)
    yield "a dictionary", lambda: {"w": torch.ones(2)}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("make", [pytest.param(make, id=kind) for kind, make in list_odd_tensors()])
def test_refuses_what_is_no_plain_tensor(tmp_path, make, zipped):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save({"good": torch.ones(2), "w": make()}, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"expected a state dict|holds no state dict"):
        read_weights(str(tmp_path / "w.pth"))


LONG = struct.pack("<BBq", 0x8A, 8, 2**40)  # the opcode of a long number
HOSTILE = {
    "an array of 8 GB": b"\x80\x02}X\x01\0\0\0wcbuiltins\nbytearray\n\x8a\x05\0\0\0\0\x02\x85Rs.",
    "3 million dictionaries": b"\x80\x02}X\x01\0\0\0w](" + b"}" * 3_000_000 + b"es.",
    "a million levels": b"\x80\x02}X\x01\0\0\0w" + b"]" * 1_000_000 + b"a" * 999_999 + b"s.",
    "hidden methods": b"\x80\x02ccollections\nOrderedDict\n)RX\x01\0\0\0wK\x01s}X\x05\0\0\0itemsK\x01sb.",
    "a program": pickle.dumps(os.system, 2),
    "a program, newer": pickle.dumps({"w": os.system}, 4),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_refuses_hostile_pickles_before_they_take_memory(tmp_path, kind):
    write_pickled(tmp_path / "w.pth", HOSTILE[kind])
    check_refused_at_once(tmp_path / "w.pth")


def test_refuses_shapes_that_are_larger_than_the_file(tmp_path):
    torch.save({"w": torch.ones(3)}, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth") as archive:
        content = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
    assert content.count(b"K\x03\x85") == content.count(b"K\x03tq") == 1  # the shape; the length of the content
    for shape, length in ((LONG, b"K\x03"), (b"K\x03", LONG), (LONG, LONG)):
        changed = content.replace(b"K\x03\x85", shape + b"\x85").replace(b"K\x03tq", length + b"tq")
        write_pickled(tmp_path / "w.pth", changed)
        check_refused_at_once(tmp_path / "w.pth")
    torch.save({"w": torch.ones(3)}, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "w.pth").write_bytes((tmp_path / "w.pth").read_bytes().replace(b"K\x03", LONG))
    check_refused_at_once(tmp_path / "w.pth")


def test_refuses_files_that_unpack_to_more_than_they_are(tmp_path):
    """Also if the end of the file makes Python's zip, but not torch's, take it for something else."""
    with zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        archive.writestr("archive/data/0", bytes(2**26))
    check_refused_at_once(tmp_path / "w.pth")
    with open(tmp_path / "w.pth", "ab") as file:
        file.write(bytes(100_000))
    check_refused_at_once(tmp_path / "w.pth")


@pytest.mark.parametrize(
    "header, length",
    [
        ({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}, None),
        ({"w": {"dtype": "F32", "shape": [2**33, 2**33], "data_offsets": [0, 8]}}, None),
        ({"w": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}}, None),
        ({"w": {"dtype": "BOOL", "shape": [8], "data_offsets": [0, 8]}}, None),
        ({f"w{number}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(50_000)}, None),
        (b"{}", 2**60),
        (b"[" * 100_000, None),
        (b"", None),
    ],
)
def test_refuses_hostile_safetensors_before_they_take_memory(tmp_path, header, length):
    pytest.importorskip("safetensors", reason="safetensors isn't installed")
    write_safetensors(tmp_path / "w.safetensors", header, bytes(8), length)
    check_refused_at_once(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", r"\(the file is empty\)"),
        (b"cut", r"\(it isn't a safetensors file, or not a whole one\)"),
        (b"<html>not found</html>", r"\(it isn't a safetensors file, or not a whole one\)"),
        (struct.pack("<Q", 5) + b"{...}", r"\(it isn't a safetensors file, or not a whole one\)"),
    ],
)
def test_a_broken_safetensors_file_is_called_so_with_what_writes_one(tmp_path, content, said):
    pytest.importorskip("safetensors", reason="safetensors isn't installed")
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=rf"^model\.weights=.*{said}.*safetensors\.torch\.save_file\("):
        read_weights(str(tmp_path / "w.safetensors"))


def check_refused_at_once(path):
    """In a sentence, in five seconds and with at most 200 MB more than before."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(ValueError, match=r"expected a state dict|holds no state dict"):
        read_weights(str(path))
    assert time.perf_counter() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
