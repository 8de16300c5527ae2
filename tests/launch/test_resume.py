"""A run that is killed and resumed ends as one that was never stopped."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

from alexnet.comparison.compare import compare
from alexnet.comparison.records import read
from alexnet.errors import Mistake
from alexnet.launch.reproduce import reproduce
from alexnet.launch.resume import resume
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from alexnet.training import loop as training_module
from alexnet.training.job import execute
from alexnet.training.signals import Interrupted
from support.images import write_images
from support.programs import ROOT, run_script, start_script, train_command

RESUME = [sys.executable, str(ROOT / "scripts" / "resume.py")]
PAPER = ["dataset.resize=24", "dataset.mean=null", "dataset.colour=0.1", "dataset.views=10"]  # as for ImageNet
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
        ("constant", ["device.workers=0", "dataset.memory_share=0", "model=cuda_convnet"]),
        ("step", ["schedule.every=1", "optimizer=adam", "model=cuda_convnet"]),
        ("cosine", ["device.workers=2", "dataset.memory_share=0", "dataset.validation=0.25", "model=cuda_convnet"]),
        ("one_cycle", ["model.normalisation=batch", "dataset.progressive=[12]", "cutmix=0.5", *LARGE]),
        ("plateau", ["schedule.patience=0", "schedule.threshold=0.5", "dataset.validation=0.25", "model=cuda_convnet"]),
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
            time.sleep(0.01)  # until it is at work: the first window, or the line that says where it goes on
        time.sleep(moments.uniform(0, 1.0))
        process.kill()
        process.join()
        kills += 1
        assert (tmp_path / "killed" / "config.yaml").is_file()
        if Run(tmp_path / "killed").result():
            break  # it was done before it could be killed
        next_command = [*RESUME, "killed"]
    if not Run(tmp_path / "killed").result():
        done = run_script([*RESUME, "killed"], tmp_path)
        assert done.returncode == 0, done.stderr
    assert_same_end(tmp_path / "killed", tmp_path / "unbroken")
    assert {path.name for path in (tmp_path / "killed" / "checkpoints").iterdir()} <= {"last.pt", "best.pt"}


@pytest.mark.slow
def test_interrupted_then_resumed_then_extended(compose, settings, tmp_path):
    """SIGTERM in the middle, resumed with images from the disk, then epochs=4: as a run of 4 epochs from the start."""
    settings = [*settings, "model=cuda_convnet"]
    (tmp_path / "four").mkdir()
    assert execute(compose(*settings, "epochs=4"), Run(tmp_path / "four")) == 0
    command = train_command(*settings, "hydra.run.dir=three")
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE)
    process.stdout.readline()
    process.terminate()
    process.communicate()
    assert process.returncode == 143
    for arguments in (["dataset.memory_share=0"], ["epochs=4"]):
        done = run_script([*RESUME, "three", *arguments], tmp_path)
        assert done.returncode == 0, done.stderr
    assert_same_end(tmp_path / "three", tmp_path / "four")
    again = run_script([*RESUME, "three"], tmp_path)
    assert again.returncode == 0 and "finished: 4 epochs" in again.stdout
    for arguments, said in (
        (["optimizer.lr=1"], "reproduce.py"),
        (["epochs=2"], "expected more"),
        (["epoch=9"], "epoch"),
    ):
        refused = run_script([*RESUME, "three", *arguments], tmp_path)
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
    assert "last.pt" in caplog.text and ". Going on from the checkpoint before it." in caplog.text
    (tmp_path / "checkpoints" / "previous.pt").unlink()
    with pytest.raises(Mistake, match=r"wrong checksum of \S+\. There is no other .* from the start, .* rm .*last\.pt"):
        checkpoints.newest(run.checkpoints)


def test_two_processes_never_train_in_one_folder(tmp_path):
    with Run(tmp_path).exclusive(), pytest.raises(Mistake, match="another process"), Run(tmp_path).exclusive():
        pass


@pytest.fixture
def trained(compose, small, tmp_path):
    """trained("schedule=cosine") gives a finished run of one epoch, of 6 steps."""

    def trained(*overrides, folder="run"):
        run = Run(tmp_path / folder)
        run.folder.mkdir()
        assert execute(compose(*small, "epochs=1", *overrides), run) == 0
        return run

    return trained


def content(run):
    """All files but the log, by name."""
    return {
        str(path): path.read_bytes() for path in run.folder.rglob("*") if path.is_file() and path.name != "train.log"
    }


def change_checkpoint(run, **state):
    saved = checkpoints.load(run.checkpoints, "last")
    checkpoints.save(run.checkpoints, "last", {**saved, "state": {**saved["state"], **state}})


def test_a_run_that_is_refused_to_go_on_stays_as_it_was(trained, images, monkeypatch, capsys, tmp_path):
    """No room, another precision, no data, other data, a damaged table: nothing but the log changes, and exit 2."""
    run = trained()
    before = content(run)

    def refused(said):
        capsys.readouterr()
        assert resume(str(run.folder), ["epochs=2"]) == 2
        printed = capsys.readouterr().err
        assert said in printed and printed.count("\n") == 1
        assert content(run) == before

    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 0}))
        refused("go on with it there: python scripts/resume.py FOLDER")
    precision = {"float32": "bf16", "bf16": "float32"}[run.environment()["precision"]]
    with monkeypatch.context() as patch:
        patch.setattr("alexnet.engine.device.choose_precision", lambda device: precision)
        refused(f"is {precision} here: go on where it began")
    images.rename(tmp_path / "elsewhere")
    refused("there is no such folder")
    (tmp_path / "elsewhere").rename(images)
    spare = next((images / "train" / "dark").iterdir())
    kept = spare.read_bytes()
    spare.write_bytes((images / "train" / "light" / spare.name).read_bytes())
    refused("data isn't what")
    spare.write_bytes(kept)
    epochs = run.folder / "epochs.csv"
    epochs.write_text("no,table\n1,2\n")
    before = content(run)
    refused("epochs.csv is damaged")


def test_a_run_without_room_for_its_first_files_stays_as_it_was(trained, capsys):
    """The disk fills up in the moment in which training is to go on."""
    run = trained()
    (run.folder / ".environment.part.json").symlink_to("/dev/full")
    before = content(run)
    assert resume(str(run.folder), ["epochs=2"]) == 1
    assert "No space is left" in capsys.readouterr().err
    assert content(run) == {name: text for name, text in before.items() if ".part" not in name}


@pytest.mark.parametrize(
    "state", [{"epoch": "x"}, {"batch": 99999}, {"epoch": 99}, {"errors": ["x"]}, {"best_epoch": -1}, {"extra": 1}]
)
def test_a_checkpoint_that_stands_nowhere_is_refused(trained, capsys, state):
    run = trained()
    change_checkpoint(run, **state)
    before = content(run)
    assert resume(str(run.folder), ["epochs=2"]) == 2
    assert "The checkpoint in" in capsys.readouterr().err
    assert content(run) == before


def test_another_configuration_never_goes_on_in_the_folder(trained, compose, small, capsys):
    """But for what can't change a number, such as where the data lies."""
    run = trained()
    before = content(run)
    assert execute(compose(*small, "epochs=1", "optimizer.lr=0.5"), run) == 2
    assert "another configuration in it (optimizer.lr: 0.001 -> 0.5)" in capsys.readouterr().err
    assert content(run) == before
    assert execute(compose(*small, "epochs=2", "language=zh", "device.workers=1"), run) == 0


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
    """Killed before its first checkpoint it begins anew, its tables empty; killed again after one, before any row."""
    run = trained()
    assert len(run.windows()) == 3
    run.begin((run.folder / "config.yaml").read_text(), run.environment(), epoch=0, step=0)
    assert (run.folder / "losses.csv").read_text() == ""
    change_checkpoint(run, epoch=0, batch=4)
    assert resume(str(run.folder), []) == 0
    assert [row["step"] for row in run.windows()] == [6]


def test_the_time_is_that_of_all_training_from_the_first_start(trained):
    run = trained()
    started = "2012-09-30T10:00:00"
    run._write("environment.json", json.dumps({**run.environment(), "started": started}))
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


def test_a_checkpoint_that_finds_no_room_is_told_as_that(compose, small, tmp_path, capsys):
    """torch.save turns a full disk into a RuntimeError."""
    run = Run(tmp_path / "run")
    run.checkpoints.mkdir(parents=True)
    (run.checkpoints / ".last.part.pt").symlink_to("/dev/full")
    assert execute(compose(*small, "epochs=1"), run) == 1
    assert capsys.readouterr().err == f"No space is left on the disk of {run.folder}.\n"
    assert run.result()["status"] == "failed" and not list(run.checkpoints.iterdir())
