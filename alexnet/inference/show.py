"""Shows what a trained network has learnt and what it makes of images, as pictures with their figures."""

from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from alexnet.config.saved import load_run_config
from alexnet.disk import making_folder
from alexnet.errors import Mistake, nearest
from alexnet.inference.paths import find_images
from alexnet.messages.console import configure, from_here, say
from alexnet.runs.folder import Run, find_runs

if TYPE_CHECKING:
    from alexnet.inference.pictures import Picture
    from alexnet.inference.trained import Trained

KINDS = ("filters", "neighbours", "mistakes", "saliency", "embedding")
OF_A_LAYER = ("neighbours", "embedding")
OF_IMAGES = ("neighbours", "saliency")
METHODS = ("pca", "tsne")
MOST_IMAGES = 12  # in a picture


def show(
    arguments: Sequence[str],
    layer: str | None = None,
    method: str | None = None,
    invert: bool = False,
    out: str | None = None,
    force: bool = False,
) -> None:
    """Draws one kind of picture, and writes it as PNG and SVG with its figures as JSON.

    arguments: RUN, or several for filters; then one of KINDS; then images, and key=value that change the run's
    configuration. layer: of neighbours and embedding; None: the last but one. method: of METHODS, for embedding.
    invert: makes light what is dark in the images. out: the folder to write to; None: show/ in the first run's folder.
    force: replaces files.

    Raises Mistake if something of it is missing, unknown or already there; Damaged if a file of the run is.
    """
    given, kind, images, overrides = _part(arguments)
    _check_options(kind, images, layer, method, invert)
    paths = [image.path for image in find_images(images)] if images else []
    if len(paths) > MOST_IMAGES:
        raise Mistake(f"{len(paths):,} images are too many for one picture: give at most {MOST_IMAGES}.")
    sources = _find_sources(given, kind, overrides)
    if out is None and Path(sources[0]).is_file():
        raise Mistake(f"{sources[0]} is no folder to write to: say where the pictures go with --out DIR.")
    folder = Run(sources[0]).pictures if out is None else Path(out)
    from alexnet.inference.trained import load

    runs = [load(source, overrides) for source in sources]
    if kind in OF_A_LAYER:
        layer = _choose_layer(runs[0], layer)
    if kind == "embedding":
        method = method or METHODS[0]
    parts = [kind, f"{len(runs)}_runs" if len(runs) > 1 else None, layer, method]
    stem = folder / "_".join(part for part in parts if part is not None)
    if not force:
        _refuse_to_replace(stem)
    with making_folder(folder, "--out"):
        _draw(stem, lambda: _make(runs, kind, paths, layer or "", method or "", invert))


def _refuse_to_replace(stem: Path) -> None:
    """Raises Mistake if one of the files is there already."""
    from alexnet.inference.pictures import list_files

    there = [path for path in list_files(stem) if path.exists()]
    if there:
        raise Mistake(f"{there[0]} is there already: give --force to replace it, or another place with --out DIR.")


def _draw(stem: Path, make: Callable[[], "Picture"]) -> None:
    import matplotlib

    from alexnet.inference.pictures import LOOK
    from alexnet.runs.plots import use_fonts

    use_fonts()
    with matplotlib.rc_context(LOOK):
        picture = make()
        picture.save(stem)
    for line in picture.lines:
        say("{}", line)
    say("Drawn as {}, with the same as .svg and the figures as .json", from_here(f"{stem}.png"))


def _make(
    runs: "Sequence[Trained]", kind: str, paths: Sequence[str], layer: str, method: str, invert: bool
) -> "Picture":
    if kind == "filters":
        from alexnet.inference.filters import show_filters

        return show_filters(runs)
    if kind == "neighbours":
        from alexnet.inference.neighbours import show_neighbours

        return show_neighbours(runs[0], layer, paths, invert)
    if kind == "mistakes":
        from alexnet.inference.mistakes import show_mistakes

        return show_mistakes(runs[0])
    if kind == "saliency":
        from alexnet.inference.saliency import show_saliency

        return show_saliency(runs[0], paths, invert)
    from alexnet.inference.embedding import show_embedding

    return show_embedding(runs[0], layer, method)


def _part(arguments: Sequence[str]) -> tuple[list[str], str, list[str], list[str]]:
    """The runs, the kind of picture, the images and the overrides. Raises Mistake without a run or a kind."""
    kinds = [number for number, each in enumerate(arguments) if each in KINDS]
    expected = f"expected a run's folder, then one of {', '.join(KINDS)}"
    if not kinds:
        unknown = [each for each in arguments[1:] if not Path(each).exists()]
        if unknown:
            raise Mistake(f"{unknown[0]} is nothing that can be shown{nearest(unknown[0], KINDS)}")
        raise Mistake(f"Nothing to show: {expected}, such as: python scripts/show.py {quote(arguments[0])} filters")
    if kinds[0] == 0:
        raise Mistake(f"No run before {arguments[0]}: {expected}.")
    rest = arguments[kinds[0] + 1 :]
    overrides = [each for each in rest if "=" in each and not Path(each).exists()]
    return list(arguments[: kinds[0]]), arguments[kinds[0]], [each for each in rest if each not in overrides], overrides


def _check_options(kind: str, images: Sequence[str], layer: str | None, method: str | None, invert: bool) -> None:
    """Raises Mistake for what that kind of picture has no use for, or lacks."""
    if images and kind not in OF_IMAGES:
        raise Mistake(f"{images[0]}: {kind} takes no images; {' and '.join(OF_IMAGES)} do.")
    if not images and kind == "saliency":
        raise Mistake("saliency needs images: name files, or a folder of them, after it.")
    if layer is not None and kind not in OF_A_LAYER:
        raise Mistake(f"--layer {layer}: {kind} has no choice of a layer; {' and '.join(OF_A_LAYER)} have.")
    if method is not None and kind != "embedding":
        raise Mistake(f"--method {method}: only embedding has a choice of a method.")
    if invert and not images:
        raise Mistake("--invert is for images that are given: name files after the word.")


def _find_sources(given: Sequence[str], kind: str, overrides: Sequence[str]) -> list[str]:
    """The runs, those of a sweep's folder one by one; files of weights as they are. The console speaks as they ask for.

    Raises Mistake for what is no run, before torch is imported, and for several where one is shown.
    """
    sources: list[str] = []
    for each in given:
        within = [] if Path(each).is_file() else find_runs(each)
        sources += [str(run.folder) for run in within] or [each]
    if len(sources) > 1 and kind != "filters":
        raise Mistake(f"{kind} is of one run, but {len(sources)} are given: {', '.join(sources[:3])}.")
    for source in sources:
        if not Path(source).is_file():
            config, _ = load_run_config(Run(source), overrides, trains=False)
            configure(config.console, config.language)
    return sources


def _choose_layer(trained: "Trained", name: str | None) -> str:
    """The layer of that name; None: the last one before the classes. Raises Mistake, with the nearest, for no layer."""
    from alexnet.models.named_layers import choose_layer, find_layers

    layers = find_layers(trained.model)
    return choose_layer(layers, name or [*layers][-2]).name
