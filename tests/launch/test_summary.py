"""scripts/summary.py: its figures agree with independent counts, and its pictures are readable."""

import subprocess
import sys
from itertools import combinations
from xml.etree import ElementTree

import pytest
import torch
import torchvision
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from alexnet.config import options
from alexnet.config.compose import checking
from alexnet.data import facts
from alexnet.data.digits import digits
from alexnet.launch.summary import summarise
from alexnet.models import drawing
from alexnet.models.layer_table import list_layers
from alexnet.training.build import build_weightless
from support.options import options_of
from support.programs import ROOT

COLUMNS = [f"model.columns=2 model.cross={cross}" for cross in ("none", "conv3", "all")]
NETWORKS = [*(f"model={option}" for option in options_of("model")), *COLUMNS]


def network(compose, typed, classes=1000):
    """(network, channels, size), as published and without weights."""
    size = 224 if typed.startswith(("model=alexnet_2012", "model=alexnet")) and "cifar" not in typed else 32
    return build_weightless(compose(*typed.split()), classes=classes, channels=3, size=size), 3, size


def total(layers, count):
    return sum(getattr(layer, count) for layer in layers)


@pytest.mark.parametrize("typed", NETWORKS)
def test_parameters_and_multiply_adds_are_torchs_own_count(compose, typed):
    """torch's flop counter works below the layers and counts two for each multiply-add."""
    model, channels, size = network(compose, typed)
    layers = list_layers(model, channels, size)
    assert total(layers, "parameters") == sum(parameter.numel() for parameter in model.parameters())
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, channels, size, size, device="meta"))
    assert 2 * total(layers, "multiply_adds") == counter.get_total_flops()


def test_a_pooling_to_a_side_has_no_window_size(compose):
    """pool_to=1 pools 7x7 maps to one value. The poolings before it have 3x3 windows."""
    pools = [layer for layer in list_layers(*network(compose, "experiment=best")) if layer.name == "max-pool"]
    assert [(pool.kernel, pool.shape) for pool in pools] == [(3, (64, 15, 15)), (3, (256, 7, 7)), (0, (256, 1, 1))]


def test_the_activations_memory_is_that_of_the_outputs(compose):
    """Computed by hand: three convolutions, three poolings and the last layer. ReLU overwrites its input."""
    layers = list_layers(*network(compose, "model=cuda_convnet", classes=10))
    by_hand = [32 * 32**2, 32 * 16**2, 32 * 16**2, 32 * 8**2, 64 * 8**2, 64 * 4**2, 10]
    assert [layer.output_bytes for layer in layers if layer.output_bytes] == [4 * numbers for numbers in by_hand]


@pytest.mark.parametrize("cross, crossed", [("none", 8_192), ("conv3", 234_496), ("all", 1_033_600)])
def test_the_bytes_that_cross_are_printed_for_each_choice(compose, tmp_path, capsys, cross, crossed):
    """In the paper's network the maps that both columns see cross, and half of fc7's output, 4 bytes per number."""
    summarise(["model=alexnet_2012", f"model.cross={cross}"], None, None, str(tmp_path / "network"))
    printed = capsys.readouterr().out
    assert printed.splitlines()[0] == (
        "alexnet_2012: images of 3x224x224 in 1,000 classes, as published (for another dataset give dataset=NAME)"
    )
    (everything,) = (line.split() for line in printed.splitlines() if line.startswith("all "))
    assert everything[-1] == f"{crossed:,}"
    for other, sent in (("none", "8,192"), ("conv3", "234,496"), ("all", "1,033,600")):
        assert any(line.split()[:2] == [f"model.cross={other}", sent] for line in printed.splitlines())


def test_the_known_facts_are_those_of_the_data():
    """The data has the classes and channels that are known without it."""
    data = digits(32)
    assert facts.FACTS["digits"][:3] == (len(data.classes), data.channels, len(data.train))
    assert facts.FACTS["fashion_mnist"].classes == len(torchvision.datasets.FashionMNIST.classes)
    assert set(facts.FACTS) == {target.rpartition(".")[2] for target in options.list_targets("dataset")}


@pytest.mark.parametrize(
    "typed, classes, channels, first",
    [
        ([], None, None, "alexnet_cifar: images of 3x32x32 in 10 classes"),
        (["dataset=cifar100"], None, None, "alexnet_cifar: images of 3x32x32 in 100 classes"),
        (["dataset=fashion_mnist", "dataset.size=28"], None, None, "alexnet_cifar: images of 1x28x28 in 10 classes"),
        (["experiment=quickstart"], None, None, "alexnet_cifar: images of 3x32x32 in 10 classes"),
        (["model=alexnet", "dataset=digits", "dataset.size=224"], None, None, "alexnet: images of 3x224x224 in 10 "),
        (["model=alexnet"], 7, None, "alexnet: images of 3x224x224 in 7 classes, as published"),
        (["dataset=image_folder"], 5, 1, "alexnet_cifar: images of 1x32x32 in 5 classes"),
        (["dataset=image_folder"], None, None, "1,000 classes, assumed (give --classes N)"),
    ],
)
def test_known_facts_need_no_data_and_assumed_ones_are_printed(tmp_path, capsys, typed, classes, channels, first):
    summarise(typed, classes, channels, str(tmp_path / "drawn"))
    assert first in capsys.readouterr().out.splitlines()[0]


@pytest.mark.slow
def test_the_script_says_where_its_pictures_are(tmp_path):
    script = [sys.executable, str(ROOT / "scripts" / "summary.py"), "model=cuda_convnet", "--classes", "7"]
    done = subprocess.run([*script, "--out", "a/drawn.png"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "Drawn as a/drawn.png and a/drawn.svg"
    with Image.open(tmp_path / "a" / "drawn.png") as picture:
        assert picture.width > 1000
    assert ElementTree.parse(tmp_path / "a" / "drawn.svg").getroot().tag.endswith("svg")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "drawn.png", "drawn.svg"]


@pytest.mark.parametrize(
    "typed, classes, out, said",
    [
        (["model=alexnt"], None, None, "did you mean alexnet?"),
        (["model=alexnet", "dataset=cifar10"], None, None, "give model=alexnet_cifar"),
        (["model.cross=some"], None, None, "expected one of none, conv3, all"),
        ([], 0, None, "--classes 0: expected a whole number from 1 to 1000000"),
        (["model=cuda_convnet"], None, "/proc/nowhere/drawn", "--out PATH"),
    ],
)
def test_a_mistake_is_one_sentence(capsys, typed, classes, out, said):
    with pytest.raises(SystemExit) as ended, checking():
        summarise(typed, classes, None, out)
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert said in message and message.count("\n") == 1


@pytest.mark.parametrize("typed", NETWORKS)
def test_no_text_in_a_picture_overlaps_or_leaves_it(compose, typed):
    model, *image = network(compose, typed)
    picture = drawing.make_figure(list_layers(model, *image), image, "a network with quite a long name")
    renderer = FigureCanvasAgg(picture).get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in picture.axes[0].texts if text.get_text()]
    assert len(boxes) >= 10
    for (one, a), (other, b) in combinations(boxes, 2):
        assert not a.overlaps(b), (one, other)
    width, height = picture.get_size_inches() * picture.dpi
    assert all(box.x0 > 0 and box.y0 > 0 and box.x1 < width and box.y1 < height for _, box in boxes)


@pytest.mark.parametrize("typed, expected", [("model=alexnet_cifar", 0), *zip(COLUMNS, (2, 18, 42), strict=True)])
def test_lines_cross_where_the_columns_do(compose, typed, expected):
    """Four lines go from a kernel to each other column, two to the ends of a dense layer."""
    model, *image = network(compose, typed)
    lines = drawing.make_figure(list_layers(model, *image), image, "").axes[0].lines
    assert sum(line.get_color() == drawing.CROSSING for line in lines) == expected
