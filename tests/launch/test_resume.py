"""A run that is killed and resumed ends as one that was never stopped."""

import json
import random
import shutil
import signal
import sys
import time

import pytest

from alexnet.comparison.compare import compare
from alexnet.comparison.configurations import group_records
from alexnet.comparison.records import read
from alexnet.launch.reproduce import reproduce
from alexnet.launch.resume import resume
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from alexnet.training import loop as training_module
from alexnet.training.job import execute
from alexnet.training.signals import Interrupted
from support.images import write_images
from support.programs import ROOT, run_script, start_script, train_command
from support.runs import change_checkpoint

RESUME = [sys.executable, str(ROOT / "scripts" / "resume.py")]
PAPER = ["dataset.resize=24", "dataset.mean=null", "dataset.colour=0.1", "dataset.views=10"]  # as for ImageNet
MIXED = ["cutmix=0.5", "mixup=0.3"]
EARLY = ["dataset.validation=0.25", "patience=2", "ema=0.9"]
LARGE = ["model=alexnet_cifar", "checkpoint_minutes=0.008", "epochs=2"]  # checkpoints of 230 MB
TIMES = ("images_per_second", "seconds")


def without_times(rows):
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def assert_same_end(folder, reference):
    """Rows to the last digit, none lost or doubled, and the weights by SHA-256."""
    run, unbroken = Run(folder), Run(reference)
    assert without_times(run.windows()) == without_times(unbroken.windows())
    assert without_times(run.epochs()) == without_times(unbroken.epochs())
    for name in ("status", "weights_sha256", "test_loss", "test_error", "chosen_epoch", "validation_accuracy"):
        assert run.result()[name] == unbroken.result()[name], name


def resume_command(run):
    """It needs the flag if the run was killed between its first row and its first checkpoint."""
    return [*RESUME, str(run.folder), *(["--from-start"] if run.has_rows and not run.has_checkpoint else [])]


@pytest.fixture
def settings(tmp_path):
    """Crop, flip and order are random (and dropout, with LARGE); checkpoints every few steps."""
    images = write_images(tmp_path / "images", train=24)
    return [
        "dataset=image_folder", f"dataset.root={images}", f"dataset.cache={images}/decoded",
        "dataset.size=16", "dataset.crop=2", "dataset.flip=true",
        "batch_size=4", "log_every=3", "epochs=3", "checkpoint_minutes=0.002", "optimizer.lr=0.01",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "schedule, others",
    [
        ("linear", ["device.workers=0", "dataset.memory_share=0", "optimizer=muon", "model=cuda_convnet"]),
        ("step", ["schedule.every=1", "optimizer=adam", "clip_norm=1", "accumulate=2", "model=cuda_convnet"]),
        (
            "cosine",
            ["device.workers=2", "dataset.memory_share=0", "dataset.validation=0.25", *MIXED, "model=cuda_convnet"],
        ),
        pytest.param(
            "one_cycle",
            ["model.normalisation=batch", "dataset.progressive=[12]", *MIXED, *LARGE],
            marks=pytest.mark.thorough,
        ),
        ("plateau", ["schedule.patience=0", "schedule.threshold=0.5", *EARLY, "model=cuda_convnet"]),
        ("plateau", ["dataset.validation=0.25", "dataset.memory_share=0", "model=cuda_convnet", *PAPER]),
    ],
)
def test_killed_at_any_moment_it_ends_as_if_never_stopped(compose, settings, tmp_path, schedule, others):
    settings = [*settings, f"schedule={schedule}", *others]
    (tmp_path / "unbroken").mkdir()
    assert execute(compose(*settings), Run(tmp_path / "unbroken")) == 0
    moments = random.Random(schedule)
    next_command, kills = [*train_command(*settings), "hydra.run.dir=killed"], 0
    while kills < 2:
        process, (printed, _) = start_script(next_command, tmp_path)
        while process.is_alive() and not printed.read_bytes():
            time.sleep(0.01)  # until it is at work: the first window, or the line that says where it resumes
        time.sleep(moments.uniform(0, 1.0))
        process.kill()
        process.join()
        kills += 1
        assert (tmp_path / "killed" / "config.yaml").is_file()
        if Run(tmp_path / "killed").result():
            break  # it was done before it could be killed
        next_command = resume_command(Run(tmp_path / "killed"))
    if not Run(tmp_path / "killed").result():
        done = run_script(next_command, tmp_path)
        assert done.returncode == 0, done.stderr
    assert_same_end(tmp_path / "killed", tmp_path / "unbroken")
    assert {path.name for path in (tmp_path / "killed" / "checkpoints").iterdir()} <= {
        "last.pt",
        "previous.pt",
        "best.pt",
    }


@pytest.mark.slow
def test_interrupted_then_resumed_then_extended(compose, settings, tmp_path):
    """SIGTERM in the middle, resumed with images from the disk, then epochs=4: as a run of 4 epochs from the start."""
    settings = [*settings, "model=cuda_convnet"]
    (tmp_path / "four").mkdir()
    assert execute(compose(*settings, "epochs=4"), Run(tmp_path / "four")) == 0
    command = train_command(*settings, "hydra.run.dir=three")
    process, (printed, _) = start_script(command, tmp_path)
    while not printed.read_bytes():
        time.sleep(0.01)
    process.terminate()
    process.join()
    assert process.exitcode == 143
    for arguments in (["dataset.memory_share=0"], ["epochs=4"]):
        done = run_script([*RESUME, "three", *arguments], tmp_path)
        assert done.returncode == 0, done.stderr
    assert_same_end(tmp_path / "three", tmp_path / "four")
    again = run_script([*RESUME, "three"], tmp_path)
    assert again.returncode == 0 and "finished, with epochs=4" in again.stdout
    for arguments, said in (
        (["optimizer.lr=1"], "reproduce.py"),
        (["epochs=2"], "expected more"),
        (["epoch=9"], "epoch"),
    ):
        refused = run_script([*RESUME, "three", *arguments], tmp_path)
        assert refused.returncode == 2 and said in refused.stderr and "Traceback" not in refused.stderr


@pytest.mark.parametrize("memory_share", [0.25, 0])
def test_stopped_while_it_validates_it_goes_on_from_there(compose, small, tmp_path, monkeypatch, memory_share):
    """Between an epoch's last step and its end: none of its batches is left then."""
    settings = [*small, "dataset.validation=0.25", f"dataset.memory_share={memory_share}", "device.workers=0"]
    unbroken, stopped = Run(tmp_path / "unbroken"), Run(tmp_path / "stopped")

    def stop(*_):
        raise Interrupted(signal.SIGTERM)

    for run in (unbroken, stopped):
        run.folder.mkdir()
    assert execute(compose(*settings), unbroken) == 0
    with monkeypatch.context() as patch:
        patch.setattr(training_module, "evaluate", stop)
        assert execute(compose(*settings), stopped) == 143
    assert resume(str(stopped.folder), []) == 0
    assert_same_end(stopped.folder, unbroken.folder)


def test_begun_anew_then_stopped_before_the_first_row_it_goes_on(trained):
    """Killed before its first checkpoint it starts again with empty tables; then killed after one, before any row."""
    run = trained()
    assert len(run.windows()) == 3
    saved = checkpoints.load(run.checkpoints, "last")
    run.begin((run.folder / "config.yaml").read_text(), run.environment(), epoch=0, step=0)
    assert (run.folder / "losses.csv").read_text() == ""
    checkpoints.save(run.checkpoints, "last", saved)
    change_checkpoint(run, epoch=0, batch=4)
    assert resume(str(run.folder), []) == 0
    assert [row["step"] for row in run.windows()] == [6]


def test_the_time_is_that_of_all_training_from_the_first_start(trained):
    run = trained()
    started = "2012-09-30T10:00:00"
    environment = json.dumps({**run.environment(), "started": started})
    (run.folder / "environment.json").write_text(environment, encoding="utf-8")
    change_checkpoint(run, seconds=1000.0)
    assert resume(str(run.folder), ["epochs=2"]) == 0
    result = run.result()
    assert result["started"] == started
    assert 1000 < result["training_seconds"] < result["seconds"] < 2000


def test_an_extended_run_under_a_schedule_that_spans_it_is_a_configuration_of_its_own(
    trained, monkeypatch, tmp_path, capsys
):
    """It has learning rates that no run from the start has: compare tells it apart, reproduce names the cause."""
    monkeypatch.chdir(tmp_path)
    extended, genuine = trained("schedule=cosine"), trained("schedule=cosine", "epochs=2", folder="genuine")
    assert resume(str(extended.folder), ["epochs=2"]) == 0
    assert extended.environment()["extended_from"] == ["epochs=1 until step 6"]
    comparison = compare([read(extended), read(genuine)])
    assert comparison.keys == ["extended_from"] and len(comparison.configurations) == 2
    capsys.readouterr()
    assert reproduce(str(extended.folder), []) == 1
    printed = capsys.readouterr().out
    assert "different: first in epoch 1, batch 2: learning_rate" in printed
    assert "the original was extended: it had the learning rates of a run with epochs=1 until step 6" in printed


@pytest.mark.parametrize("schedule", ["constant", "step", "plateau"])
def test_an_extended_run_under_any_other_schedule_is_like_one_from_the_start(trained, schedule):
    run = trained(f"schedule={schedule}")
    assert resume(str(run.folder), ["epochs=2"]) == 0
    assert "extended_from" not in run.environment()


def test_a_job_killed_before_its_configuration_was_written_stays_a_repeat_of_the_others(train, small, tmp_path):
    """Hydra's own file has the launch keys, which tell nothing apart: not in its folder, not in the comparison."""
    assert train("-m", *small, "epochs=1", "seed=0,1", "hydra.sweep.dir=s").returncode == 0
    for path in (tmp_path / "s" / "1").iterdir():
        if path.name != ".hydra":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert run_script([*RESUME, "s/1"], tmp_path).returncode == 0
    assert "report" not in Run(tmp_path / "s" / "1").config()
    assert [each.seed for each in group_records([read(Run(tmp_path / "s" / job)) for job in "01"])[0].records] == [0, 1]
    (tmp_path / "s" / "1" / "result.json").unlink()
    done = run_script([*RESUME, "s"], tmp_path)
    assert done.returncode == 0 and "2 of 2 ok" in done.stdout, done.stderr
