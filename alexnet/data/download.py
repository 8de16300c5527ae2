"""Downloads published data files once, checks them by their published hash, and never uses damaged ones."""

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from pathlib import Path

from torch.hub import download_url_to_file

from alexnet.disk import locked
from alexnet.errors import Failure, Mistake

logger = logging.getLogger(__name__)

STALLED_SECONDS = 30


@contextmanager
def exclusive(root: Path, name: str) -> Iterator[None]:
    """One process at a time brings `name` into `root`; the others wait, then find it there.

    Raises Mistake if the folder can't be written to.
    """

    def wait(by: str) -> None:
        logger.info(f"Another run{by} is preparing {name}: waiting for it.")

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
    logger.warning(f"{path} is damaged or incomplete (its MD5 isn't {md5}) and is not used.")
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
    logger.info(f"Downloading {url} to {path}")
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALLED_SECONDS)
    try:
        download_url_to_file(url, str(part), progress=sys.stderr.isatty())
        if not intact(part, md5):
            raise ValueError(f"what came isn't the published file (its MD5 isn't {md5})")
    except (OSError, HTTPException, ValueError) as error:
        for left in part.parent.glob(f"{part.name}*"):
            left.unlink()
        raise Failure(f"Could not download {url}: {error}. {ways_out}") from error
    finally:
        socket.setdefaulttimeout(patience)
    os.replace(part, path)
    return path
