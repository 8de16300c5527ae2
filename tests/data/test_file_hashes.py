"""The contents of image files are hashed once, and again whenever a file may have been changed."""

import hashlib
import os
import shutil

import numpy as np
import pytest

from alexnet.data import file_hashes
from alexnet.data.file_hashes import hash_files
from alexnet.errors import Mistake


@pytest.fixture
def paths(tmp_path):
    made = [tmp_path / f"{number}.bmp" for number in range(5)]
    for number, path in enumerate(made):
        path.write_bytes(bytes([number]) * 1000)
    return list(map(str, made))


@pytest.fixture
def read(monkeypatch):
    """The files that were read. Files count as settled at once: tests can't wait for seconds."""
    monkeypatch.setattr(file_hashes, "GRANULE", 0)
    names, real = [], file_hashes.read
    monkeypatch.setattr(file_hashes, "read", lambda path: names.append(os.path.basename(path)) or real(path))
    return names


def hashes_of(paths):
    return [hashlib.sha256(open(path, "rb").read()).digest() for path in paths]


def check(paths, folder):
    hashes, lengths = hash_files(paths, folder)
    assert [value.tobytes() for value in hashes] == hashes_of(paths)
    assert lengths.tolist() == list(map(os.path.getsize, paths))


def test_unchanged_files_are_read_once(paths, read, tmp_path):
    for _ in range(3):
        check(paths, str(tmp_path / "cache"))
    assert sorted(read) == ["0.bmp", "1.bmp", "2.bmp", "3.bmp", "4.bmp"]
    read.clear()
    for _ in range(2):
        check(paths, None)
    assert len(read) == 10


def overwrite(path, content):
    path.write_bytes(content)


def replace(path, content):
    other = path.with_name("other")
    other.write_bytes(content)
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    os.replace(other, path)


@pytest.mark.parametrize("change", [overwrite, replace])
def test_a_file_of_the_same_length_and_modification_time_is_noticed(paths, read, tmp_path, change):
    """As rsync -t, mv, tar and touch -r leave them."""
    check(paths, str(tmp_path / "cache"))
    read.clear()
    file = tmp_path / "2.bmp"
    before = file.stat()
    change(file, b"other" * 200)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    check(paths, str(tmp_path / "cache"))
    assert read == ["2.bmp"]


def test_a_file_changed_lately_is_not_trusted(paths, tmp_path, monkeypatch):
    """A second change within the same tick of the file system's clock would leave all its times as they are."""
    status = os.stat(paths[0])
    check(paths, str(tmp_path / "cache"))
    (tmp_path / "0.bmp").write_bytes(b"other" * 200)
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **kind: status if path == paths[0] else real(path, **kind))
    assert hash_files(paths, str(tmp_path / "cache"))[0][0].tobytes() == hashes_of(paths)[0]


def test_a_file_that_changes_while_it_is_read_is_read_again(paths, read, tmp_path, monkeypatch):
    def spoil(path, real=file_hashes.read):
        content = real(path)
        (tmp_path / os.path.basename(path)).write_bytes(b"later")
        return content

    with monkeypatch.context() as patch:
        patch.setattr(file_hashes, "read", spoil)
        hash_files(paths, str(tmp_path / "cache"))
    check(paths, str(tmp_path / "cache"))


@pytest.mark.parametrize("at", [0, 31, 32, 40, 64, 100, -1])
def test_damaged_hashes_are_computed_again(paths, read, tmp_path, at):
    check(paths, str(tmp_path / "cache"))
    (index,) = (tmp_path / "cache").iterdir()
    whole = bytearray(index.read_bytes())
    for spoiled in (whole[:at], whole + b"x", whole[:at] + bytes([whole[at] ^ 4]) + whole[at:][1:]):
        index.write_bytes(spoiled)
        read.clear()
        check(paths, str(tmp_path / "cache"))
        assert len(read) == 5
        assert index.read_bytes() == whole


def test_hashes_belong_to_their_own_files(paths, read, tmp_path):
    """Other files of the same cache, or an index that was renamed, give no wrong hash."""
    check(paths, str(tmp_path / "cache"))
    (index,) = (tmp_path / "cache").iterdir()
    check(paths[::-1], str(tmp_path / "cache"))
    other = next(path for path in (tmp_path / "cache").iterdir() if path != index)
    shutil.copy(index, other)
    check(paths[::-1], str(tmp_path / "cache"))


def test_a_cache_that_cannot_be_written_costs_only_time(paths, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file")
    check(paths, str(tmp_path / "cache"))


def test_what_was_read_before_an_interruption_is_not_read_again(paths, read, tmp_path, monkeypatch):
    monkeypatch.setattr(file_hashes, "CHUNK", 1)
    os.rename(paths[3], tmp_path / "kept")
    with pytest.raises(Mistake, match=r"3\.bmp can't be read as an image \(No such file"):
        hash_files(paths, str(tmp_path / "cache"))
    os.rename(tmp_path / "kept", paths[3])
    read.clear()
    check(paths, str(tmp_path / "cache"))
    assert read == ["3.bmp", "4.bmp"]


def test_times_beyond_64_bits_are_no_error(paths, tmp_path, monkeypatch):
    real = file_hashes._get_status
    assert real(paths[0])[0] == 1000
    status = os.stat_result((0o100644, 1, 1, 1, 0, 0, 1000, 0, 0, 0), {"st_mtime_ns": 2**70, "st_ctime_ns": 2**70})
    monkeypatch.setattr(os, "stat", lambda path: status)
    assert np.array(real(paths[0]), np.int64).shape == (4,)
