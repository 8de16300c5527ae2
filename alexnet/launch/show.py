"""Shows what a trained network has learnt and what it makes of images, as pictures with their figures."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from alexnet.config.saved import load_run_config
from alexnet.errors import Mistake, nearest
from alexnet.messages.console import configure, from_here, say
from alexnet.runs.folder import Run, find_runs

if TYPE_CHECKING:
    from alexnet.inference.pictures import Picture
    from alexnet.inference.trained import Trained

KINDS = ("filters", "neighbours", "mistakes", "saliency", "embedding")
OF_A_LAYER = ("neighbours", "embedding")
OF_IMAGES = ("neighbours", "saliency")
METHODS = ("pca", "tsne")


def show(
    arguments: Sequence[str],
    layer: str | None = None,
    method: str | None = None,
    out: str | None = None,
    force: bool = False,
) -> None:
    """Draws one kind of picture, and writes it as PNG and SVG with its figures as JSON.

    arguments: RUN, or several for filters; then one of KINDS; then images, and key=value that change the run's
    configuration. layer: of neighbours and embedding; None: the last but one. method: of METHODS, for embedding. out:
    the folder to write to; None: show/ in the first run's folder. force: whether to replace files.

    Raises Mistake if something of it is missing, unknown or already there; Damaged if a file of the run is.
    """
    sources, kind, images, overrides = _part(arguments)
    _check_options(kind, images, layer, method)
    sources = _list_runs(sources)
    if len(sources) > 1 and kind != "filters":
        raise Mistake(f"{kind} is of one run, but {len(sources)} are given: {', '.join(sources[:3])}.")
    for source in sources:
        if not Path(source).is_file():  # answers a mistake before torch is imported
            config, _ = load_run_config(Run(source), overrides, trains=False)
            configure(config.console, config.language)
    if out is None and Path(sources[0]).is_file():
        raise Mistake(f"{sources[0]} is no folder to write to: say where the pictures go with --out DIR.")
    folder = Run(sources[0]).pictures if out is None else Path(out)
    from alexnet.inference.trained import load

    runs = [load(source, overrides) for source in sources]
    _draw(runs, kind, images, layer, method, folder, force)


def _draw(
    runs: "Sequence[Trained]",
    kind: str,
    images: Sequence[str],
    layer: str | None,
    method: str | None,
    folder: Path,
    force: bool,
) -> None:
    import matplotlib

    from alexnet.inference import pictures
    from alexnet.runs.plots import use_fonts

    parts = [kind]
    if len(runs) > 1:
        parts.append(f"{len(runs)}_runs")
    if kind in OF_A_LAYER:
        layer = _choose_layer(runs[0], layer)
        parts.append(layer)
    if kind == "embedding":
        method = method or METHODS[0]
        parts.append(method)
    stem = folder / "_".join(parts)
    pictures.refuse_overwriting(stem, force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Mistake(f"{folder} can't be written to: {error.strerror}. Give another place with --out DIR.") from error
    use_fonts()
    with matplotlib.rc_context(pictures.LOOK):
        picture = _make(runs, kind, images, layer or "", method or "")
        picture.save(stem)
    for line in picture.lines:
        say("{}", line)
    say("Drawn as {}, with the same as .svg and the figures as .json", from_here(f"{stem}.png"))


def _make(runs: "Sequence[Trained]", kind: str, images: Sequence[str], layer: str, method: str) -> "Picture":
    if kind == "filters":
        from alexnet.inference.filters import show_filters

        return show_filters(runs)
    if kind == "neighbours":
        from alexnet.inference.neighbours import show_neighbours

        return show_neighbours(runs[0], layer, images)
    if kind == "mistakes":
        from alexnet.inference.mistakes import show_mistakes

        return show_mistakes(runs[0])
    if kind == "saliency":
        from alexnet.inference.saliency import show_saliency

        return show_saliency(runs[0], images)
    from alexnet.inference.embedding import show_embedding

    return show_embedding(runs[0], layer, method)


def _part(arguments: Sequence[str]) -> tuple[list[str], str, list[str], list[str]]:
    """The runs, the kind of picture, the images and the overrides. Raises Mistake without a run or a kind."""
    kinds = [number for number, each in enumerate(arguments) if each in KINDS]
    expected = f"expected a run's folder, then one of {', '.join(KINDS)}"
    if not kinds:
        unknown = [each for each in arguments if not Path(each).exists()]
        if unknown and len(arguments) > 1:
            raise Mistake(f"{unknown[0]}: {expected}{nearest(unknown[0], KINDS)}")
        raise Mistake(f"Nothing to show: {expected}, such as: python scripts/show.py {quote(arguments[0])} filters")
    if kinds[0] == 0:
        raise Mistake(f"No run before {arguments[0]}: {expected}.")
    rest = arguments[kinds[0] + 1 :]
    overrides = [each for each in rest if "=" in each and not Path(each).exists()]
    return list(arguments[: kinds[0]]), arguments[kinds[0]], [each for each in rest if each not in overrides], overrides


def _check_options(kind: str, images: Sequence[str], layer: str | None, method: str | None) -> None:
    """Raises Mistake for what that kind of picture has no use for, or lacks."""
    if images and kind not in OF_IMAGES:
        raise Mistake(f"{images[0]}: {kind} takes no images; {' and '.join(OF_IMAGES)} do.")
    if not images and kind == "saliency":
        raise Mistake("saliency needs images: name files, or a folder of them, after it.")
    if layer is not None and kind not in OF_A_LAYER:
        raise Mistake(f"--layer {layer}: {kind} has no choice of a layer; {' and '.join(OF_A_LAYER)} have.")
    if method is not None and kind != "embedding":
        raise Mistake(f"--method {method}: only embedding has a choice of a method.")


def _list_runs(sources: Sequence[str]) -> list[str]:
    """The runs, those of a sweep's folder one by one; files of weights as they are."""
    found: list[str] = []
    for source in sources:
        within = [] if Path(source).is_file() else find_runs(source)
        found += [str(run.folder) for run in within] or [source]
    return found


def _choose_layer(trained: "Trained", name: str | None) -> str:
    """The layer of that name; None: the last one before the classes. Raises Mistake, with the nearest, for no layer."""
    from alexnet.models.named_layers import choose_layer, find_layers

    layers = find_layers(trained.model)
    return choose_layer(layers, name or [*layers][-2]).name
