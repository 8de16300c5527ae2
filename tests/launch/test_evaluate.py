"""evaluate.py: the figures of a run's weights, next to those that the run itself wrote."""

import json
import re
import shutil

import pytest
from PIL import Image

from alexnet.errors import Mistake
from alexnet.launch.evaluate import _check_classes, evaluate
from alexnet.launch.evaluate_report import describe
from alexnet.runs.folder import Run
from alexnet.training.job import execute
from support.images import small_data, write_images
from support.run_folders import content


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run with augmentation and a validation split, and the images it was trained on."""
    from hydra import compose, initialize_config_dir

    from support.programs import ROOT

    home = tmp_path_factory.mktemp("finished")
    settings = ["model=cuda_convnet", *small_data(write_images(home / "images")), "optimizer.lr=0.01"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("train", [*settings, "dataset.crop=4", "dataset.validation=0.25", "dataset.mean=null"])
    (home / "run").mkdir()
    assert execute(config, Run(home / "run")) == 0
    return home


@pytest.fixture
def run(finished, tmp_path):
    return Run(shutil.copytree(finished / "run", tmp_path / "run"))


@pytest.fixture
def measure(capsys):
    """measure(run, "dataset.views=10", split="train"): the exit status, and what --json prints."""

    def measure(run, *overrides, **flags):
        capsys.readouterr()
        status = evaluate(str(run.folder), overrides, json=True, **flags)
        return status, json.loads(capsys.readouterr().out)

    return measure


def test_figures_are_shown_rounded_and_compared_exactly(run, measure, capsys):
    recorded = Run(run.folder).result()
    before = content(run)
    status, exact = measure(run)
    assert status == 0 and content(run) == before
    for key in ("test_loss", "test_accuracy", "per_class_accuracy", "confusion_matrix"):
        assert exact[key] == exact["recorded"][key] == recorded[key]
    assert evaluate(str(run.folder), []) == 0
    told = re.sub(" +", " ", capsys.readouterr().out)
    assert f"test_loss {recorded['test_loss']:.4g} as in result.json" in told
    for name, row in zip(("dark", "light"), recorded["confusion_matrix"], strict=True):
        assert f" {name} {' '.join(str(count or '.') for count in row)}" in told
    run.write_result({**recorded, "test_loss": recorded["test_loss"] + 1e-9})
    assert evaluate(str(run.folder), []) == 1
    assert "(differs by -1.0e-09)" in capsys.readouterr().out
    assert evaluate(str(run.folder), ["dataset.views=10"]) == 0  # another test was asked for


def test_validation_images_give_the_accuracy_that_chose_the_epoch(run, measure):
    status, best = measure(run, split="validation")
    assert status == 0 and best["validation_accuracy"] == best["recorded"]["validation_accuracy"]
    assert (best["validation_images"], best["weights"]) == (6, "best.pt")
    status, last = measure(run, split="validation", weights="last")
    (*_, row) = run.epochs()
    assert (status, last["recorded"], last["epoch"]) == (0, {}, 2)
    assert (last["validation_loss"], last["validation_accuracy"]) == (
        row["validation_loss"],
        row["validation_accuracy"],
    )
    assert measure(run, split="train")[1]["train_images"] == 18


def test_only_test_images_are_needed_and_read(finished, run, measure, tmp_path):
    """None in train/, or broken ones; and batches of more images than there are to train on."""
    whole = measure(run)
    root = tmp_path / "elsewhere"
    shutil.copytree(finished / "images" / "test", root / "test")
    given = [f"dataset.root={root}", f"dataset.cache={root}/decoded", "batch_size=4"]
    assert measure(run, *given)[1]["test_loss"] == whole[1]["test_loss"]
    for place in ("dark", "light", "other"):
        (root / "train" / place).mkdir(parents=True)
        (root / "train" / place / "0.jpg").write_text("no image")
    assert measure(run, *given)[1]["test_loss"] == whole[1]["test_loss"]
    assert measure(run, *given, "batch_size=5000")[1]["test_accuracy"] == whole[1]["test_accuracy"]
    assert measure(run, "dataset.share=0.0001")[0] == 0
    with pytest.raises(Mistake, match="the class folders differ"):
        evaluate(str(run.folder), given, split="train")
    shutil.rmtree(root / "test")
    with pytest.raises(Mistake, match=r"no test or val folder in it; expected \S+/test/CLASS/IMAGE \(or val"):
        evaluate(str(run.folder), given)


def test_a_misfit_is_told_as_the_fault_of_whose_it_is(run):
    for given, said in (
        ("model.activatoin=tanh", r"did you mean model.activation\?"),
        ("model=alexnet_cifar", "with model=alexnet_cifar"),
    ):
        with pytest.raises(Mistake, match=said):
            evaluate(str(run.folder), [given])


@pytest.mark.parametrize("knows", ["environment", "result"])
def test_data_of_other_classes_is_never_evaluated_although_they_are_as_many(images, run, tmp_path, knows):
    """environment.json knows the run's classes; of version 0.1.0, result.json does."""
    for split in ("train", "test"):
        (images / split / "light").rename(images / split / "white")
    if knows == "result":
        plain = {key: value for key, value in run.environment().items() if key != "classes"}
        (run.folder / "environment.json").write_text(json.dumps(plain))
    with pytest.raises(Mistake, match="trained on the classes dark, light, and this data has dark, white"):
        evaluate(str(run.folder), [f"dataset.root={images}"])


def test_of_many_other_classes_a_message_names_those_that_differ(run):
    known = [f"class {number}" for number in range(1000)]
    for found, said in (
        ([*known[:-1], "cat"], "class 999 and 999 more, and this data has cat and 999 more:"),
        (known[::-1], ", in another order:"),
    ):
        with pytest.raises(Mistake, match=said) as refused:
            _check_classes(run, known, found)
        assert len(str(refused.value)) < 600


def test_more_images_of_its_classes_are_another_test_than_the_runs_own(images, run, measure):
    """As many, but other ones, may be a damaged copy of its own: that is told."""
    assert measure(run, f"dataset.root={images}")[0] == 0  # a copy of its own
    (images / "test" / "dark" / "00.jpg").write_bytes((images / "test" / "light" / "00.jpg").read_bytes())
    assert measure(run, f"dataset.root={images}")[0] == 1
    shutil.copy(images / "test" / "light" / "00.jpg", images / "test" / "light" / "new.jpg")
    status, found = measure(run, f"dataset.root={images}")
    assert (status, found["recorded"]) == (0, {}) and found["test_images"] == run.result()["test_images"] + 1


@pytest.mark.parametrize(
    "flags, said",
    [
        ({"weights": "best"}, "held out no images, so it has no best weights: give --weights last"),
        ({"split": "validation"}, "no images were held out. Give --split test, or --split train"),
        ({"plot": "matrix.txt"}, "expected a file that ends in .png, .pdf, .svg"),
        ({"plot": "nowhere/matrix.png"}, "there is no folder nowhere"),
    ],
)
def test_what_a_run_does_not_have_is_one_sentence(trained, flags, said):
    with pytest.raises(Mistake, match=said):
        evaluate(str(trained().folder), [], **flags)


def test_the_confusion_matrix_is_drawn_in_the_format_of_the_files_name(run, tmp_path):
    for ending in ("png", "pdf", "svg"):
        assert evaluate(str(run.folder), [], plot=str(tmp_path / f"matrix.{ending}")) == 0
    assert Image.open(tmp_path / "matrix.png").size[0] > 500
    assert (tmp_path / "matrix.pdf").read_bytes().startswith(b"%PDF")
    assert "<svg" in (tmp_path / "matrix.svg").read_text()


def make_figures(classes):
    """As of a network that takes some images of each class for the class after it."""
    matrix = [[0] * classes for _ in range(classes)]
    for number in range(classes):
        matrix[number][number], matrix[number][(number + 1) % classes] = 900, number
    names = [f"class number {number} of {classes}" for number in range(classes)]
    accuracies = {name: row[number] / sum(row) for number, (name, row) in enumerate(zip(names, matrix, strict=True))}
    figures = {"loss": 1 / 3, "accuracy": 2 / 3, "top5_accuracy": 1, "error": 1 / 3, "top5_error": 0, "images": 10_000}
    place = {"folder": "outputs/x", "split": "test", "weights": "best.pt", "epoch": 3, "classes": names}
    own = {f"test_{name}": figure for name, figure in figures.items()}
    return {**place, **own, "per_class_accuracy": accuracies, "confusion_matrix": matrix}


@pytest.mark.parametrize("classes, rows", [(2, 2), (10, 10), (20, 20), (100, 10)])
def test_figures_fit_in_80_columns_however_many_classes_there_are(monkeypatch, classes, rows):
    """Of many classes the worst are shown, worst first. A matrix without room is said to be missing."""
    monkeypatch.setenv("COLUMNS", "80")
    tested = make_figures(classes)
    text = describe(tested, tested)
    assert max(map(len, text.splitlines())) <= 80
    head, figures, table, *matrix = text.split("\n\n")
    assert "after epoch 3" in head and "66.67%  as in result.json" in figures
    assert sum(line.endswith(")") or "100.00%" in line for line in table.splitlines()) == rows
    if classes > 20:
        assert "99  class number 99 of 100" in table.splitlines()[1] and not matrix
        assert table.endswith("the 10 worst of 100 classes; --json has all")
    else:
        assert len(matrix) == 1 and ("needs" in matrix[0]) == (classes == 20)
