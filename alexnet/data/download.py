"""Downloads published data files once, checks them by their published hash, and never uses damaged ones."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

from alexnet.disk import locked
from alexnet.errors import Failure, Mistake
from alexnet.messages.console import progress, translate

logger = logging.getLogger(__name__)

STALLED_SECONDS = 30
CHUNK = 2**18  # bytes


@contextmanager
def exclusive(root: Path, name: str) -> Iterator[None]:
    """One process at a time brings `name` into `root`; the others wait, then find it there.

    Raises Mistake if the folder can't be written to.
    """

    def wait(by: str) -> None:
        logger.info(translate("Another run{} is preparing {}: waiting for it.").format(by, name))

    with ExitStack() as lock:
        try:
            root.mkdir(parents=True, exist_ok=True)
            lock.enter_context(locked(root / f".{name}.lock", wait))
        except OSError as error:
            raise Mistake(
                f"{root} can't be written to ({error.strerror}), and {name} isn't there: give another "
                f"dataset.root=FOLDER."
            ) from error
        yield


def intact(path: Path, md5: str) -> bool:
    """Whether the published file is there. The log names one that is there but differs."""
    from torchvision.datasets.utils import check_md5  # torchvision takes two seconds to import

    if not path.is_file():
        return False
    if check_md5(path, md5):
        return True
    logger.warning(translate("{} is damaged or incomplete (its MD5 isn't {}) and is not used.").format(path, md5))
    return False


def fetch(url: str, path: Path, md5: str, download: bool) -> Path:
    """`path`, downloaded from `url` unless it is there intact. The caller holds the lock.

    Raises Mistake if it may not be downloaded, Failure if it can't be; both name the ways out.
    """
    if intact(path, md5):
        return path
    ways_out = (
        f"Ways out: download it from another place with dataset.url=URL (its hash is checked all the same); "
        f"put the file at {path.absolute()} by hand; or train on embedded data with dataset=digits."
    )
    if not download:
        raise Mistake(f"{path} isn't there intact, and dataset.download=false. {ways_out}")
    part = path.with_name(path.name + ".part")  # the real name only ever holds a complete file
    part.parent.mkdir(parents=True, exist_ok=True)
    logger.info(translate("Downloading {} to {}").format(url, path))
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALLED_SECONDS)
    try:
        _download(url, part)
        if not intact(part, md5):
            raise ValueError(f"what came isn't the published file (its MD5 isn't {md5})")
    except (OSError, HTTPException, ValueError) as error:
        part.unlink(missing_ok=True)
        raise Failure(f"Could not download {url}: {error}. {ways_out}") from error
    finally:
        socket.setdefaulttimeout(patience)
    os.replace(part, path)
    return path


def _download(url: str, path: Path) -> None:
    """Leaves nothing behind if it is interrupted."""
    try:
        with urlopen(Request(url, headers={"User-Agent": "alexnet"})) as response, open(path, "wb") as file:
            length = int(response.headers.get("Content-Length") or 0) or None
            with progress("Downloading", length, "B") as advance:
                while content := response.read(CHUNK):
                    file.write(content)
                    advance(len(content))
    except BaseException:
        path.unlink(missing_ok=True)
        raise
