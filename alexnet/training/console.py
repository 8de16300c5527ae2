"""Logs what the tutorial doesn't: lines before the first step, after each epoch and at the end of a run."""

import logging
import shlex
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from alexnet.runs.folder import Run

if TYPE_CHECKING:
    from alexnet.training.build import Training
    from alexnet.training.state import State

logger = logging.getLogger(__name__)


def log_start(run: Run, training: "Training", environment: dict[str, Any]) -> None:
    """Logs what is about to be trained, and on what. environment: as in environment.json."""
    texts, batches, train = training.texts, training.batches, training.batches.train
    validation = 0 if batches.validation is None else len(batches.validation.labels)
    held_out = texts.validation_images.format(validation) if validation else ""
    lines = [
        texts.folder.format(run.folder),
        texts.device.format(training.engine.device, environment["device_name"], environment["precision"]),
        texts.images.format(len(train.labels), held_out, len(batches.test.labels), len(training.dataset.classes)),
        texts.network.format(
            type(training.model).__name__, sum(parameter.numel() for parameter in training.model.parameters())
        ),
        texts.plan.format(training.epochs, len(train), train.batch_size),
    ]
    for line in lines:
        logger.info(line)


def log_epoch(training: "Training", state: "State", row: dict[str, Any]) -> None:
    """Logs the figures of the epoch that has just ended, and the time to the end. row: as in epochs.csv."""
    texts = training.texts
    left = state.seconds() / state.epoch * (training.epochs - state.epoch)
    validated = row["validation_accuracy"] is not None
    figures = [
        texts.train_figures.format(row["loss"], 100 * row["accuracy"]),
        texts.validation_figures.format(row["validation_loss"], 100 * row["validation_accuracy"]) if validated else "",
        texts.learning_rate.format(row["learning_rate"]),
        texts.speed.format(row["images_per_second"]),
        texts.time_left.format(tqdm.format_interval(left)),
    ]
    logger.info(texts.epoch_line.format(state.epoch, training.epochs, texts.comma.join(filter(None, figures))))


def log_end(run: Run, training: "Training", result: dict[str, Any]) -> None:
    """Logs where the results are, and what to type next."""
    texts, validated = training.texts, result["validation_accuracy"] is not None
    logger.info(texts.plot_saved.format(run.curve))
    if training.keep == "none":
        return
    logger.info(texts.weights.format(run.checkpoints / ("best.pt" if validated else "last.pt"), result["chosen_epoch"]))
    folder = shlex.quote(str(run.folder))
    if training.test:
        logger.info(texts.next_command.format(f"python scripts/evaluate.py {folder}"))
    else:
        logger.info(texts.not_tested.format(f"python scripts/resume.py {folder} test=true"))
