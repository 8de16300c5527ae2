"""Run folders made by hand, as a training would leave them, for tests of what is done with them."""

import csv
import json
from pathlib import Path
from typing import Any

import yaml

from alexnet.runs.folder import Run

CONFIG = {
    "seed": 0,
    "epochs": 2,
    "batch_size": 64,
    "log_every": 200,
    "language": "en",
    "model": {"_target_": "alexnet.models.alexnet_cifar.AlexNetCifar", "dropout": 0.5},
    "dataset": {"_target_": "alexnet.data.cifar.cifar10", "root": "data", "size": 32},
    "optimizer": {"_target_": "torch.optim.SGD", "lr": 0.01, "momentum": 0.9},
    "device": {"name": "cpu", "workers": 2},
}
FINISHED = {"status": "finished", "seconds": 60.0, "images_per_second": 1000.0}


def make(
    folder: str | Path,
    changes: dict[str, Any] | None = None,
    accuracy: float | None = 0.9,
    result: dict[str, Any] | None = None,
    losses: tuple[float, ...] = (2.0, 1.0),
    data: str | None = "abc",
    errors: tuple[float, ...] | None = None,
    lengths: str | None = None,
    validation: tuple[float, ...] = (),
) -> Path:
    """A finished run with that test accuracy; with accuracy=None one whose result.json is `result`, or none.

    changes: {'optimizer.lr': 0.1}; losses: of each epoch, with one window an epoch; data: its hash;
    errors: the training error of each epoch, as many as there are losses; lengths: the hash of its files' lengths;
    validation: the validation error of each epoch, whose loss is ten times that.
    """
    folder = Path(folder)
    folder.mkdir(parents=True)
    if accuracy is not None:
        result = {**FINISHED, "test_accuracy": accuracy, **(result or {})}
    accuracies = [""] * len(losses) if errors is None else [f",{1 - error}" for error in errors]
    header = "epoch,step,loss" + ("" if errors is None else ",accuracy")
    if validation:
        header += ",validation_loss,validation_accuracy"
        accuracies = [f"{start},{10 * error},{1 - error}" for start, error in zip(accuracies, validation, strict=True)]
    rows = [(epoch, 10 * epoch, loss) for epoch, loss in enumerate(losses, 1)]
    files = {
        "config.yaml": yaml.safe_dump(change_config(changes or {}), allow_unicode=True, sort_keys=False),
        "environment.json": data
        and json.dumps(
            {"python": "3.11.2", "data_sha256": data, **({"data_lengths_sha256": lengths} if lengths else {})}
        ),
        "epochs.csv": "\n".join(
            [
                header,
                *(f"{epoch},{step},{loss}{end}" for (epoch, step, loss), end in zip(rows, accuracies, strict=True)),
                "",
            ]
        ),
        "losses.csv": "batch,step,loss\n" + "".join(f"10,{step},{loss}\n" for _, step, loss in rows),
        "result.json": result and json.dumps(result, ensure_ascii=False),
    }
    for name, text in files.items():
        if text:
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def change_config(changes: dict[str, Any]) -> dict[str, Any]:
    """CONFIG with those values under their whole names."""
    config = json.loads(json.dumps(CONFIG))
    for path, value in changes.items():
        *groups, key = path.split(".")
        place = config
        for group in groups:
            place = place[group]
        place[key] = value
    return config


def content(run: Run) -> dict[str, bytes]:
    """All files but the log, by name."""
    return {
        str(path): path.read_bytes() for path in run.folder.rglob("*") if path.is_file() and path.name != "train.log"
    }


def table(sweep):
    """The rows of its sweep.csv."""
    with open(sweep / "sweep.csv", newline="") as file:
        return list(csv.DictReader(file))


def without_times(rows):
    """What an unbroken sweep and one that was cut must have in common."""
    return [
        {name: value for name, value in row.items() if not name.startswith(("seconds", "images_per_second", "folders"))}
        for row in rows
    ]
