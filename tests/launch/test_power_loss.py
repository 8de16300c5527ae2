"""A machine that loses power keeps what was synced and nothing else. A run resumes from that."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from alexnet.launch.resume import resume
from alexnet.runs import checkpoints
from alexnet.runs.claim import claim
from alexnet.runs.folder import Run
from alexnet.training.job import execute


class Disk:
    """A disk that writes nothing by itself: the content of a file and the names in a folder when they are synced."""

    def __init__(self, root):
        self.root = os.stat(root).st_ino
        self.contents, self.names, self.moments = {}, {}, []
        self.fsync, self.held = os.fsync, []  # held: a number must not become another file's

    def sync(self, descriptor):
        self.fsync(descriptor)
        path, status = Path(f"/proc/self/fd/{descriptor}"), os.fstat(descriptor)
        self.held.append(os.dup(descriptor))
        if stat.S_ISDIR(status.st_mode):
            entries = os.scandir(path.resolve())
            self.names[status.st_ino] = {entry.name: (entry.inode(), entry.is_dir()) for entry in entries}
        else:
            self.contents[status.st_ino] = path.read_bytes()
        self.moments.append((dict(self.contents), dict(self.names)))

    def restore(self, moment, folder, number=None):
        """Makes the folder as it is after a power loss at that moment. A file that was never synced is empty."""
        contents, names = self.moments[moment]
        folder.mkdir()
        for name, (other, is_folder) in names.get(number or self.root, {}).items():
            if is_folder:
                self.restore(moment, folder / name, other)
            else:
                (folder / name).write_bytes(contents.get(other, b""))
        return folder


@pytest.mark.slow
def test_a_run_resumes_after_a_power_loss_at_any_moment_with_what_its_last_checkpoint_had(
    compose, small, tmp_path, monkeypatch
):
    """In new folders, while checkpoints and rows are written, while it is extended, and at the end."""
    (tmp_path / "disk").mkdir()
    disk, steps, save = Disk(tmp_path / "disk"), [], checkpoints.save

    def note(folder, name, state):
        """(the moment from which on a checkpoint is safe, its step)."""
        save(folder, name, state)
        if name == "last":
            steps.append((len(disk.moments) - 1, 5 * state["state"]["epoch"] + state["state"]["batch"]))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", disk.sync)
        patch.setattr(checkpoints, "save", note)
        run = Run(claim(tmp_path / "disk" / "2012-09-30" / "run"))
        settings = [*small, "dataset.validation=0.25", "checkpoint_minutes=0.00001"]
        assert execute(compose(*settings, "epochs=1"), run) == 0
        assert resume(str(run.folder), ["epochs=2"]) == 0
    begun, tried = 0, {}
    for moment in range(len(disk.moments)):
        shutil.rmtree(tmp_path / "after", ignore_errors=True)
        after = Run(disk.restore(moment, tmp_path / "after") / "2012-09-30" / "run")
        safe = max((step for since, step in steps if since <= moment), default=0)
        if after.has_checkpoint:
            saved = checkpoints.load_newest(after.checkpoints)
            assert 5 * saved["state"]["epoch"] + saved["state"]["batch"] >= safe
            after.check_seal(saved["folder"])
        else:
            assert safe == 0
        begun += bool(after.config())
        tried[begun and (safe, after.config()["epochs"])] = moment
    assert begun > 50
    for key in ((3, 1), (5, 2)):
        after = Run(disk.restore(tried[key], tmp_path / str(key)) / "2012-09-30" / "run")
        assert resume(str(after.folder), ["epochs=2"], from_start=not after.has_checkpoint) == 0
        assert after.result()["weights_sha256"] == run.result()["weights_sha256"]
    for descriptor in disk.held:
        os.close(descriptor)
