"""Networks of two columns, on one device and on two."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import conv1d, conv2d, cross_entropy, max_pool2d, pad
from torch.utils._python_dispatch import TorchDispatchMode

from alexnet.config import checks
from alexnet.engine import device
from alexnet.errors import Mistake
from alexnet.launch.resume import resume
from alexnet.models import columns
from alexnet.models.alexnet_2012 import AlexNet2012
from alexnet.models.alexnet_cifar import AlexNetCifar
from alexnet.models.columns import count_bytes_crossed, place
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from alexnet.training.build import assemble
from alexnet.training.job import execute
from support.images import small_data
from support.runs import run_in

HALF = [48, 128, 192, 192, 256]  # §3.2's network for one GPU: its last convolution keeps all kernels


def count_parameters(model, *facts, **options):
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in model(*facts, **options).parameters())


@pytest.mark.parametrize("size", [224, 227])
def test_the_network_of_2012_has_its_known_sizes(size):
    """60,965,224 in two columns and 62,378,344 in one, with 224 pixels as the paper says or the 227 that fit conv1."""
    assert count_parameters(AlexNet2012, 1000, 3, size) == 60_965_224
    assert count_parameters(AlexNet2012, 1000, 3, size, pool=2) == 60_965_224
    assert count_parameters(AlexNet2012, 1000, 3, size, columns=1) == 62_378_344
    assert count_parameters(AlexNet2012, 1000, 3, size, cross="all") == 62_378_344
    with torch.device("meta"):
        maps = AlexNet2012(1000, 3, size).features(torch.zeros(1, 3, size, size))
    assert [each.shape for each in maps] == [(1, 128, 6, 6), (1, 128, 6, 6)]


def test_half_the_kernels_leave_about_the_same_number_of_parameters(compose):
    """§3.2's footnote, computed by hand: 256 kernels in conv5, and 4096 units in fc6 and fc7."""
    config = compose("model=alexnet_2012_one_gpu").model
    assert list(config.kernels) == HALF and config.columns == 1
    counts = [48 * 3 * 11**2, 128 * 48 * 5**2, 192 * 128 * 3**2, 192 * 192 * 3**2, 256 * 192 * 3**2]
    counts += [4096 * 256 * 6 * 6, 4096 * 4096, 1000 * 4096]
    expected = sum(counts) + sum(HALF) + 4096 + 4096 + 1000
    assert count_parameters(AlexNet2012, 1000, 3, 224, columns=1, kernels=HALF) == expected
    assert abs(expected / 60_965_224 - 1) < 0.02


def test_the_initial_weights_are_the_papers():
    """§5: weights from N(0, 0.01^2); biases 1 in conv2, conv4, conv5, fc6 and fc7, 0 in conv1, conv3 and fc8."""
    model = AlexNet2012(10, 3, 67)
    biases = {}
    for name, parameter in model.named_parameters():
        if name.endswith("weight"):
            assert parameter.std().item() == pytest.approx(0.01, rel=0.03)
            assert abs(parameter.mean().item()) < 3e-4
        else:
            assert parameter.unique().numel() == 1
            biases.setdefault(name.split(".")[0], []).append(parameter[0].item())
    assert biases == {"features": 2 * [0, 1, 0, 1, 1], "classifier": [1, 1, 1, 1, 0]}


def test_response_normalisation_sees_its_own_column_only():
    """A change in one column's first maps doesn't change the other column's maps before the columns cross."""
    model = AlexNet2012(10, 3, 67, cross="none").eval()
    images = 100 * torch.randn(2, 3, 67, 67)
    before = model.features(images)
    with torch.no_grad():
        model.features[0][1].weight.mul_(3)
    after = model.features(images)
    assert torch.equal(before[1], after[1]) and not torch.equal(before[0], after[0])
    assert sum(isinstance(layer, nn.LocalResponseNorm) for layer in model.modules()) == 4


# Each convolution of the grouped network: (kernel, stride, padding, normalised, pooled).
PAPER = [
    (11, 4, 0, True, True),
    (5, 1, 2, True, True),
    (3, 1, 1, False, False),
    (3, 1, 1, False, False),
    (3, 1, 1, False, True),
]
SMALL = [
    (5, 1, 2, False, True),
    (5, 1, 2, False, True),
    (3, 1, 1, False, False),
    (3, 1, 1, False, False),
    (3, 1, 1, False, True),
]
SEE_BOTH = {"none": [], "conv3": [3, 6, 7], "all": [2, 3, 4, 5, 6, 7]}


def run_grouped(weights, images, layers, see_both):
    """The logits of grouped convolutions in one column; fully connected layers are convolutions too."""
    maps = images
    for number, ((weight, bias), (_, stride, padding, normalised, pooled)) in enumerate(
        zip(weights, layers, strict=False), 1
    ):
        groups = 1 if number == 1 or number in see_both else 2
        maps = conv2d(maps, weight, bias, stride, padding, groups=groups).relu()
        if normalised:
            halves = []
            for half in maps.chunk(2, 1):
                squares = pad(half.square(), (0, 0, 0, 0, 2, 2))
                around = sum(squares[:, shift : shift + half.shape[1]] for shift in range(5))
                halves.append(half / (2 + 1e-4 * around) ** 0.75)
            maps = torch.cat(halves, 1)
        if pooled:
            maps = max_pool2d(maps, 3, 2)
    units = maps.flatten(1)[:, :, None]
    for number in (6, 7):
        weight, bias = weights[number - 1]
        units = conv1d(units, weight[:, :, None], bias, groups=1 if number in see_both else 2).relu()
    weight, bias = weights[7]
    return units[:, :, 0] @ weight.T + bias


@pytest.mark.parametrize("cross", SEE_BOTH)
@pytest.mark.parametrize("model, size, layers", [(AlexNet2012, 67, PAPER), (AlexNetCifar, 32, SMALL)])
def test_two_columns_are_a_grouped_network(model, size, layers, cross):
    """With the same weights, the logits and the gradients of all weights are the same."""
    torch.manual_seed(0)
    network = model(10, 3, size, columns=2, cross=cross, dropout=0).double()
    images, labels = 50 * torch.randn(3, 3, size, size).double(), torch.tensor([1, 2, 3])
    parts = [[layer for layer in column if isinstance(layer, (nn.Conv2d, nn.Linear))] for column in network.features]
    parts = [
        [*part, *(layer for layer in column if isinstance(layer, nn.Linear))]
        for part, column in zip(parts, network.classifier[0], strict=True)
    ]
    output = network.classifier[-1]

    def join(of):
        pairs = zip(*parts, strict=True)
        both = [
            [torch.cat([of(getattr(layer, kind)) for layer in pair]) for kind in ("weight", "bias")] for pair in pairs
        ]
        return [*both, [of(output.weight), of(output.bias)]]

    weights = [[value.detach().clone().requires_grad_() for value in pair] for pair in join(lambda value: value)]
    expected = run_grouped(weights, images, layers, SEE_BOTH[cross])
    cross_entropy(expected, labels).backward()
    logits = network(images)
    cross_entropy(logits, labels).backward()
    torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-12)
    for pair, wanted in zip(join(lambda value: value.grad), weights, strict=True):
        for gradient, value in zip(pair, wanted, strict=True):
            assert value.grad.abs().max() > 0
            torch.testing.assert_close(gradient, value.grad, rtol=1e-9, atol=1e-14)


class Sent(TorchDispatchMode):
    """Counts the bytes of every copy from one device to another, below the network and autograd."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        given = function(*arguments, **(keywords or {}))
        if function is torch.ops.aten._to_copy.default and arguments[0].device != given.device:
            self.bytes += given.numel() * given.element_size()
        return given


@pytest.mark.parametrize("cross", SEE_BOTH)
def test_on_two_devices_data_goes_between_them_only_where_columns_cross(cross):
    """Fake tensors refuse to compute across devices. Each direction sends the bytes that count_bytes_crossed counts."""
    network = AlexNet2012(10, 3, 67, cross=cross).eval()
    place(network, [torch.device("meta"), torch.device("cpu")])
    devices = [{parameter.device.type for parameter in column.parameters()} for column in network.features]
    devices += [{parameter.device.type for parameter in column.parameters()} for column in network.classifier[0]]
    assert devices == 2 * [{"meta"}, {"cpu"}] and network.classifier[-1].weight.device.type == "cpu"

    # By hand, 4 bytes a number: after conv1 and conv2 the maps are 7x7 and 3x3, and conv5 leaves 1x1.
    maps = {2: 96 * 7**2, 3: 256 * 3**2, 4: 384 * 3**2, 5: 384 * 3**2, 6: 256, 7: 4096}
    expected = 4 * (sum(maps[number] for number in SEE_BOTH[cross]) + 2048)
    with FakeTensorMode():
        for module in network.modules():
            for name, parameter in module.named_parameters(recurse=False):
                fake = torch.empty(parameter.shape, device=parameter.device)
                setattr(module, name, nn.Parameter(fake))
        image = torch.empty(1, 3, 67, 67)
        assert count_bytes_crossed(network, 3, 67) == expected
        with Sent() as sent:
            logits = network(image)
        assert logits.device.type == "cpu"
        assert sent.bytes == expected + 4 * image.numel()  # to the other column's device
        with Sent() as sent:
            logits.sum().backward()
        assert sent.bytes == expected


def test_in_16_bits_half_as_many_bytes_cross():
    """All maps that cross come from convolutions and hidden layers, which compute in the engine's precision."""
    network = AlexNetCifar(10, 3, 32, columns=2)
    float32 = count_bytes_crossed(network, 3, 32)
    with device.choose_engine("cpu", precision="bf16").mixed():
        assert 2 * count_bytes_crossed(network, 3, 32) == float32 == 4 * (192 * 7**2 + 2304 + 4096 + 2048)


@pytest.mark.slow
def test_a_run_on_two_devices_is_the_run_on_one_and_can_resume_there(compose, tmp_path, images):
    """[cpu,cpu] gives the same weights as one device, even with dropout, and its checkpoint is the bare network's."""
    config = [
        *small_data(images),
        "model.columns=2",
        "model.hidden=256",
        "epochs=1",
        "optimizer.lr=0.01",
        "device.precision=float32",
    ]
    one, result = run_in(tmp_path / "one", compose(*config))
    two = Run(tmp_path / "two")
    two.folder.mkdir()
    assert execute(compose(*config, "device.columns=[cpu,cpu]"), two) == 0
    results = two.result()
    assert result["weights_sha256"] == results["weights_sha256"]
    assert (
        results["bytes_crossed_per_image"] == result["bytes_crossed_per_image"] == 4 * (192 * 7**2 + 2304 + 256 + 128)
    )
    assert resume(str(two.folder), ["device.columns=null", "epochs=2"]) == 0
    _, unbroken = run_in(tmp_path / "straight", compose(*config, "epochs=2"))
    assert two.result()["weights_sha256"] == unbroken["weights_sha256"] != results["weights_sha256"]
    assert checkpoints.load(two.checkpoints, "last")["model"].keys() == one.model.state_dict().keys()


def test_columns_on_two_gpus_drop_different_units(monkeypatch):
    """torch.manual_seed gives every GPU the same seed. The second GPU gets a new one, which follows from that seed."""
    generators = [torch.Generator(), torch.Generator()]  # of the processor, in place of those of two GPUs
    monkeypatch.setattr(torch.cuda, "default_generators", generators)
    gpus = [torch.device("cuda:0"), torch.device("cuda:1")]

    def seeds():
        torch.manual_seed(3)
        for generator in generators:
            generator.manual_seed(3)
        columns.seed_apart(gpus)
        first = generators[1].initial_seed()
        columns.seed_apart(gpus)
        return generators[0].initial_seed(), first, generators[1].initial_seed()

    once = seeds()
    assert once[0] == 3 and len(set(once)) == 3 and seeds() == once


MISTAKES = [
    (["model.columns=3"], "expected 1 or 2"),
    (["model.columns=2", "model.cross=conv4"], "expected one of none, conv3, all"),
    (["model.columns=2", "model.kernels=[64,192,384,256,255]"], "each divisible by columns=2"),
    (["model.kernels=[64,192]"], "five whole numbers"),
    (["model=cuda_convnet", "model.pool=4"], "expected one of 3, 2"),
    (["model=alexnet"], "model=alexnet_cifar"),
    (["model=alexnet_2012"], "model=alexnet_cifar"),
    (["model=cuda_convnet", "dataset.size=224"], "model=alexnet"),
    (["dataset.size=224"], "model=alexnet"),
    (["dataset.size=8"], "model=cuda_convnet"),
    (["model=alexnet", "dataset.size=64", "model.weights=nowhere.pth"], "no such file"),
]


@pytest.mark.parametrize("typed, said", MISTAKES, ids=[" ".join(typed) for typed, _ in MISTAKES])
def test_what_a_network_refuses_is_one_sentence(compose, typed, said):
    with pytest.raises(Mistake) as caught:
        assemble(compose("dataset=digits", *typed))
    assert said in str(caught.value) and "\n" not in str(caught.value)


DEVICES = [
    (["device.columns=[cpu,cpu]"], "model.columns=2"),
    (["model=cuda_convnet", "device.columns=[cpu,cpu]"], "model=alexnet_2012"),
    (["model.columns=2", "device.columns=[cpu]"], "give 2 of them, or device.columns=null"),
    (["model.columns=2", "device.columns=[]"], "for example device.columns=[cuda:0,cuda:1]"),
    (["model.columns=2", "device.name=cuda", "device.columns=[cpu,cpu]"], "contradict each other"),
    (["model.columns=2", "device.columns=cpu"], "for example device.columns=[cuda:0,cuda:1]"),
    (["model.columns=2", "device.columns=[cpu,gpu]"], "gpu"),
    (["model.columns=2", "device.columns=[cpu,cuda:99]"], "cuda:99"),
]


@pytest.mark.parametrize("typed, said", DEVICES, ids=[" ".join(typed) for typed, _ in DEVICES])
def test_devices_that_do_not_fit_the_columns_are_one_sentence(compose, typed, said):
    config = compose("dataset=digits", *typed)
    with pytest.raises(Mistake) as caught:
        checks.check(config)
        assemble(config)  # only torch knows whether a device is available
    assert said in str(caught.value) and "\n" not in str(caught.value)
