"""A run's folder alone is enough to use its network, with the figures that the run had."""

import json
import shutil
import subprocess
import sys

import hydra
import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

import alexnet
from alexnet.errors import Damaged, Mistake
from alexnet.runs.folder import Run
from support.programs import ROOT


@pytest.mark.parametrize("views", [None, 10])
def test_predicts_the_test_images_as_the_run_did_at_its_end(digits, views):
    trained = alexnet.load(digits / "run")
    files = sorted((digits / "images").iterdir())
    labels = trained.load_split("test")[1].labels.tolist()
    predicted = trained.predict(files, views=views)
    right = sum(name == trained.classes[label] for name, label in zip(predicted.classes, labels, strict=True))
    if views is None:
        assert right / len(labels) == trained.result["test_accuracy"]
    assert trained.result["test_accuracy"] > 0.5 and right / len(labels) > 0.5
    assert torch.allclose(predicted.probabilities.sum(1), torch.ones(len(labels)))
    best = predicted.top(3)
    assert [row[0][0] for row in best] == predicted.classes and all(a >= b >= c for (_, a), (_, b), (_, c) in best)


def test_every_kind_of_image_is_seen_alike(digits):
    trained, path = alexnet.load(str(digits / "run")), digits / "images" / "007.png"
    picture = Image.open(path)
    array = np.array(picture)
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    seen = [trained.preprocess(each) for each in (path, str(path), picture, array, tensor, picture.convert("L"))]
    assert all(torch.equal(each, seen[0]) for each in seen) and seen[0].shape == (3, 32, 32)
    torch.testing.assert_close(seen[0].cpu(), (tensor / 255 - 0.5) / 0.5)
    several = trained.predict(torch.stack([tensor, 255 - tensor]))
    assert several.classes == trained.predict([array, 255 - array]).classes and several.probabilities.shape == (2, 10)
    assert torch.equal(several.probabilities[1], trained.predict([path, path], invert=True).probabilities[1])
    assert torch.equal(trained.predict([path, picture]).probabilities, trained.predict([path, path]).probabilities)
    assert trained.predict([]).classes == [] and trained.predict([]).probabilities.shape == (0, 10)


def test_holds_what_the_run_says_and_the_weights_that_validation_chose(digits):
    trained = alexnet.load(digits / "run")
    assert trained.classes == list("0123456789") and trained.config["dataset"]["size"] == 32
    assert trained.weights == "best" and trained.weights_sha256 == trained.result["weights_sha256"]
    assert trained.epoch == trained.result["chosen_epoch"]
    assert alexnet.load(digits / "run", weights="last").epoch == 2


def test_needs_no_data_no_result_and_no_working_directory(digits, tmp_path):
    """A run that was stopped is enough, too; and `import alexnet` alone is quick."""
    folder = shutil.copytree(digits / "run", tmp_path / "run")
    (folder / "result.json").unlink()
    program = (
        "import sys, alexnet; assert not {'torch', 'hydra', 'omegaconf'} & set(sys.modules); "
        f"trained = alexnet.load({str(folder)!r}); assert 'sklearn' not in sys.modules; "
        f"print(trained.result, trained.predict({str(digits / 'images' / '000.png')!r}).classes)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith("None ['"), done.stderr


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8), torch.zeros(3, 4, 4), 5]
)
def test_refuses_what_is_no_image_of_bytes(digits, image):
    with pytest.raises(Mistake, match="expected"):
        alexnet.load(digits / "run").preprocess(image)


def test_refuses_a_folder_that_lacks_something_or_was_changed(digits, tmp_path):
    with pytest.raises(Mistake, match="isn't the folder of a run"):
        alexnet.load(tmp_path)
    folder = shutil.copytree(digits / "run", tmp_path / "run")
    (folder / "checkpoints" / "best.pt").write_bytes(b"x" * 100)
    with pytest.raises(Damaged, match=r"best\.pt can't be read"):
        alexnet.load(folder)
    (folder / "checkpoints" / "best.pt").unlink()
    with pytest.raises(Mistake, match=r"best\.pt is missing"):
        alexnet.load(folder)
    with pytest.raises(Mistake, match=r"broken\.png can't be read as an image"):
        (tmp_path / "broken.png").write_bytes(b"no image")
        alexnet.load(digits / "run").predict(tmp_path / "broken.png")


def test_a_run_in_progress_that_has_saved_nothing_says_so(digits, tmp_path):
    folder = shutil.copytree(digits / "run", tmp_path / "run", ignore=shutil.ignore_patterns("best.pt", "result.json"))
    with pytest.raises(Mistake, match=r"hasn't saved its best weights yet: wait .*scripts/resume\.py \S+run$"):
        alexnet.load(folder)
    assert alexnet.load(folder, weights="last").weights == "last"
    (folder / "checkpoints" / "last.pt").unlink()
    with pytest.raises(Mistake, match=r"hasn't saved its last weights yet.*resume\.py \S+run --from-start$"):
        alexnet.load(folder, weights="last")


def test_what_is_no_source_no_weights_no_images_and_no_count_is_a_mistake(digits):
    trained = alexnet.load(digits / "run")
    image = torch.zeros(3, 32, 32, dtype=torch.uint8)
    for call, said in (
        (lambda: alexnet.load(None), "None is no path: expected a run's folder, or a file of weights"),
        (lambda: alexnet.load(3), "3 is no path"),
        (lambda: alexnet.load("x" * 5000), "can't be opened: File name too long; expected a run's folder"),
        (lambda: trained.predict(Image.new("F", (3, 3))), "PIL image of mode F is no image to the network: its pixels"),
        (lambda: trained.predict(Image.new("L", (0, 3))), "PIL image of 0 x 3 pixels is no image"),
        (lambda: alexnet.load(digits / "run", weights="x"), "weights='x': expected best or last"),
        (lambda: trained.predict(None), "None is no image: expected a path, .* or several of them"),
        (lambda: trained.predict(3), "3 is no image"),
        (lambda: trained.predict([image, 3]), "int is no image: expected a path"),
        (lambda: trained.predict(image, views=3), "views=3: expected 1, 2 or 10"),
        (lambda: trained.predict(image, views=0), "views=0: expected 1, 2 or 10"),
        (lambda: trained.predict(image).top(0), r"top\(0\): expected how many classes of each image, 1 or more"),
        (lambda: trained.predict(image).top(-1), r"top\(-1\)"),
        (lambda: trained.predict(image).top(2.5), r"top\(2\.5\)"),
        (lambda: trained.predict(torch.zeros(32, 32, 3, dtype=torch.uint8)), r"uint8 of shape \(32, 32, 3\) is no"),
        (lambda: trained.predict(np.zeros((32, 32, 1, 1, 1), np.uint8)), r"of shape \(32, 32, 1, 1, 1\) is no"),
        (lambda: trained.predict(np.zeros((32, 32, 1))), r"float64 of shape \(32, 32, 1\) is no"),
    ):
        with pytest.raises(Mistake, match=said):
            call()


def test_a_network_and_its_predictions_tell_a_notebook_what_they_are(digits):
    trained = alexnet.load(digits / "run")
    assert repr(trained) == f"<Trained '{digits / 'run'}': 10 classes, best weights after epoch {trained.epoch}>"
    found = trained.predict(sorted((digits / "images").iterdir())[:3])
    assert len(found) == 3 and list(found) == [row[0] for row in found.top(np.int64(1))]


def test_a_run_that_does_not_name_its_classes_says_what_to_do(digits, tmp_path):
    """Version 0.1.0 wrote them into result.json only, and no hash into environment.json."""
    folder = shutil.copytree(digits / "run", tmp_path / "run")
    environment = json.loads((folder / "environment.json").read_text())
    (folder / "environment.json").write_text(json.dumps({"data_sha256": environment["data_sha256"]}))
    for name in ("result.json", "checkpoints/best.pt"):
        (folder / name).unlink()
    with pytest.raises(Mistake, match=r"doesn't name its classes.*scripts/resume.py"):
        alexnet.load(folder)


def test_a_published_file_predicts_as_torchvision_does(tmp_path):
    """The same classes and the same probabilities, on photographs of other shapes and sizes."""
    torch.manual_seed(0)
    theirs = torchvision.models.alexnet().eval()
    torch.save(theirs.state_dict(), tmp_path / "alexnet.pth")
    prepare = torchvision.models.AlexNet_Weights.IMAGENET1K_V1.transforms()
    names = torchvision.models.AlexNet_Weights.IMAGENET1K_V1.meta["categories"]
    random = np.random.default_rng(0)
    pictures = [
        Image.fromarray(random.integers(256, size=(*side, 3), dtype=np.uint8)) for side in ((301, 420), (256, 199))
    ]
    trained = alexnet.load(tmp_path / "alexnet.pth", device="cpu")
    with torch.no_grad():
        for picture in pictures:
            assert torch.equal(trained.preprocess(picture), prepare(picture))
            expected = theirs(prepare(picture)[None]).softmax(1)
            seen = trained.predict(picture)
            torch.testing.assert_close(seen.probabilities, expected, rtol=1e-4, atol=1e-7)
            assert seen.classes == [names[int(expected.argmax())]]


def test_a_published_file_is_loaded_within_a_program_that_hydra_runs(tmp_path):
    torch.save(torchvision.models.alexnet().state_dict(), tmp_path / "alexnet.pth")
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        assert len(alexnet.load(tmp_path / "alexnet.pth", device="cpu").classes) == 1000
        assert hydra.compose("train").epochs == 30  # the program goes on as before


def test_the_folder_names_what_prediction_needs_from_its_first_step(digits):
    environment, config = Run(digits / "run").environment(), Run(digits / "run").config()
    assert environment["classes"] == list("0123456789") and environment["channels"] == 3
    assert {"size", "mean", "std", "crop", "views"} <= set(config["dataset"])
