"""The training of one run, from the first step to the plots."""

import logging
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import isfinite, log
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from alexnet import plots, randomness
from alexnet.build import Training
from alexnet.errors import Diverged
from alexnet.evaluate import evaluate
from alexnet.run import Run
from alexnet.signals import Interrupted, Signals
from alexnet.texts import Texts

logger = logging.getLogger(__name__)


@dataclass
class Tally:
    """Sums over the batches of a window or an epoch, kept on the device and read only when asked for."""

    sums: Tensor  # (2,): of the batches' losses, of right answers
    batches: int = 0
    images: int = 0
    since: float = field(default_factory=perf_counter)

    @classmethod
    def empty(cls, device: torch.device) -> "Tally":
        return cls(torch.zeros(2, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device))

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """One batch: loss (), logits (B, K), labels (B,)."""
        self.sums += torch.stack([loss.detach(), (logits.argmax(1) == labels).sum()])
        self.batches += 1
        self.images += len(labels)

    def loss(self) -> float:
        """The mean of the batches' losses."""
        return self.sums[0].item() / self.batches

    def row(self) -> dict[str, float]:
        """loss, accuracy (a share) and images_per_second since the tally began."""
        speed = self.images / (perf_counter() - self.since)
        accuracy = self.sums[1].item() / self.images
        return {"loss": self.loss(), "accuracy": accuracy, "images_per_second": round(speed, 1)}


@dataclass
class State:
    """Where training stands between two steps: with the weights, all that its rest depends on."""

    whole: Tally  # of the current epoch
    window: Tally
    epoch: int = 0  # finished epochs
    batch: int = 0  # finished batches of the current one
    errors: list[float] = field(default_factory=list)  # of each finished epoch, for the schedule
    best_accuracy: float = -1.0  # on validation, where there is one
    best_epoch: int = 0


def train(run: Run, training: Training, signals: Signals, texts: Texts) -> dict[str, Any]:
    """Trains, chooses on validation, tests once, draws; returns what result.json is to hold.

    Raises Diverged for a loss that is NaN or infinite, Interrupted on SIGINT or SIGTERM; rows, curve and
    checkpoint up to there are then in the run's folder.
    """
    started = perf_counter()
    state = State(Tally.empty(training.device), Tally.empty(training.device))
    try:
        fit(run, training, state, signals)
    finally:
        draw_curve(run, training, texts)
    trained = perf_counter()
    logger.info(texts.finished)

    if training.validation:
        training.model.load_state_dict(run.load_checkpoint("best")["model"])
    classes = training.dataset.classes
    test = evaluate(training.model, training.test, len(classes))
    logger.info(texts.test_accuracy.format(100 * test.top1))
    plots.confusion_matrix(run.confusion, test.confusion.tolist(), classes, test.top1, texts)
    logger.info(texts.plot_saved.format(run.curve))
    return {
        "status": "finished",
        "epochs": state.epoch,
        "chosen_epoch": state.best_epoch if training.validation else state.epoch,
        "validation_accuracy": state.best_accuracy if training.validation else None,
        "test_images": len(training.test.labels),
        "test_loss": test.loss,
        "test_accuracy": test.top1,
        "test_top5_accuracy": test.top5,
        "per_class_accuracy": dict(zip(classes, test.per_class, strict=True)),
        "confusion_matrix": test.confusion.tolist(),
        "parameters": sum(parameter.numel() for parameter in training.model.parameters()),
        "training_seconds": round(trained - started, 3),
        "test_seconds": round(perf_counter() - trained, 3),
        "images_per_second": round(state.epoch * len(training.train.labels) / (trained - started), 1),
    }


def fit(run: Run, training: Training, state: State, signals: Signals) -> None:
    """All epochs from `state` on: train, validate, record, save."""
    steps = len(training.train)
    with (
        tqdm(total=training.epochs * steps, unit="batch", disable=None, dynamic_ncols=True) as bar,
        nullcontext() if bar.disable else logging_redirect_tqdm(),  # log lines go above the bar
    ):
        try:
            while state.epoch < training.epochs:
                train_epoch(run, training, state, signals, bar)
                validation = training.validation and evaluate(
                    training.model, training.validation, len(training.dataset.classes)
                )
                with signals.whole():
                    finish_epoch(run, training, state, validation)
        except Interrupted:
            with signals.whole():
                run.save_checkpoint("last", checkpoint(training, state))
            raise


def train_epoch(run: Run, training: Training, state: State, signals: Signals, bar: tqdm) -> None:
    """The rest of the current epoch: a row and a line every `log_every` batches."""
    steps = len(training.train)
    training.model.train()
    for images, labels in training.train.epoch(state.epoch, start=state.batch):
        with signals.whole():  # a step is taken and recorded whole, or not at all
            torch.manual_seed(randomness.derived_seed(training.seed, randomness.DROPOUT, state.epoch, state.batch))
            rate = set_learning_rate(training, state.epoch + state.batch / steps, state.errors)
            training.optimizer.zero_grad()
            logits = training.model(images)
            loss = nn.functional.cross_entropy(logits, labels)
            loss.backward()
            training.optimizer.step()

            state.batch += 1
            state.whole.add(loss, logits, labels)
            state.window.add(loss, logits, labels)
            full = state.window.batches == training.log_every
            # Reading the loss makes a GPU wait, so there it is looked at once a window only.
            if (full or training.device.type == "cpu") and not isfinite(state.window.loss()):
                raise Diverged(
                    f"The loss became {loss.item()} in epoch {state.epoch + 1}, batch {state.batch}, at a learning "
                    f"rate of {rate:g}. Try a lower optimizer.lr, schedule=one_cycle, which starts low, or "
                    f"model.normalisation=batch."
                )
            if full:
                record_window(run, state, steps, rate)
                state.window = Tally.empty(training.device)
        bar.update()


def set_learning_rate(training: Training, epoch: float, errors: list[float]) -> float:
    """Gives the optimizer the learning rate for the next step, and returns it."""
    factor = training.schedule(epoch, training.epochs, errors)
    for group in training.optimizer.param_groups:
        group["lr"] = training.optimizer.defaults["lr"] * factor
    return training.optimizer.param_groups[0]["lr"]


def record_window(run: Run, state: State, steps: int, rate: float) -> None:
    row = state.window.row()
    place = {"epoch": state.epoch + 1, "batch": state.batch, "step": state.epoch * steps + state.batch}
    run.record_window({**place, **row, "learning_rate": rate})
    logger.info(f"[Epoch {state.epoch + 1}, Batch {state.batch}] Loss: {row['loss']:.3f}")


def finish_epoch(run: Run, training: Training, state: State, validation) -> None:
    """Records and saves the epoch, and goes on to the next. validation: its Evaluation, or None."""
    row = state.whole.row()
    run.record_epoch(
        {
            "epoch": state.epoch + 1,
            "step": (state.epoch + 1) * state.batch,
            **row,
            "validation_loss": validation and validation.loss,
            "validation_accuracy": validation and validation.top1,
            "learning_rate": training.optimizer.param_groups[0]["lr"],
            "seconds": round(perf_counter() - state.whole.since, 3),
        }
    )
    state.errors.append(1 - (validation.top1 if validation else row["accuracy"]))
    state.epoch, state.batch = state.epoch + 1, 0
    state.whole, state.window = Tally.empty(training.device), Tally.empty(training.device)
    if state.epoch == 1:
        warn_at_chance(run.windows()[-1]["loss"], len(training.dataset.classes))
    if validation and validation.top1 > state.best_accuracy:
        state.best_accuracy, state.best_epoch = validation.top1, state.epoch
        run.save_checkpoint("best", {"model": training.model.state_dict(), "epoch": state.epoch})
    run.save_checkpoint("last", checkpoint(training, state))


def warn_at_chance(loss: float, classes: int) -> None:
    """A network that says the same for every image has a loss of ln K."""
    if abs(loss - log(classes)) < 0.01 * log(classes):
        logger.warning(
            f"After the first epoch the loss is {loss:.3f}, still that of guessing among {classes} classes "
            f"(ln {classes} = {log(classes):.3f}): nothing is learnt yet. If it stays so, try another optimizer.lr "
            f"or model.normalisation=batch."
        )


def checkpoint(training: Training, state: State) -> dict[str, Any]:
    """Weights, optimizer and position, as tensors and plain types."""
    return {
        "model": training.model.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "state": {**vars(state), "whole": vars(state.whole), "window": vars(state.window)},
    }


def draw_curve(run: Run, training: Training, texts: Texts) -> None:
    """The training curve of the windows so far, where there are any."""
    windows = run.windows()
    if windows:
        ends = [sum(window["epoch"] <= epoch["epoch"] for window in windows) for epoch in run.epochs()]
        losses = [window["loss"] for window in windows]
        model = type(training.model).__name__
        plots.training_curve(run.curve, losses, ends, model, training.log_every, texts)
