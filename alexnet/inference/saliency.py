"""Shows what in an image a prediction depends on, by Grad-CAM and by occlusion, and measures how well each tells."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from alexnet.comparison.spread import Spread
from alexnet.inference.pictures import GREY, RIGHT, WRONG, Picture, Sheet, name, name_files, read_images, to_pixels
from alexnet.inference.trained import Trained
from alexnet.messages.console import progress, translate
from alexnet.models.named_layers import find_layers, join, record_outputs

CELLS = 8  # a side of the grid whose cells are removed
ORDERS = 10  # random ones
METHODS = ("grad_cam", "occlusion")
FEWEST = 3  # images that an interval is of: of two it would nearly always cover everything
SIDE, CURVE = 1.45, 2.2  # inches


def compute_grad_cam(trained: Trained, images: Tensor, classes: Tensor) -> Tensor:
    """What speaks for a class in the last convolution's maps (Selvaraju et al. 2017): (B, S, S), 0 or more.

    A map's weight is the mean over its places of the gradient of the class's logit; the weighted sum of the maps, and
    0 instead of less, is resized to the image. The columns are joined. images: (B, C, S, S), prepared. classes: (B,).
    """
    layer = [each for each in find_layers(trained.model).values() if each.name.startswith("conv")][-1]
    images = images.clone().requires_grad_()  # so that frozen layers have gradients, too
    with torch.enable_grad(), record_outputs([layer]) as recorded:
        logits = trained.network.forward(images)
        gradients = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), recorded[0])
    weights = join(gradients).float().mean((2, 3), keepdim=True)
    summed = (join(recorded[0]).detach().float() * weights).sum(1, keepdim=True).relu()
    return nn.functional.interpolate(summed, images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]


def compute_occlusion(trained: Trained, image: Tensor, label: int) -> Tensor:
    """How much the class's probability falls when a square is hidden (Zeiler, Fergus 2014): (S, S).

    The square is a quarter of the image wide, moves by a sixteenth, also past the edges, and has the mean's colour.
    A pixel's value is the mean over the squares that cover it. image: (C, S, S), prepared.
    """
    size = image.shape[-1]
    side, step = max(1, size // 4), max(1, size // 16)
    starts = range(step - side, size, step)
    places = [(slice(max(top, 0), top + side), slice(max(left, 0), left + side)) for top in starts for left in starts]
    hidden = image.repeat(len(places), 1, 1, 1)
    for number, (rows, columns) in enumerate(places):
        hidden[number, :, rows, columns] = 0  # the mean, after the normalisation
    falls = compute_probability(trained, image[None], label) - compute_probability(trained, hidden, label)
    total, count = torch.zeros(size, size), torch.zeros(size, size)
    for fall, (rows, columns) in zip(falls, places, strict=True):
        total[rows, columns] += fall
        count[rows, columns] += 1
    return total / count


@torch.no_grad()
def compute_probability(trained: Trained, images: Tensor, label: int) -> Tensor:
    """The probability (N,) of the class for prepared images (N, C, S, S), on the processor."""
    batches = images.split(trained.network.batch_size)
    return torch.cat([trained.network.forward(each).softmax(1)[:, label].cpu() for each in batches])


def order_cells(saliency: Tensor) -> np.ndarray:
    """The numbers of the cells, CELLS x CELLS row by row, of a map (S, S): those with the highest mean first."""
    cells = number_cells(len(saliency)).flatten()
    sums = np.bincount(cells, saliency.double().flatten().numpy())
    return np.argsort(-sums / np.bincount(cells), kind="stable")


def number_cells(size: int) -> np.ndarray:
    """The number of the cell that each pixel of an image is in: (size, size)."""
    count = min(CELLS, size)
    lines = np.arange(size) * count // size
    return lines[:, None] * count + lines


def delete(trained: Trained, image: Tensor, label: int, orders: Sequence[np.ndarray]) -> np.ndarray:
    """The class's probability as cells are removed in each order, from none to all: (orders, cells + 1).

    A removed cell has the colour of the mean. image: (C, S, S), prepared.
    """
    cells, curves = torch.from_numpy(number_cells(image.shape[-1])), []
    for order in orders:
        ranks = torch.empty(len(order), dtype=torch.int64)
        ranks[torch.from_numpy(order)] = torch.arange(len(order))
        kept = ranks[cells][None] >= torch.arange(len(order) + 1)[:, None, None]  # (cells + 1, S, S)
        curves.append(compute_probability(trained, image * kept[:, None].to(image.device), label).numpy())
    return np.stack(curves)


def measure_area(curves: np.ndarray) -> np.ndarray:
    """The area under each curve (..., steps + 1) over 0 to 1, by straight lines between its points."""
    return (curves[..., 1:] + curves[..., :-1]).mean(-1) / 2


def show_saliency(trained: Trained, paths: Sequence[str], invert: bool = False) -> Picture:
    """What the predicted class depends on in each image file, by METHODS, with the deletion score of both.

    The score is the area under the class's probability while an image's cells are removed, the most salient first
    (Petsiuk et al. 2018): low is good. Random orders of the same cells are its measure. Seen is the image's centre.

    invert: dark becomes light. Raises Mistake for a file that can't be read, Failure if a batch finds too little
    memory.
    """
    batches = trained.make_batches(read_images(trained, paths, invert), views=1)
    trained.model.eval()
    generator, rows, drawn = np.random.default_rng(trained.config["seed"]), [], []
    with trained.network.enough_memory(), progress("Testing", len(paths), "image") as advance:
        images = torch.cat([each for each, _ in batches.epoch()])
        for path, image in zip(paths, images, strict=True):
            row, maps, curves = _explain(trained, path, image, generator)
            rows.append(row)
            pixels = ((image * batches.std + batches.mean) * 255).round().clamp(0, 255).byte()
            drawn.append((to_pixels(pixels[None])[0], maps, curves))
            advance(1)
    figures: dict[str, Any] = {"what": "saliency", "run": trained.source, "weights_sha256": trained.weights_sha256}
    figures |= {"cells": CELLS, "random_orders": ORDERS, "images": rows}
    figures["below_random"] = {
        method: vars(Spread.of([row["random"] - row[method] for row in rows], (-1, 1)) or {}) for method in METHODS
    }
    if len(rows) < FEWEST:
        for spread in figures["below_random"].values():
            spread |= {"low": None, "high": None}
    return Picture(_draw(figures, drawn), figures, _say(figures)[1:])


def _explain(
    trained: Trained, path: str, image: Tensor, generator: np.random.Generator
) -> tuple[dict[str, Any], list[Tensor], np.ndarray]:
    """The figures of an image, the map of each method, and the curves of the methods and of the random orders."""
    with torch.no_grad():
        probabilities = trained.network.forward(image[None]).softmax(1)[0]
    label = int(probabilities.argmax())
    maps = [
        compute_grad_cam(trained, image[None], probabilities.argmax()[None])[0].cpu(),
        compute_occlusion(trained, image, label),
    ]
    orders = [order_cells(each) for each in maps]
    random = [generator.permutation(len(orders[0])) for _ in range(ORDERS)]
    curves = delete(trained, image, label, [*orders, *random])
    areas = measure_area(curves)
    row: dict[str, Any] = {"image": path, "class": trained.class_names[label]}
    row |= {"probability": float(probabilities[label]), "random": float(areas[len(METHODS) :].mean())}
    row |= {method: float(area) for method, area in zip(METHODS, areas[: len(METHODS)], strict=True)}
    row |= {"random_areas": areas[len(METHODS) :].tolist()}
    return row, maps, curves


def _say(figures: dict[str, Any]) -> list[str]:
    lines = [
        translate("Red speaks for the class, blue against it. The score is the area under the curve: low is good.")
    ]
    for method in METHODS:
        spread = figures["below_random"][method]
        interval = "" if spread["low"] is None else f" [{spread['low']:.3f}, {spread['high']:.3f}]"
        means = [float(np.mean([row[key] for row in figures["images"]])) for key in (method, "random")]
        text = translate("{}: deletion score {:.3f}, {:.3f} in random order, lower by {:.3f}{}")
        lines.append(text.format(_name_method(method), *means, spread["mean"], interval))
    return lines


def _name_method(method: str) -> str:
    return "Grad-CAM" if method == "grad_cam" else translate("occlusion")


def _draw(figures: dict[str, Any], drawn: Sequence[tuple[np.ndarray, list[Tensor], np.ndarray]]) -> Sheet:
    """A row for each image: the image, the map of each method over it, the curves of the deletion."""
    lefts = [0.15 + number * (SIDE + 0.12) for number in range(1 + len(METHODS))]
    top, step, curve = 0.3, SIDE + 0.35, lefts[-1] + SIDE + 0.55
    sheet = Sheet(curve + CURVE + 0.2, top + len(drawn) * step + 0.3 + 0.17 * len(_say(figures)))
    for left, method in zip(lefts[1:], METHODS, strict=True):
        sheet.write(left, 0.1, _name_method(method))
    sheet.write(curve, 0.1, translate("probability as cells are removed"))
    names = name_files([row["image"] for row in figures["images"]])
    for number, (row, (pixels, maps, curves)) in enumerate(zip(figures["images"], drawn, strict=True)):
        y = top + number * step
        sheet.show(lefts[0], y, SIDE, pixels)
        text = f"{name(row['class'])} {100 * row['probability']:.1f}%   {name(names[number], 20)}"
        sheet.write(lefts[0], y + SIDE + 0.04, text, fontsize=7)
        for left, each, method in zip(lefts[1:], maps, METHODS, strict=True):
            _draw_map(sheet, left, y, pixels, each)
            score = f"{row[method]:.3f} ({translate('random')} {row['random']:.3f})"
            sheet.write(left + SIDE, y + SIDE + 0.04, score, fontsize=7, ha="right")
        _draw_curves(sheet, curve, y, curves, with_legend=number == 0)
    for number, line in enumerate(_say(figures)):
        sheet.write(0.15, top + len(drawn) * step + 0.2 + 0.17 * number, line)
    return sheet


def _draw_map(sheet: Sheet, left: float, top: float, pixels: np.ndarray, values: Tensor) -> None:
    """Red speaks for the class, blue against it, over the image in grey."""
    most = float(values.abs().max()) or 1.0
    axes = sheet.show(left, top, SIDE, pixels.mean(2, keepdims=True).astype(np.uint8))
    axes.imshow(values.numpy(), cmap="RdBu_r", vmin=-most, vmax=most, alpha=0.6, interpolation="nearest", aspect="auto")


def _draw_curves(sheet: Sheet, left: float, top: float, curves: np.ndarray, with_legend: bool) -> None:
    axes = sheet.place(left, top + 0.03, CURVE, SIDE - 0.12)
    removed = np.linspace(0, 100, curves.shape[1])
    random = curves[len(METHODS) :]
    axes.fill_between(removed, random.min(0), random.max(0), color=GREY, alpha=0.2, linewidth=0)
    axes.plot(removed, random.mean(0), color=GREY, label=translate("random"))
    for method, each, colour in zip(METHODS, curves, (WRONG, RIGHT), strict=False):
        axes.plot(removed, each, color=colour, linewidth=1.2, label=_name_method(method))
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 1.02)
    axes.tick_params(labelsize=6)
    axes.set_xticks([0, 50, 100], ["0%", "50%", "100%"])
    axes.set_yticks([0, 0.5, 1])
    if with_legend:
        axes.legend(frameon=False, fontsize=6, loc="upper right")
