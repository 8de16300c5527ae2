"""Checks whether the run in a folder may be resumed, and with which settings. Changes nothing in the folder."""

import logging
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from alexnet.config import keys
from alexnet.config.own_code import list_changed_code
from alexnet.errors import Damaged, Mistake
from alexnet.messages.console import translate
from alexnet.runs.folder import Run

if TYPE_CHECKING:
    from alexnet.training.build import Training
    from alexnet.training.state import State

logger = logging.getLogger(__name__)

SEALS = ("id", "config", "config_before")  # what environment.json has of the run itself


def resume_config(config: DictConfig, run: Run) -> DictConfig:
    """The configuration with the mean, components and shares that the run began with, unless it gives its own.

    Raises Mistake if the run has another configuration, apart from keys.MAY_CHANGE.
    """
    saved = run.config()
    began_with = saved.get("dataset", {})
    open_keys = [key for key in keys.MEASURED if key in began_with and config.dataset.get(key) is None]
    measured = {key: began_with[key] for key in open_keys}
    device = dict(config.device)
    if device.get("shards") is None:
        device["shards"] = saved.get("device", {}).get("shards", 1)
    config = OmegaConf.create({**config, "dataset": {**config.dataset, **measured}, "device": device})
    plain: Any = OmegaConf.to_container(config, resolve=True)
    if others := _list_other_values(saved, plain):
        raise Mistake(
            f"{run.folder} has a run of another configuration in it ({', '.join(others)}), and a run is resumed as it "
            f"began: python scripts/resume.py {run.folder}"
        )
    return config


def refuse_other_checkpoint(config: DictConfig, run: Run, state: "State") -> None:
    """Raises Damaged if the state's checkpoint was trained with another configuration, apart from keys.MAY_CHANGE."""
    plain: Any = OmegaConf.to_container(config, resolve=True)
    trained = (state.sealed or {}).get("config")
    if isinstance(trained, dict) and (others := _list_other_values(trained, plain)):
        raise Damaged(
            f"{run.folder} has a checkpoint that was trained with another configuration than its config.yaml has "
            f"({', '.join(others)}): bring back the one that belongs to it."
        )


def _list_other_values(saved: dict[str, Any], given: dict[str, Any]) -> list[str]:
    """'optimizer.lr: 0.01 -> 0.02' for each value of `saved` that is another one now, apart from keys.MAY_CHANGE.

    Only the run's own keys count: one that conf/ has got since then has its default.
    """
    now = keys.flatten(given)
    return [
        f"{key}: {before} -> {now.get(key)}"
        for key, before in keys.flatten(saved).items()
        if now.get(key) != before and key not in keys.MAY_CHANGE
    ]


def resume_environment(environment: dict[str, Any], run: Run, training: "Training", state: "State") -> dict[str, Any]:
    """The environment with what the run's earlier one adds to it; unchanged if there is none.

    Raises Mistake if the data or the precision isn't the earlier one's.
    """
    before = run.environment()
    if before:
        refuse_other_data_or_precision(environment, before, run)
        _warn_of_other_code(environment, before)
        kept = ["id", "started", "reproduces", *(["extended_from"] if state.steps(training) > 0 else [])]
        environment = {**environment, **{key: before[key] for key in kept if key in before}}
        earlier = before.pop("earlier", [])
        environment["earlier"] = [*earlier, {key: before[key] for key in before if key not in SEALS}]
    extended, shorter = environment.get("extended_from", []), _describe_extension(run, training, state)
    if shorter is not None and shorter not in extended:
        environment["extended_from"] = [*extended, shorter]
    return environment


def refuse_other_data_or_precision(environment: dict[str, Any], before: dict[str, Any], run: Run) -> None:
    """Raises Mistake if they aren't those of the run's environment before."""
    known, now = keys.align_data_hashes([before, environment])
    if known.get(keys.DATA) != now[keys.DATA]:
        raise Mistake(
            f"The data isn't what {run.folder} was trained on so far (environment.json has its fingerprint): "
            f"bring that back, or train again with python scripts/reproduce.py {run.folder}"
        )
    began = before.get("precision", environment["precision"])
    if began != environment["precision"]:
        asked = run.config()["device"].get("precision")
        raise Mistake(
            f"The run in {run.folder} began in {began}, and device.precision={asked} is {environment['precision']} "
            f"here: resume it where it began, or train again with "
            f"python scripts/reproduce.py {run.folder} device.precision={began}"
        )


def _warn_of_other_code(environment: dict[str, Any], before: dict[str, Any]) -> None:
    """Says which files of own classes have changed. environment.json keeps both hashes, and compare.py the last."""
    if changed := list_changed_code(before.get("own_code"), environment.get("own_code", {})):
        text = translate("Your own code has changed since the run was trained so far: {}")
        logger.warning(text.format(", ".join(changed)))


def _describe_extension(run: Run, training: "Training", state: "State") -> str | None:
    """What makes an extended run differ from one that had its epochs from the start: the learning rates and image sizes
    of its steps so far. None if they are the same.
    """
    epochs, steps, done = run.config()["epochs"], len(training.batches.train), state.steps(training)
    if epochs == training.epochs:
        return None

    def list_rates(epochs: int) -> list[float]:
        return [training.schedule(step / steps, epochs, state.errors) for step in range(done)]

    def list_sides(epochs: int) -> list[int]:
        return [training.batches.train.choose_side(step / steps, epochs) for step in range(done)]

    spanning = {training.schedule.func.__name__: list_rates, "dataset.progressive": list_sides}
    others = [name for name, follow in spanning.items() if follow(epochs) != follow(training.epochs)]
    if not others:
        return None
    text = translate(
        "{} so far as in a run with epochs={}: the end will differ from that of a run with epochs={} from the start."
    )
    logger.warning(text.format(", ".join(others), epochs, training.epochs))
    return f"epochs={epochs} until step {done}"
