"""Sums up the disk space that jobs need, and says it. The estimates import torch, so only when they are asked for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from alexnet.disk import format_bytes
from alexnet.messages.console import translate

if TYPE_CHECKING:
    from alexnet.training.disk_use import DiskUse

REPORT = 2**19  # bytes of a sweep's own files


def sum_up(configs: Sequence[DictConfig], at_once: int = 1) -> "DiskUse":
    """What all jobs together keep, and the most while `at_once` of them run."""
    from alexnet.training.disk_use import DiskUse, estimate

    known = {id(config): estimate(config) for config in {id(config): config for config in configs}.values()}
    uses = [known[id(config)] for config in configs]
    kept = sum(use.kept for use in uses) + (REPORT if len(uses) > 1 else 0)
    passing = sorted((use.peak - use.kept for use in uses), reverse=True)
    return DiskUse(kept, kept + sum(passing[:at_once]))


def describe(configs: Sequence[DictConfig], at_once: int = 1) -> str:
    """'460 MB of disk (690 MB while they run), and 150 MB of decoded images in data/decoded'."""
    use = sum_up(configs, at_once)
    kept, peak = map(format_bytes, use)
    text = translate("{} of disk").format(kept)
    text += translate(" ({} while training)").format(peak) if peak != kept else ""
    decoded = translate(", and {} of decoded images in {}")
    return "".join([text, *(decoded.format(format_bytes(size), place) for place, size in _decode(configs))])


def _decode(configs: Sequence[DictConfig]) -> list[tuple[str, int]]:
    """The folders in which decoded images will be kept, and the bytes that they will add there."""
    from alexnet.data.pixel_cache import estimate_missing

    wanted = dict.fromkeys(
        (str(each.dataset.root), each.dataset.get("resize") or each.dataset.size, str(each.dataset.cache))
        for each in configs
        if each.dataset.get("cache") is not None
    )
    added: dict[str, int] = {}
    for root, side, cache in wanted:
        added[cache] = added.get(cache, 0) + estimate_missing(root, side, cache)
    return [(cache, size) for cache, size in added.items() if size > 0]
