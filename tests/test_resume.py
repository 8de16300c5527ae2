"""A run that is killed and resumed ends as one that was never stopped."""

import random
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT, train_command, write_images

from alexnet import checkpoints
from alexnet.errors import Mistake
from alexnet.run import Run

RESUME = [sys.executable, str(ROOT / "scripts" / "resume.py")]
PAPER = ["dataset.resize=24", "dataset.mean=null", "+dataset.colour=0.1", "dataset.views=10"]  # as for ImageNet
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


@pytest.fixture
def settings(tmp_path):
    """Crop, flip and order are random (and dropout, with alexnet_cifar); checkpoints every few steps."""
    images = write_images(tmp_path / "images", train=24)
    return [
        "dataset=image_folder", f"dataset.root={images}", "dataset.size=16", "dataset.crop=2", "dataset.flip=true",
        "batch_size=4", "log_every=3", "epochs=3", "checkpoint_minutes=0.002", "optimizer.lr=0.01",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "schedule, others",
    [
        ("constant", ["device.workers=0", "dataset.memory_share=0"]),
        ("step", ["schedule.every=1", "optimizer=adam", "model=cuda_convnet"]),
        ("cosine", ["device.workers=2", "dataset.memory_share=0", "dataset.validation=0.25", "model=cuda_convnet"]),
        ("one_cycle", ["model.normalisation=batch"]),
        ("plateau", ["schedule.patience=0", "schedule.threshold=0.5", "dataset.validation=0.25", "model=cuda_convnet"]),
        ("plateau", ["dataset.validation=0.25", "dataset.memory_share=0", "model=cuda_convnet", *PAPER]),
    ],
)
def test_killed_at_any_moment_it_ends_as_if_never_stopped(settings, tmp_path, schedule, others):
    command = train_command(*settings, f"schedule={schedule}", *others)
    assert subprocess.run([*command, "hydra.run.dir=unbroken"], cwd=tmp_path, capture_output=True).returncode == 0
    moments = random.Random(schedule)
    next_command, kills = [*command, "hydra.run.dir=killed"], 0
    while kills < 2:
        process = subprocess.Popen(next_command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()  # at work: the first window, or the line that says where it goes on
        time.sleep(moments.uniform(0, 1.0))
        process.kill()
        process.communicate()
        kills += 1
        assert (tmp_path / "killed" / "config.yaml").is_file()
        if Run(tmp_path / "killed").result():
            break  # it was done before it could be killed
        next_command = [*RESUME, "killed"]
    if not Run(tmp_path / "killed").result():
        done = subprocess.run([*RESUME, "killed"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert_same_end(tmp_path / "killed", tmp_path / "unbroken")
    assert {path.name for path in (tmp_path / "killed" / "checkpoints").iterdir()} <= {"last.pt", "best.pt"}


def test_interrupted_then_resumed_then_extended(settings, tmp_path):
    """SIGTERM in the middle, resumed, then epochs=4: as a run of 4 epochs from the start."""
    command = train_command(*settings, "model=cuda_convnet")
    assert (
        subprocess.run([*command, "epochs=4", "hydra.run.dir=four"], cwd=tmp_path, capture_output=True).returncode == 0
    )
    process = subprocess.Popen([*command, "hydra.run.dir=three"], cwd=tmp_path, stdout=subprocess.PIPE)
    process.stdout.readline()
    process.terminate()
    process.communicate()
    assert process.returncode == 143
    for arguments in ([], ["epochs=4"]):
        done = subprocess.run([*RESUME, "three", *arguments], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert_same_end(tmp_path / "three", tmp_path / "four")
    again = subprocess.run([*RESUME, "three"], cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 0 and "finished: 4 epochs" in again.stdout
    for arguments, said in (
        (["optimizer.lr=1"], "reproduce.py"),
        (["epochs=2"], "expected more"),
        (["epoch=9"], "epoch"),
    ):
        refused = subprocess.run([*RESUME, "three", *arguments], cwd=tmp_path, capture_output=True, text=True)
        assert refused.returncode == 2 and said in refused.stderr and "Traceback" not in refused.stderr


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(tmp_path, caplog):
    """One flipped bit in the tensors is noticed by its checksum; with none whole, the damage is named."""
    run = Run(tmp_path)
    checkpoints.save(run.checkpoints, "last", {"model": torch.zeros(1000), "state": 1})
    (tmp_path / "checkpoints" / "last.pt").rename(tmp_path / "checkpoints" / "kept.pt")
    checkpoints.save(run.checkpoints, "last", {"model": torch.zeros(1000), "state": 2})
    (tmp_path / "checkpoints" / "kept.pt").rename(tmp_path / "checkpoints" / "previous.pt")
    newest = tmp_path / "checkpoints" / "last.pt"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert checkpoints.newest(run.checkpoints)["state"] == 1
    assert "last.pt" in caplog.text and "checkpoint before it" in caplog.text
    (tmp_path / "checkpoints" / "previous.pt").unlink()
    with pytest.raises(Mistake, match=r"last\.pt"):
        checkpoints.newest(run.checkpoints)


def test_two_processes_never_train_in_one_folder(tmp_path):
    with Run(tmp_path).exclusive(), pytest.raises(Mistake, match="another process"), Run(tmp_path).exclusive():
        pass


def test_changed_data_is_refused(settings, tmp_path):
    """A run goes on only on the data that it began with."""
    command = [*train_command(*settings, "model=cuda_convnet"), "epochs=1", "hydra.run.dir=run"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    spare = next((tmp_path / "images" / "train" / "dark").iterdir())
    spare.write_bytes((tmp_path / "images" / "train" / "light" / spare.name).read_bytes())
    done = subprocess.run([*RESUME, "run", "epochs=2"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "data isn't what" in done.stderr
