"""A run that can't be resumed is refused in a sentence, and its folder stays as it was."""

import errno
import os
import sys
from contextlib import nullcontext

import pytest
import torch

from alexnet.data.dataset import Dataset
from alexnet.errors import Mistake, mistakes_end_the_program
from alexnet.launch.resume import resume
from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from alexnet.training.job import execute
from support.run_folders import content
from support.runs import change_checkpoint


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
    assert checkpoints.load_newest(run.checkpoints)["state"] == 1
    assert "last.pt" in caplog.text and ". Resuming from the checkpoint before it." in caplog.text
    (tmp_path / "checkpoints" / "previous.pt").unlink()
    with pytest.raises(
        Mistake, match=r"wrong checksum of \S+\. There is no other .* from epoch 1, .*resume\.py \S+ --from-start"
    ):
        checkpoints.load_newest(run.checkpoints)


def test_two_processes_never_train_in_one_folder(tmp_path):
    with Run(tmp_path).exclusive(), pytest.raises(Mistake, match="another process"), Run(tmp_path).exclusive():
        pass


def put_another(image):
    """Puts another image in the place of that one. Its length, name and modification time stay."""
    status = image.stat()
    content = min((path.read_bytes() for path in image.parents[1].glob("*/*.jpg")), key=len)
    image.write_bytes(content.ljust(status.st_size, b"\0"))
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_run_that_is_refused_to_go_on_stays_as_it_was(trained, images, monkeypatch, capsys, tmp_path):
    """No room, another precision, no data, other data, a damaged table: nothing but the log changes, and exit 2."""
    run = trained()
    before = content(run)

    def refused(said):
        capsys.readouterr()
        with pytest.raises(SystemExit) as end, mistakes_end_the_program():  # as scripts/resume.py ends
            sys.exit(resume(str(run.folder), ["epochs=2"]))
        printed = capsys.readouterr().err
        assert end.value.code == 2
        assert said in printed and printed.count("\n") == 1
        assert content(run) == before

    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"total": 1, "free": 0}))
        refused("resume it there: python scripts/resume.py FOLDER")
    precision = {"float32": "bf16", "bf16": "float32"}[run.environment()["precision"]]
    with monkeypatch.context() as patch:
        patch.setattr("alexnet.engine.device.choose_precision", lambda device: precision)
        refused(f"is {precision} here: resume it where it began")
    images.rename(tmp_path / "elsewhere")
    refused("there is no such folder")
    (tmp_path / "elsewhere").rename(images)
    spare = next((images / "train" / "dark").iterdir())
    kept = spare.read_bytes()
    spare.write_bytes((images / "train" / "light" / spare.name).read_bytes())
    refused("data isn't what")
    put_another(spare)
    refused("data isn't what")
    spare.write_bytes(kept)
    epochs = run.folder / "epochs.csv"
    epochs.write_text("no,table\n1,2\n")
    before = content(run)
    refused("epochs.csv is damaged")


def test_a_run_of_an_earlier_version_is_resumed_on_files_of_the_same_lengths(trained, images, monkeypatch):
    """It recorded no more. From then on contents count, and are never again compared by lengths."""
    fingerprint = Dataset.fingerprint
    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "fingerprint", lambda self: {"data_sha256": fingerprint(self)["data_lengths_sha256"]})
        run = trained()
    assert resume(str(run.folder), ["epochs=2"]) == 0
    before, now = run.environment()["earlier"][0], run.environment()
    assert before["data_sha256"] == now["data_lengths_sha256"] != now["data_sha256"]
    put_another(images / "train" / "dark" / "00.jpg")
    with pytest.raises(SystemExit, match="2"), mistakes_end_the_program():
        sys.exit(resume(str(run.folder), ["epochs=3"]))


def test_a_run_without_room_for_its_first_files_stays_as_it_was(trained, capsys, monkeypatch):
    """The disk fills up at the moment in which training is to be resumed."""
    run = trained()
    before = content(run)

    def fill(path):
        if path.name == ".environment.part.json":
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("alexnet.disk.sync", fill)
    assert resume(str(run.folder), ["epochs=2"]) == 1
    assert "No space is left" in capsys.readouterr().err
    assert content(run) == before


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


def test_a_checkpoint_that_finds_no_room_is_told_as_that(compose, small, tmp_path, capsys, monkeypatch):
    """torch.save turns a full disk into a RuntimeError."""
    run = Run(tmp_path / "run")
    run.checkpoints.mkdir(parents=True)
    monkeypatch.setattr("alexnet.runs.checkpoints.replacing", lambda path: nullcontext("/dev/full"))
    assert execute(compose(*small, "epochs=1"), run) == 1
    way_out = f"Make room there, then: python scripts/resume.py {run.folder}"
    assert capsys.readouterr().err == f"No space is left on the disk of {run.folder}. {way_out}\n"
    assert run.result()["status"] == "failed" and not list(run.checkpoints.iterdir())
