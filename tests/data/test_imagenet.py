"""ImageNet as the paper trains on it, with a few real photographs: how they are read, and whole runs."""

import json
import os
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from scipy.io import savemat
from torchvision import transforms
from torchvision.transforms import functional

from alexnet.data import colours, decoding
from alexnet.data.image_folder import image_folder
from alexnet.data.imagenet import DEVKIT, GROUND_TRUTH
from alexnet.errors import Mistake
from alexnet.launch.evaluate import evaluate
from alexnet.launch.reproduce import reproduce
from alexnet.launch.resume import resume
from alexnet.runs.folder import Run
from alexnet.training.build import assemble
from alexnet.training.job import execute
from support.photographs import KINDS, SYNSETS, write_imagenet
from support.programs import list_run_folders

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_imagenet(tmp_path_factory.mktemp("imagenet"))


@pytest.fixture
def root(written, tmp_path):
    """A copy of the small ImageNet, which a test may change."""
    return shutil.copytree(written, tmp_path / "imagenet")


@pytest.fixture
def flat(root):
    """flat() makes root/val flat and gives the synsets of its images, in order of their numbers."""

    def flat():
        found = {path.name: path for path in root.glob("val/*/*")}
        synsets = [found[name].parent.name for name in sorted(found)]
        for path in found.values():
            path.rename(root / "val" / path.name)
        for synset in SYNSETS:
            (root / "val" / synset).rmdir()
        return synsets

    return flat


def load(root, memory_share=0.25, size=64, resize=72):
    return image_folder(str(root), size, memory_share, None, resize)


def settings(root, *others):
    """A run of seconds, with everything that the paper does to images."""
    return [
        "dataset=imagenet", f"dataset.root={root}", "dataset.size=32", "dataset.resize=40", "dataset.cache=null",
        "model=cuda_convnet", "batch_size=5", "epochs=1", "log_every=2", "device.precision=float32", *others,
    ]  # fmt: skip


def test_photographs_of_any_size_and_mode(written):
    """The shorter side is resized and the centre cut out, as torchvision does it to each file."""
    reference = transforms.Compose([transforms.Resize(72), transforms.CenterCrop(72), transforms.PILToTensor()])
    data = load(written)
    assert (data.classes, data.size, len(data.train)) == (SYNSETS, 64, 20)
    paths = load(written, 0).train.images.paths
    kinds = [KINDS[int(path.rpartition("_")[2].removesuffix(".JPEG"))] for path in paths]
    assert sorted(set(kinds)) == sorted(KINDS)
    for path, kind, image in zip(paths, kinds, data.train.images, strict=True):
        photo = ImageOps.exif_transpose(Image.open(path))
        if kind == "deep":
            photo = Image.fromarray((np.asarray(photo) / 257).round().astype(np.uint8))
        expected = reference(photo.convert("RGB"))
        if kind == "wide":  # only its middle was resized, which may be shifted by a fraction of a pixel
            assert (image.int() - expected.int()).abs().float().mean() < 4
        else:
            assert torch.equal(image, expected), kind


def test_a_strip_takes_no_more_memory_than_a_photograph(tmp_path, monkeypatch):
    """If all of it was resized, 30,000 x 2 pixels would become 3,840,000 x 256."""
    Image.new("RGB", (30_000, 2), (9, 99, 199)).save(tmp_path / "strip.jpg", quality=100)
    areas, resized = [], Image.Image.resize

    def resize(image, *arguments):
        done = resized(image, *arguments)
        areas.append(done.width * done.height)
        return done

    monkeypatch.setattr(Image.Image, "resize", resize)
    image = decoding.decode(str(tmp_path / "strip.jpg"), 256)
    assert areas == [4 * 256 * 256]
    assert (image.int() - torch.tensor([9, 99, 199])[:, None, None]).abs().max() <= 3


@pytest.mark.parametrize("form", ["synsets", "kit", "kit in its folder"])
def test_a_flat_validation_folder_is_read_with_its_ground_truth(written, root, flat, form):
    """Images and labels are those of a folder per class, whatever form the ground truth has."""
    expected = load(written)
    by_name = {os.path.basename(path): label for path, label in labelled(load(written, 0).test)}
    synsets = flat()
    place = root / DEVKIT if form.endswith("folder") else root
    place.mkdir(parents=True, exist_ok=True)
    if form == "synsets":
        lines = synsets
    else:  # the kit's numbers are in no order, and after them come synsets that are no classes
        numbers = {SYNSETS[0]: 449, SYNSETS[1]: 1, "n00001740": 1001}
        rows = [(number, synset, "some, words", 0) for synset, number in numbers.items()]
        kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
        savemat(place / "meta.mat", {"synsets": np.array(rows, kinds)})
        lines = [str(numbers[synset]) for synset in synsets]
    (place / GROUND_TRUTH).write_text("\n".join(lines) + "\n")
    test = load(root, 0).test
    assert {os.path.basename(path): label for path, label in labelled(test)} == by_name
    order = [list(by_name).index(os.path.basename(path)) for path in test.images.paths]
    assert torch.equal(test.images.decode_all(), expected.test.images[order])


def labelled(split):
    return zip(split.images.paths, split.labels.tolist(), strict=True)


def broken_kit(root):
    (root / GROUND_TRUTH).write_text("1\n" * 8)
    (root / "meta.mat").write_bytes(b"no table")


def spoilt(name, text):
    return lambda root: (root / name).write_text(text)


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lambda root: (root / GROUND_TRUTH).unlink(), r"expected .*ground_truth\.txt.* or one with a synset"),
        (spoilt(GROUND_TRUTH, "1\n2\n" * 4), r"there is no .*meta\.mat"),
        (broken_kit, r"meta\.mat isn't the development kit's"),
        (spoilt(GROUND_TRUTH, "n01440764\n" * 5), r"_00000006\.JPEG: expected .* one of the 5 lines"),
        (spoilt(GROUND_TRUTH, "n01440764\n" * 7 + "n99999999"), r"shows n99999999, and there is no such folder"),
        (spoilt("val/holiday.jpg", ""), r"holiday\.jpg: expected a name such as ILSVRC2012_val_00000001"),
        (spoilt("val/ILSVRC2012_val_00000003.JPEG", "?"), r"ILSVRC2012_val_00000003\.JPEG can't be read as an image"),
        (lambda root: shutil.rmtree(root / "val"), "no test or val folder"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(root, flat, spoil, said):
    (root / GROUND_TRUTH).write_text("\n".join(flat()))
    assert len(load(root).test) == 8
    spoil(root)
    with pytest.raises(Mistake, match=said):
        load(root)


@pytest.mark.parametrize(
    "given, said",
    [
        (["dataset.root=nowhere"], "dataset.root=nowhere: there is no such folder; expected nowhere/train/CLASS/IMAGE"),
        (["dataset.resize=200"], "dataset.resize=200 is less than dataset.size=224"),
        (["dataset.views=5"], "dataset.views=5: expected one of 1, 2, 10"),
        (["dataset.components=[[1,2],[3]]"], "expected a square list of lists of numbers, or null"),
        (["dataset.components=[[1,2],[3,4]]"], "expected 3 rows of 3 numbers"),
    ],
)
def test_a_mistake_on_the_command_line_is_exit_2(train, given, said):
    done = train("experiment=paper_2012", *given)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr + done.stdout


def test_the_test_figures_average_ten_crops_and_evaluate_agrees(compose, written, tmp_path, capsys):
    """Error and loss are those of torchvision's TenCrop of each photograph, with the softmax averaged."""
    config = compose(*settings(written, "optimizer.lr=1e-5"))
    (tmp_path / "run").mkdir()
    run = Run(tmp_path / "run")
    assert execute(config, run) == 0
    result, saved = run.result(), run.config()["dataset"]
    training = assemble(config)
    training.model.load_state_dict(torch.load(run.checkpoints / "last.pt", weights_only=True)["model"])
    training.model.eval()
    mean = torch.tensor(saved["mean"])[:, None, None]
    wrong, loss = 0, 0.0
    for path, label in labelled(load(written, 0, 32, 40).test):
        views = transforms.TenCrop(32)(functional.center_crop(functional.resize(Image.open(path), 40), 40))
        pixels = torch.stack([functional.pil_to_tensor(view) for view in views])
        with torch.no_grad():
            chances = training.model((pixels / 255 - mean) / saved["std"]).softmax(1).mean(0)
        wrong += chances.argmax().item() != label
        loss -= chances[label].log().item() / 8
    assert result["test_error"] == wrong / 8 == 1 - result["test_accuracy"]
    assert (result["test_top5_error"], result["test_top5_accuracy"]) == (0, 1)
    assert result["test_loss"] == pytest.approx(loss, rel=1e-4)
    assert evaluate(str(run.folder), []) == 0
    told = re.sub(" +", " ", capsys.readouterr().out)
    assert f"test_error {100 * result['test_error']:.2f}% as in result.json" in told
    assert "test_top5_error 0.00% as in result.json" in told
    assert evaluate(str(run.folder), ["dataset.views=1"]) == 0  # another test was asked for
    assert f"result.json has {result['test_loss']:.4g}" in capsys.readouterr().out


def test_what_was_measured_stays_with_the_run(compose, written, tmp_path, monkeypatch):
    """config.yaml has it, the same for every seed. resume, evaluate and reproduce don't measure again."""
    monkeypatch.chdir(tmp_path)
    given = settings(written, "dataset.validation=0.25")
    expected = colours.measure_colours(load(written, resize=40, size=32).train)
    for seed in (0, 1):
        (tmp_path / f"run{seed}").mkdir()
        assert execute(compose(*given, f"seed={seed}"), Run(f"run{seed}")) == 0
        saved = Run(f"run{seed}").config()["dataset"]
        assert {name: saved[name] for name in ("mean", "components")} == expected
    monkeypatch.setattr(colours, "measure_colours", None)
    assert evaluate("run0", []) == 0
    assert reproduce("run0", []) == 0
    assert resume("run0", ["epochs=2"]) == 0
    assert Run("run0").config()["dataset"] == Run(list_run_folders(tmp_path)[0]).config()["dataset"]


@pytest.mark.slow
def test_paper_2012_is_section_5(compose, train, written, tmp_path):
    """It has §5's values. On photographs of 64 pixels it trains, chooses an epoch and tests on ten crops."""
    config = compose("experiment=paper_2012")
    assert (config.epochs, config.batch_size, config.dataset.size, config.dataset.resize) == (90, 128, 224, 256)
    optimizer = {name: config.optimizer[name] for name in ("lr", "momentum", "weight_decay", "nesterov")}
    assert optimizer == {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.0005, "nesterov": False}
    assert (config.schedule._target_, config.schedule.factor) == ("alexnet.training.schedules.plateau", 0.1)
    assert (config.dataset.flip, config.dataset.colour, config.dataset.views) == (True, 0.1, 10)
    small = ["dataset.size=64", "dataset.resize=72", "dataset.validation=0.25", "batch_size=5", "epochs=1"]
    done = train("experiment=paper_2012", f"dataset.root={written}", *small)
    assert done.returncode == 0, done.stderr
    result = json.loads((list_run_folders(tmp_path)[0] / "result.json").read_text())
    assert result["status"] == "finished" and 0 <= result["test_error"] <= 1
