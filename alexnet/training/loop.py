"""Trains from the first step to the last: epoch, batch, forward, loss, backward, step, record."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from math import log, sqrt
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from alexnet.data import augment, randomness
from alexnet.messages.console import make_bar, translate
from alexnet.models.weight_files import hash_tensors
from alexnet.runs.folder import Run
from alexnet.training.build import Training
from alexnet.training.console import log_epoch
from alexnet.training.evaluation import Evaluation, check_finite, evaluate
from alexnet.training.overfit import has_learnt
from alexnet.training.sharded import sum_shares
from alexnet.training.signals import Interrupted, Signals
from alexnet.training.state import State, Tally, save_checkpoint

logger = logging.getLogger(__name__)


def train(run: Run, training: Training, state: State, signals: Signals) -> None:
    """Trains from `state` to the end of the last epoch: trains, validates, records and saves each epoch.

    Raises Diverged if a loss is NaN or infinite, Failure if a step finds too little memory or if the run's processes
    have different weights after an epoch, and Interrupted on SIGINT or SIGTERM, after writing a checkpoint. The rows up
    to there are then in the run's folder.
    """
    with training.enough_memory(), show_progress(training, state) as bar:
        try:
            while not is_over(training, state):
                train_epoch(run, training, state, signals, bar)
                validation, learnt = validate(training, state), has_learnt(training)
                compare_processes(training, state)
                with signals.uninterrupted():
                    finish_epoch(run, training, state, validation, learnt)
            if state.epoch < training.epochs and not state.learnt:
                text = translate("Stopped early: no better validation accuracy in {} epochs.")
                logger.info(text.format(training.patience))
        except Interrupted:
            with signals.uninterrupted():
                save_checkpoint(run, training, state)
            raise


def train_epoch(run: Run, training: Training, state: State, signals: Signals, bar: tqdm) -> None:
    """The rest of the current epoch, with a row and a line every `log_every` batches, a window."""
    training.model.train()
    batches = training.batches.train
    for images, labels in batches.epoch(state.epoch, start=state.batch):
        with signals.uninterrupted():  # a step is both taken and recorded, or neither
            rate = compute_learning_rate(training, state.epoch, state.batch, state.errors)
            set_learning_rate(training, rate)
            if training.average is not None:
                training.average.prepare(state.steps(training))
            figures, count = step(training, images, labels, state.epoch, state.batch), batches.count(state.batch)
            state.batch += 1
            state.epoch_tally.add(figures, count)
            state.window_tally.add(figures, count)
            full = state.window_tally.batches >= training.log_every  # above it after a resume with a smaller log_every
            # Reading the loss makes a GPU wait, so there it is read only once a window.
            if full or training.engine.device.type == "cpu" or state.batch % 16 == 0:
                training.group.settle()
            if full or training.engine.device.type == "cpu":
                check_finite(
                    state.window_tally.loss(),
                    f"The loss in epoch {state.epoch + 1}, batch {state.batch},",
                    speeds_new_layers(training),
                )
            if full:
                loss = record_window(run, training, state, rate)
                logger.info(f"[Epoch {state.epoch + 1}, Batch {state.batch}] Loss: {loss:.3f}")  # the tutorial's
            if perf_counter() - state.saved_at > 60 * training.checkpoint_minutes:
                save_checkpoint(run, training, state)
        bar.update()


def is_over(training: Training, state: State) -> bool:
    """Whether the last epoch has ended, `patience` epochs since the one with the best validation accuracy, or the one
    that learnt the only batch.
    """
    waited = state.epoch - state.best_epoch
    ended = state.learnt or state.epoch >= training.epochs
    return ended or (training.patience is not None and waited >= training.patience)


def step(training: Training, images: Tensor, labels: Tensor, epoch: int, batch: int) -> Tensor:
    """One step: images (B, C, H, W), labels (B,). Returns, on the device, the loss and how many were right, (2,)."""
    torch.manual_seed(randomness.derive_seed(training.seed, randomness.STEP, epoch, batch))
    images, targets = augment.mix(images, labels, len(training.dataset.classes), training.cutmix, training.mixup)
    if training.packing is not None:
        return training.call(update_by_sum, sum_shares(training, images, labels, targets, epoch, batch))
    return training.call(update, images, labels, targets)


def update(training: Training, images: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """One update of the weights, towards targets: (B,) classes or (B, K) shares. Returns what `step` does."""
    training.optimizer.zero_grad()
    logits = training.forward(images)
    loss = nn.functional.cross_entropy(logits, targets, label_smoothing=training.label_smoothing)
    training.scaler.scale(loss).backward()
    apply_gradients(training)
    return torch.stack([loss.detach(), (logits.argmax(1) == labels).sum()])


def update_by_sum(training: Training, total: Tensor) -> Tensor:
    """Updates the weights by the sum over all shares, packed. Returns what `step` does."""
    assert training.packing is not None
    figures = training.packing.unpack(total)
    apply_gradients(training)
    return figures


def apply_gradients(training: Training) -> None:
    """Clips the gradients, changes the weights, and has their average follow."""
    if training.half_weights is not None:
        training.half_weights.update()
    else:
        if training.clip_norm is not None:
            training.scaler.unscale_(training.optimizer)
            trained = [parameter for group in training.optimizer.param_groups for parameter in group["params"]]
            nn.utils.clip_grad_norm_(trained, training.clip_norm)  # of all together (Pascanu et al. 2013, §3.2)
        training.scaler.step(training.optimizer)
        training.scaler.update()
    if training.average is not None:
        training.average.follow()


def compute_learning_rate(training: Training, epoch: int, batch: int, errors: list[float]) -> float:
    """The learning rate of that step. errors: of the epochs before it."""
    progress = epoch + batch / len(training.batches.train)
    return training.optimizer.defaults["lr"] * training.schedule(progress, training.epochs, errors)


def set_learning_rate(training: Training, rate: float) -> None:
    """Gives each group of the optimizer the learning rate of its next step."""
    for number, group in enumerate(training.optimizer.param_groups):
        own = rate * group.get("factor", 1)  # of new layers: see training/transfer.py
        group["lr"] = own if training.rates is None else training.rates[number].fill_(own)


def validate(training: Training, state: State) -> Evaluation | None:
    """The network on the validation images, if there are any. Raises Diverged if it or the epoch has no finite loss."""
    held_out = training.batches.validation
    validation = None if held_out is None else evaluate(training.tested, held_out)
    check_finite(state.epoch_tally.loss(), f"The loss in epoch {state.epoch + 1}", speeds_new_layers(training))
    if validation is not None:
        check_finite(validation.loss, f"The validation loss after epoch {state.epoch + 1}", speeds_new_layers(training))
    return validation


def compare_processes(training: Training, state: State) -> None:
    """Raises Failure, before this epoch's checkpoint, if a process of the run has other weights than process 0."""
    if training.group.size > 1:
        networks = [training.model, *([] if training.average is None else [training.average.network.model])]
        hashes = [hash_tensors(network.state_dict()) for network in networks]
        training.group.compare(f"epoch {state.epoch + 1}", "".join(hashes))


def record_window(run: Run, training: Training, state: State, rate: float) -> float:
    """Writes the row of the window that ends here, begins the next, and returns the loss. rate: of the last step."""
    row = state.window_tally.to_row()
    place = {"epoch": state.epoch + 1, "batch": state.batch, "step": state.steps(training)}
    run.record_window({**place, **row, "learning_rate": rate})
    state.window_losses.append(row["loss"])
    state.window_tally = Tally(training.engine.device)
    return row["loss"]


def finish_epoch(run: Run, training: Training, state: State, validation: Evaluation | None, learnt: bool) -> None:
    """Writes the epoch's row, begins the next epoch, remembers the best weights, and saves if that is quick enough."""
    rate = compute_learning_rate(training, state.epoch, state.batch - 1, state.errors)  # of the last step
    if state.window_tally.batches > 0:  # the rest of the epoch, which is shorter than a window
        record_window(run, training, state, rate)
    figures = state.epoch_tally.to_row()
    row = {
        "epoch": state.epoch + 1,
        "step": (state.epoch + 1) * state.batch,
        **figures,
        "validation_loss": None if validation is None else validation.loss,
        "validation_accuracy": None if validation is None else validation.top1,
        "learning_rate": rate,
        "seconds": round(state.epoch_tally.seconds(), 3),
    }
    run.record_epoch(row)
    state.errors.append(1 - (figures["accuracy"] if validation is None else validation.top1))
    state.epoch, state.batch = state.epoch + 1, 0
    state.epoch_tally, state.window_tally = Tally(training.engine.device), Tally(training.engine.device)
    log_epoch(training, state, row)
    warn_if_nothing_is_learnt(training, state, row)
    state.window_losses, state.learnt = [], learnt
    if validation is not None and validation.top1 > state.best_accuracy:
        state.best_accuracy, state.best_epoch = validation.top1, state.epoch
        weights = {name: value.clone() for name, value in training.tested.model.state_dict().items()}
        averaged = {} if training.average is None else {"averaged": True}
        state.best = {"model": weights, "epoch": state.epoch, **averaged}
    # On a GPU a checkpoint may take longer than an epoch.
    if is_over(training, state) or perf_counter() - state.saved_at > 10 * state.saving_seconds:
        save_checkpoint(run, training, state)


def warn_if_nothing_is_learnt(training: Training, state: State, row: dict[str, Any]) -> None:
    """Warns once if neither an epoch's last windows nor validation have a lower loss than ln K, that of guessing among
    K classes, and no more images are recognised than by chance. row: the epoch's, as in epochs.csv.

    The network then gives every image the same answer: it hasn't begun to learn, or has died. A loss that is far above
    ln K is warned about whatever the accuracy. If new layers have a higher rate, that is the first to lower.
    """
    if state.warned:
        return
    new_layers = speeds_new_layers(training)
    last = state.window_losses[-3:] or [row["loss"]]  # none if training was resumed after the last of them
    loss, guessing = sum(last) / len(last), log(len(training.dataset.classes))
    if row["validation_loss"] is not None:
        loss = min(loss, row["validation_loss"])  # without dropout, and of the end of the epoch
    if loss > 1.2 * guessing:
        text = translate("Loss {:.4g} is far above that of guessing, {:.3f}. Try a lower optimizer.lr.")
        if new_layers:
            text = translate("Loss {:.4g} is far above guessing, {:.3f}. Try optimizer.new_layers=1.")
    elif loss > 0.99 * guessing and not recognises_images(training, row):
        text = translate("Nothing is learnt yet: loss {:.3f}, guessing has {:.3f}. Try another optimizer.lr.")
        if new_layers:
            text = translate("Nothing is learnt yet: loss {:.3f}, guessing {:.3f}. Try optimizer.new_layers=1.")
    else:
        return
    state.warned = True
    logger.warning(text.format(loss, guessing))


def speeds_new_layers(training: Training) -> bool:
    """Whether new layers have a higher learning rate than those that were taken from other weights."""
    return any(group.get("factor", 1) > 1 for group in training.optimizer.param_groups)


def recognises_images(training: Training, row: dict[str, Any]) -> bool:
    """Whether an epoch's training or validation accuracy is four standard errors above chance: above the accuracy of
    giving every image the class that most images have.
    """
    splits = [(row["accuracy"], training.batches.train)]
    if training.batches.validation is not None:
        splits.append((row["validation_accuracy"], training.batches.validation))
    for accuracy, batches in splits:
        count = len(batches.labels)
        chance = torch.bincount(batches.labels).max().item() / count
        if accuracy > chance + 4 * sqrt(chance * (1 - chance) / count):
            return True
    return False


@contextmanager
def show_progress(training: Training, state: State) -> Iterator[tqdm]:
    """A bar of all steps if stderr is a terminal; log lines then go above it."""
    done = state.steps(training)
    if state.batch > 0:
        place = state.epoch + 1, state.batch
        logger.info(translate("Resuming in epoch {}, after batch {}.").format(*place))
    elif state.epoch > 0:
        logger.info(translate("Resuming after epoch {}.").format(state.epoch))
    with make_bar(training.epochs * len(training.batches.train), "batch", initial=done) as bar:
        yield bar
