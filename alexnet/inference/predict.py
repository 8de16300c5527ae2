"""Predicts what image files show, with a trained network; the same bits as in the run's own test."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexnet.disk import replacing
from alexnet.errors import Failure, Mistake
from alexnet.inference.outputs import check_outputs
from alexnet.inference.paths import Found, find_classes, find_images

if TYPE_CHECKING:  # torch takes seconds to import, and mistakes are answered before
    from alexnet.inference.looks import Remarks
    from alexnet.inference.rows import About, Row, Totals, Writer
    from alexnet.inference.trained import Trained

USUAL = 5  # classes of each image


def predict(
    run: str,
    paths: Sequence[str],
    top: int | None = None,
    views: int | None = None,
    invert: bool = False,
    weights: str | None = None,
    device: str | None = None,
    csv: str | None = None,
    json: str | None = None,
    html: str | None = None,
    plot: str | None = None,
    force: bool = False,
) -> int:
    """Prints the most probable classes of each image, and writes them to the files that are named.

    run: a run's folder, or a published file of weights. paths: see paths.find_images. top: classes of each image; None:
    five, or all of fewer. views: 1, 2 or 10 of each image; None: as the run was tested. invert: dark becomes light.
    weights: best or last; None: those that the run itself was tested with. csv, json, html, plot: files, which are
    complete or not there. force: replaces them. If folders are called as classes are, the last line is the accuracy.

    Returns the exit status: 1 if an image can't be read. Raises Mistake for what isn't there, Failure for no memory.
    """
    files = check_outputs({"--csv": csv, "--json": json, "--html": html, "--plot": plot}, force)
    found = find_images(paths)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # torch's threads that wait leave the cores to the decoding
    from alexnet.inference.looks import Remarks
    from alexnet.inference.rows import Totals
    from alexnet.inference.trained import load

    about = _describe(trained := load(run, weights=weights, device=device), top, views, invert)
    remarks, totals = Remarks(trained.config["dataset"]["_target_"], trained.channels, invert), Totals()
    with ExitStack() as stack:
        writers = _open_writers(about, found, trained, files, stack)
        _write(_predict_rows(trained, about, found, remarks, thumbnails=html is not None), totals, writers)
        remarks.end()
        for writer in writers[1:]:
            writer.end(totals)
    writers[0].end(totals)
    return 1 if totals.broken else 0


def _write(batches: "Iterator[list[Row]]", totals: "Totals", writers: "Sequence[Writer]") -> None:
    for rows in batches:
        totals.add(rows)
        for writer in writers:
            writer.add(rows)


def _describe(trained: "Trained", top: int | None, views: int | None, invert: bool) -> "About":
    """What all rows share. Raises Mistake for more classes a row than there are."""
    from alexnet.inference.rows import About

    known = len(trained.classes)
    if top is not None and top > known:
        raise Mistake(f"--top {top}: {trained.source} tells {known} classes apart; give --top {known} or less.")
    return About(
        trained.source,
        trained.weights,
        trained.epoch,
        trained.weights_sha256,
        trained.classes,
        trained.class_names,
        count=top or min(USUAL, known),
        views=views or trained.preparation.views or 1,
        inverted=invert,
    )


def _predict_rows(
    trained: "Trained", about: "About", found: Sequence[Found], remarks: "Remarks", thumbnails: bool
) -> Iterator[list["Row"]]:
    """A row for each image, in order, a batch at a time. Raises Failure as `predict` does."""
    from alexnet.inference.looks import THUMBNAIL, Inspector
    from alexnet.inference.rows import Row
    from alexnet.messages.console import progress
    from alexnet.training.evaluation import rank_classes

    truths = find_classes(found, trained.folder_names)
    inspect = Inspector(THUMBNAIL if thumbnails else 0) if thumbnails or remarks.needed else None
    files = trained.open_files([image.path for image in found], about.inverted, inspect)
    done = 0
    with progress("Predicting", len(found), "image") as advance:
        for logits in trained.compute_logits(trained.make_batches(files, about.views)):
            ranked = rank_classes(logits, about.count).cpu()
            probabilities = logits.softmax(1).cpu().gather(1, ranked)
            if not logits.isfinite().all():
                raise Failure(f"{trained.source} answers with numbers that aren't finite: its training has diverged.")
            rows = []
            for place, top in enumerate(zip(ranked.tolist(), probabilities.tolist(), strict=True), done):
                path, broken, look = found[place].path, files.broken.pop(place, None), files.seen.pop(place, None)
                if look is not None:
                    remarks.see(path, look)
                pairs = [] if broken is not None else list(zip(*top, strict=True))
                rows.append(Row(path, pairs, truths[place], broken, b"" if look is None else look.thumbnail))
            yield rows
            done += len(rows)
            advance(len(logits))


def _open_writers(
    about: "About", found: Sequence[Found], trained: "Trained", files: Mapping[str, Path], stack: ExitStack
) -> list["Writer"]:
    """What takes the rows: the terminal first, then the files, which are whole if `stack` ends without an error."""
    from alexnet.inference.rows import Csv, Json, Lines
    from alexnet.messages.lines import measure_terminal

    def open_text(file: Path) -> Any:
        temporary = stack.enter_context(replacing(file))  # closed before it is renamed
        return stack.enter_context(open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline=""))

    paths = [image.path for image in found]
    writers: list[Writer] = [Lines(about, paths, measure_terminal(sys.stdout))]
    if (file := files.get("--csv")) is not None:
        writers.append(Csv(about, open_text(file)))
    if (file := files.get("--json")) is not None:
        writers.append(Json(about, open_text(file)))
    if (file := files.get("--html")) is not None:
        from alexnet.inference.predict_page import Page

        writers.append(Page(about, paths, trained.config["language"], trained.side, open_text(file)))
    if (file := files.get("--plot")) is not None:
        from alexnet.inference.predict_plot import Figure

        writers.append(Figure(about, len(paths), trained, stack.enter_context(replacing(file))))
    return writers
