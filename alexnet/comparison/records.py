"""Reads from a run's folder what a comparison needs."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from glob import glob
from hashlib import sha256
from pathlib import Path
from typing import Any

from alexnet.config.keys import DATA, DATA_BY_LENGTHS, NOTES, SOURCE, align_data_hashes, flatten, list_since
from alexnet.config.options import GROUPS, find_option, list_targets
from alexnet.errors import Damaged, Mistake, make_printable, nearest, shorten
from alexnet.messages.console import translate
from alexnet.runs.folder import Run, find_runs
from alexnet.runs.texts import TEXTS

# What a run was made with, and its key in environment.json.
MADE_WITH = {
    "commits": "source.commit",
    "devices": "device_name",
    "precisions": "precision",
    "data hashes of": "data_hashed",  # contents or lengths: see _align_data
}
MOST_VALUES = 8  # that a message lists
UNFINISHED = {"status": "unfinished", "reason": "no result.json: it is running, or was killed"}


@dataclass(frozen=True)
class Record:
    """One run. Metrics and curves are empty unless it finished, so that nothing of it reaches an average."""

    run: Run
    config: dict[str, Any]  # flat: optimizer.lr; a group's _target_ is under the name of the group
    status: str
    reason: str  # why it didn't finish, in a sentence
    started: str  # ISO time
    metrics: dict[str, float]
    curves: dict[str, list[tuple[float, float]]]  # (epochs passed, value) by the name of the curve: see read_curves
    made_with: dict[str, str]  # what can change a run without being configured: commit, device, precision

    @property
    def finished(self) -> bool:
        return self.status == "finished"

    @property
    def seed(self) -> Any:
        return self.config.get("seed")

    @property
    def tags(self) -> Sequence[Any]:
        tags = self.config.get("tags", ())
        return tags if isinstance(tags, tuple) else (tags,)

    @property
    def note(self) -> str:
        """ "" if there is none."""
        return str(self.config.get("note") or "")

    @property
    def stopped_early(self) -> bool:
        """Whether it finished before its last epoch, and not because it had learnt its only batch."""
        epochs = self.config.get("epochs")
        return (
            type(epochs) is int and self.config.get("overfit") is None and self.metrics.get("epochs", epochs) < epochs
        )

    @property
    def checkpoint(self) -> Path | None:
        """The weights that were tested: best.pt if images were held out, else last.pt. None if they aren't there."""
        path = self.run.checkpoints / ("best.pt" if self.config.get("dataset.validation") else "last.pt")
        return path if path.is_file() else None


def choose_language(records: Iterable[Record]) -> str:
    """The language of the runs, or English if they have several."""
    languages = {str(record.config.get("language")) for record in records}
    language = languages.pop() if len(languages) == 1 else "en"
    return language if language in TEXTS else "en"


def read(run: Run) -> Record:
    """Raises Damaged if a file in the folder is not what a run writes."""
    config = flatten_config(run.config())
    described = run.environment()
    environment = flatten_config(described)
    result = run.result() or {**UNFINISHED, "started": environment.get("started", "")}
    if not config:
        raise Damaged(f"{run.folder} has no configuration in it.")
    for key in (DATA, DATA_BY_LENGTHS):
        if key in environment:
            config[key] = str(environment[key])[:12]
    if "transferred_from.weights_sha256" in environment:
        config[SOURCE] = str(environment["transferred_from.weights_sha256"])[:12]
    config |= _hash_code(described)
    groups = {key.rpartition(".")[0] for key in config}
    config |= {
        key: value
        for key, value in list_since(config.get("model")).items()
        if key not in config and key.rpartition(".")[0] in groups
    }
    if "extended_from" in environment:  # no run from the start has these learning rates
        config["extended_from"] = environment["extended_from"]
    try:
        metrics, curves = _read_numbers(run, result) if result.get("status") == "finished" else ({}, {})
    except (KeyError, TypeError, ArithmeticError) as error:
        raise Damaged(f"{run.folder} can't be read: {type(error).__name__}: {error}.") from error
    words = {key: shorten(str(result.get(key, ""))) for key in ("status", "reason", "started")}
    made_with = {name: shorten(str(environment[key])) for name, key in MADE_WITH.items() if key in environment}
    return Record(run, config, **words, metrics=metrics, curves=curves, made_with=made_with)


def _hash_code(environment: dict[str, Any]) -> dict[str, str]:
    """By key, a hash of the own code that each group was trained with: of one after the other, if it changed meanwhile.

    A dataset's images have a hash of their own.
    """
    codes = [each.get("own_code") for each in (*environment.get("earlier", []), environment) if isinstance(each, dict)]
    hashes = {}
    for group in ("model", "optimizer", "schedule"):
        texts = [str(code[group]) for code in codes if isinstance(code, dict) and group in code]
        if texts:
            text = "\n".join(dict.fromkeys(texts))
            hashes[f"{group}.code_sha256"] = sha256(text.encode(errors="replace")).hexdigest()[:12]
    return hashes


def _read_numbers(run: Run, result: dict[str, Any]) -> tuple[dict[str, float], dict[str, list[tuple[float, float]]]]:
    """The metrics and the curves of a finished run.

    Metrics are the numbers of result.json, and the best and the final loss of the epochs.
    """
    run.check_tables(result)
    metrics = {key: value for key, value in flatten(result).items() if type(value) in (int, float)}
    epochs = run.epochs()
    if not epochs:
        return _keep_usable(metrics), {}
    losses = [epoch["loss"] for epoch in epochs]
    return _keep_usable({**metrics, "best_loss": min(losses), "final_loss": losses[-1]}), read_curves(run, epochs)


def read_curves(run: Run, epochs: Sequence[dict[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """The training loss of each window and, of each epoch, the validation loss and both errors (0 to 1), if there."""
    steps = epochs[0]["step"] / epochs[0]["epoch"]  # of one epoch
    validated = [epoch for epoch in epochs if epoch.get("validation_loss") is not None]
    return {
        "training_loss": [(window["step"] / steps, float(window["loss"])) for window in run.windows()],
        "validation_loss": [(epoch["epoch"], epoch["validation_loss"]) for epoch in validated],
        "training_error": [(epoch["epoch"], 1 - epoch["accuracy"]) for epoch in epochs if "accuracy" in epoch],
        "validation_error": [(epoch["epoch"], 1 - epoch["validation_accuracy"]) for epoch in validated],
    }


def _keep_usable(metrics: dict[str, Any]) -> dict[str, float]:
    return {key: value for key, value in metrics.items() if is_usable(value)}


def is_usable(number: float) -> bool:
    """Whether it can be averaged and drawn: not NaN, infinite or so large that its square would be."""
    return abs(number) < 1e100


def flatten_config(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{'optimizer': {'_target_': T, 'lr': 1}} becomes {'optimizer': T, 'optimizer.lr': 1}; lists become tuples."""
    leaves = flatten(nested, prefix)
    return {path.removesuffix("._target_"): _freeze(value) for path, value in leaves.items()}


def _freeze(value: Any) -> Any:
    if isinstance(value, dict):
        return str(value)
    return tuple(map(_freeze, value)) if isinstance(value, (list, set)) else value


def read_all(given: Iterable[str], warn: Callable[[str], Any]) -> list[Record]:
    """The runs in folders, sweeps, whole days and globs, each once. A damaged run is left out with a warning.

    Raises Mistake if a folder doesn't exist, or if there is no run in any of them.
    """
    given, records = list(given), []
    for run in find_given(given, warn):
        try:
            records.append(read(run))
        except Damaged as damage:
            warn(translate("left out: {}").format(damage))
    _align_data(records)
    if not records:
        raise refuse_empty(given)
    return records


def refuse_empty(given: Sequence[str]) -> Mistake:
    """To raise if there is no run in these folders."""
    return Mistake(
        f"There is no readable run in {', '.join(given)}: expected a run's folder, or a folder with "
        f"runs in it, such as outputs/2012-09-30. python scripts/train.py makes one."
    )


def _align_data(records: Sequence[Record]) -> None:
    """Gives runs of an earlier version today's hash of their data, as far as newer runs tell it."""
    aligned = align_data_hashes([record.config for record in records])
    for record, config in zip(records, aligned, strict=True):
        if record.config.pop(DATA_BY_LENGTHS, None) is not None:
            record.made_with["data hashes of"] = "contents"
        elif config is not record.config:
            record.config[DATA] = config[DATA]
            record.made_with["data hashes of"] = "lengths"


def find_given(given: Sequence[str], warn: Callable[[str], Any]) -> list[Run]:
    """The runs in folders, sweeps, whole days and globs, each once. Raises Mistake if a folder doesn't exist."""

    def unreadable(error: OSError) -> None:
        text = translate("left out: {} can't be listed: {}")
        warn(make_printable(text.format(error.filename, f"{error.strerror}.")))

    folders = [folder for place in given for folder in _expand(place)]
    runs = [run for folder in folders for run in find_runs(folder, unreadable)]
    return list({run.folder.resolve(): run for run in runs}.values())


def _expand(place: str) -> list[str]:
    """The folder itself, or the folders that match a pattern."""
    if os.path.isdir(place):  # unlike Path.is_dir it takes any text
        return [place]
    matching = sorted(path for path in glob(place, recursive=True) if os.path.isdir(path))
    if not matching:
        problem = "it is a file" if os.path.isfile(place) else "there is no such folder"
        raise Mistake(
            f"{place}: {problem}. Expected the folder of a run, a sweep or a day (outputs/2012-09-30), or a "
            f"pattern in quotes ('outputs/*/*'): ls outputs shows the days."
        )
    return matching


def filter_records(records: Sequence[Record], conditions: Iterable[str]) -> list[Record]:
    """The runs for which every condition KEY=VALUE holds: tags=A if A is one of the tags, note=A if A is in the note.

    Raises Mistake if a condition isn't KEY=VALUE, if no run has the key, or if no run is left.
    """
    for condition in conditions:
        key, equals, wanted = condition.partition("=")
        if not equals:
            raise Mistake(f"--where {condition}: expected KEY=VALUE, such as --where optimizer.lr=0.01.")
        keys = sorted({key for record in records for key in record.config})
        if key in NOTES and key not in keys:
            raise Mistake(f"--where {condition}: no run here has {'a note' if key == 'note' else key}.")
        if key not in keys:
            raise Mistake(f"--where {condition}: {key} isn't a key of these runs{nearest(key, keys)}")
        kept = [record for record in records if key in record.config and _holds(key, wanted, record.config[key])]
        if not kept:
            there = sorted({format_value(record.config[key]) for record in records if key in record.config})
            more = f" or {len(there) - MOST_VALUES} more" if len(there) > MOST_VALUES else ""
            values = " or ".join(shorten(value, 60) for value in there[:MOST_VALUES])
            raise Mistake(f"--where {condition}: no run has that value. Here {key} is {values}{more}.")
        records = kept
    return list(records)


def _holds(key: str, wanted: str, value: Any) -> bool:
    if key == "tags" and isinstance(value, tuple) and any(matches(wanted, tag) for tag in value):
        return True
    if key == "note" and isinstance(value, str) and wanted:
        return wanted.casefold() in value.casefold()
    return matches(wanted, value)


def matches(given: str, value: Any) -> bool:
    """Whether a person who types `given` means the value: 1e-2 matches 0.01, adam matches torch.optim.Adam."""
    if type(value) in (int, float):
        try:
            return float(given) == value
        except ValueError:
            return False
    return given == str(value) or _simplify(given) == _simplify(format_value(value))


def _simplify(text: str) -> str:
    return text.replace("_", "").replace(" ", "").casefold()


def format_value(value: Any, most: int = 200) -> str:
    """A value of a configuration for a terminal or a page. A _target_ becomes the name to type for it.

    most: characters of it, and of each value in a list.
    """
    if isinstance(value, tuple):
        return shorten(f"[{', '.join(format_value(each, most) for each in value)}]", most)
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    if text.startswith(("alexnet.", "torch.")):
        group = next((group for group in GROUPS if text in list_targets(group)), "model")
        text = find_option(group, text)
    return make_printable(shorten(text, most))
