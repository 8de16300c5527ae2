"""show.py draws what a run has learnt, and its figures are those of the run and of other libraries."""

import json
import os
import runpy
import shutil
import signal

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from sklearn.neighbors import NearestNeighbors

import alexnet
from alexnet.errors import Failure, Mistake
from alexnet.inference import embedding, filters, mistakes, neighbours, pictures, saliency
from alexnet.inference.show import KINDS, show
from alexnet.messages import console
from alexnet.models.columns import Columns
from support.programs import ROOT


@pytest.fixture(autouse=True)
def _as_before():
    before = dict(console.asked_for)
    yield
    console.asked_for.update(before)


@pytest.fixture(scope="module")
def run(columns, tmp_path_factory):
    """A copy of the run, and two of its training images as files."""
    folder = shutil.copytree(columns, tmp_path_factory.mktemp("show") / "run")
    for number in (3, 17):
        image = alexnet.load(folder).load_split("train")[1].images[number]
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder.parent / f"{number}.png")
    return folder


def read(path):
    def refuse(constant):
        raise ValueError(f"{path} has {constant}, which other programs can't read")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


@pytest.mark.slow
@pytest.mark.parametrize("kind, name", [(kind, kind) for kind in KINDS] + [("embedding", "tsne")])
def test_every_kind_is_a_png_an_svg_and_its_figures(run, kind, name, tmp_path, capsys):
    images = [str(run.parent / "3.png")] if kind == "saliency" else []
    show([str(run), kind, *images], method="tsne" if name == "tsne" else None, out=str(tmp_path / "a" / "b"))
    written = sorted((tmp_path / "a" / "b").iterdir())
    assert [path.suffix for path in written] == [".json", ".png", ".svg"]
    assert Image.open(written[1]).size[0] > 600 and "<svg" in written[2].read_text(encoding="utf-8")
    figures = read(written[0])
    assert figures["what"] == kind and written[0].stem.startswith(kind)
    assert f"Drawn as {tmp_path}/a/b/{written[0].stem}.png" in capsys.readouterr().out
    if kind == "mistakes":
        result = alexnet.load(run).result
        assert figures["accuracy"] == pytest.approx(result["test_accuracy"], abs=1e-15)
        confusions = np.array(result["confusion_matrix"]) * (1 - np.eye(10))
        assert [row["wrong"] for row in figures["classes"]] == confusions.sum(1).tolist()
        assert [row["times"] for row in figures["classes"]] == confusions.max(1).tolist()
        sure = [image["probability"] for image in figures["images"]]
        assert sure == sorted(sure, reverse=True) and all(row["class"] != row["predicted"] for row in figures["images"])


@pytest.mark.slow
def test_the_pictures_speak_the_language_of_the_run(run, tmp_path, capsys, monkeypatch):
    written = []
    monkeypatch.setattr(Figure, "text", lambda *arguments, **_: written.append(arguments[3]))
    for kind in ("filters", "mistakes"):
        show([str(run), kind, "language=zh"], out=str(tmp_path))
    assert "已绘制" in capsys.readouterr().out
    assert not [text for text in written if len(text) > 20 and text.isascii()]


def test_neighbours_are_those_of_scikit_learn_and_a_training_image_is_not_its_own(run):
    trained = alexnet.load(run)
    figures = neighbours.show_neighbours(
        trained, "conv5", [str(run.parent / f"{number}.png") for number in (3, 17)]
    ).figures
    dataset, batches = trained.load_split("train")
    pixels = batches.images.flatten(1).double().numpy()
    theirs = NearestNeighbors(n_neighbors=7, algorithm="brute").fit(pixels)
    distances, numbers = theirs.kneighbors(pixels[[3, 17]])
    for row, image in enumerate(figures["images"]):
        assert image["pixels"]["training_images"] == numbers[row, 1:].tolist()
        np.testing.assert_allclose(image["pixels"]["distances"], distances[row, 1:], rtol=1e-6)
        assert (3, 17)[row] not in image["conv5"]["training_images"] and len(image["conv5"]["training_images"]) == 6
    labels, truth = batches.labels.numpy(), dataset.test.labels.numpy()
    nearest = theirs.kneighbors(dataset.test.images.flatten(1).double().numpy(), 6, return_distance=False)
    right = sum(
        max((list(row).count(label), -list(row).index(label), label) for label in row)[2] == own
        for row, own in zip(labels[nearest], truth, strict=True)
    )
    assert figures["accuracy"]["pixels"] == right / len(truth) > 0.5


def test_of_equally_frequent_classes_the_nearest_wins_and_missing_neighbours_have_no_vote():
    labels = np.array([5, 5, 2, 2, 9])
    nearest = np.array([[2, 0, 1, 3], [4, 0, 2, 1], [-1, -1, -1, -1], [4, -1, -1, -1]])
    assert neighbours.vote(labels, nearest).tolist()[:2] == [2, 5]
    assert neighbours.vote(labels, nearest)[2] < 0 and neighbours.vote(labels, nearest)[3] == 9


def test_the_colour_share_is_0_for_grey_1_for_pure_colours_and_two_thirds_for_noise():
    noise = torch.randn(2000, 3, 5, 5)
    grey, colours = noise[:, :1].expand(-1, 3, -1, -1), noise - noise.mean(1, keepdim=True)
    flat = torch.full((1, 3, 5, 5), 0.7)
    assert filters.measure_colour(grey).max() < 1e-9 and filters.measure_colour(colours).min() > 1 - 1e-9
    assert filters.measure_colour(noise).mean() == pytest.approx(2 / 3, abs=0.02)
    assert filters.measure_colour(flat).tolist() == [0] and filters.measure_colour(5 * noise + 3)[7] == pytest.approx(
        float(filters.measure_colour(noise)[7])
    )


def test_files_of_the_same_name_are_told_apart_by_their_folders():
    assert pictures.name_files(["a/cat/1.png", "a/dog/1.png", "a/dog/2.png"]) == ["cat/1.png", "dog/1.png", "2.png"]


def test_up_to_ten_classes_have_a_test_image_each():
    labels = np.repeat(np.arange(10), 5)
    assert labels[neighbours._draw_one_a_class(labels, 0)].tolist() == list(range(10))


def test_the_dots_of_several_runs_have_a_legend():
    kernels = [
        filters.Kernels("run", seed, [torch.zeros(2, 3, 3, 3)] * 2, [np.full(2, 0.1), np.full(2, 0.4)])
        for seed in (0, 1)
    ]
    sheet = pictures.Sheet(6, 3)
    filters._draw_points(sheet, 0.2, kernels)
    texts = [text.get_text() for axes in sheet.figure.axes for text in axes.get_legend().get_texts()]
    assert texts == ["more colourful column", "the other"]


@pytest.mark.parametrize("count, has_one", [(1, False), (2, False), (3, True)])
def test_only_three_images_or_more_have_an_interval(run, count, has_one):
    figures = saliency.show_saliency(alexnet.load(run), [str(run.parent / "3.png")] * count).figures
    assert all((spread["low"] is not None) == has_one for spread in figures["below_random"].values())
    assert any("[" in line for line in saliency._say(figures)) == has_one


def test_what_chance_makes_of_two_columns_is_told_from_what_training_made():
    random = np.random.default_rng(0)
    alike = [random.uniform(size=20), random.uniform(size=20)]
    apart = [random.uniform(0, 0.4, 20), random.uniform(0.6, 1, 20)]
    by_chance, share = filters.expect_difference(alike)
    assert by_chance == pytest.approx(abs(alike[0].mean() - alike[1].mean()), abs=0.15) and share > 0.05
    by_chance, share = filters.expect_difference(apart)
    assert by_chance < 0.2 and share == 0


@pytest.mark.parametrize(
    "channels, columns, expected", [(1, 1, "one channel"), (1, 2, "one channel"), (3, 1, "share of the")]
)
def test_one_channel_and_one_column_have_pictures_too(channels, columns, expected):
    run = type("Run", (), {"source": "run", "config": {"seed": 0}, "weights_sha256": "0"})
    run.model = torch.nn.Sequential(torch.nn.Conv2d(channels, 7, 5))
    if columns == 2:
        run.model = torch.nn.Sequential(Columns(torch.nn.Sequential(torch.nn.Conv2d(channels, 7, 5)) for _ in range(2)))
    picture = filters.show_filters([run])
    assert expected in picture.lines[0] and len(picture.figures["runs"][0]["kernels"]) == columns


def test_filters_of_several_runs_have_an_interval_and_the_same_run_is_not_taken_twice(run, tmp_path):
    trained = alexnet.load(run)
    other = alexnet.load(run)
    other.weights_sha256 = "another"
    other.model.features[0][0].weight.data.mul_(torch.tensor([1, 1, 5.0])[:, None, None])
    figures = filters.show_filters([trained, other]).figures
    rows = figures["runs"]
    assert figures["difference"]["n"] == 2 and figures["difference"]["low"] <= figures["difference"]["mean"]
    assert figures["more"]["mean"] == pytest.approx(np.mean([max(row["colour"]) for row in rows]))
    with pytest.raises(Mistake, match="same weights"):
        show([str(run), str(run), "filters"], out=str(tmp_path))


def test_the_embedding_is_the_principal_components():
    random = np.random.default_rng(0)
    features = (random.normal(size=(200, 30)) * np.r_[9, 5, np.ones(28)]).astype(np.float32)
    points, remarks = embedding.embed(features, "pca", 0)
    left, sizes, _ = np.linalg.svd(features - features.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(points), np.abs(left[:, :2] * sizes[:2]), rtol=1e-3, atol=1e-3)
    assert remarks["explained"] == pytest.approx((sizes**2 / (sizes**2).sum())[:2].tolist(), rel=1e-3)
    for method in ("pca", "tsne"):
        points, remarks = embedding.embed(features[:9, :1], method, 0)
        assert points.shape == (9, 2) and np.isfinite(points).all()
        for useless in (features[:2], features * np.nan, np.ones((9, 4), np.float32)):
            with pytest.raises(Failure, match="can't be placed"):
                embedding.embed(useless, method, 0)


def test_no_mistake_is_said_and_drawn():
    rows = mistakes.count_confusions(np.array([0, 0, 2]), np.array([0, 0, 2]), ["a", "b", "c"])
    assert [row["class"] for row in rows] == ["a", "c"] and [row["taken_for"] for row in rows] == [None, None]
    figures = {"wrong": 0, "test_images": 3, "images": [], "classes": rows}
    assert mistakes._draw(figures, np.empty((0, 4, 4, 3), np.uint8)).height > 0
    assert mistakes._say(figures) == ["None of the 3 test images is wrong."]


def test_what_is_there_stays_until_it_is_forced_and_ctrl_c_leaves_it_whole(run, tmp_path, monkeypatch):
    show([str(run), "filters"], out=str(tmp_path))
    (tmp_path / "filters.png").write_bytes(b"mine")
    (tmp_path / "filters.svg").unlink()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(Mistake, match=r"filters\.png is there already: give --force"):
        show([str(run), "filters"], out=str(tmp_path))
    save, drawn = Figure.savefig, []

    def interrupt(figure, path, **others):
        os.kill(os.getpid(), signal.SIGINT)  # in matplotlib's own code it would end as another error
        save(figure, path, **others)
        drawn.append(path.suffix)

    monkeypatch.setattr(Figure, "savefig", interrupt)
    with pytest.raises(KeyboardInterrupt):
        show([str(run), "filters"], out=str(tmp_path), force=True)
    assert drawn == [".png", ".svg"] and {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    monkeypatch.setattr(Figure, "savefig", save)
    show([str(run), "filters"], out=str(tmp_path), force=True)
    assert len(list(tmp_path.iterdir())) == 3 and (tmp_path / "filters.png").read_bytes() != b"mine"


def test_without_out_the_pictures_are_in_the_run_which_stays_one(run):
    show([str(run), "filters"])
    assert sorted(path.name for path in (run / "show").iterdir()) == ["filters.json", "filters.png", "filters.svg"]
    assert alexnet.load(run).result["status"] == "finished"


BAD = [
    (["RUN"], {}, r"Nothing to show: expected a run's folder, then one of filters, neighbours"),
    (["RUN", "neighbors"], {}, r"neighbors is nothing that can be shown; did you mean neighbours\?"),
    (["filters"], {}, r"No run before filters"),
    (["nowhere", "filters"], {}, r"nowhere isn't the folder of a run"),
    (["RUN", "saliency"], {}, r"saliency needs images"),
    (["RUN", "saliency", "gone.jpg"], {}, r"gone\.jpg isn't there"),
    (["RUN", "saliency", "EMPTY"], {}, r"There are no images in"),
    (["RUN", "saliency", "BROKEN"], {}, r"broken\.png can't be read as an image"),
    (["RUN", "saliency", *["3.png"] * 13], {}, r"13 images are too many .* at most 12"),
    (["RUN", "neighbours"], {"layer": "fc9"}, r"There is no layer fc9 .*did you mean fc"),
    (["RUN", "filters"], {"layer": "fc7"}, r"filters has no choice of a layer"),
    (["RUN", "filters", "3.png"], {}, r"filters takes no images"),
    (["RUN", "neighbours"], {"method": "pca"}, r"only embedding"),
    (["RUN", "neighbours"], {"invert": True}, r"name files"),
    (["RUN", "RUN", "mistakes"], {}, r"mistakes is of one run, but 2 are given"),
    (["WEIGHTS", "filters"], {}, r"say where the pictures go with --out DIR"),
    (["RUN", "filters"], {"out": "3.png"}, r"3\.png can't be made a folder"),
    (["RUN", "mistakes", "dataset=image_folder"], {}, r"dataset"),
]


@pytest.mark.parametrize("arguments, options, expected", BAD)
def test_bad_input_is_answered_with_a_sentence(run, tmp_path, monkeypatch, arguments, options, expected):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.png").write_bytes(b"no image")
    shutil.copy(run.parent / "3.png", tmp_path)
    names = {"RUN": run, "EMPTY": "empty", "BROKEN": "broken.png", "WEIGHTS": run / "checkpoints" / "last.pt"}
    monkeypatch.chdir(tmp_path)
    before = sorted(path for path in run.rglob("*"))
    with pytest.raises(Mistake, match=expected):
        show([str(names.get(each, each)) for each in arguments], **options)
    assert sorted(path for path in run.rglob("*")) == before


def test_the_command_ends_with_2_and_one_sentence(run, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["show.py", str(run), "saliency"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "scripts" / "show.py"), run_name="__main__")
    out, err = capsys.readouterr()
    assert ended.value.code == 2 and out == "" and err.startswith("saliency needs images") and err.count("\n") == 1
