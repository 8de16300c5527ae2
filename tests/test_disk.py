"""Files that outlast a power loss, on disks that lack what most have: flock, synced folders, a known size."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest

from alexnet.data.download import exclusive
from alexnet.disk import check_space, locked, replace_text, replacing, sync_place
from alexnet.errors import Mistake
from alexnet.runs.folder import Run
from support.programs import ROOT

NO_FLOCK = [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP]


def refuse(number):
    """In place of a function of the system that a disk doesn't have."""

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("number", NO_FLOCK)
def test_two_processes_never_train_in_one_folder_on_a_disk_without_flock(tmp_path, monkeypatch, number):
    """And no process is named as the owner afterwards."""
    monkeypatch.setattr("fcntl.flock", refuse(number))
    for _ in range(2):
        by = rf"another process \(process {os.getpid()} on .*\.owner\): wait for it"
        with Run(tmp_path).exclusive(), pytest.raises(Mistake, match=by), Run(tmp_path).exclusive():
            pass
        assert not list(tmp_path.glob(".lock.owner"))


def test_another_error_of_flock_is_no_missing_flock(tmp_path, monkeypatch):
    monkeypatch.setattr("fcntl.flock", refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"), Run(tmp_path).exclusive():
        pass


def test_a_killed_process_leaves_no_lock_behind_on_a_disk_without_flock(tmp_path, monkeypatch):
    """What it was preparing is prepared by the one that waited for it."""
    program = (
        "import fcntl, os, pathlib, time; from alexnet.disk import locked\n"
        "def refuse(*_): raise OSError(37, 'No locks available')\n"
        "fcntl.flock = refuse\n"
        f"with locked(pathlib.Path({str(tmp_path)!r}) / '.data.lock', print):\n"
        "    print('in', flush=True)\n"
        "    time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "in\n"
    monkeypatch.setattr("fcntl.flock", refuse(errno.ENOLCK))
    waited = []

    def kill(by):
        waited.append(by)
        other.send_signal(signal.SIGKILL)
        other.wait()

    began = time.monotonic()
    with locked(tmp_path / ".data.lock", kill):
        assert f"process {other.pid} on" in waited[0]
    with exclusive(tmp_path, "data"):
        pass
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF, errno.ENOSYS])
def test_a_disk_that_cannot_sync_folders_is_used_as_it_is(tmp_path, monkeypatch, number):
    monkeypatch.setattr(os, "fsync", refuse(number))
    replace_text(tmp_path / "a", "text")
    sync_place(tmp_path)
    assert (tmp_path / "a").read_text() == "text"


def test_a_disk_that_fails_to_sync_is_told_and_keeps_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old")
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        replace_text(tmp_path / "a", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_file_is_on_the_disk_before_its_name_and_its_name_at_the_end(tmp_path, monkeypatch):
    done, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda number: (done.append(os.readlink(f"/proc/self/fd/{number}")), fsync(number))
    )
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("replace"), replace(a, b)))
    with replacing(tmp_path / "a") as temporary:
        temporary.write_text("text")
    assert done == [str(temporary), "replace", str(tmp_path)]


def test_a_disk_that_tells_no_size_is_not_full(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"total": 0, "free": 0}))
    check_space(tmp_path / "new" / "folder", 2**40, "wait")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"total": 1, "free": 0}))
    with pytest.raises(Mistake, match="make room, or wait"):
        check_space(tmp_path / "new" / "folder", 2**40, "wait")


def test_a_process_that_waited_for_the_lock_keeps_out_those_that_come_later(tmp_path):
    """It opened the file while another process was inside, and gets in as soon as that one leaves."""
    path = tmp_path / ".lock"

    def refuse(by):
        raise Mistake("held")

    with locked(path, refuse):
        waiting = os.open(path, os.O_RDWR)
    fcntl.flock(waiting, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(Mistake, match="held"), locked(path, refuse):
        pass
    os.close(waiting)


def test_a_temporary_file_that_is_there_already_is_not_written_into(tmp_path):
    """A suspended process may have it open; in a folder of somebody else it may be a link to a file elsewhere."""
    (tmp_path / "mine").write_text("mine")
    (tmp_path / ".a.part.txt").symlink_to(tmp_path / "mine")
    replace_text(tmp_path / "a.txt", "text")
    assert (tmp_path / "mine").read_text() == "mine" and not (tmp_path / "a.txt").is_symlink()


def test_programs_that_write_one_file_at_the_same_time_each_write_all_of_it(tmp_path):
    with replacing(tmp_path / "a.txt", shared=True) as mine, replacing(tmp_path / "a.txt", shared=True) as theirs:
        mine.write_text("mine")
        theirs.write_text("theirs")
    assert (tmp_path / "a.txt").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1
