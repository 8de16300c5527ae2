"""Logs what the tutorial doesn't: lines before the first step, after each epoch and at the end of a run."""

import logging
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig
from tqdm import tqdm

from alexnet.config.options import find_option
from alexnet.messages.console import RESULT, from_here, translate
from alexnet.messages.lines import measure
from alexnet.runs.folder import Run

if TYPE_CHECKING:
    from alexnet.training.build import Training
    from alexnet.training.state import State

logger = logging.getLogger(__name__)

COLUMNS = 80


def log_start(run: Run, training: "Training", environment: dict[str, Any], config: DictConfig) -> None:
    """Logs what is about to be trained, and on what. environment: as in environment.json."""
    batches, train, model = training.batches, training.batches.train, type(training.model)
    images = translate("{:,} to train").format(len(train.labels))
    if batches.validation is not None:
        images += translate(", {:,} to validate").format(len(batches.validation.labels))
    name = find_option("model", f"{model.__module__}.{model.__qualname__}")
    lines = [
        translate("Run folder: {}").format(run.folder),
        translate("Device: {} ({}), {}").format(
            training.engine.device, environment["device_name"], environment["precision"]
        ),
        *_describe_processes(training),
        translate("Images: {}, {:,} to test; classes: {:,}").format(
            images, len(batches.test.labels), len(training.dataset.classes)
        ),
        translate("Network: {}, {:,} parameters").format(name, sum(p.numel() for p in training.model.parameters())),
        translate("Epochs: {}; batches an epoch: {:,}; images a batch: {:,}").format(
            training.epochs, len(train), train.batch_size
        ),
    ]
    if training.average is not None:
        lines.append(translate("Tested: the moving average of the weights (ema={})").format(training.average.decay))
    for line in [*lines, *_describe_transfer(training)]:
        logger.info(line)
    _log_details(training, environment, config)
    if training.engine.compile:
        logger.info(translate("The first steps compile the network, which can take minutes."))


def _describe_processes(training: "Training") -> list[str]:
    """How many processes compute the run; nothing for one that computes whole batches."""
    group = training.group
    if group.shards == 1:
        return []
    text = translate("Processes: {}, each with {} of {} shares of a batch")
    return [text.format(group.size, len(group.get_shares()), group.shards)]


def _describe_transfer(training: "Training") -> list[str]:
    """Where the weights come from, and which aren't trained; nothing for a network that is all new and trained."""
    transfer, lines = training.transfer, []
    if transfer is not None:
        place, taken = from_here(transfer.source), _join_layers(transfer.taken)
        if transfer.new:
            text = translate("Weights: {} from {}, new: {}")
            lines.append(text.format(taken, place, _join_layers(transfer.new)))
        else:
            lines.append(translate("Weights: {} from {}").format(taken, place))
        lines += transfer.notes
    if training.frozen:
        lines.append(translate("Not trained: {}").format(_join_layers(training.frozen)))
    return lines


def _join_layers(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else translate("{} to {}").format(names[0], names[-1])


def _log_details(training: "Training", environment: dict[str, Any], config: DictConfig) -> None:
    """What a person looks for when something is odd: console=verbose shows it, train.log always has it."""
    packages = {"python": environment["python"], **environment["packages"]}
    versions = ", ".join(f"{name} {version}" for name, version in packages.items() if version is not None)
    source = environment["source"]
    changed = translate(", changed since") if source.get("diff") else ""
    lines = [
        translate("Versions: {}").format(versions),
        translate("Source: commit {}{}").format(source["commit"], changed),
        translate("Data: SHA-256 {}").format(environment["data_sha256"]),
        translate("Threads: {} of {}").format(environment["threads"], environment["cpu_count"]),
        translate("Optimizer: {}").format(_list_options("optimizer", config.optimizer)),
        translate("Schedule: {}").format(_list_options("schedule", config.schedule)),
        *(
            translate("Weights: {} {} = {:,}").format(name, "x".join(map(str, weights.shape)), weights.numel())
            for name, weights in training.model.named_parameters()
        ),
    ]
    for line in lines:
        logger.debug(line)


def _list_options(group: str, config: DictConfig) -> str:
    """'sgd, lr=0.01, momentum=0.9': as a person types them."""
    given = [f"{key!s}={value}" for key, value in config.items() if key != "_target_"]
    return ", ".join([find_option(group, config["_target_"]), *given])


def log_epoch(training: "Training", state: "State", row: dict[str, Any]) -> None:
    """Logs the figures of the epoch that has just ended, and the time to the end. row: as in epochs.csv."""
    left = state.seconds() / state.epoch * (training.epochs - state.epoch)
    rate, speed = translate("lr {:.3g}"), translate("{:.0f} img/s")
    rate, speed = rate.format(row["learning_rate"]), speed.format(row["images_per_second"])
    figures = [
        translate("Epoch {}/{}:").format(state.epoch, training.epochs),
        translate("train loss {:.3f} acc {:.1f}%").format(row["loss"], 100 * row["accuracy"]),
        "|",
    ]
    if row["validation_accuracy"] is not None:
        loss, accuracy = row["validation_loss"], 100 * row["validation_accuracy"]
        figures += [translate("val {:.3f} {:.1f}%").format(loss, accuracy), "|"]
    figures += [rate, speed, translate("{} left").format(tqdm.format_interval(left))]
    line = " ".join(figures)
    for least in (f" {speed}", " |", " |", f" {rate}"):  # what a line that is too long does without, one by one
        if measure(line) > COLUMNS:
            before, _, after = line.rpartition(least)
            line = before + after
    logger.info(line)


def describe_test(result: dict[str, Any]) -> list[str]:
    """The accuracies that there are, a line each. result: as in result.json."""
    lines = []
    if result.get("validation_accuracy") is not None:
        figures = result["chosen_epoch"], result["epochs"], 100 * result["validation_accuracy"]
        lines.append(translate("Validation chose epoch {} of {}: validation accuracy {:.2f}%").format(*figures))
    if "test_accuracy" in result:
        lines.append(translate("Test accuracy: {:.2f}%").format(100 * result["test_accuracy"]))
    return lines


def log_test(result: dict[str, Any], alone: bool) -> None:
    """Logs the accuracies. result: as in result.json. alone: no sweep's table will have them."""
    for line in describe_test(result):
        logger.info(line, extra=RESULT if alone else None)


def log_end(run: Run, training: "Training", result: dict[str, Any], alone: bool) -> None:
    """Logs where the results are and, if the run is `alone`, what to type next."""
    logger.info(translate("Training curve saved to: {}").format(run.curve))
    if training.keep == "none" and training.test:
        log_deletion(run, alone)
        return
    weights = run.checkpoints / ("last.pt" if result["validation_accuracy"] is None else "best.pt")
    extra = RESULT if alone else None
    logger.info(translate("Weights saved to: {} (epoch {})").format(weights, result["chosen_epoch"]), extra=extra)
    folder = shlex.quote(str(run.folder))
    if alone and training.test:
        logger.info(translate("Test them again: {}").format(f"python scripts/evaluate.py {folder}"))
    elif alone:
        text = translate("Not tested yet (test=false). To test: {}")
        logger.info(text.format(f"python scripts/resume.py {folder} test=true"))
        if training.keep == "none":
            logger.info(translate("The test deletes the weights (keep=none)."))


def log_deletion(run: Run, alone: bool) -> None:
    """Logs that a run with keep=none has no weights any more and, if it is `alone`, how to get them back."""
    text = translate("No weights are kept (keep=none). To train them again: {}")
    if alone:
        logger.info(text.format(f"python scripts/reproduce.py {shlex.quote(str(run.folder))} keep=weights"))
