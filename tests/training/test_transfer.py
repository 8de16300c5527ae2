"""A network starts from another one's weights: what is taken, what is new, and what stays exactly as it is."""

import shutil

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from alexnet.config.compose import compose_config
from alexnet.data.dataset import Dataset
from alexnet.launch.resume import resume
from alexnet.models.named_layers import find_layers
from alexnet.models.weight_files import hash_tensors, read_weights
from alexnet.training.loop import set_learning_rate, step
from alexnet.training.network import build_model
from alexnet.training.transfer import list_tensors, take_weights
from support.transfer import BATCH, SMALL, A, B, find_equal, load, start, train

NAMES = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]


@pytest.mark.parametrize(
    "given, taken",
    [
        ([A], 8),
        ([B], 7),  # as many classes, but others
        (["dataset.only=[0,1,2]"], 7),
        ([A, "model.keep=conv5"], 5),
        ([B, "model.keep=fc8"], 8),  # because it is asked for
        ([A, "model.hidden=24"], 5),
        ([A, "model.kernels=[8,8,12,16,8]"], 3),
    ],
)
def test_layers_are_taken_in_order_with_the_statistics_of_their_normalisation(source, given, taken):
    training = start(*BATCH, f"model.weights={source.folder}", *given)
    fresh = start(*BATCH, *given).model.state_dict()
    transfer = training.transfer
    assert (transfer.taken, transfer.new) == (NAMES[:taken], NAMES[taken:])
    assert transfer.weights_sha256 == source.result()["weights_sha256"]
    own = training.model.state_dict()
    there = load(source)
    for number, (name, tensors) in enumerate(list_tensors(training.model).items()):
        for each in tensors:
            assert torch.equal(own[each], (there if number < taken else fresh)[each]), (name, each)
    assert sum("running_var" in each for names in list_tensors(training.model).values() for each in names) == 5


MODELS = {
    "alexnet": ["model=alexnet", "dataset.size=63"],
    "alexnet_2012": ["model=alexnet_2012", "dataset.size=64", "model.kernels=[8,8,8,8,8]"],
    "two columns": [*BATCH, "model.columns=2", "device.winograd=true"],
    "cuda_convnet": ["model=cuda_convnet"],
}


@pytest.mark.parametrize("model, optimizer", list(zip(MODELS, ["sgd", "adamw", "sgd", "adamw"], strict=True)))
def test_frozen_layers_stay_equal_to_the_bit_and_the_others_learn(model, optimizer):
    """With weight decay, momentum, batch normalisation and dropout, in every network, and after train() and eval()."""
    given = [*MODELS[model], "dataset.share=0.03", "batch_size=16", f"optimizer={optimizer}"]
    given.append("optimizer.weight_decay=0.1")
    last = "conv2" if model == "cuda_convnet" else "fc6"
    training = start(*given, f"model.freeze={last}")
    frozen = training.frozen
    assert frozen == list(find_layers(training.model))[: len(frozen)] and frozen[-1] == last
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    set_learning_rate(training, 0.01)
    for number, (images, labels) in enumerate(training.batches.train.epoch(0)):
        training.model.eval()
        training.model.train()
        step(training, images, labels, 0, number)
    assert find_equal(training.model, before) == frozen


def test_frozen_layers_have_no_dropout(source):
    training = start(*BATCH, B, f"model.weights={source.folder}", "model.freeze=kept", "model.dropout=0.9")
    training.model.train()
    dropouts = [module for module in training.model.modules() if isinstance(module, nn.Dropout)]
    assert len(dropouts) == 2 and not any(module.training for module in dropouts)
    assert training.frozen == NAMES[:7]
    images = torch.randn(4, 3, 32, 32)
    assert torch.equal(training.model(images), training.model(images))


@pytest.mark.slow
def test_a_run_ends_with_the_frozen_layers_of_its_source_by_sha256(source, tmp_path):
    """Also if it is resumed when its source has gone; it then ends as a run that had its epochs from the start."""
    gone = tmp_path / "gone"
    shutil.copytree(source.folder, gone)
    own = [f"model.weights={gone}", "model.freeze=conv3", "optimizer.new_layers=10", "dataset.validation=0.1"]
    run = train(tmp_path / "run", *BATCH, B, *own)
    shutil.rmtree(gone)
    assert resume(str(run.folder), ["epochs=2"]) == 0
    there, here = load(source), load(run)
    training = start(*BATCH, B)
    names = list_tensors(training.model)
    assert all(torch.equal(there[each], here[each]) for name in NAMES[:3] for each in names[name])
    assert not any(torch.equal(there[each], here[each]) for name in NAMES[3:] for each in names[name][:1])
    environment = run.environment()["transferred_from"]
    assert environment == {
        "source": str(gone),
        "weights_sha256": source.result()["weights_sha256"],
        "taken": NAMES[:7],
        "new": ["fc8"],
    }
    whole = train(tmp_path / "whole", *BATCH, B, f"model.weights={source.folder}", *own[1:], "epochs=2")
    assert run.result()["weights_sha256"] == whole.result()["weights_sha256"]


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_new_layers_learn_with_their_own_rate(source, optimizer):
    """One step with a factor is, layer by layer, a step with that learning rate, whatever the schedule says."""
    given = [*BATCH, B, f"model.weights={source.folder}", f"optimizer={optimizer}", "model.keep=conv5"]

    def take_step(rate, *more):
        training = start(*given, *more)
        set_learning_rate(training, rate)
        images, labels = next(training.batches.train.epoch(0))
        step(training, images, labels, 0, 0)
        return training.model

    both = take_step(0.001, "optimizer.new_layers=10")
    slow, fast = take_step(0.001), take_step(0.01)
    assert find_equal(both, slow.state_dict()) == NAMES[:5]
    assert find_equal(both, fast.state_dict()) == NAMES[5:]


def test_a_recorded_step_finds_each_groups_rate_at_its_place(source):
    """On a GPU the tensors are part of the recording, so they must stay the same objects."""
    training = start(*BATCH, B, f"model.weights={source.folder}", "optimizer.new_layers=10")
    training.rates = [torch.zeros(()), torch.zeros(())]
    for rate in (0.01, 0.002):
        set_learning_rate(training, rate)
        for group, tensor, factor in zip(training.optimizer.param_groups, training.rates, (1, 10), strict=True):
            assert group["lr"] is tensor and tensor.item() == pytest.approx(rate * factor)


def test_without_the_options_there_is_one_group_of_all_parameters():
    training = start(*BATCH)
    (group,) = training.optimizer.param_groups
    assert [*map(id, group["params"])] == [*map(id, training.model.parameters())] and "factor" not in group


@pytest.mark.parametrize("channels", [(3, 1), (1, 3)])
def test_kernels_for_colour_and_grey_give_a_grey_image_the_same(tmp_path, channels):
    """Summed over three channels, or repeated and divided by three; and said so."""
    config = compose_config([*SMALL, *BATCH])[0]
    there, here = (Dataset.without_images(["a", "b"], each, 32) for each in channels)
    network = build_model(config, there).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    config.model.weights, config.model.keep = str(tmp_path / "weights.pth"), "fc8"
    config.seed = 5
    other = build_model(config, here).eval()
    transfer = take_weights(other, config.model, here)
    grey = torch.randn(2, 1, 32, 32)
    outputs = [each(grey.expand(-1, count, -1, -1)) for each, count in zip((network, other), channels, strict=True)]
    torch.testing.assert_close(*outputs)
    assert transfer.notes and "conv1's kernels are " in transfer.notes[0]


def test_a_file_of_weights_tells_imagenets_classes_apart(tmp_path):
    """ImageNet's 1,000 synsets get its last layer, too; other classes a new one. From .pth and .safetensors."""
    config = compose_config([*SMALL, *BATCH])[0]
    synsets = [f"n{number:08}" for number in range(1000)]
    theirs = build_model(config, Dataset.without_images(synsets, 3, 32)).state_dict()
    torch.save(theirs, tmp_path / "weights.pth")
    save_file(theirs, tmp_path / "weights.safetensors")
    config.seed = 1
    for ending, classes, taken in [
        ("pth", synsets, 8),
        ("safetensors", synsets, 8),
        ("safetensors", ["cat", "dog"], 7),
        ("pth", synsets[::-1], 7),
    ]:
        dataset = Dataset.without_images(classes, 3, 32)
        config.model.weights = str(tmp_path / f"weights.{ending}")
        network = build_model(config, dataset)
        transfer = take_weights(network, config.model, dataset)
        assert transfer is not None and transfer.taken == NAMES[:taken]
        assert find_equal(network, theirs)[:7] == NAMES[:7]
        assert transfer.weights_sha256 == hash_tensors(read_weights(config.model.weights))
