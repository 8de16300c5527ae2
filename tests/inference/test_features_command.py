"""features.py: what layers give, as files for other programs, that an interruption doesn't spoil."""

import csv
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch.nn.functional import conv2d

import alexnet
from alexnet.errors import Mistake
from alexnet.inference import feature_files
from alexnet.inference.extract import extract


def read(folder):
    """The arrays, the rows of index.csv and about.json."""
    about = json.loads((folder / "about.json").read_text())
    arrays = {name: np.load(folder / each["file"], mmap_mode="r") for name, each in about["layers"].items()}
    with open(folder / "index.csv", newline="") as file:
        return arrays, list(csv.DictReader(file)), about


def test_each_row_is_what_the_layer_gives_for_that_image(digits, tmp_path):
    assert extract(str(digits / "run"), ["test"], "conv1,fc4", out=str(tmp_path)) == 0
    arrays, rows, about = read(tmp_path)
    trained = alexnet.load(digits / "run")
    dataset, batches = trained.load_split("test")
    images = torch.cat([images for images, _ in batches.epoch()])
    first = trained.model.features[0]
    expected = torch.nn.functional.max_pool2d(conv2d(images, first.weight, first.bias, padding=2), 3, 2, ceil_mode=True)
    np.testing.assert_allclose(arrays["conv1"], expected.detach().relu().numpy(), atol=1e-5)
    np.testing.assert_allclose(arrays["fc4"], trained.model(images).detach().numpy(), atol=1e-5)
    assert [row["class"] for row in rows] == [trained.classes[label] for label in dataset.test.labels]
    assert about["weights_sha256"] == trained.result["weights_sha256"] and about["source"]["split"] == "test"
    assert {"channels", "size", "resize", "mean", "std"} == set(about["preprocessing"])


def test_before_relu_has_what_relu_removes(digits, tmp_path):
    for name, before in (("after", False), ("before", True)):
        extract(str(digits / "run"), ["test"], "conv2", before_relu=before, out=str(tmp_path / name))
    after, before = (read(tmp_path / name)[0]["conv2"] for name in ("after", "before"))
    assert (before < 0).any() and np.array_equal(np.maximum(before, 0), after)


def test_files_are_named_as_given_and_a_broken_one_has_no_numbers(digits, tmp_path, capsys):
    (tmp_path / "3").mkdir()
    shutil.copy(digits / "images" / "000.png", tmp_path / "3" / "a.png")
    (tmp_path / "3" / "b.png").write_bytes(b"no image")
    (tmp_path / "3" / "c.png").symlink_to("nowhere")
    assert extract(str(digits / "run"), [str(tmp_path / "3")], "fc4", out=str(tmp_path / "out")) == 1
    arrays, rows, _ = read(tmp_path / "out")
    assert [row["file"] for row in rows] == [str(tmp_path / "3" / name) for name in ("a.png", "b.png", "c.png")]
    assert [row["class"] for row in rows] == ["3", "3", "3"]
    assert np.isfinite(arrays["fc4"][0]).all() and np.isnan(arrays["fc4"][1:]).all()
    assert rows[0]["problem"] == "" and "b.png can't be read" in rows[1]["problem"]
    assert "b.png can't be read" in capsys.readouterr().err


def test_goes_on_after_an_interruption_with_the_same_bits(digits, tmp_path, monkeypatch, capsys):
    """It computes only what isn't there yet; nothing has its name before the end."""
    extract(str(digits / "run"), ["test"], "conv3", out=str(tmp_path / "whole"))
    monkeypatch.setattr(feature_files, "PIECE", 1)
    stops, computed, compute = [True], [], feature_files.compute_features

    def stop_in_the_third_batch(*arguments):
        for number, found in enumerate(compute(*arguments)):
            if number == 2 and stops:
                raise KeyboardInterrupt
            computed.append(len(next(iter(found.values()))))
            yield found

    monkeypatch.setattr(feature_files, "compute_features", stop_in_the_third_batch)
    with pytest.raises(KeyboardInterrupt):
        extract(str(digits / "run"), ["test"], "conv3", out=str(tmp_path / "cut"))
    visible = {path.name for path in (tmp_path / "cut").iterdir() if not path.name.startswith(".")}
    assert not visible and "same command continues" in capsys.readouterr().err
    with pytest.raises(Mistake, match="part of other features"):
        extract(str(digits / "run"), ["test"], "conv2", out=str(tmp_path / "cut"))
    computed.clear()
    stops.clear()
    assert extract(str(digits / "run"), ["test"], "conv3", out=str(tmp_path / "cut")) == 0
    whole, cut = read(tmp_path / "whole"), read(tmp_path / "cut")
    assert np.array_equal(whole[0]["conv3"], cut[0]["conv3"]) and whole[1] == cut[1]
    assert sum(computed) - 1 == 360 - 2 * 32  # without the black image


@pytest.mark.parametrize(
    ("layer", "images", "expected"),
    [
        ("conv9", ["test"], "no layer conv9 in.*did you mean conv"),
        ("fc4", ["nowhere/*.png"], "matches no file"),
        ("fc4", ["dataset.root=elsewhere", "a.png"], "goes with train, validation or test"),
        ("fc4", ["test", "a.png"], "give test alone, or files"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(digits, tmp_path, layer, images, expected):
    with pytest.raises(Mistake, match=expected):
        extract(str(digits / "run"), images, layer, out=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_features_that_are_there_stay_unless_forced(digits, tmp_path):
    extract(str(digits / "run"), ["test"], "fc4", out=str(tmp_path))
    before = (tmp_path / "fc4.npy").stat().st_mtime_ns
    with pytest.raises(Mistake, match="give --force"):
        extract(str(digits / "run"), ["test"], "fc4", out=str(tmp_path))
    assert (tmp_path / "fc4.npy").stat().st_mtime_ns == before
    (tmp_path / "mine.npy").write_bytes(b"")
    assert extract(str(digits / "run"), ["validation"], "conv3", out=str(tmp_path), force=True) == 0
    assert len(read(tmp_path)[1]) == 144
    assert {path.name for path in tmp_path.glob("*.npy")} == {"conv3.npy", "mine.npy"}  # none of other images


def test_a_folder_that_can_not_be_made_is_a_mistake(digits, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Mistake, match="file can't be made a folder"):
        extract(str(digits / "run"), ["test"], "fc4", out=str(tmp_path / "file"))


def test_says_that_images_are_not_such_as_the_run_learnt_on(digits, tmp_path, capsys):
    (tmp_path / "light.png").write_bytes((digits / "images" / "000.png").read_bytes())
    picture = Image.open(tmp_path / "light.png")
    ImageOps.invert(picture).save(tmp_path / "light.png")
    for invert in (False, True):
        extract(
            str(digits / "run"), [str(tmp_path / "light.png")], "fc4", invert=invert, out=str(tmp_path / f"{invert}")
        )
        assert ("light border" in capsys.readouterr().err) is not invert


@pytest.mark.parametrize("split", ["test", "validation"])
def test_the_rows_of_an_image_folder_name_its_files(train_digits, digit_folder, tmp_path, split):
    """Also if the images are held in memory."""
    data = ["dataset=image_folder", f"dataset.root={digit_folder}", "dataset.size=8", "dataset.cache=null"]
    run = train_digits(*data, "dataset.validation=0.1")
    extract(str(run.folder), [split], "fc4", out=str(tmp_path))
    _, rows, _ = read(tmp_path)
    place = digit_folder / ("test" if split == "test" else "train")
    known = {"/".join(path.parts[-2:]) for path in place.rglob("*.png")}
    assert len(rows) == (100 if split == "test" else 40) and {row["file"] for row in rows} <= known
    for row in rows:
        (path,) = (path for path in place.rglob(row["file"].rpartition("/")[2]))
        assert path.relative_to(place).parts[0] == row["class"]
