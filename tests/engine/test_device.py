"""With any device settings a run resumes to the same bits, and computes what float32 does, to their precision."""

import shutil

import pytest
import torch

from alexnet.config import checks
from alexnet.engine import device as devices
from alexnet.engine import processor
from alexnet.engine.processor import is_zen5
from alexnet.errors import Mistake
from alexnet.runs.folder import Run
from alexnet.training.build import assemble
from support.images import small_data
from support.runs import run_in

SETTINGS = [
    "precision=float32",
    "precision=bf16",
    "precision=fp16",
    "channels_last=false",
    "fused=false",
    "deterministic=false",
    "capture=false",
]


@pytest.fixture
def augmented(small):
    return [*small, "dataset.size=16", "dataset.crop=2", "dataset.flip=true", "optimizer.lr=0.01"]


def read_losses(folder):
    return [window["loss"] for window in Run(folder).windows()]


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_resumed_run_ends_in_the_same_bits(compose, tmp_path, augmented, setting):
    """One epoch, and a second one from the checkpoint, end as two epochs without a break."""
    settings = [*augmented, f"device.{setting}"]
    _, unbroken = run_in(tmp_path / "unbroken", compose(*settings, "epochs=2"))
    run_in(tmp_path / "resumed", compose(*settings, "epochs=1"))
    _, resumed = run_in(tmp_path / "resumed", compose(*settings, "epochs=2"))
    assert resumed["weights_sha256"] == unbroken["weights_sha256"]
    assert resumed["test_loss"] == unbroken["test_loss"]
    assert read_losses(tmp_path / "resumed") == read_losses(tmp_path / "unbroken")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler, and there is no g++")
def test_a_compiled_run_resumes_to_the_same_bits_and_changes_losses_only_by_its_rounding(compose, tmp_path, augmented):
    """Both in one test, because the compiler takes most of a minute."""
    settings = [*augmented, "device.precision=float32"]
    test_a_resumed_run_ends_in_the_same_bits(compose, tmp_path, settings, "compile=true")
    run_in(tmp_path / "plain", compose(*settings, "epochs=2"))
    assert read_losses(tmp_path / "unbroken") == pytest.approx(read_losses(tmp_path / "plain"), rel=1e-4)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("first, second", [("true", "false"), ("false", "true")])
def test_a_run_resumes_with_another_way_to_update(compose, tmp_path, augmented, optimizer, first, second):
    """The ways to update differ only in rounding."""
    settings = [*augmented, "device.precision=float32", f"optimizer={optimizer}", "optimizer.lr=0.001"]
    run_in(tmp_path / "changed", compose(*settings, "epochs=1", f"device.fused={first}"))
    training, changed = run_in(tmp_path / "changed", compose(*settings, "epochs=2", f"device.fused={second}"))
    _, unbroken = run_in(tmp_path / "unbroken", compose(*settings, "epochs=2", f"device.fused={second}"))
    assert bool(training.optimizer.param_groups[0]["fused"]) == (second == "true")
    assert changed["test_loss"] == pytest.approx(unbroken["test_loss"], rel=1e-4)


@pytest.mark.slow
def test_a_resumed_run_ends_in_the_same_bits_with_fewer_multiplications(compose, tmp_path, images):
    """The batch of 24 is large enough for Winograd's way in all of conv2 to conv5."""
    weights = ["model.initialisation=whitening", "optimizer.lr=0.01"]  # a resumed run takes them from its checkpoint
    settings = [
        *small_data(images),
        "batch_size=24",
        "device.precision=float32",
        "device.winograd=true",
        "model.hidden=64",
        *weights,
    ]
    _, unbroken = run_in(tmp_path / "unbroken", compose(*settings, "epochs=2"))
    run_in(tmp_path / "resumed", compose(*settings, "epochs=1"))
    _, resumed = run_in(tmp_path / "resumed", compose(*settings, "epochs=2"))
    _, direct = run_in(tmp_path / "direct", compose(*settings, "epochs=2", "device.winograd=false"))
    assert resumed["weights_sha256"] == unbroken["weights_sha256"] != direct["weights_sha256"]
    assert resumed["test_loss"] == unbroken["test_loss"]


@pytest.mark.parametrize(
    "setting, tolerance",
    [
        ("precision=bf16", 0.03),  # 8 bits of mantissa
        ("precision=fp16", 0.005),  # 11 bits
        ("channels_last=false", 1e-5),
        ("fused=false", 1e-5),
    ],
)
def test_a_setting_changes_losses_only_by_its_rounding(compose, tmp_path, augmented, setting, tolerance):
    config = compose(*augmented, "device.precision=float32", "epochs=1")
    run_in(tmp_path / "float32", config)
    run_in(tmp_path / "other", compose(*augmented, "device.precision=float32", "epochs=1", f"device.{setting}"))
    assert read_losses(tmp_path / "other") == pytest.approx(read_losses(tmp_path / "float32"), rel=tolerance)


@pytest.mark.parametrize("precision, dtype", [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_products_are_in_the_precision_and_weights_in_float32(compose, augmented, precision, dtype):
    training = assemble(compose(*augmented, f"device.precision={precision}"))
    seen = []
    training.model.features[0].register_forward_hook(lambda module, given, made: seen.append(made.dtype))
    images, _ = next(training.batches.train.epoch())
    assert training.forward(images).dtype == torch.float32
    assert seen == [dtype]
    assert {parameter.dtype for parameter in training.model.parameters()} == {torch.float32}


@pytest.mark.parametrize("rates, chosen", [((100, 80), "float32"), ((100, 120), "float32"), ((100, 230), "bf16")])
def test_auto_takes_bf16_only_where_it_is_measured_to_be_faster(monkeypatch, rates, chosen):
    """Some processors list bf16 instructions and are slower with them. Other work on the machine doesn't change the
    answer: here, for a while, it makes every second product ten times as long."""
    rate = dict(zip((torch.float32, torch.bfloat16), rates, strict=True))
    disturbed = iter([1, 10] * 6 + [1] * 99)
    monkeypatch.setattr(processor, "_time_product", lambda matrix, clock: next(disturbed) / rate[matrix.dtype])
    monkeypatch.setattr(processor, "list_cpu_units", lambda: {"avx512_bf16"})
    assert devices.choose_engine("cpu").precision == chosen
    monkeypatch.setattr(processor, "list_cpu_units", lambda: {"avx2"})  # then bf16 isn't even tried
    assert devices.choose_engine("cpu").precision == "float32"


@pytest.mark.parametrize(
    "said, zen5",
    [
        ("vendor_id\t: AuthenticAMD\ncpu family\t: 26\n", True),
        ("vendor_id\t: AuthenticAMD\ncpu family\t: 25\n", False),
        ("vendor_id\t: GenuineIntel\ncpu family\t: 6\n", False),
        ("processor\t: 0\nCPU implementer\t: 0x41\n", False),
    ],
)
def test_a_zen_5_is_known_by_its_family(tmp_path, said, zen5):
    """On a Zen 5, torch's float32 convolutions are faster than those with fewer multiplications."""
    about = tmp_path / "cpuinfo"
    assert not is_zen5(about)  # a system without it
    about.write_text(said)
    assert is_zen5(about) == zen5


def test_tf32_on_a_processor_is_one_sentence():
    with pytest.raises(Mistake, match=r"device\.precision=tf32 on cpu.*give device\.precision=auto"):
        devices.choose_engine("cpu", precision="tf32")


def test_replacing_an_experiments_schedule_says_how_to_leave_out_its_options(compose):
    given = ["experiment=best", "dataset=digits", "schedule=constant", "~schedule.rise"]
    message = r"schedule\.start isn't an option of constant; there are none.*~schedule\.start$"
    with pytest.raises(Mistake, match=message):
        checks.check(compose(*given))
    checks.check(compose(*given, "~schedule.start"))
