"""Shows the training images that are nearest to test images, by a layer and by pixels (the paper's Figure 4, right)."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from alexnet.data.batches import Batches
from alexnet.data.dataset import Dataset
from alexnet.inference.features import compute_features
from alexnet.inference.knn import find_nearest
from alexnet.inference.pictures import (
    RIGHT,
    WRONG,
    Picture,
    Sheet,
    name,
    name_files,
    read_images,
    read_pixels,
    to_pixels,
)
from alexnet.inference.trained import Trained
from alexnet.messages.console import progress, translate

COUNT = 6  # nearest images, as in the paper
MOST_DRAWN = 10  # test images, if none are given: one of each class of most small data sets
MOST_TESTED, TESTED_BYTES = 10_000, 2**30  # test images that are classified by their neighbours
SIDE, GAP = 0.6, 0.07  # inches


def show_neighbours(trained: Trained, layer: str, paths: Sequence[str] = (), invert: bool = False) -> Picture:
    """The nearest training images of some images, by a layer and by pixels, and how well both classify test images.

    paths: image files; none: test images, one a class, that the run's seed chooses. invert: makes light what is dark in
    the files. A training image with the same pixels as a file is that file, and doesn't count. Test images are
    classified by the vote of their COUNT nearest training images: all of them, or as many as the seed chooses of more
    than MOST_TESTED or TESTED_BYTES.

    Raises Mistake if the data isn't there, or a file can't be read.
    """
    dataset, batches = trained.load_split("train")
    train = trained.make_batches(batches.images, views=1, labels=batches.labels)
    given = read_images(trained, paths, invert)
    numbers = _choose_tested(trained, dataset, layer)
    test = dataset.test.subset(torch.from_numpy(numbers))
    tested = trained.make_batches(test.images, views=1, labels=test.labels)
    asked = [trained.make_batches(given, views=1), tested] if paths else [tested]
    excluded = _find_same(given, train) if paths else []
    drawn = list(range(len(paths))) if paths else _draw_one_a_class(tested.labels.cpu().numpy(), trained.config["seed"])
    labels = train.labels.cpu().numpy()
    result: dict[str, dict[str, Any]] = {}
    for kind in (layer, "pixels"):
        queries = torch.cat([rows for each in asked for rows in _compute(trained, each, kind)])
        with progress("Comparing", len(train.labels), "image") as advance:
            nearest, distances = find_nearest(queries, _compute(trained, train, kind, advance), COUNT, excluded)
        right = vote(labels, nearest[len(paths) :]) == tested.labels.cpu().numpy()
        result[kind] = {"accuracy": float(right.mean()), "nearest": nearest[drawn], "distances": distances[drawn]}
    names = [{"image": path} for path in paths] or [
        {"image": f"test image {numbers[each]}", "class": trained.class_names[tested.labels[each]]} for each in drawn
    ]
    pixels = to_pixels(given) if paths else read_pixels(tested, drawn)
    figures = _describe(trained, layer, result, labels, names, len(test))
    sheet = _draw(figures, pixels, {kind: read_pixels(train, each["nearest"].ravel()) for kind, each in result.items()})
    return Picture(sheet, figures, [_say(figures, kind) for kind in result])


def vote(labels: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """The class that most of the nearest have, (Q,); of equally frequent ones that which comes first.

    labels: (N,), of the training images. nearest: their numbers (Q, k), the nearest first; -1 for none.
    """
    classes = np.where(nearest >= 0, labels[nearest], -1 - np.arange(nearest.shape[1]))  # none votes with another
    votes = (classes[:, :, None] == classes[:, None, :]).sum(2)
    return classes[np.arange(len(classes)), np.where(nearest >= 0, votes, 0).argmax(1)]


def _choose_tested(trained: Trained, dataset: Dataset, layer: str) -> np.ndarray:
    """The numbers of the test images that are classified, in order."""
    one = trained.make_batches(dataset.test.images[torch.zeros(1, dtype=torch.int64)], views=1)
    longest = max(next(_compute(trained, one, kind)).shape[1] for kind in (layer, "pixels"))
    most = max(1, min(MOST_TESTED, TESTED_BYTES // (4 * longest)))
    if len(dataset.test) <= most:
        return np.arange(len(dataset.test))
    return np.sort(np.random.default_rng(trained.config["seed"]).permutation(len(dataset.test))[:most])


def _draw_one_a_class(labels: np.ndarray, seed: int) -> list[int]:
    """A test image each of up to MOST_DRAWN classes, in the order of the classes."""
    generator = np.random.default_rng(seed)
    classes = generator.permutation(np.unique(labels))[:MOST_DRAWN]
    return [int(generator.choice(np.flatnonzero(labels == each))) for each in np.sort(classes)]


def _compute(
    trained: Trained, batches: Batches, kind: str, advance: Callable[[int], Any] = lambda count: None
) -> Iterator[Tensor]:
    """The rows (B, D) float32 of each batch, on the processor. kind: a layer, or pixels, from 0 to 255."""
    if kind == "pixels":
        computed = ((images * batches.std + batches.mean) * 255 for images, _ in batches.epoch())
        rows = (images.round() for images in computed)
    else:
        rows = (features[kind] for features in compute_features(trained, batches, [kind]))
    for each in rows:
        advance(len(each))
        yield each.flatten(1).cpu()


def _find_same(given: Tensor, train: Batches) -> list[set[int]]:
    """The numbers of the training images that have the pixels of each given image (N, C, S, S)."""
    wanted = [image.numpy().tobytes() for image in given]
    found: list[set[int]] = [set() for _ in wanted]
    for start in range(0, len(train.labels), 256):
        images = read_pixels(train, range(start, min(start + 256, len(train.labels)))).transpose(0, 3, 1, 2)
        for number, image in enumerate(images, start):
            content = np.ascontiguousarray(image).tobytes()
            for same, each in zip(found, wanted, strict=True):
                if each == content:
                    same.add(number)
    return found


def _describe(
    trained: Trained,
    layer: str,
    result: dict[str, Any],
    labels: np.ndarray,
    names: Sequence[dict[str, Any]],
    tested: int,
) -> dict[str, Any]:
    figures: dict[str, Any] = {"what": "neighbours", "run": trained.source, "weights_sha256": trained.weights_sha256}
    figures |= {"layer": layer, "k": COUNT, "training_images": len(labels), "tested_images": tested}
    figures["accuracy"] = {kind: each["accuracy"] for kind, each in result.items()}
    figures["images"] = []
    for row, image in enumerate(names):
        entry = dict(image)
        for kind, each in result.items():
            there = each["nearest"][row] >= 0
            numbers = each["nearest"][row][there]
            entry[kind] = {
                "training_images": numbers.tolist(),
                "distances": each["distances"][row][there].tolist(),
                "classes": [trained.class_names[label] for label in labels[numbers]],
            }
        figures["images"].append(entry)
    return figures


def _say(figures: dict[str, Any], kind: str) -> str:
    by = translate("pixels") if kind == "pixels" else kind
    text = translate("{}: {:.2f}% of {:,} test images right by the vote of their {} nearest of {:,} training images.")
    accuracy = 100 * figures["accuracy"][kind]
    return text.format(by, accuracy, figures["tested_images"], figures["k"], figures["training_images"])


def _draw(figures: dict[str, Any], pixels: np.ndarray, nearest: dict[str, np.ndarray]) -> Sheet:
    """A row for each image: the image, the nearest by the layer, the nearest by pixels. pixels: (rows, S, S, C)."""
    step, rows, top = SIDE + GAP, figures["images"], 0.62
    lefts = {kind: 0.1 + SIDE + 0.3 + number * (COUNT * step + 0.25) for number, kind in enumerate(nearest)}
    sheet = Sheet(max(lefts.values()) + COUNT * step + 0.05, top + len(rows) * (step + 0.14) + 0.22)
    known = "class" in rows[0]
    if known:
        note = translate("Frames: blue around an image of the same class, orange around one of another class.")
        sheet.write(0.1, sheet.height - 0.15, note)
    for kind, left in lefts.items():
        by = translate("by pixels") if kind == "pixels" else translate("by {}").format(kind)
        sheet.write(left, 0.1, translate("nearest training images {}").format(by), fontsize=10)
        accuracy = translate("{:.2f}% of {:,} test images right by the vote of {}")
        values = 100 * figures["accuracy"][kind], figures["tested_images"], figures["k"]
        sheet.write(left, 0.3, accuracy.format(*values))
    names = name_files([row["image"] for row in rows])
    for number, row in enumerate(rows):
        y = top + number * (step + 0.14)
        sheet.show(0.1, y, SIDE, pixels[number])
        sheet.write(0.1, y + SIDE + 0.02, name(row.get("class", names[number]), 12), fontsize=6)
        for kind, left in lefts.items():
            shown = nearest[kind].reshape(len(rows), -1, *pixels.shape[1:])
            for place, label in enumerate(row[kind]["classes"]):
                frame = None if not known else RIGHT if label == row["class"] else WRONG
                sheet.show(left + place * step, y, SIDE, shown[number, place], frame)
                sheet.write(left + place * step, y + SIDE + 0.02, name(label, 12), fontsize=6)
    return sheet
