"""What a folder for the Hugging Face hub says of a network: two JSON files and the model card, README.md."""

import json
from collections.abc import Mapping
from pathlib import Path
from shlex import join
from typing import Any

import yaml

from alexnet.comparison.configurations import group_records
from alexnet.comparison.groups import name_data
from alexnet.comparison.records import Record, read_all
from alexnet.comparison.records import read as read_record
from alexnet.comparison.spread import Spread, compute_share_interval
from alexnet.errors import Damaged, Mistake, make_printable
from alexnet.inference.trained import Trained
from alexnet.runs.folder import Run, Sweep
from alexnet.runs.reading import read_json

NEEDED = ("model", "options", "classes", "channels", "size", "mean", "std")  # to build the network again
BILINEAR = 2  # Pillow's number

CARD = """---
{head}---

# {title}

{network} for images of {channels}x{size}x{size} in {classes}: {names}.

{figures}

## Use

```python
import json

import torch
from safetensors.torch import load_file

from {module} import {kind}  # {origin}

config = json.load(open("config.json"))
prepare = json.load(open("preprocessor_config.json"))
shape = {{"classes": config["num_labels"], "channels": config["num_channels"], "size": config["image_size"]}}
network = {kind}(**shape, **config["options"])
network.load_state_dict(load_file("model.safetensors"))
network.eval()

images = torch.zeros(1, shape["channels"], shape["size"], shape["size"])  # pixels from 0 to 255
mean, std = (torch.tensor(prepare[name]).view(-1, 1, 1) for name in ("image_mean", "image_std"))
logits = network((images / 255 - mean) / std)
print(config["id2label"][str(int(logits.argmax()))])
```

An image is resized (bilinear) until its shorter side has {side} pixels; of that the centre is taken.

## Training

{training}

## Licence

{license}
"""


def write(trained: Trained, about: Mapping[str, Any], license: str) -> dict[str, str]:
    """The text of each file by its name. license: of the weights, an identifier of the hub.

    Raises Damaged if a file in the run's folder isn't as the run wrote it.
    """
    record, spread = (None, None) if trained.run is None else _find_record(trained.run)
    texts = {
        "config.json": _make_config(trained, about),
        "preprocessor_config.json": _make_preprocessor(trained, about),
    }
    files = {name: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for name, content in texts.items()}
    return {**files, "README.md": _fill_card(trained, about, license, record, spread)}


def read(folder: Path) -> dict[str, Any]:
    """What the two JSON files say of the network: the keys of NEEDED. Raises Damaged for anything else."""
    config, prepare = (read_json(folder / name) or {} for name in ("config.json", "preprocessor_config.json"))
    try:
        return {
            "model": config["model_type"],
            "options": config["options"],
            "classes": [config["id2label"][str(number)] for number in range(config["num_labels"])],
            "channels": config["num_channels"],
            "size": config["image_size"],
            "mean": prepare["image_mean"],
            "std": prepare["image_std"],
        }
    except (KeyError, TypeError) as error:
        raise Damaged(f"{folder}/config.json doesn't describe a network: {type(error).__name__} {error}.") from error


def describe_command(environment: Mapping[str, Any]) -> str:
    """The command that trained the run, without the paths of its machine; unknown if the run doesn't say."""
    command = environment.get("command")
    if not isinstance(command, list) or len(command) < 2:
        return "unknown"
    script = str(command[1])
    return make_printable(
        join(["python", script[script.rfind("scripts/") :] if "scripts/" in script else script, *map(str, command[2:])])
    )


def _make_config(trained: Trained, about: Mapping[str, Any]) -> dict[str, Any]:
    names = trained.class_names
    return {
        "architectures": [type(trained.model).__name__],
        "model_type": about["model"],
        "options": about["options"],
        "num_labels": len(names),
        "num_channels": trained.channels,
        "image_size": trained.size,
        "id2label": {str(number): name for number, name in enumerate(names)},
        "label2id": {name: number for number, name in enumerate(names)},
        "torch_dtype": "float32",
        "weights_sha256": trained.weights_sha256,
    }


def _make_preprocessor(trained: Trained, about: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of transformers' image processors."""
    return {
        "image_processor_type": "BitImageProcessor",
        "do_convert_rgb": trained.channels == 3,
        "do_resize": True,
        "size": {"shortest_edge": trained.side},
        "resample": BILINEAR,
        "do_center_crop": True,
        "crop_size": {"height": trained.size, "width": trained.size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        **{f"image_{name}": _list_values(about[name], trained.channels) for name in ("mean", "std")},
    }


def _list_values(value: Any, channels: int) -> list[float]:
    """A value for each channel."""
    return list(value) if isinstance(value, list) else [value] * channels


def _find_record(run: Run) -> tuple[Record, Spread | None]:
    """The run, and the test accuracies over the seeds of its configuration: of the jobs of the same sweep."""
    own, sweep = read_record(run), Sweep(run.folder.resolve().parent)
    try:
        is_job = sweep.multirun.is_file() and sweep.settings() is not None
        records = read_all([str(sweep.folder)], lambda line: None) if is_job else [own]
    except (Damaged, Mistake):
        records = [own]
    for each in group_records(records):
        if any(record.run.folder.resolve() == run.folder.resolve() for record in each.records):
            return own, each.get_spread("test_accuracy")
    return own, None


def _fill_card(
    trained: Trained, about: Mapping[str, Any], license: str, record: Record | None, spread: Spread | None
) -> str:
    data = "" if record is None else name_data([record])[0].partition(" ")[0]
    title = f"{about['model']} on {data}" if data else str(about["model"])
    names = [make_printable(name) for name in trained.class_names]
    shown = ", ".join(names[:10]) + (f" and {len(names) - 10:,} more" if len(names) > 10 else "")
    result, count = trained.result or {}, sum(each.numel() for each in trained.model.parameters())
    return CARD.format(
        head=yaml.safe_dump(_make_head(title, data, license, result), sort_keys=False, allow_unicode=True),
        title=title,
        network=f"AlexNet (`{about['model']}`, {count:,} parameters)",
        classes=f"{len(names):,} classes",
        names=shown.replace("<", "&lt;").replace("|", "\\|"),
        figures=_describe_figures(result, spread),
        module=type(trained.model).__module__,
        origin="of alexnet-hydra"
        if type(trained.model).__module__.startswith("alexnet.")
        else "the network's own code",
        kind=type(trained.model).__name__,
        channels=trained.channels,
        size=trained.size,
        side=trained.side,
        training=_describe_training(trained, about),
        license=f"Weights: {license}. Training data: unknown.",
    )


def _make_head(title: str, data: str, license: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """The card's metadata, as the hub reads it."""
    head: dict[str, Any] = {
        "license": license,
        "library_name": "pytorch",
        "pipeline_tag": "image-classification",
        "tags": ["alexnet", "image-classification"],
    }
    if "test_accuracy" in result:
        metric = {"type": "accuracy", "name": "test accuracy", "value": result["test_accuracy"]}
        dataset = {"name": data, "type": data, "split": "test"}
        task = {"type": "image-classification", "name": "Image classification"}
        head["model-index"] = [{"name": title, "results": [{"task": task, "dataset": dataset, "metrics": [metric]}]}]
    return head


def _describe_figures(result: Mapping[str, Any], spread: Spread | None) -> str:
    """Each accuracy with its 95% interval: over the seeds, or of the images of a single run."""
    if "test_accuracy" not in result:
        return "It wasn't tested."
    accuracy, count = float(result["test_accuracy"]), int(result["test_images"])
    low, high = compute_share_interval(round(accuracy * count), count)
    lines = [
        "| test accuracy | 95% interval | of |",
        "|---|---|---|",
        f"| {accuracy:.2%} | {low:.2%} to {high:.2%} | these weights, on {count:,} images (Wilson's interval) |",
    ]
    if spread is not None and spread.low is not None and spread.high is not None:
        lines.append(
            f"| {spread.mean:.2%} | {spread.low:.2%} to {spread.high:.2%} | mean of {spread.n} seeds of the same "
            f"configuration (Student's interval) |"
        )
    return "\n".join(lines)


def _describe_training(trained: Trained, about: Mapping[str, Any]) -> str:
    """The command, the machine, and hashes of data and weights."""
    if trained.run is None:
        return f"The weights come from a file that doesn't say. Their SHA-256 is {trained.weights_sha256}."
    environment = trained.run.environment()
    packages = environment.get("packages")
    known = {
        "device": environment.get("device_name", environment.get("device")),
        "precision": environment.get("precision"),
        "platform": environment.get("platform"),
        "torch": packages.get("torch") if isinstance(packages, dict) else None,
        "epochs": trained.epoch,
        "training time": _describe_seconds(trained.result or {}),
        "SHA-256 of the data": environment.get("data_sha256"),
        "SHA-256 of the weights": trained.weights_sha256,
    }
    lines = [f"- {name}: {make_printable(value or 'unknown')}" for name, value in known.items()]
    return "\n".join(["The command, with alexnet-hydra:", "", f"    {about['command']}", "", *lines])


def _describe_seconds(result: Mapping[str, Any]) -> str | None:
    seconds = result.get("training_seconds")
    return f"{seconds:,.0f} s" if isinstance(seconds, (int, float)) else None
