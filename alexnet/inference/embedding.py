"""Shows a layer's features of the test images in two dimensions."""

from typing import Any

import matplotlib
import numpy as np
import torch

from alexnet.errors import Failure
from alexnet.inference.features import compute_features, load_centres
from alexnet.inference.pictures import Picture, Sheet, name
from alexnet.inference.trained import Trained
from alexnet.messages.console import progress, translate

MOST_IMAGES = {"pca": 10_000, "tsne": 2_000}  # that are placed: more points would cover each other
MOST_VALUES = 2**28  # of all their features
MOST_CLASSES = 20  # that have a colour of their own
FIRST = 50  # principal components that t-SNE is given
PERPLEXITY = 30
SIDE = 4.9  # inches


def show_embedding(trained: Trained, layer: str, method: str) -> Picture:
    """The test images as points, placed by their features and coloured by their classes.

    method: pca, the two directions in which the features differ most; tsne, which puts near ones near, so that
    distances between groups mean nothing. Of many test images, those that the run's seed chooses.

    Raises Mistake if the data isn't there, Failure if the features can't be placed.
    """
    batches, seed = load_centres(trained), trained.config["seed"]
    one = trained.make_batches(batches.images[torch.zeros(1, dtype=torch.int64)], views=1)
    width = next(iter(compute_features(trained, one, [layer])))[layer].numel()
    most = max(1, min(MOST_IMAGES[method], MOST_VALUES // width))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(batches.labels))[:most])
    numbers = torch.from_numpy(chosen)
    labels = batches.labels.cpu()[numbers]
    some = trained.make_batches(batches.images[numbers], views=1, labels=labels)
    rows = []
    with progress("Testing", len(some), "batch") as advance:
        for features in compute_features(trained, some, [layer]):
            rows.append(features[layer].flatten(1).cpu())
            advance(1)
    points, remarks = embed(torch.cat(rows).numpy(), method, seed)
    figures: dict[str, Any] = {"what": "embedding", "run": trained.source, "weights_sha256": trained.weights_sha256}
    figures |= {"layer": layer, "method": method, "seed": seed, **remarks, "images": len(points), "features": width}
    figures |= {"test_images": chosen.tolist(), "labels": labels.tolist(), "classes": trained.class_names}
    figures["points"] = points.tolist()
    return Picture(_draw(figures), figures, [_say(figures)])


def embed(features: np.ndarray, method: str, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
    """(N, D) float32 to points (N, 2), and what is to be known of them.

    Raises Failure for features that say nothing: of fewer than three images, all equal, or not finite.
    """
    if len(features) < 3 or not np.isfinite(features).all() or (features == features[0]).all():  # t-SNE would crash
        raise Failure(
            f"The features of {len(features)} images can't be placed: they are equal, not finite, or too few."
        )
    from sklearn.decomposition import PCA  # they take a second to import
    from sklearn.manifold import TSNE

    count = min(2 if method == "pca" else FIRST, *features.shape)
    components = PCA(count, svd_solver="randomized", n_oversamples=20, random_state=seed)
    points = components.fit_transform(features)
    points = np.pad(points, ((0, 0), (0, max(0, 2 - count))))  # a layer of a single unit
    if method == "pca":
        return points, {"explained": components.explained_variance_ratio_.tolist()}
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    placed = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit(points)
    return placed.embedding_, {"perplexity": perplexity, "kl_divergence": float(placed.kl_divergence_)}


def _say(figures: dict[str, Any]) -> str:
    images, layer = figures["images"], figures["layer"]
    if figures["method"] == "pca":
        text = translate("{} of {:,} test images by PCA: two components with {:.1f}% of the variance")
        return text.format(layer, images, 100 * sum(figures["explained"]))
    text = translate("{} of {:,} test images by t-SNE: perplexity {:g}; distances between groups mean nothing")
    return text.format(layer, images, figures["perplexity"])


def _draw(figures: dict[str, Any]) -> Sheet:
    """A point for each image; the classes beside them, if each has a colour of its own."""
    names, labels, points = figures["classes"], np.array(figures["labels"]), np.array(figures["points"])
    named = len(names) <= MOST_CLASSES
    width, height = np.ptp(points, axis=0)
    height = SIDE * min(max(height / max(width, 1e-30), 0.4), 1)
    sheet = Sheet(SIDE + (1.4 if named else 0.3), max(height, 0.2 * len(names) * named) + 0.5)
    sheet.write(0.15, 0.1, _say(figures))
    axes = sheet.place(0.15, 0.35, SIDE, height)
    places = np.arange(len(names))
    colours = matplotlib.colormaps["tab10" if len(names) <= 10 else "tab20"](places)
    if not named:
        colours = matplotlib.colormaps["hsv"](places / len(names))
    # In the order of the images and not of the classes: else the last class would cover the others.
    axes.scatter(points[:, 0], points[:, 1], c=colours[labels], s=7, linewidths=0, alpha=0.8)
    for number, each in enumerate(names if named else []):
        axes.scatter([], [], color=[colours[number]], s=16, label=name(each))
    if named:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, handletextpad=0.1)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[["top", "right"]].set_visible(True)
    axes.set_aspect("equal", adjustable="datalim")  # so that distances are what they are
    return sheet
