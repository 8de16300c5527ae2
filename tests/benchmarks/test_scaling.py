"""The fitted cost is that of the measured points, and the prediction follows from it."""

import sys
from dataclasses import replace

import pytest

import cost
from support.programs import ROOT, run_script

POINT = cost.Point("alexnet", 0, 64, 224, 1000, 61_000_000, 4e9, 4_000_000, 1.0, 10**9)


def points():
    """Their time is exactly 10 ps per operation and 2 ns per weight. Their memory is 16 bytes per weight, 1.5 times the
    activations and 1.1 times the images."""
    return [
        replace(
            POINT,
            images=images,
            batch_size=batch,
            weights=weights,
            seconds=10e-12 * batch * 4e9 + 2e-9 * weights,
            memory=int(16 * weights + 1.5 * batch * 4_000_000 + 1.1 * images * 3 * 224**2),
        )
        for images in (0, 1000)
        for batch in (16, 256)
        for weights in (90_000, 61_000_000)
    ]


def test_the_fit_finds_the_cost_that_points_were_made_with():
    fitted = cost.fit(points())
    expected = [10e-12, 2e-9, 16, 1.5, 1.1]
    assert list(fitted.values())[:5] == pytest.approx(expected, rel=1e-4)
    assert fitted["time_error"] < 1e-4 and fitted["memory_error"] < 1e-4


def test_imagenet_is_steps_times_a_step():
    """90 epochs of 1,281,167 images in batches of 128."""
    steps = 1_281_167 * 90 / 128
    fitted = cost.fit(points())
    days = cost.predict_days(fitted, POINT, 1_281_167, 90, 128)
    assert days == pytest.approx(steps * (10e-12 * 128 * 4e9 + 2e-9 * 61e6) / 86400, rel=1e-3)
    assert f"ImageNet with model=alexnet and batches of 128 would take {days:.3g} days" in cost.as_text(
        points(), fitted, 2e11, days
    )


@pytest.mark.parametrize(("rate", "days_of_8"), [(1e9, True), (None, False)])
def test_several_devices_divide_the_steps_and_add_the_exchange(rate, days_of_8):
    """8 devices take an eighth of the steps; in each, every device sends 2 * 7/8 of 61 M values of 4 bytes."""
    fitted = cost.fit(points())
    one, eight, many = cost.predict_devices(fitted, POINT, rate, 1_281_167, 90, 128)
    computing = 10e-12 * 128 * 4e9 + 2e-9 * 61e6
    assert one["days"] == pytest.approx(1_281_167 * 90 / 128 * computing / 86400, rel=1e-3)
    assert (eight["batch_size"], many["batch_size"]) == (1024, 8192)
    assert eight["bytes"] == 2 * 7 / 8 * 61e6 * 4
    text = cost.devices_as_text([one, eight, many], "measured")
    if days_of_8:
        steps = 1_281_167 * 90 / 1024
        assert eight["days"] == pytest.approx(steps * (computing + 2 * 7 / 8 * 61e6 * 4 / 1e9) / 86400, rel=1e-3)
        assert f"{eight['days']:.3g}" in text and "not known |" not in text
    else:
        assert eight["days"] is many["days"] is None and text.count("not known |") == 4


@pytest.mark.thorough
@pytest.mark.slow
def test_a_point_is_measured_with_the_models_own_counts(compose):
    """This holds even if the counted step is the last of an epoch and has fewer images."""
    config = compose("dataset=digits", "model=cuda_convnet", "batch_size=8", "device.threads=1")
    point, rate = cost.measure(config, "cuda_convnet", 28, 32, 10, 0.1)
    assert (point.weights, point.images, point.batch_size, point.classes) == (89_578, 28, 8, 10)
    forward = [2 * 32 * 32 * 75 * 32, 2 * 16 * 16 * 800 * 32, 2 * 8 * 8 * 800 * 64, 2 * 1024 * 10]
    assert point.operations == 3 * sum(forward) - forward[0]
    assert 0 < 8 * point.operations / point.seconds < 2 * rate
    assert point.memory > 0


@pytest.mark.parametrize(
    "typed, said",
    [
        (["model=alexnet"], "model=alexnet: the points have their own models and images"),
        (["device.threads=0"], "device.threads=0: expected a whole number from 1 to 1024"),
        (["device.processes=2"], "device.processes=2: each point is one process"),
    ],
)
def test_a_mistake_is_one_message_before_anything_is_measured(tmp_path, typed, said):
    done = run_script([sys.executable, str(ROOT / "benchmarks" / "scaling.py"), *typed], tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("\n") == 1
