"""A published file of weights, as predict.py and evaluate.py use it: torchvision's own figures."""

import csv
import json

import pytest
import torch
import torchvision
from PIL import Image

from alexnet.data.facts import find_test_folder
from alexnet.errors import Mistake
from alexnet.inference.predict import predict
from alexnet.inference.published import list_categories, list_synsets, name_classes, number_classes
from alexnet.launch.evaluate import evaluate
from alexnet.launch.evaluate_report import describe
from support.photographs import photograph, save

WEIGHTS = torchvision.models.AlexNet_Weights.IMAGENET1K_V1


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder with alexnet.pth, and photographs in two classes' folders: by synset and by name."""
    home = tmp_path_factory.mktemp("published")
    torch.manual_seed(0)
    torch.save(torchvision.models.alexnet().state_dict(), home / "alexnet.pth")
    for label, name in enumerate(("n01440764", "palace")):
        for number in range(3):
            save(photograph(label, number), home / "images" / name / f"{number}.jpg")
    return home


@pytest.fixture(scope="module")
def theirs(published):
    """torchvision's probabilities of each photograph, in order: (6, 1000)."""
    model = torchvision.models.alexnet().eval()
    model.load_state_dict(torch.load(published / "alexnet.pth", weights_only=True))
    pictures = [Image.open(path).convert("RGB") for path in sorted((published / "images").rglob("*.jpg"))]
    with torch.no_grad():
        return model(torch.stack([WEIGHTS.transforms()(picture) for picture in pictures])).softmax(1)


@pytest.mark.slow
def test_predictions_are_torchvisions_own(published, theirs, tmp_path, monkeypatch):
    monkeypatch.chdir(published)
    files = {name: str(tmp_path / f"out.{name}") for name in ("csv", "json")}
    assert predict("alexnet.pth", ["images"], top=3, device="cpu", **files) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    for row, expected in zip(found["predictions"], theirs, strict=True):
        values, numbers = expected.topk(3)
        assert [each["class"] for each in row["top"]] == [WEIGHTS.meta["categories"][number] for number in numbers]
        torch.testing.assert_close(
            torch.tensor([each["probability"] for each in row["top"]]), values, rtol=1e-4, atol=0
        )
    with open(tmp_path / "out.csv", newline="") as file:
        assert [row["true_class"] for row in csv.DictReader(file)] == ["tench"] * 3 + ["palace"] * 3
    assert found["accuracy_images"] == 6 and found["weights"] is None


@pytest.mark.slow
def test_weights_are_evaluated_on_some_of_imagenets_classes(published, theirs, capsys, monkeypatch):
    root = published / "images"
    given = [f"dataset.root={root}", "dataset.cache=null", "device=cpu"]
    told = []
    monkeypatch.setattr("alexnet.launch.evaluate.describe", lambda *figures: told.append(figures) or describe(*figures))
    assert evaluate(str(published / "alexnet.pth"), given) == 0
    ((found, _),) = told  # as --json prints them; a million numbers of a confusion matrix take long to write
    labels = torch.tensor([0] * 3 + [698] * 3)
    assert found["test_loss"] == pytest.approx(float(-theirs[range(6), labels].log().mean()), rel=1e-4)
    assert found["test_images"] == 6 and found["test_accuracy"] == float((theirs.argmax(1) == labels).float().mean())
    assert [sum(found["confusion_matrix"][number]) for number in (0, 698)] == [3, 3]
    assert "the 2 with images of 1000 classes" in capsys.readouterr().out
    (root / "goldfis").mkdir()
    save(photograph(0, 9), root / "goldfis" / "0.jpg")
    for overrides, flags, said in (
        (given, {}, "goldfis isn't one of ImageNet's classes.*did you mean goldfish"),
        (given, {"weights": "best"}, "--weights is of a run's folder"),
        (["dataset.rot=x"], {}, "did you mean dataset.root"),
    ):
        with pytest.raises(Mistake, match=said):
            evaluate(str(published / "alexnet.pth"), overrides, **flags)


def test_folders_that_are_no_classes_of_the_network_are_named(tmp_path):
    for name in ("cat", "dog", "frog"):
        (tmp_path / "few" / name).mkdir(parents=True)
    for classes, said in (
        (list(number_classes(list_categories())), r"\(cat, dog, frog\) aren't ImageNet's classes \(n01440764, "),
        (["ship", "truck"], r"\(cat, dog, frog\) aren't the network's classes \(ship, truck\), and there is no test"),
    ):
        with pytest.raises(Mistake, match=said):
            find_test_folder(str(tmp_path / "few"), classes)
    (tmp_path / "none").mkdir()
    with pytest.raises(Mistake, match="there is no test or val folder in it; expected"):
        find_test_folder(str(tmp_path / "none"), ["ship"])
    assert find_test_folder(str(tmp_path / "few"), ["cat"]) == tmp_path / "few"


def test_synsets_have_the_names_of_torchvisions_categories():
    """Some that anybody can look up, from the first to the last."""
    synsets = list_synsets()
    assert len(set(synsets)) == 1000 and synsets == sorted(synsets)
    names = {"n01440764": "tench", "n02123045": "tabby", "n03877845": "palace", "n15075141": "toilet tissue"}
    assert name_classes(list(names)) == list(names.values())
    assert name_classes(synsets) == list_categories()
    assert name_classes(["n00000001", "n01440764"]) == ["n00000001", "n01440764"]
