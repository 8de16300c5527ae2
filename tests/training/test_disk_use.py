"""The disk space that a run is told to need is about what it then takes."""

import pytest

from alexnet.data.pixel_cache import estimate_missing
from alexnet.disk import format_bytes
from alexnet.launch.disk_space import describe, sum_up
from alexnet.runs.folder import Run
from alexnet.training.disk_use import estimate
from alexnet.training.job import execute
from alexnet.training.network import load_dataset
from support.images import small_data

MODELS = {
    "cuda_convnet": ["model=cuda_convnet"],
    "batch": ["model=alexnet_cifar", "model.hidden=512", "model.kernels=[32,64,64,64,64]", "model.normalisation=batch"],
}


def count_bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "model, given",
    [
        ("cuda_convnet", ["optimizer=sgd"]),
        ("batch", ["optimizer=adam", "dataset.validation=0.25"]),
        ("batch", ["optimizer=rmsprop", "+optimizer.centered=true", "keep=weights"]),
    ],
)
def test_the_estimate_is_what_the_run_leaves(compose, images, tmp_path, model, given):
    """Within a fifth or 2 MB; for the large part of a large run, its checkpoints, within a hundredth."""
    config = compose(*small_data(images), "epochs=1", *MODELS[model], *given)
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    estimated = estimate(config)
    assert execute(config, run) == 0
    size = count_bytes(run.folder)
    assert abs(estimated.kept - size) < max(0.2 * size, 2 * 10**6)
    checkpoints = count_bytes(run.checkpoints) if run.checkpoints.exists() else 0
    without = estimate(compose(*small_data(images), "epochs=1", *MODELS[model], *given, "keep=none")).kept
    assert abs(estimated.kept - without - checkpoints) <= 0.01 * checkpoints + 50_000


def test_the_peak_has_room_for_a_second_checkpoint(compose):
    """weights: 28,714,826 float32; SGD with momentum keeps as many again, Adam twice."""
    weights = 4 * 28_714_826
    for given, state in (([], 1), (["optimizer.momentum=0"], 0), (["optimizer=adam"], 2)):
        use = estimate(compose(*given))
        assert abs(use.kept - (1 + state) * weights) < 10**6
        assert abs(use.peak - use.kept - (1 + state) * weights) < 10**6
    use = estimate(compose("keep=weights", "dataset.validation=0.1"))
    assert abs(use.kept - weights) < 10**6 and abs(use.peak - 5 * weights) < 10**6
    untested = estimate(compose("keep=none", "test=false"))
    assert abs(untested.kept - weights) < 10**6


def test_a_sweep_needs_room_for_the_checkpoints_of_the_jobs_that_run_at_once(compose):
    config = compose("dataset=digits")
    one, two = sum_up([config] * 3), sum_up([config] * 3, at_once=2)
    alone = estimate(config)
    assert one.kept == two.kept and abs(one.kept - 3 * alone.kept) < 10**6
    assert two.peak - one.peak == alone.peak - alone.kept


def test_decoded_images_are_counted_once_and_only_if_they_arent_there(compose, small, images, tmp_path):
    cache = tmp_path / "cache"
    configs = [compose(*small, f"dataset.cache={cache}", f"seed={seed}") for seed in (0, 1)]
    expected = 32 * (3 * 32**2 + 64)
    assert estimate_missing(str(images), 32, str(cache)) == expected
    assert f", and {format_bytes(expected)} of decoded images in {cache}" in describe(configs)
    load_dataset(configs[0].dataset)
    assert sum(path.stat().st_size for path in cache.glob("*.pixels")) == expected
    assert "decoded" not in describe(configs)
    assert "decoded" not in describe([compose(*small, "dataset.cache=null")])


@pytest.mark.parametrize("count, text", [(123_456, "0.1 MB"), (38_400_000, "38 MB"), (1_234_000_000, "1.2 GB")])
def test_sizes_have_units(count, text):
    assert format_bytes(count) == text
