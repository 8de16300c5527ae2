"""A network starts from another one's weights: what is taken, what is new, and what stays exactly as it is."""

import json
import shutil

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file
from torch import nn

from alexnet.comparison.compare import compare
from alexnet.comparison.records import read_all
from alexnet.config.compose import compose_config
from alexnet.config.keys import SINCE
from alexnet.data.dataset import Dataset
from alexnet.errors import Mistake
from alexnet.launch.reproduce import reproduce
from alexnet.launch.resume import resume
from alexnet.models.named_layers import find_layers
from alexnet.models.weight_files import hash_tensors, read_weights
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from alexnet.training.build import assemble
from alexnet.training.job import execute
from alexnet.training.loop import set_learning_rate, step
from alexnet.training.network import build_model
from alexnet.training.transfer import list_tensors, take_weights

SMALL = ["dataset=digits", "device=cpu", "device.precision=float32", "epochs=1", "batch_size=64", "optimizer.lr=0.01"]
BATCH = ["model.kernels=[8,8,12,12,8]", "model.hidden=16", "model.normalisation=batch", "model.dropout=0.3"]
A, B = "dataset.only=[0,1,2,3,4]", "dataset.only=[5,6,7,8,9]"


def train(folder, *given):
    folder.mkdir(parents=True)
    assert execute(compose_config([*SMALL, *given])[0], Run(folder)) == 0
    return Run(folder)


def load(run):
    return checkpoints.load(run.checkpoints, "last")["model"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A run on the digits 0 to 4, with batch normalisation and dropout."""
    return train(tmp_path_factory.mktemp("source") / "run", *BATCH, A)


def start(*given):
    """A training before its first step."""
    return assemble(compose_config([*SMALL, *given])[0])


def find_equal(network, other):
    """The layers of which all tensors are equal. other: a state dict."""
    state = network.state_dict()
    return [name for name, own in list_tensors(network).items() if all(torch.equal(state[k], other[k]) for k in own)]


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


@pytest.mark.slow
def test_a_reproduction_says_that_its_source_has_gone_or_changed(source, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "there"
    shutil.copytree(source.folder, place)
    run = train(tmp_path / "run", *BATCH, B, f"model.weights={place}")
    assert reproduce(str(run.folder), []) == 0
    shutil.rmtree(place)
    with pytest.raises(Mistake, match="there: there is no such file or folder"):
        reproduce(str(run.folder), [])
    train(place, *BATCH, A, "seed=1")
    with pytest.raises(Mistake, match=r"has other weights now than when .*run began \(SHA-256"):
        reproduce(str(run.folder), [])
    assert reproduce(str(run.folder), [f"model.weights={source.folder}"]) == 0  # the same, elsewhere
    assert len(list(tmp_path.glob("outputs/*/*"))) == 2


def test_a_run_that_begins_again_refuses_a_changed_source(source, tmp_path, capsys):
    place = tmp_path / "there"
    shutil.copytree(source.folder, place)
    run = train(tmp_path / "run", *BATCH, B, f"model.weights={place}")
    shutil.rmtree(place)
    train(place, *BATCH, A, "seed=1")
    assert resume(str(run.folder), [], from_start=True) == 2
    printed = capsys.readouterr().err
    assert "has other weights now than when" in printed and printed.count("\n") == 1
    assert run.result()["status"] == "finished"


@pytest.mark.slow
def test_runs_from_other_weights_are_other_configurations(source, tmp_path):
    """At the same path, too; seeds of the same weights are averaged, and tables show the path as it was typed."""
    place = tmp_path / "there"
    shutil.copytree(source.folder, place)
    given = [*BATCH, B, f"model.weights={place}"]
    for seed in (0, 1):
        train(tmp_path / "runs" / str(seed), *given, f"seed={seed}")
    shutil.rmtree(place)
    train(place, *BATCH, A, "seed=1")
    train(tmp_path / "runs" / "2", *given, "seed=2")
    train(tmp_path / "runs" / "3", *BATCH, B)
    compared = compare(read_all([str(tmp_path / "runs")], print))
    assert sorted(len(each.repeats) for each in compared.configurations) == [1, 1, 2]
    assert compared.keys == ["model.weights", "model.weights_sha256"]


def test_a_run_of_before_is_the_same_configuration_as_one_of_today(tmp_path):
    """A folder that lacks the new keys."""
    run = train(tmp_path / "runs" / "new", *BATCH)
    old = tmp_path / "runs" / "old"
    shutil.copytree(run.folder, old)
    for name in ("environment.json", "config.yaml"):
        (old / name).unlink()
    result = json.loads((old / "result.json").read_text())
    config = run.config()
    for path in SINCE:
        group, _, key = path.partition(".")
        del config[group][key]
    config["seed"] = 1
    (old / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(config)))
    (old / "result.json").write_text(json.dumps({k: v for k, v in result.items() if k not in ("sha256", "tables")}))
    compared = compare(read_all([str(tmp_path / "runs")], print))
    assert len(compared.configurations) == 1


REFUSED = [
    (["model.keep=conv9"], "model.keep=conv9 isn't a layer of this network; did you mean conv"),
    (["model.freeze=con3"], "model.freeze=con3 isn't a layer of this network; did you mean conv3?"),
    (["model.keep=conv2", "model.freeze=conv3"], "give model.freeze=conv2 or an earlier layer"),
    (["model.freeze=fc8"], "leaves nothing to train: give model.freeze=fc7"),
    (["model.weights=null", "model.keep=conv2"], "model.keep=conv2 needs the weights to start from"),
    (["model.weights=null", "model.freeze=kept"], "model.freeze=kept needs the weights to start from"),
    (["model.weights=null", "optimizer.new_layers=10"], "optimizer.new_layers=10 needs the weights to start from"),
    (["optimizer.new_layers=0"], "expected a number above 0"),
    (["model.weights=nowhere"], "model.weights=nowhere: there is no such file or folder; expected the folder of a run"),
    (["model.weights=."], "model.weights=. isn't the folder of a run"),
    (["model.weights=run/config.yaml"], "weights=run/config.yaml can't be read as weights"),
    (["model.weights=pruned"], "no weights in checkpoints/. To train them: python scripts/reproduce.py pruned"),
    (["dataset.only=[1]"], "expected a list of two or more different names of classes"),
    (["dataset.only=[1,1]"], "expected a list of two or more different names of classes"),
    (["dataset.only=[1,10]"], "dataset.only: 10 isn't one of the classes here; did you mean 1?"),
    (["dataset.only=[0,1,2,3,4]", "model.freeze=kept"], "leaves nothing to train: all layers are taken"),
    (["dataset.only=[0,1,2,3,4]", "optimizer.new_layers=2"], "no layer is new, all are taken"),
    (["model.keep=fc6", "dataset.size=48"], "Give dataset.size=32 or model.keep=conv5"),
    (["model.keep=conv2", "model.kernels=[16,8,12,12,8]"], "conv1 doesn't fit: (8, 3, 5, 5) and (8,)"),
    (["model.keep=conv2", "model.normalisation=none"], "conv1 doesn't fit"),
    (["model=alexnet_2012", "dataset.size=64", "model.kernels=[8,8,8,8,8]"], "conv1 doesn't fit"),
    (["model.hidden=24", "model.freeze=fc6"], "model.weights gives those up to conv5: give model.freeze=conv5"),
]


@pytest.mark.parametrize("given, said", REFUSED, ids=[" ".join(given) for given, _ in REFUSED])
def test_what_does_not_fit_is_one_sentence_with_the_way_out(source, tmp_path, monkeypatch, capsys, given, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").symlink_to(source.folder)
    shutil.copytree(source.folder, "pruned", ignore=shutil.ignore_patterns("*.pt"))
    (tmp_path / "to").mkdir()
    own = [] if any(each.startswith("model=") for each in given) else BATCH
    config = compose_config([*SMALL, *own, B, "model.weights=run", *given])[0]
    assert execute(config, Run(tmp_path / "to"), checked=False) == 2
    printed = capsys.readouterr().err
    assert said in printed and printed.count("\n") == 1
    assert not Run(tmp_path / "to").windows()


def test_the_console_says_what_was_taken_and_what_is_new(source, tmp_path, capsys, caplog):
    caplog.set_level("INFO")
    train(tmp_path / "run", *BATCH, B, f"model.weights={source.folder}", "model.freeze=conv1")
    lines = [record.getMessage() for record in caplog.records]
    assert f"Weights: conv1 to fc7 from {source.folder}, new: fc8" in lines and "Not trained: conv1" in lines
