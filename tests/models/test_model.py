"""The networks are what their sources say: sizes, layers, initial weights, and files of weights."""

import pickle

import pytest
import torch
import torchvision
from torch import nn

from alexnet.models.alexnet import AlexNet
from alexnet.models.alexnet_cifar import AlexNetCifar
from alexnet.models.cuda_convnet import CudaConvnet
from alexnet.models.layers import MaxPoolTo
from alexnet.models.weight_files import load_file
from alexnet.training.build import assemble
from alexnet.training.whitening import whiten
from support.images import small_data
from support.programs import SHARED


def tutorial_network():
    """The tutorial's network, written again as one list of layers."""
    layers = [
        nn.Conv2d(3, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Flatten(),
        nn.Linear(2304, 4096),
        nn.ReLU(),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Linear(4096, 10),
    ]
    return nn.Sequential(*layers)


def test_is_the_tutorials_network():
    """It has 28,714,826 parameters, and the same logits as an independent rewrite with the same weights."""
    model, reference = AlexNetCifar(10, 3, 32).eval(), tutorial_network()
    assert sum(parameter.numel() for parameter in model.parameters()) == 28_714_826
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        theirs.data.copy_(ours.data)
    images = torch.randn(5, 3, 32, 32)
    torch.testing.assert_close(model(images), reference(images), atol=1e-6, rtol=1e-6)


def test_takes_the_tutorials_own_weights():
    """The weights of the tutorial's script load key for key."""
    script = SHARED / "seed" / "seed_script.py"
    if not script.is_file():
        pytest.skip("the tutorial's script isn't here")
    names = {"__name__": "seed"}
    exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), names)
    theirs = names["AlexNet"]().eval()
    ours = AlexNetCifar(10, 3, 32).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(ours(images), theirs(images))


def test_cuda_convnet_has_its_known_size():
    model = CudaConvnet(10, 3, 32)
    assert sum(parameter.numel() for parameter in model.parameters()) == 89_578
    assert model.features(torch.zeros(1, 3, 32, 32)).shape == (1, 64, 4, 4)


@pytest.mark.parametrize("pool", [3, 2])
def test_cuda_convnet_takes_images_of_every_size_in_its_limits(pool):
    for size in (*range(8, 40), 124, 125, 126, 127):
        assert CudaConvnet(2, 1, size, pool=pool)(torch.zeros(1, 1, size, size)).shape == (1, 2), size


def test_the_options_of_cuda_convnet_change_one_thing_each():
    """Without overlap (§3.4) every output keeps its size. Response normalisation (§3.3) follows two poolings."""
    image = torch.zeros(1, 3, 32, 32)
    shapes = []
    for pool in (3, 2):
        shapes.append([image.shape])
        maps = image
        for layer in CudaConvnet(10, 3, 32, pool=pool).features:
            maps = layer(maps)
            shapes[-1].append(maps.shape)
    assert shapes[0] == shapes[1]
    kinds = [type(layer) for layer in CudaConvnet(10, 3, 32, lrn=True).features]
    first, second = (index for index, kind in enumerate(kinds) if kind is nn.LocalResponseNorm)
    assert kinds[first - 2 : first] == [nn.MaxPool2d, nn.ReLU] and kinds[second - 1] is nn.AvgPool2d
    assert not any(isinstance(layer, nn.LocalResponseNorm) for layer in CudaConvnet(10, 3, 32).features)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """torchvision's network, and a file of its weights in torchvision's format."""
    torch.manual_seed(0)
    theirs = torchvision.models.alexnet(num_classes=1000).eval()
    path = tmp_path_factory.mktemp("weights") / "alexnet-owt.pth"
    torch.save(theirs.state_dict(), path)
    return theirs, path


@pytest.mark.parametrize("size", [224, 100])
def test_the_single_column_network_is_torchvisions(published, size):
    """It has 61,100,840 parameters, the same keys in the same order, and with the same weights the same logits."""
    theirs, path = published
    ours = AlexNet(1000, 3, size).eval()
    load_file(ours, str(path))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert sum(parameter.numel() for parameter in ours.parameters()) == 61_100_840
    images = torch.randn(2, 3, size, size)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), atol=1e-5, rtol=0)


def test_at_224_pixels_nothing_is_pooled_adaptively(monkeypatch):
    """On CUDA the gradient of torch's adaptive pooling isn't reproducible, and at 224 pixels it changes nothing."""
    monkeypatch.setattr(nn.functional, "adaptive_avg_pool2d", None)
    with torch.device("meta"):
        assert AlexNet(10, 3, 224)(torch.zeros(1, 3, 224, 224)).shape == (1, 10)


def test_weights_that_do_not_fit_are_one_sentence(published, tmp_path):
    """Missing, empty or truncated files, a program, other objects, other classes: each message says what is wrong."""
    _, path = published
    network = AlexNet(1000, 3, 224)
    bad = {
        "empty": (b"", "the file is empty"),
        "text": (b"no weights at all", "it isn't a file of torch.save, or not a whole one"),
        "cut": (path.read_bytes()[:100_000], "it isn't a file of torch.save, or not a whole one"),
        "program": (pickle.dumps(exec, protocol=2), ""),
    }
    for name, (content, said) in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(
            ValueError, match=rf"^model.weights=\S*{name} can't be read as weights \({said}.*torch\.save\("
        ):
            load_file(network, str(tmp_path / name))
    others = {"list": ([1, 2], "holds no state dict"), "other": ({"w": torch.ones(1)}, "features.0.weight is missing")}
    for name, (content, said) in others.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(ValueError, match=said):
            load_file(network, str(tmp_path / name))
    with pytest.raises(ValueError, match=r"classifier.6.weight is \(1000, 4096\), expected \(10, 4096\)"):
        load_file(AlexNet(10, 3, 224), str(path))
    with pytest.raises(ValueError, match="there is no such file"):
        load_file(network, str(tmp_path / "nowhere.pth"))


def test_the_layers_have_the_shapes_that_the_options_say():
    """The same network is written out here: other kernel sizes, later poolings, fewer units, each map's maximum."""
    shape = {"kernel_sizes": [7, 3, 5, 1, 3], "pool_after": [2, 4, 5], "pool_to": 1, "hidden": 48}
    model = AlexNetCifar(10, 3, 32, kernels=[8, 12, 16, 20, 24], activation="gelu", **shape).eval()
    reference = nn.Sequential(
        *(nn.Conv2d(3, 8, 7, padding=3), nn.GELU()),
        *(nn.Conv2d(8, 12, 3, padding=1), nn.GELU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(12, 16, 5, padding=2), nn.GELU()),
        *(nn.Conv2d(16, 20, 1), nn.GELU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(20, 24, 3, padding=1), nn.GELU(), nn.AdaptiveMaxPool2d(1)),
        *(nn.Flatten(), nn.Linear(24, 48), nn.GELU(), nn.Linear(48, 48), nn.GELU(), nn.Linear(48, 10)),
    )
    reference.load_state_dict(dict(zip(reference.state_dict(), model.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model(images), reference(images))


def test_local_response_normalisation_is_the_papers():
    """§3.3: b = a / (k + alpha * sum over 5 neighbouring channels of a^2) ^ beta; alpha isn't divided by n."""
    model = AlexNetCifar(10, 3, 32, normalisation="lrn")
    layer = next(layer for layer in model.features if isinstance(layer, nn.LocalResponseNorm))
    activity = 30 * torch.rand(2, 9, 4, 4)
    expected = torch.empty_like(activity)
    for channel in range(9):
        around = activity[:, max(0, channel - 2) : channel + 3]
        expected[:, channel] = activity[:, channel] / (2 + 1e-4 * around.square().sum(1)) ** 0.75
    torch.testing.assert_close(layer(activity), expected)


def test_normalisation_and_activation_are_where_the_options_say():
    """batch comes after each of five convolutions, lrn after the first two. tanh replaces every ReLU."""

    def count(kind, **options):
        return sum(isinstance(layer, kind) for layer in AlexNetCifar(10, 3, 32, **options).modules())

    assert count(nn.BatchNorm2d, normalisation="batch") == 5
    assert count(nn.LocalResponseNorm, normalisation="lrn") == 2
    assert count(nn.Tanh, activation="tanh") == 7
    assert count(nn.ReLU, activation="tanh") == 0


@pytest.mark.parametrize("window", [3, 2])
@pytest.mark.parametrize("side", [2, 3, 5, 6, 7, 8])
def test_smaller_maps_are_pooled_to_the_same_side(side, window):
    """Values and gradients are those of torch's adaptive pooling, and at the full size those of plain pooling."""
    pool = MaxPoolTo(3, window)
    maps, reference = (torch.randn(2, 4, side, side, generator=torch.manual_seed(0)).requires_grad_() for _ in range(2))
    pooled, expected = pool(maps), nn.functional.adaptive_max_pool2d(reference, 3)
    if side in {3: (7, 8), 2: (6, 7)}[window]:
        expected = nn.functional.max_pool2d(reference, window, 2)
    weights = torch.randn(2, 4, 3, 3)
    (pooled * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(pooled, expected)
    torch.testing.assert_close(maps.grad, reference.grad)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_kaiming_keeps_the_variance_and_starts_from_equal_probabilities(activation):
    """Standard deviations are sqrt(2 / inputs) (He et al. 2015, eq. 10). Biases and fc8 are 0."""
    torch.manual_seed(0)
    model = AlexNetCifar(10, 3, 32, activation=activation, initialisation="kaiming")
    *layers, last = [layer for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    for layer in layers:
        inputs = layer.weight[0].numel()
        assert layer.weight.std().item() == pytest.approx((2 / inputs) ** 0.5, rel=0.05)
        assert layer.bias.abs().max() == 0
    assert last.weight.abs().max() == 0 and len(layers) == 7
    assert torch.equal(model(torch.randn(2, 3, 32, 32)), torch.zeros(2, 10))


def make_smooth_images(channels, side=40):
    """500 images whose neighbouring pixels are similar."""
    return nn.functional.interpolate(torch.randn(500, channels, side // 2, side // 2), side, mode="bilinear")


@pytest.mark.parametrize(
    "columns, channels, side, whitened", [(1, 3, 5, 64), (2, 3, 5, 64), (1, 1, 5, 50), (2, 1, 5, 50), (1, 3, 3, 54)]
)
def test_whitening_tells_patches_apart(columns, channels, side, whitened):
    """conv1's maps have mean 0. The strong ones have variance 1, the weak ones less. Each is correlated only with its
    negative. There are as many as patches have values (Jordan 2024, §3.2). The columns share the strong ones."""
    torch.manual_seed(0)
    images = make_smooth_images(channels)
    sizes = [side, 5, 3, 3, 3]
    model = AlexNetCifar(10, channels, 40, columns=columns, kernel_sizes=sizes, initialisation="whitening")
    whiten(model, images)
    first = [layer for layer in model.features.modules() if isinstance(layer, nn.Conv2d)][::5]
    of_columns = [layer(images)[:, :, 2:-2, 2:-2].detach().transpose(0, 1).flatten(1) for layer in first]
    strong = torch.cat([values[: 8 // columns] for values in of_columns])
    values = torch.cat([values[: whitened // columns // 2 * 2] for values in of_columns])
    assert len(values) == whitened or columns == 2
    assert torch.allclose(values[::2], -values[1::2], atol=1e-4)
    assert (strong[::2].cov() - torch.eye(4)).abs().max() < 0.15
    assert values.mean(1).abs().max() < 0.1 and values.var(1).max() < 1.15


@pytest.mark.parametrize("columns, cross", [(1, "none"), (2, "none"), (2, "conv3"), (2, "all")])
def test_whitening_passes_maps_on(columns, cross):
    """conv2 to conv5 copy as many input maps as they have kernels, those of their own column first (§3.3)."""
    torch.manual_seed(0)
    model = AlexNetCifar(10, 3, 40, columns=columns, cross=cross, initialisation="whitening")
    for index, layer in enumerate(layer for layer in model.features.modules() if isinstance(layer, nn.Conv2d)):
        if index % 5:
            maps = torch.randn(1, layer.in_channels, 6, 6)
            crosses = columns == 2 and (cross == "all" or (cross == "conv3" and index % 5 == 2))
            own = maps.roll(-(index // 5) * layer.in_channels // 2 if crosses else 0, 1)
            count = min(layer.in_channels, layer.out_channels)
            torch.testing.assert_close(layer(maps)[:, :count], own[:, :count] + layer.bias[:count, None, None])


@pytest.mark.parametrize("images", ["grey", "black"])
def test_whitening_leaves_kernels_for_which_the_images_have_no_component(images):
    """Images of three equal colours have 25 components, images of one value have none. Other kernels stay torch's."""
    torch.manual_seed(0)
    model = AlexNetCifar(10, 3, 40, initialisation="whitening")
    before = model.features[0].weight.clone()
    grey, black = make_smooth_images(1).expand(-1, 3, -1, -1), torch.full((500, 3, 40, 40), -1.0)
    whiten(model, grey if images == "grey" else black)
    changed = (model.features[0].weight != before).flatten(1).any(1)
    count = 50 if images == "grey" else 0
    assert changed[:count].all() and not changed[count:].any()


def test_a_run_whitens_by_its_own_training_images(compose):
    """A seed gives the same weights. Maps of test images, normalised as in training, have variance 1."""
    settings = ["dataset=digits", "model.initialisation=whitening", "dataset.mean=0.3", "dataset.std=0.1"]
    training, again = (assemble(compose(*settings)) for _ in range(2))
    assert all(map(torch.equal, training.model.state_dict().values(), again.model.state_dict().values()))
    images, _ = next(training.batches.test.epoch())
    maps = training.model.features[0](images)[:, :10:2, 2:-2, 2:-2].detach()
    assert (maps.var((0, 2, 3)) - 1).abs().max() < 0.2


def test_whitening_is_the_same_for_images_in_memory_and_streamed_ones(compose, images):
    settings = [*small_data(images), "model.initialisation=whitening"]
    held, streamed = (assemble(compose(*settings, f"dataset.memory_share={share}")).model for share in (0.25, 0))
    assert torch.equal(held.features[0].weight, streamed.features[0].weight)
