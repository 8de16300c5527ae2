"""Finds the images that a person names: files, folders, patterns, names on stdin. No torch: mistakes come at once."""

import glob
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from alexnet.data.facts import ENDINGS, is_image, leads_back, list_images
from alexnet.errors import Mistake

EXPECTED = "expected image files, folders of them, a pattern such as 'photos/*.jpg', or - for names on stdin"


class Found(NamedTuple):
    """An image file. path: as it was given. folders: the names that may be its class, the likeliest first."""

    path: str
    folders: Sequence[str]


def find_images(given: Sequence[str]) -> list[Found]:
    """The images, in the order given; those of a folder in the order in which a data set has them.

    given: files, whatever their names end in; folders, with all folders in them; patterns; - for names on stdin, one a
    line, or ended by zeros, as `find -print0` ends them. Raises Mistake for a name that leads to nothing, and for a
    folder without images.
    """
    names = [name for each in given for name in (_read_names() if each == "-" else [each])]
    if not names:
        raise Mistake(f"No image is named on stdin: {EXPECTED}.")
    return [image for name in names for image in _find(name)]


def find_classes(found: Sequence[Found], numbers: Mapping[str, int]) -> list[int | None]:
    """The number of the class in whose folder each image is; None if it is in none.

    numbers: of the classes, by name. In a folder that was given, the outermost folder that is a class counts, as in a
    data set. Of a file that was given, and of a file that is directly in such a folder, the file's own folder counts.
    """
    return [next((numbers[name] for name in image.folders if name in numbers), None) for image in found]


def _read_names() -> list[str]:
    content = sys.stdin.buffer.read()
    names = content.split(b"\0") if b"\0" in content else content.splitlines()
    return [os.fsdecode(name) for name in names if name]


def _find(name: str) -> Iterator[Found]:
    """The images that one name stands for. Raises Mistake if there are none."""
    if os.path.isdir(name):
        yield from _list_folder(name)
    elif os.path.lexists(name):
        yield Found(name, [_name_folder(os.path.dirname(name))])
    else:
        matches = sorted(glob.glob(name, recursive=True)) if glob.has_magic(name) else []
        if not matches:
            reason = "matches no file" if glob.has_magic(name) else "isn't there"
            raise Mistake(f"{name or repr(name)} {reason}: {EXPECTED}.")
        for match in matches:
            yield from _find(match)


def _list_folder(place: str) -> list[Found]:
    try:
        with os.scandir(place) as entries:
            inside = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise Mistake(f"{place} can't be listed: {error.strerror}.") from error
    own = [_name_folder(place)]
    found = [Found(os.path.join(place, name), own) for name, is_folder in inside if not is_folder and is_image(name)]
    folders = [os.path.join(place, name) for name, is_folder in inside if is_folder]
    for folder in (each for each in folders if not leads_back(each)):
        for path in list_images(folder):
            found.append(Found(path, os.path.relpath(os.path.dirname(path), place).split(os.sep)))
    if not found:
        raise Mistake(f"There are no images in {place}, or in its folders. Images end in {', '.join(ENDINGS)}.")
    return found


def _name_folder(folder: str) -> str:
    return os.path.basename(os.path.normpath(folder)) if folder else ""
