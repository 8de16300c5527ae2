"""Which images predict.py finds, in which order, and of which class they are by their folders."""

import io
import os
import sys

import pytest

from alexnet.data.image_files import scan
from alexnet.errors import Mistake
from alexnet.inference.paths import find_classes, find_images
from alexnet.inference.published import number_classes

FILES = ["b/2.png", "b/10.JPG", "b/in/1.png", "a-b/1.png", "a/z.png", "a/more/1.png", "a/.hidden.png", "a/notes.txt"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    for name in FILES:
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def list_paths(*given):
    return [image.path for image in find_images(given)]


def test_a_folders_images_come_in_the_order_of_a_data_set(place):
    """Otherwise its batches wouldn't be those of the run's test."""
    classes, paths, labels = scan(place)
    found = find_images([str(place)])
    assert [image.path for image in found] == paths and len(paths) == 6
    assert find_classes(found, {name: number for number, name in enumerate(classes)}) == labels
    assert list_paths("data") == [os.path.relpath(path) for path in paths]  # as given


def test_files_patterns_folders_and_names_on_stdin_may_be_mixed(place, monkeypatch):
    assert list_paths("data/a/notes.txt", "data/b/*.png", "data/a") == [
        "data/a/notes.txt",
        "data/b/2.png",
        "data/a/z.png",
        "data/a/more/1.png",
    ]
    assert sorted(list_paths("data/**/1.png")) == ["data/a-b/1.png", "data/a/more/1.png", "data/b/in/1.png"]
    (place / "[b].png").touch()
    assert list_paths("data/[b].png") == ["data/[b].png"]  # a file is a file before it is a pattern
    for content in (b"data/b/2.png\ndata/a\n", b"data/b/2.png\0data/a\0"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert list_paths("-") == ["data/b/2.png", "data/a/z.png", "data/a/more/1.png"]


def test_a_class_is_the_outermost_folder_of_its_name_or_the_files_own(place):
    numbers = {"a": 0, "b": 1, "in": 2}

    def classify(*given):
        return find_classes(find_images(given), numbers)

    assert classify("data/b") == [1, 1, 2]
    assert classify("data") == [0, 0, None, 1, 1, 1]
    assert classify("data/b/in/1.png", "data/b/2.png", "data/a-b/1.png") == [2, 1, None]
    assert number_classes(["T-shirt/top", "Bag"]) == {"T-shirt_top": 0, "T-shirt/top": 0, "Bag": 1}
    os.chdir(place / "b")
    assert classify("2.png", ".") == [None, None, None, 2]  # what isn't in the path as given doesn't count


def test_a_link_back_to_its_own_folder_is_not_followed(place):
    (place / "a" / "loop").symlink_to(place)
    (place / "a" / "other").symlink_to(place / "b")
    assert len(list_paths("data/a")) == 2 + 3 and len(list_paths("data")) == 6 + 3


@pytest.mark.parametrize(
    "given, said", [("", "'' isn't there"), ("data/none", "none isn't there"), ("-", "No image is")]
)
def test_what_leads_to_no_image_is_refused(place, given, said, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    with pytest.raises(Mistake, match=said):
        find_images([given])
