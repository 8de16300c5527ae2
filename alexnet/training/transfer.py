"""Gives a network the weights of a trained one, layer by layer, and keeps layers from being trained."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from alexnet.config.saved import choose_weights, load_run_config
from alexnet.data.dataset import Dataset
from alexnet.data.imagenet import are_imagenets
from alexnet.errors import Damaged, Mistake
from alexnet.messages.console import translate
from alexnet.models.limits import KEPT
from alexnet.models.named_layers import choose_layer, find_layers
from alexnet.models.weight_files import describe_shape, hash_tensors, read_weights
from alexnet.runs.folder import Run
from alexnet.training.evaluation import choose_tensors, load_checkpoint
from alexnet.training.targets import call, refusing


@dataclass(frozen=True)
class Source:
    """The weights to start from.

    place: the run's folder or the file, as it was typed. tensors: by their names in the state dict. layers: the names
    of each layer's tensors. has_classes: whether these classes are those that the last layer tells apart. size: of the
    images; None if it isn't known.
    """

    place: str
    tensors: dict[str, Tensor]
    layers: dict[str, list[str]]
    has_classes: Callable[[Sequence[str]], bool]
    size: int | None = None

    @cached_property
    def sha256(self) -> str:
        """As in the run's result.json, if the run has ended."""
        return hash_tensors(self.tensors)


@dataclass(frozen=True)
class Transfer:
    """What a network has of other weights, as environment.json says it.

    source: the absolute path of the run's folder or the file. taken, new: the names of layers, in order. notes: what a
    person should know of it, in sentences.
    """

    source: str
    weights_sha256: str
    taken: list[str]
    new: list[str]
    notes: list[str]


def take_weights(
    network: nn.Module, options: DictConfig, dataset: Dataset, began: dict[str, Any] | None = None
) -> Transfer | None:
    """Gives the network the layers that it can have of the weights that `weights` names; None if it names none.

    Layers are taken in order, up to `keep`, else up to the first that doesn't fit. The last layer is taken unasked only
    if its classes are the dataset's. began: what this gave when the run began; then nothing is read, because a
    checkpoint replaces all weights. Raises Mistake if the weights can't be read, or `keep` names a layer that isn't
    there or doesn't fit; Damaged if `began` or the source isn't what a run wrote.
    """
    weights, keep = options.get("weights"), options.get("keep")
    if weights is None:
        return None
    own = list_tensors(network)
    if keep is not None:
        choose_layer(find_layers(network), keep)
    if began is not None:
        return _read_transfer(began, list(own))
    with refusing("model", options):
        source = read_source(weights, network)
        taken, notes = _take_layers(network, own, source, dataset, keep)
    place, new = str(Path(weights).expanduser().absolute()), list(own)[len(taken) :]
    return Transfer(place, source.sha256, taken, new, notes)


def read_source(weights: str, network: nn.Module) -> Source:
    """The weights in a run's folder, those that the run was tested with, or in a file.

    network: whose names the tensors of a file have. Raises Mistake or ValueError if there are none.
    """
    place = Path(weights).expanduser()
    if not place.is_dir():
        return Source(weights, read_weights(weights), list_tensors(network), are_imagenets)
    run = Run(place)
    config, _ = load_run_config(run, [], trains=False)
    saved = load_checkpoint(run, choose_weights(config))
    tensors, classes, size = choose_tensors(saved, run, config.ema > 0), run.classes() or [], config.dataset.size
    with torch.device("meta"):  # the number of classes changes no name
        layers = list_tensors(call("model", config.model, classes=len(classes) or 1, channels=3, size=size))
    return Source(weights, tensors, layers, lambda others: list(others) == classes, size)


def list_tensors(network: nn.Module) -> dict[str, list[str]]:
    """The names of each layer's tensors in the network's state dict: weights, biases, statistics of normalisation."""
    names = {module: name for name, module in network.named_modules()}
    return {
        name: [
            f"{names[module]}.{tensor}" for module in (*layer.weighted, *layer.others) for tensor in module.state_dict()
        ]
        for name, layer in find_layers(network).items()
    }


@torch.no_grad()
def _take_layers(
    network: nn.Module, own: dict[str, list[str]], source: Source, dataset: Dataset, keep: str | None
) -> tuple[list[str], list[str]]:
    """The names of the layers that were taken, and notes."""
    state, last = network.state_dict(), list(own)[-1]
    taken: list[str] = []
    notes: list[str] = []
    for name, tensors in own.items():
        if name == last and keep is None and not source.has_classes(dataset.classes):
            break
        given = [source.tensors.get(each) for each in source.layers.get(name, [])]
        if name == "conv1":
            given, changed = _change_channels(given, [state[each] for each in tensors])
            notes += [changed] if changed else []
        shapes = _compare_shapes(given, [state[each] for each in tensors])
        if shapes is not None:
            if keep is not None or not taken:
                misfit = f"{name} doesn't fit: {shapes[0]} there, {shapes[1]} here."
                raise Mistake(f"model.weights={source.place}: {misfit} {_find_way_out(name, taken, source, dataset)}")
            notes.append(translate("{} doesn't fit: {} there, {} here.").format(name, *shapes))
            break
        for each, value in zip(tensors, given, strict=True):
            state[each].copy_(value)
        taken.append(name)
        if name == keep:
            break
    return taken, notes


def _change_channels(given: list[Any], own: Sequence[Tensor]) -> tuple[list[Any], str | None]:
    """conv1's tensors for images of 3 channels in place of 1, or of 1 in place of 3, and what was done. A grey image
    gives the same in both.
    """
    kernels = [
        (value, mine) for value, mine in zip(given, own, strict=False) if isinstance(value, Tensor) and value.ndim == 4
    ]
    if not kernels or {value.shape[1] for value, _ in kernels} | {mine.shape[1] for _, mine in kernels} != {1, 3}:
        return given, None

    def change(value: Any) -> Any:
        if not isinstance(value, Tensor) or value.ndim != 4:
            return value
        return value.sum(1, keepdim=True) if value.shape[1] == 3 else value.expand(-1, 3, -1, -1) / 3

    summed = translate("conv1's kernels are the sums over 3 channels.")
    repeated = translate("conv1's kernels are repeated for 3 channels and divided by 3.")
    return list(map(change, given)), summed if kernels[0][0].shape[1] == 3 else repeated


def _compare_shapes(given: Sequence[Any], own: Sequence[Tensor]) -> tuple[str, str] | None:
    """The shapes of a layer's tensors in the source and in the network; None if they are equal."""
    there, here = (" and ".join(describe_shape(value) for value in values) for values in (given, own))
    return None if there == here else (there or "missing", here)


def _find_way_out(name: str, taken: Sequence[str], source: Source, dataset: Dataset) -> str:
    ways = [f"model.keep={taken[-1]}"] if taken else ["the source's own model and its options"]
    if name.startswith("fc") and source.size not in (None, dataset.size):
        ways.insert(0, f"dataset.size={source.size}")
    return f"Give {' or '.join(ways)}."


def _read_transfer(plain: Any, names: list[str]) -> Transfer:
    """What environment.json has. names: of the network's layers."""
    known = plain if isinstance(plain, dict) else {}
    source, sha256, taken, new = (known.get(key) for key in ("source", "weights_sha256", "taken", "new"))
    listed = isinstance(taken, list) and isinstance(new, list) and len(taken) > 0 and [*taken, *new] == names
    if not (listed and isinstance(source, str) and isinstance(sha256, str)):
        raise Damaged("environment.json doesn't say what the network has of model.weights: bring it back.")
    return Transfer(source, sha256, list(taken or ()), list(new or ()), [])


def check_source(config: DictConfig, run: Run, network: nn.Module) -> None:
    """Raises Mistake if the weights in `model.weights` aren't those that the run began with."""
    before, weights = run.environment().get("transferred_from"), config.model.get("weights")
    if not isinstance(before, dict) or weights is None or run.config().get("model", {}).get("weights") != weights:
        return
    with refusing("model", config.model):
        source = read_source(weights, network)
    refuse_other_weights(source.sha256, before, run)


def refuse_other_weights(sha256: str, before: dict[str, Any], run: Run) -> None:
    """Raises Mistake if a run that began with other weights would begin again with these."""
    if sha256 != before.get("weights_sha256"):
        raise Mistake(
            f"model.weights={before.get('source')} has other weights now than when {run.folder} began "
            f"(SHA-256 {sha256[:12]}, not {str(before.get('weights_sha256'))[:12]}): bring those back, or give "
            f"model.weights=PLACE where they are."
        )


def freeze(network: nn.Module, name: str | None, transfer: Transfer | None) -> list[str]:
    """Keeps the layers up to that one exactly as they are, and returns their names.

    Their weights get no gradient, and neither train() nor eval() changes them: they have no dropout, and normalise
    with their own statistics. name: of a layer; `kept` for all that were taken; None for none. Raises Mistake if one of
    them is new beside others that were taken, or if no layer is left to train.
    """
    if name is None:
        return []
    layers = find_layers(network)
    last = transfer.taken[-1] if name == KEPT and transfer is not None else choose_layer(layers, name).name
    frozen = [*takewhile(lambda each: each != last, layers), last]
    if transfer is not None and len(frozen) > len(transfer.taken):
        taken = transfer.taken[-1]
        raise Mistake(
            f"model.freeze={name} would keep new layers from learning, and model.weights gives those up to {taken}: "
            f"give model.freeze={taken} or an earlier layer."
        )
    if len(frozen) == len(layers):
        raise Mistake(f"model.freeze={name} leaves nothing to train: all layers are taken. Give an earlier layer.")
    for layer in (layers[each] for each in frozen):
        for module in (*layer.weighted, *layer.activations, *layer.others):
            module.requires_grad_(False)
            module.eval()
            vars(module)["train"] = _stay_in_eval
    return frozen


def _stay_in_eval(mode: bool = True) -> None:
    """In place of a frozen module's train()."""


def group_parameters(
    network: nn.Module, transfer: Transfer | None, factor: float
) -> Iterable[nn.Parameter] | list[dict[str, Any]]:
    """The parameters to train. With a factor other than 1, two groups: `factor` is that of each one's learning rate.

    Raises Mistake if no layer is new.
    """
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if factor == 1 or transfer is None:
        return trained
    if not transfer.new:
        raise Mistake(
            f"optimizer.new_layers={factor}: no layer is new, all are taken. Give model.keep, or leave it out."
        )
    names = list_tensors(network)
    new = {tensor for name in transfer.new for tensor in names[name]}
    parts: dict[bool, list[nn.Parameter]] = {False: [], True: []}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            parts[name in new].append(parameter)
    return [{"params": parts[is_new], "factor": factor if is_new else 1} for is_new in parts if parts[is_new]]
