"""Probes the layers of a run, and writes the result as a table, a picture and JSON."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tabulate import tabulate

from alexnet import disk
from alexnet.errors import Mistake, make_printable
from alexnet.inference.probe import Data, Probe, load_data, probe
from alexnet.inference.trained import Trained, load
from alexnet.models.named_layers import choose_layers, find_layers

NAMES = ("probe.json", "probe.png")


def probe_run(run: str, overrides: Sequence[str], layers: str | None, out: str | None, force: bool) -> int:
    """Prints a row for each layer, and writes probe.json and probe.png. Returns the exit status.

    layers: names with commas between; None: all but the last. out: their folder; None: `probe` in the run's folder.

    Raises Mistake for an unknown layer, for data that isn't there, and for files that are there without `force`.
    """
    trained = load(run)
    known = find_layers(trained.model)
    names = list(known)[:-1] if layers is None else choose_layers(known, layers)
    folder = Path(out) if out is not None else Path(run if trained.run else ".") / "probe"
    if not force and any((folder / name).exists() for name in NAMES):
        raise Mistake(f"{folder} has a probe already: give --force to replace it, or another --out FOLDER.")
    with disk.making_folder(folder, "--out"):
        data = load_data(trained, overrides)
        found = [probe(trained, data, name, trained.options.seed) for name in names]
        print(_as_table(found, trained, data))
        disk.replace_text(folder / NAMES[0], json.dumps(_describe(found, trained, data, overrides), indent=2) + "\n")
        with disk.replacing(folder / NAMES[1]) as temporary:
            _draw(temporary, found, _find_own_accuracy(trained, data))
    print(f"\n{folder / NAMES[0]} and {NAMES[1]} are written.")
    return 0


def _find_own_accuracy(trained: Trained, data: Data) -> float | None:
    """The run's own test accuracy, if the probe had the same images."""
    fingerprint = data.dataset.fingerprint()["data_sha256"]
    same = trained.run is not None and trained.run.environment().get("data_sha256") == fingerprint
    return (trained.result or {}).get("test_accuracy") if same else None


def _as_table(found: Sequence[Probe], trained: Trained, data: Data) -> str:
    rows = []
    for each in found:
        low, high = each.interval
        held = 100 * each.choice[each.c]
        interval = f"[{100 * low:.2f}, {100 * high:.2f}]"
        figures = f"{each.features:,}", f"{each.c:g}", f"{held:.2f}", f"{100 * each.accuracy:.2f}"
        rows.append([each.layer, *figures, interval])
    headers = ["layer", "features", "C", "held-out %", "test %", "95% interval"]
    table = tabulate(rows, headers, "plain", colalign=["left", *["right"] * 5], disable_numparse=True)
    own = _find_own_accuracy(trained, data)
    lines = [
        f"Logistic regression on what each layer of {make_printable(trained.source)} gives",
        f"{len(data.train.labels):,} training and {len(data.test.labels):,} test images, "
        f"{len(data.dataset.classes):,} classes; C chosen on a tenth of the training images",
        "",
        table,
    ]
    return "\n".join([*lines, *([] if own is None else [f"\nthe network itself: {100 * own:.2f}%"])])


def _describe(found: Sequence[Probe], trained: Trained, data: Data, overrides: Sequence[str]) -> dict[str, Any]:
    return {
        "run": trained.source,
        "weights_sha256": trained.weights_sha256,
        "overrides": list(overrides),
        **data.dataset.fingerprint(),
        "training_images": len(data.train.labels),
        "layers": [{**asdict(each), "accuracy": each.accuracy, "interval": each.interval} for each in found],
        "network_accuracy": _find_own_accuracy(trained, data),
        "command": sys.argv,
    }


def _draw(path: Path, found: Sequence[Probe], own: float | None) -> None:
    """The accuracy over the layers with its interval; the network's own as a line."""
    from alexnet.runs.plots import use_fonts

    use_fonts()
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    accuracies = [100 * each.accuracy for each in found]
    ends = [each.interval for each in found]
    lengths = [
        [mean - 100 * low for mean, (low, _) in zip(accuracies, ends, strict=True)],
        [100 * high - mean for mean, (_, high) in zip(accuracies, ends, strict=True)],
    ]
    axes.errorbar([each.layer for each in found], accuracies, lengths, marker="o", capsize=3, label="linear probe")
    if own is not None:
        axes.axhline(100 * own, color="grey", linestyle="--", label="the network itself")
    axes.set_ylabel("test accuracy (%)")
    axes.grid(True, alpha=0.4)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=200)
    pyplot.close(figure)
