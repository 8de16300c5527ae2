"""The figures of the benchmark are what it says they are."""

import json
import sys

import pytest

from support.programs import ROOT, run_script


@pytest.fixture
def benchmark(tmp_path):
    """benchmark("--json", ...) gives the finished process."""
    return lambda *given: run_script([sys.executable, str(ROOT / "benchmarks" / "benchmark.py"), *given], tmp_path)


@pytest.mark.thorough
@pytest.mark.slow
def test_both_loops_are_measured_by_turns(benchmark):
    """Two pairs with the small network. Each ratio is that of its pair's speeds; operations follow from the layers."""
    settings = ["model=cuda_convnet", "device.threads=1", "device.precision=float32"]
    done = benchmark("--json", "--profile", "--pairs", "2", "--seconds", "0.2", "--batch-size", "32", *settings)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["batch_size"] == 32 and found["precision"] == "float32" and found["threads"] == 1
    assert len(found["pairs"]) == 2
    ratios = [pair["project"] / pair["tutorial"] for pair in found["pairs"]]
    assert [pair["ratio"] for pair in found["pairs"]] == pytest.approx(ratios)
    assert (found["ratio"]["min"], found["ratio"]["max"]) == pytest.approx((min(ratios), max(ratios)))
    forward = [2 * 32 * 32 * 75 * 32, 2 * 16 * 16 * 800 * 32, 2 * 8 * 8 * 800 * 64, 2 * 1024 * 10]
    # Backward takes as many again for the weights, and as many for the layer's input, which conv1 doesn't need.
    direct = 3 * sum(forward) - forward[0]  # the network has too few channels for Winograd's convolutions
    assert found["operations_per_image"] == {"tutorial": direct, "project": direct}
    assert found["matrix_product_rate"]["float32"] > 1e9
    assert found["peak_memory"]["tutorial"] > found["peak_memory"]["project"] > 2**20  # bytes; the tutorial has workers
    shares = {row["operator"]: row["share"] for row in found["profile"]["operators"]}
    assert 0.9 < sum(shares.values()) <= 1.001 and "aten::convolution_backward" in shares
    limits = {row["operator"]: row["limit_milliseconds"] for row in found["profile"]["operators"]}
    assert {name for name in limits if limits[name]} <= {
        "aten::mkldnn_convolution", "aten::convolution_backward", "aten::addmm", "aten::mm"
    }  # fmt: skip
    backward = 2 * sum(forward[:3]) - forward[0]
    limit = 1000 * 32 * backward / found["matrix_product_rate"]["float32"]
    assert limits["aten::convolution_backward"] == pytest.approx(limit)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--batch-size", "0"], "batch_size=0"),
        (["--batch-size", "50001"], "batch_size=50001 is more than the 50000 images"),
        (["--pairs", "0"], "--pairs: 0: expected a whole number above 0"),
        (["--seconds", "nan"], "--seconds: nan: expected a number above 0"),
        (["device.winograd=off"], "device.winograd=off: expected true or false, or null"),
    ],
)
def test_a_mistake_is_one_sentence(benchmark, arguments, said):
    done = benchmark(*arguments)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
