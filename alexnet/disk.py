"""Files on a disk: replaced as a whole, written so that they outlast a power loss, locked. Imports errors only."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import Any
from uuid import uuid4

from alexnet.errors import Mistake

UNSYNCABLE = {errno.EINVAL, errno.EBADF, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}  # network disks, for folders
LOCKLESS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}  # network disks, for flock


@contextmanager
def replacing(path: Path, shared: bool = False) -> Iterator[Path]:
    """A temporary file that takes the place of `path` at the end of the block. After that it outlasts a power loss.

    If the block raises, the temporary file is deleted, which on a full disk makes room, and `path` stays as it was.
    shared: whether other programs may replace the file at the same time, also on other machines.
    """
    temporary = name_temporary(path)
    if shared:
        temporary = temporary.with_stem(f"{temporary.stem}-{uuid4().hex}")
    temporary.unlink(missing_ok=True)  # a suspended process may still have it open
    try:
        yield temporary
        sync(temporary)  # the new name may reach the disk before the content
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def name_temporary(path: Path) -> Path:
    """Where `replacing` writes: beside the file."""
    return path.with_name(f".{path.stem}.part{path.suffix}")


def replace_text(path: Path, text: str, shared: bool = False) -> None:
    """Writes the file, or leaves the one that is there. shared: as in `replacing`."""
    with replacing(path, shared) as temporary:
        temporary.write_text(text, encoding="utf-8")


def make_folder(folder: Path, option: str) -> Path:
    """Makes the folder, and those that it is in, if it isn't there. Raises Mistake if that can't be.

    option: that names another, such as --out.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Mistake(
            f"{folder} can't be made a folder: {error.strerror}. Give another place with {option} FOLDER."
        ) from error
    return folder


@contextmanager
def making_folder(folder: Path, option: str) -> Iterator[None]:
    """The folder is there; if the block raises, what was made for it and is still empty goes again.

    Raises Mistake like `make_folder`.
    """
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    make_folder(folder, option)
    try:
        yield
    except BaseException:
        for place in new:
            with suppress(OSError):  # it isn't empty
                place.rmdir()
        raise


def sync(path: Path) -> None:
    """Writes a file to the disk itself, or the names in a folder. Does nothing on a disk that can't.

    Raises OSError if the disk fails.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSYNCABLE:
            raise
    finally:
        os.close(descriptor)


def sync_place(folder: Path) -> None:
    """Writes the names of a new folder, and of the new folders that it is in, to the disk."""
    for place in folder.absolute().parents:
        try:
            sync(place)
        except PermissionError:  # not this user's folder, so it isn't new
            break


def format_bytes(count: float) -> str:
    """'0.4 MB', '38 MB', '1.2 GB'."""
    if count >= 10**9:
        return f"{count / 10**9:.1f} GB"
    return f"{count / 10**6:.{0 if count >= 10**7 else 1}f} MB"


def measure_free(folder: Path) -> int | None:
    """The free bytes of the folder's disk; None for network disks that don't tell. The folder need not exist yet."""
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())
    usage = shutil.disk_usage(existing)
    return usage.free if usage.total > 0 else None


def check_space(folder: Path, needed: int, way_out: str) -> None:
    """Raises Mistake if the folder's disk has fewer than `needed` bytes free. The folder need not exist yet."""
    free = measure_free(folder)
    if free is not None and free < needed:
        raise Mistake(
            f"The disk of {folder} has {format_bytes(free)} free, and this may write {format_bytes(needed)}: make "
            f"room, or {way_out}."
        )


@contextmanager
def locked(path: Path, when_held: Callable[[str], Any]) -> Iterator[None]:
    """One process at a time is in the block of the lock file `path`. A process that is killed leaves no lock behind.

    when_held: called if another process is; if it raises nothing, this one waits. It gets what is known of the other:
    nothing, or on a disk without flock `(process N on HOST; ...)`.
    Raises OSError if the file can't be written.
    """
    from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout  # so that mistakes are answered sooner

    lock: BaseFileLock = FileLock(path, fallback_to_soft=False)
    owner = path.with_name(f"{path.name}.owner")
    try:
        try:
            lock.acquire(timeout=0)
        except OSError as error:
            if error.errno not in LOCKLESS:
                raise
            lock = SoftFileLock(owner)  # a file that names its process
            lock.acquire(timeout=0)
    except Timeout:
        when_held(_describe_owner(owner))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()  # the file stays: if it were deleted, who waits for it and who makes it anew would both go in


def _describe_owner(owner: Path) -> str:
    """Who has a lock without flock, and the way out if that process is gone and this machine can't know it."""
    try:
        if not owner.is_file():
            return ""
        text = owner.read_text(encoding="utf-8", errors="replace")
    except OSError:  # there is flock, or the other process has just ended
        return ""
    process, host = [*text.split(), "?", "?"][:2]
    return f" (process {process:.20} on {host:.60}; if it has ended: rm {quote(str(owner))})"
