"""A training with 16-bit copies of its weights is autocast's, bit for bit. A compiled update is SGD's formula."""

import copy
import io
import shutil
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from alexnet.engine import half_weights
from alexnet.training.build import assemble
from alexnet.training.evaluation import evaluate
from alexnet.training.loop import step

HALF = ["device=cpu", "device.precision=bf16", "optimizer.lr=0.05", "dataset.size=16"]
GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(half_weights, "PIECE", 64)


def without_copies(training):
    """The same training as torch.autocast and torch's optimizer do it."""
    training.half_weights = None
    training.forward = training.engine.forward(training.model, recorded=False)
    return training


def train(training, steps, first=0):
    """The loss and the right answers of each step."""
    images = torch.randn(10, 4, 3, 16, 16, generator=torch.Generator().manual_seed(0))[first : first + steps]
    labels = torch.tensor([0, 1, 1, 0])
    return [step(training, each, labels, 0, number).tolist() for number, each in enumerate(images, first)]


def save(training):
    """A checkpoint's states, as bytes."""
    file = io.BytesIO()
    torch.save({"model": training.model.state_dict(), "optimizer": training.optimizer.state_dict()}, file)
    return file.getvalue()


def load(training, checkpoint):
    saved = torch.load(io.BytesIO(checkpoint), weights_only=True)
    training.model.load_state_dict(saved["model"])
    training.optimizer.load_state_dict(saved["optimizer"])


def assert_same_bits(one, other):
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name]), name
    for mine, theirs in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert one.optimizer.state[mine].keys() == other.optimizer.state[theirs].keys()
        for name, value in one.optimizer.state[mine].items():
            assert torch.equal(value, other.optimizer.state[theirs][name]), name


@pytest.mark.parametrize(
    "options",
    [
        ["model=cuda_convnet", "optimizer.weight_decay=0.01", "optimizer.nesterov=true"],
        ["model=alexnet_cifar", "model.kernels=[8,8,8,8,8]", "model.hidden=16", "model.normalisation=batch", "ema=0.9"],
        ["model=alexnet_cifar", "model.columns=2", "model.kernels=[8,8,8,8,8]", "model.hidden=16", "cutmix=0.5"],
    ],
)
def test_it_trains_and_tests_as_autocast_does(compose, small, options):
    """Losses, answers, weights, momentum and running statistics of six steps, and tests between and after them."""
    ours, theirs = (assemble(compose(*small, *HALF, *options)) for _ in range(2))
    assert ours.half_weights is not None and without_copies(theirs).half_weights is None
    initial = copy.deepcopy(ours.model.state_dict())
    for first in (0, 3):
        assert train(ours, 3, first) == train(theirs, 3, first)
        assert_same_bits(ours, theirs)
        results = [evaluate(each.tested, each.batches.test) for each in (ours, theirs)]
        assert torch.equal(results[0].confusion, results[1].confusion) and results[0].loss == results[1].loss
    assert all(not torch.equal(value, initial[name]) for name, value in ours.model.state_dict().items())


def test_a_checkpoint_goes_on_with_the_same_bits_with_and_without_copies(compose, small):
    """A run may begin on a processor with bf16 and go on elsewhere."""
    make = lambda: assemble(compose(*small, *HALF, "model=cuda_convnet"))  # noqa: E731
    unbroken = make()
    train(unbroken, 2)
    saved = save(unbroken)
    expected = train(unbroken, 3, first=2)
    for resumed in (make(), without_copies(make())):
        train(resumed, 1)  # other weights, whose copies must not outlive them
        load(resumed, saved)
        assert train(resumed, 3, first=2) == expected
        assert_same_bits(resumed, unbroken)


@pytest.mark.parametrize(
    "options",
    [
        ["device.precision=float32"],
        ["clip_norm=1"],
        ["accumulate=2"],
        ["overfit=0.01"],
        ["optimizer=adamw"],
        ["optimizer=muon"],
        ["optimizer.momentum=0"],
        ["+optimizer.dampening=0.1"],
        ["device.fused=false"],
        ["device.fused=false", "device.compile=true"],
    ],
)
def test_without_plain_sgd_in_bf16_nothing_is_copied(compose, small, options):
    assert assemble(compose(*small, *HALF, *options)).half_weights is None


def test_frozen_and_shared_weights_stay_what_they_are():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight, first.bias.requires_grad = first.weight, False
    model = nn.Sequential(first, nn.ReLU(), second)
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), 0.1, momentum=0.9, fused=True)
    halves = half_weights.HalfWeights(model, optimizer)
    reference = copy.deepcopy(model)
    torch_step = torch.optim.SGD((p for p in reference.parameters() if p.requires_grad), 0.1, momentum=0.9, fused=True)
    for images in torch.randn(3, 5, 3):
        for network in (halves, reference):
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(images)
            logits.float().square().sum().backward()
        halves.update()
        torch_step.step()
        torch_step.zero_grad()
        for mine, theirs in zip(model.parameters(), reference.parameters(), strict=True):
            assert torch.equal(mine, theirs)
    assert second.weight is first.weight


def make_parts(device="cpu"):
    """A network of convolutions and a classifier, and an optimizer that gives them different rates."""
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten())
    model = nn.Sequential(features, nn.Sequential(nn.Linear(64, 3))).to(device)
    groups = [{"params": features.parameters(), "lr": 0.1}, {"params": model[1].parameters(), "lr": 0.2}]
    options = {"momentum": 0.9, "weight_decay": 0.01, "nesterov": True}
    return model, torch.optim.SGD(groups, **options, fused=True)


def backward(halves, device="cpu"):
    with torch.autocast(device, torch.bfloat16):
        logits = halves(torch.randn(5, 1, 6, 6, device=device))
    logits.float().square().sum().backward()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler, and there is no g++")
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=GPU)])
def test_a_compiled_update_is_the_formula_of_sgd(monkeypatch, device):
    """In float64, with other rates in each step and for each group. New rates need no new compilation."""
    model, optimizer = make_parts(device)
    halves = half_weights.HalfWeights(model, optimizer)
    halves.compile(dynamic=False)
    expected = {name: (weight.detach().double(), 0) for name, weight in model.named_parameters()}
    for _ in range(3):
        for group in optimizer.param_groups:
            group["lr"] /= 2
        backward(halves, device)
        gradients = {name: half.grad.double() for name, half in halves.copies.items()}
        halves.update()
        for name, weight in model.named_parameters():
            value, velocity = expected[name]
            rate = optimizer.param_groups[int(name[0])]["lr"]
            gradient = gradients[name] + 0.01 * value
            velocity = 0.9 * velocity + gradient
            expected[name] = (value - rate * (gradient + 0.9 * velocity), velocity)
            torch.testing.assert_close(weight.detach().double(), expected[name][0], rtol=1e-6, atol=1e-6)
            assert torch.equal(halves.copies[name], weight.bfloat16()) and halves.copies[name].grad is None
        monkeypatch.setattr(torch._dynamo.config, "error_on_recompile", True)


def test_on_a_gpu_the_classifier_is_updated_beside_the_gradients_of_the_convolutions(monkeypatch):
    """With stand-ins for its streams: each update waits for nothing after its own gradients, and the next step waits
    for both.
    """
    done, names = [], iter(["conv", "fc"])

    class Event:
        def __init__(self):
            self.name = next(names)

        def record(self):
            done.append(f"{self.name}: gradient")

    class Stream:
        device = "cuda"

        def wait_event(self, event):
            done.append(f"{event.name}: waits")

        def wait_stream(self, stream):
            done.append("joins")

    @contextmanager
    def beside(stream):
        done.append("beside")
        yield
        done.append("main")

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream())
    monkeypatch.setattr(torch.cuda, "stream", beside)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream())
    model, optimizer = make_parts()
    halves = half_weights.HalfWeights(model, optimizer)
    halves.branches = [half_weights.Branch([halves.copies[name] for name in names]) for names in halves.parts]
    model[0].register_full_backward_pre_hook(lambda *_: done.append("conv: begins"))
    monkeypatch.setattr(half_weights, "take_step", lambda weights, *_, **__: done.append(f"update {len(weights[0])}"))
    backward(halves)
    halves.update()
    assert done == [
        *("fc: gradient", "fc: gradient", "conv: begins", "conv: gradient", "conv: gradient"),  # weights and biases
        *("fc: waits", "beside", "update 64", "update 64", "update 64", "update 3", "main", "joins"),
        *("conv: waits", "beside", "update 36", "update 4", "main", "joins"),
    ]
