"""Shows the wrong test images that a network was surest of, and what each class is taken for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from alexnet.inference.pictures import GREY, RIGHT, WRONG, Picture, Sheet, name, read_pixels
from alexnet.inference.trained import Trained
from alexnet.messages.console import progress, translate

MOST_DRAWN, PER_ROW, SIDE = 21, 7, 0.98  # images; inches
MOST_CLASSES = 20  # that are drawn, those with the largest share of wrong images


def show_mistakes(trained: Trained) -> Picture:
    """The most confident mistakes in the run's own test, and for each class how many of its images are wrong and what
    they are most taken for.

    Confident is a high probability of the predicted class; of equal ones the first image counts. Raises Mistake if the
    data isn't there.
    """
    dataset, batches = trained.load_split("test")
    probabilities, best = [], []
    with progress("Testing", len(batches), "batch") as advance:
        for logits in trained.compute_logits(batches):
            probabilities.append(logits.softmax(1).cpu())
            best.append(logits.topk(min(5, logits.shape[1])).indices[:, 0].cpu())  # of equal logits that of the test
            advance(1)
    found = torch.cat(probabilities).numpy()
    labels, predicted = batches.labels.cpu().numpy(), torch.cat(best).numpy()
    sureness = found[np.arange(len(found)), predicted]
    wrong = np.flatnonzero(predicted != labels)
    surest = wrong[np.argsort(-sureness[wrong], kind="stable")][:MOST_DRAWN]
    names, files = trained.class_names, dataset.test.files
    images = [
        {
            "test_image": int(each),
            **({"file": files.names[each]} if files is not None else {}),
            "class": names[labels[each]],
            "probability_of_class": float(found[each, labels[each]]),
            "predicted": names[predicted[each]],
            "probability": float(sureness[each]),
        }
        for each in surest
    ]
    figures: dict[str, Any] = {"what": "mistakes", "run": trained.source, "weights_sha256": trained.weights_sha256}
    figures |= {"test_images": len(labels), "wrong": len(wrong), "accuracy": 1 - len(wrong) / len(labels)}
    figures |= {"classes": count_confusions(labels, predicted, names), "images": images}
    return Picture(_draw(figures, read_pixels(batches, surest)), figures, _say(figures))


def count_confusions(labels: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """For each class with images: their number, the wrong ones, and the class that they are most taken for.

    Of equally frequent ones the first class. A class without mistakes is taken for None.
    """
    rows = []
    for number, each in enumerate(names):
        own = predicted[labels == number]
        if len(own) == 0:
            continue
        counts = np.bincount(own, minlength=len(names))
        right, counts[number] = int(counts[number]), 0
        most = int(counts.argmax())
        row = {"class": each, "images": len(own), "wrong": len(own) - right}
        row |= {"taken_for": names[most] if counts[most] else None, "times": int(counts[most])}
        rows.append(row)
    return rows


def _say(figures: dict[str, Any]) -> list[str]:
    if not figures["wrong"]:
        return [translate("None of the {:,} test images is wrong.").format(figures["test_images"])]
    first = figures["images"][0]
    text = translate("{:,} of {:,} test images are wrong. The surest mistake: {} taken for {} with {:.1f}%.")
    values = figures["wrong"], figures["test_images"], name(first["class"]), name(first["predicted"])
    return [text.format(*values, 100 * first["probability"])]


def _draw(figures: dict[str, Any], pixels: np.ndarray) -> Sheet:
    """The images in rows, and below them a bar for each class."""
    step, images = SIDE + 0.1, figures["images"]
    end = 0.5 + -(-len(images) // PER_ROW) * (SIDE + 0.42) + 0.1
    classes = sorted(figures["classes"], key=lambda row: -row["wrong"] / row["images"])[:MOST_CLASSES]
    sheet = Sheet(0.2 + PER_ROW * step, end + 0.6 + 0.19 * len(classes))
    sheet.write(0.15, 0.1, _say(figures)[0], fontsize=9)
    if images:
        sheet.write(0.15, 0.28, translate("Below each image: its class, then the class predicted and its probability"))
    for number, row in enumerate(images):
        left, top = 0.15 + number % PER_ROW * step, 0.5 + number // PER_ROW * (SIDE + 0.42)
        sheet.show(left, top, SIDE, pixels[number])
        sheet.write(left, top + SIDE + 0.03, name(row["class"]), color=RIGHT, fontsize=7)
        text = f"{name(row['predicted'], 12)} {100 * row['probability']:.1f}%"
        sheet.write(left, top + SIDE + 0.16, text, color=WRONG, fontsize=7)
    _draw_classes(sheet, end, classes)
    return sheet


def _draw_classes(sheet: Sheet, top: float, classes: Sequence[dict[str, Any]]) -> None:
    """A bar for each class: the share of wrong images, and within it that of the class it is most taken for."""
    axes = sheet.place(1.4, top, sheet.width - 3.2, 0.19 * len(classes))
    for place, row in enumerate(classes):
        wrong, times = (100 * row[key] / row["images"] for key in ("wrong", "times"))
        axes.barh(place, wrong, height=0.75, color="#d0d0d0")
        axes.barh(place, times, height=0.75, color=WRONG)
        if row["taken_for"] is not None:
            text = translate("{:.0f}% taken for {}").format(times, name(row["taken_for"]))
            axes.text(wrong, place, f" {text}", va="center", fontsize=7, color=GREY)
    axes.set_yticks(range(len(classes)), [name(row["class"]) for row in classes])
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.set_xlabel(translate("wrong test images of the class (%); orange: those taken for the class named"))
