"""The training of one run, from the first step to the plots."""

import hashlib
import logging
from contextlib import nullcontext
from math import isfinite, log
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from alexnet.data import augment, randomness
from alexnet.errors import Diverged, Mistake
from alexnet.models.columns import count_bytes_crossed
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from alexnet.runs.texts import Texts
from alexnet.training.build import Training
from alexnet.training.evaluation import compute_test_figures, evaluate, load_chosen_weights
from alexnet.training.signals import Interrupted, Signals
from alexnet.training.state import State, Tally

logger = logging.getLogger(__name__)


def train(run: Run, training: Training, state: State, signals: Signals, texts: Texts) -> dict[str, Any]:
    """Trains from `state` on, chooses on validation, tests once, draws.

    Returns what result.json is to hold. Raises Diverged for a loss that is NaN or infinite, Interrupted on
    SIGINT or SIGTERM; rows, curve and checkpoint up to there are then in the run's folder.
    """
    if state.steps(training):
        logger.info(f"Going on after epoch {state.epoch}, batch {state.batch}.")
    try:
        with training.enough_memory():
            fit(run, training, state, signals)
    finally:
        draw_curve(run, training, texts)
    training_seconds, tested = state.seconds(), perf_counter()
    logger.info(texts.finished)

    if training.validation:
        load_chosen_weights(training, run)
    test = compute_test_figures(training)
    check_finite(test["test_loss"], "The test loss after the last step")
    test_seconds = perf_counter() - tested
    seen = evaluate(training, training.train_subset)
    accuracy = test["test_accuracy"]
    with training.engine.mixed():
        crossed = count_bytes_crossed(training.model, training.dataset.channels, training.dataset.size)
    logger.info(texts.test_accuracy.format(100 * accuracy))
    from alexnet.runs import plots  # takes a second to import: not before the first step

    plots.confusion_matrix(run.confusion, test["confusion_matrix"], training.dataset.classes, accuracy, texts)
    logger.info(texts.plot_saved.format(run.curve))
    return {
        "status": "finished",
        "epochs": state.epoch,
        "chosen_epoch": state.best_epoch if training.validation else state.epoch,
        "validation_accuracy": state.best_accuracy if training.validation else None,
        **test,
        "training_accuracy": seen.top1,  # without dropout and augmentation, unlike the epochs' in epochs.csv
        "error_gap": seen.top1 - test["test_accuracy"],
        "parameters": sum(parameter.numel() for parameter in training.model.parameters()),
        "bytes_crossed_per_image": crossed,
        "weights_sha256": hash_weights(training.model),
        "training_seconds": round(training_seconds, 3),
        "test_seconds": round(test_seconds, 3),
        "images_per_second": round(state.epoch * len(training.train.labels) / training_seconds, 1),
    }


def restore(run: Run, training: Training) -> State:
    """The state in the folder's last checkpoint, with weights and optimizer; a fresh one where there is none.

    Nothing in the folder changes. Raises Mistake for a checkpoint that isn't this network's.
    """
    saved = checkpoints.newest(run.checkpoints)
    if saved is None:
        return State(Tally(training.engine.device), Tally(training.engine.device))
    try:
        training.model.load_state_dict(saved["model"])
        training.optimizer.load_state_dict(with_own_settings(training.optimizer, saved["optimizer"]))
        training.scaler.load_state_dict(saved["scaler"])
        state = State.restored(saved["state"], training.engine.device)
        if state.batch > len(training.train) or state.epoch > training.epochs:
            raise ValueError(f"it stands in epoch {state.epoch}, batch {state.batch}")
        return state
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        why = " ".join(str(error).split())
        raise Mistake(f"The checkpoint in {run.folder} doesn't fit the network of its config.yaml: {why}") from error


def with_own_settings(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    """The saved state of an optimizer, with the settings of this one: on another device it may compute another way.

    Raises ValueError where it hasn't as many groups.
    """
    groups = zip(optimizer.state_dict()["param_groups"], saved["param_groups"], strict=True)
    return {**saved, "param_groups": [{**own, "params": theirs["params"]} for own, theirs in groups]}


def fit(run: Run, training: Training, state: State, signals: Signals) -> None:
    """All epochs from `state` on: train, validate, record, save."""
    steps = len(training.train)
    with (
        tqdm(
            total=training.epochs * steps,
            initial=state.steps(training),
            unit="batch",
            disable=None,
            dynamic_ncols=True,
        ) as bar,
        nullcontext() if bar.disable else logging_redirect_tqdm(),  # log lines go above the bar
    ):
        try:
            while state.epoch < training.epochs:
                train_epoch(run, training, state, signals, bar)
                validation = training.validation and evaluate(training, training.validation)
                check_finite(state.epoch_tally.loss(), f"The loss in epoch {state.epoch + 1}")
                if validation:
                    check_finite(validation.loss, f"The validation loss after epoch {state.epoch + 1}")
                with signals.uninterrupted():
                    finish_epoch(run, training, state, validation)
        except Interrupted:
            with signals.uninterrupted():
                save(run, training, state)
            raise


def train_epoch(run: Run, training: Training, state: State, signals: Signals, bar: tqdm) -> None:
    """The rest of the current epoch: a row and a line every `log_every` batches."""
    steps = len(training.train)
    training.model.train()
    for images, labels in training.train.epoch(state.epoch, start=state.batch):
        with signals.uninterrupted():  # a step is taken and recorded whole, or not at all
            rate = compute_learning_rate(training, state.epoch, state.batch, state.errors)
            set_learning_rate(training, rate)
            figures = step(training, images, labels, state.epoch, state.batch)
            state.batch += 1
            state.epoch_tally.add(figures, len(labels))
            state.window_tally.add(figures, len(labels))
            full = state.window_tally.batches >= training.log_every  # a run may go on with another
            # Reading the loss makes a GPU wait, so there it is looked at once a window only.
            if full or training.engine.device.type == "cpu":
                check_finite(state.window_tally.loss(), f"The loss in epoch {state.epoch + 1}, batch {state.batch},")
            if full:
                record_window(run, state, steps, rate)
                state.window_tally = Tally(training.engine.device)
            if perf_counter() - state.saved_at > 60 * training.checkpoint_minutes:
                save(run, training, state)
        bar.update()


def step(training: Training, images: Tensor, labels: Tensor, epoch: int, batch: int) -> Tensor:
    """One step: images (B, C, H, W), labels (B,). Returns, on the device, the loss and how many were right, (2,)."""
    torch.manual_seed(randomness.derive_seed(training.seed, randomness.STEP, epoch, batch))
    images, targets = augment.cut_mix(images, labels, len(training.dataset.classes), training.cutmix)
    if training.recorder:
        return training.recorder(update, training, images, labels, targets)
    return update(training, images, labels, targets)


def update(training: Training, images: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """One update of the weights, towards targets: (B,) classes or (B, K) shares. Returns what `step` does."""
    training.optimizer.zero_grad()
    logits = training.forward(images)
    loss = nn.functional.cross_entropy(logits, targets, label_smoothing=training.label_smoothing)
    training.scaler.scale(loss).backward()
    training.scaler.step(training.optimizer)
    training.scaler.update()
    return torch.stack([loss.detach(), (logits.argmax(1) == labels).sum()])


def check_finite(loss: float, which: str) -> None:
    """Raises Diverged for a loss that is no number any more, with what to try."""
    if not isfinite(loss):
        raise Diverged(
            f"{which} is {loss}. Try a lower optimizer.lr, schedule=one_cycle, which starts low, or batch "
            f"normalisation."
        )


def compute_learning_rate(training: Training, epoch: int, batch: int, errors: list[float]) -> float:
    """Of the step of that number. errors: of the epochs before."""
    progress = epoch + batch / len(training.train)
    return training.optimizer.defaults["lr"] * training.schedule(progress, training.epochs, errors)


def set_learning_rate(training: Training, rate: float) -> None:
    """Gives it to the optimizer, for the next step."""
    if training.rate is not None:
        training.rate.fill_(rate)
    for group in training.optimizer.param_groups:
        group["lr"] = rate if training.rate is None else training.rate


def record_window(run: Run, state: State, steps: int, rate: float) -> None:
    row = state.window_tally.row()
    place = {"epoch": state.epoch + 1, "batch": state.batch, "step": state.epoch * steps + state.batch}
    run.record_window({**place, **row, "learning_rate": rate})
    logger.info(f"[Epoch {state.epoch + 1}, Batch {state.batch}] Loss: {row['loss']:.3f}")


def finish_epoch(run: Run, training: Training, state: State, validation) -> None:
    """Records and saves the epoch, and goes on to the next. validation: its Evaluation, or None."""
    row = state.epoch_tally.row()
    run.record_epoch(
        {
            "epoch": state.epoch + 1,
            "step": (state.epoch + 1) * state.batch,
            **row,
            "validation_loss": validation and validation.loss,
            "validation_accuracy": validation and validation.top1,
            "learning_rate": compute_learning_rate(
                training, state.epoch, state.batch - 1, state.errors
            ),  # the last step's
            "seconds": round(state.epoch_tally.seconds(), 3),
        }
    )
    state.errors.append(1 - (validation.top1 if validation else row["accuracy"]))
    state.epoch, state.batch = state.epoch + 1, 0
    state.epoch_tally, state.window_tally = Tally(training.engine.device), Tally(training.engine.device)
    warn_at_chance(row["loss"], len(training.dataset.classes), state.epoch)
    if validation and validation.top1 > state.best_accuracy:
        state.best_accuracy, state.best_epoch = validation.top1, state.epoch
        weights = {name: value.clone() for name, value in training.model.state_dict().items()}
        state.best = {"model": weights, "epoch": state.epoch}
    if state.epoch == training.epochs or perf_counter() - state.saved_at > 10 * state.saving_seconds:
        save(run, training, state)  # on a GPU it may take longer than an epoch


def warn_at_chance(loss: float, classes: int, epoch: int) -> None:
    """A network that says the same for every image has a loss of ln K: one that hasn't begun to learn, or has died."""
    if abs(loss - log(classes)) < 0.01 * log(classes):
        logger.warning(
            f"After epoch {epoch} the loss is {loss:.3f}, that of guessing among {classes} classes "
            f"(ln {classes} = {log(classes):.3f}): nothing is learnt yet. If it stays so, try another optimizer.lr "
            f"or batch normalisation."
        )


def save(run: Run, training: Training, state: State) -> None:
    """The checkpoint to go on from: weights, optimizer and state, as tensors and plain types; and the best epoch's
    weights, which are never of a later epoch than what would be gone on from."""
    began = perf_counter()
    if state.best:
        checkpoints.save(run.checkpoints, "best", state.best)
        state.best = None
    parts = {name: getattr(training, name).state_dict() for name in ("model", "optimizer", "scaler")}
    checkpoints.save(run.checkpoints, "last", {**parts, "state": state.saved()})
    state.saved_at = perf_counter()
    state.saving_seconds = state.saved_at - began


def hash_weights(model: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and bytes of all weights and buffers."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def draw_curve(run: Run, training: Training, texts: Texts) -> None:
    """The training curve of the windows so far, where there are any."""
    windows = run.windows()
    if windows:
        from alexnet.runs import plots  # takes a second to import: not before the first step

        ends = [sum(window["epoch"] <= epoch["epoch"] for window in windows) for epoch in run.epochs()]
        losses = [window["loss"] for window in windows]
        model = type(training.model).__name__
        plots.training_curve(run.curve, losses, ends, model, training.log_every, texts)
