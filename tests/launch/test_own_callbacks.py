"""Hydra's callbacks of a person's own are called whatever starts a job, and are told how it ended."""

import pytest

from support.own import start, write, write_own_files

NOTES = """
from pathlib import Path
from hydra.experimental.callback import Callback

class Notes(Callback):
    def on_run_start(self, **_): self.note("run start")
    def on_run_end(self, job_return, **_): self.note("run end", job_return.status.name)
    def on_multirun_start(self, **_): self.note("multirun start")
    def on_multirun_end(self, config, **_):
        self.note("multirun end", (Path(config.hydra.sweep.dir) / "sweep.csv").is_file())
    def on_job_start(self, config, **_): self.note("job start", Path(config.hydra.runtime.output_dir).is_dir())
    def on_job_end(self, job_return, **_): self.note("job end", job_return.status.name)
    def note(self, *words):
        with open("notes.txt", "a") as file:
            print(*words, file=file)
"""
GIVEN = [
    "--config-dir",
    "my_conf",
    "hydra/callbacks=notes",
    "model=tiny",
    "dataset=digits",
    "dataset.share=0.1",
    "epochs=1",
    "test=false",
]
RUN_DONE = ["run start", "job start True", "job end COMPLETED", "run end COMPLETED"]
BOTH = [
    "multirun start",
    "job start True",
    "job end COMPLETED",
    "job start True",
    "job end FAILED",
    "multirun end True",
]
TWO = ["-m", "hydra.sweep.dir=outputs/both", "optimizer.lr=0.01,1e30", "optimizer.momentum=0"]


@pytest.mark.slow
def test_callbacks_are_called_in_every_way_of_starting_and_told_how_it_ended(tmp_path):
    """The second job diverges. What its folder names isn't used when it is resumed."""
    own = write_own_files(tmp_path)
    write(own, "notes.py", NOTES)
    write(own, "hydra/callbacks/notes.yaml", "notes:\n  _target_: notes.Notes\n")
    written = tmp_path / "notes.txt"

    def check(expected, status, script, *given):
        written.unlink(missing_ok=True)
        ended = start(["python", f"scripts/{script}.py", *given], tmp_path)
        assert ended.returncode == status, ended.stdout + ended.stderr
        assert (sorted if "parallel" in str(given) else list)(written.read_text().splitlines()) == expected
        return ended.stderr

    check(RUN_DONE, 0, "train", *GIVEN, "hydra.run.dir=outputs/one", "device.processes=2")
    check(BOTH, 1, "train", *GIVEN, *TWO)
    check(sorted(BOTH), 1, "train", *GIVEN, *TWO, "hydra.sweep.dir=outputs/parallel", "hydra/launcher=parallel")
    check(BOTH, 1, "train", *GIVEN, *TWO, "join=outputs/joined")
    said = check(["multirun start", "multirun end True"], 1, "resume", "outputs/both", *GIVEN[:3])  # all is done
    assert "Not used from a folder" in said and "hydra/callbacks=notes" in said
    check(RUN_DONE, 0, "reproduce", "outputs/one", *GIVEN[:3], "device.processes=1")
    check(RUN_DONE, 0, "resume", "outputs/one", "epochs=2", *GIVEN[:3], "device.processes=1")
