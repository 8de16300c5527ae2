"""Layers are found by the paper's names, and what they give is recorded without changing the network."""

import pytest
import torch
from torch import nn

from alexnet.errors import Mistake
from alexnet.models.alexnet import AlexNet
from alexnet.models.alexnet_2012 import AlexNet2012
from alexnet.models.alexnet_cifar import AlexNetCifar
from alexnet.models.cuda_convnet import CudaConvnet
from alexnet.models.named_layers import choose_layer, find_layers, join, record_outputs

NETWORKS = {
    "alexnet": (AlexNet(4, 3, 64), 64),
    "alexnet_2012": (AlexNet2012(4, 3, 64), 64),
    "alexnet_cifar": (AlexNetCifar(4, 3, 32, columns=2, cross="all", normalisation="batch", hidden=64), 32),
    "cuda_convnet": (CudaConvnet(4, 3, 32), 32),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_recorded_are_the_papers_layers_of_all_columns(name):
    network, side = NETWORKS[name]
    layers, images = find_layers(network.eval()), torch.rand(2, 3, side, side)
    last = "fc4" if name == "cuda_convnet" else "fc8"
    assert next(iter(layers)) == "conv1" and list(layers)[-1] == last
    with torch.no_grad():
        expected = network(images)
        with record_outputs(list(layers.values())) as after:
            assert torch.equal(network(images), expected)
        with record_outputs(list(layers.values()), before_activation=True) as before:
            assert torch.equal(network(images), expected)
        assert torch.equal(network(images), expected)
    for found, given, layer in zip(after, before, layers.values(), strict=True):
        width = sum(module.weight.shape[0] for module in layer.weighted)
        assert join(found).shape[1] == width
        assert torch.equal(join(found), join(given).relu() if layer.name != last else join(given))
    assert torch.equal(join(after[-1]), expected)


def test_gradients_reach_what_was_recorded():
    """In-place ReLUs and two columns included: a step along the gradient raises the score."""
    network, side = NETWORKS["alexnet_2012"]
    with record_outputs([find_layers(network.eval())["conv5"]]) as recorded:
        network(torch.rand(1, 3, side, side))[0, 0].backward(inputs=recorded[0])
    assert len(recorded[0]) == 2


def test_dropout_belongs_to_the_layer_behind_it_and_normalisation_to_the_layer_before():
    kinds = {
        name: {type(module) for module in layer.others}
        for name, layer in find_layers(NETWORKS["alexnet_2012"][0]).items()
    }
    assert nn.Dropout in kinds["fc7"] and nn.Dropout in kinds["fc8"] and nn.Dropout not in kinds["fc6"]
    assert nn.LocalResponseNorm in kinds["conv1"] and nn.LocalResponseNorm not in kinds["conv3"]


def test_an_unknown_layer_is_answered_with_the_nearest_name():
    with pytest.raises(Mistake, match=r"There is no layer conv6.*did you mean conv"):
        choose_layer(find_layers(NETWORKS["alexnet"][0]), "conv6")


def test_a_layer_is_found_as_people_type_it_and_the_known_ones_are_listed_once():
    layers = find_layers(NETWORKS["alexnet"][0])
    assert [choose_layer(layers, name).name for name in ("fc6", " FC8 ", "\tConv1")] == ["fc6", "fc8", "conv1"]
    for name, start in (
        (" ", "A layer is missing; there are conv1, "),
        ("Zebra", "There is no layer Zebra in this network;"),
    ):
        with pytest.raises(Mistake, match=start) as told:
            choose_layer(layers, name)
        assert str(told.value).count("conv2") == 1
