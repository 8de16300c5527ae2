"""A run whose files changed, were lost or are another run's is refused in a sentence, and its folder stays."""

import json
import os
import shutil
import sys

import hydra
import pytest
from omegaconf import OmegaConf

from alexnet.comparison.records import read, read_all
from alexnet.errors import Damaged, mistakes_end_the_program
from alexnet.launch.evaluate import evaluate
from alexnet.launch.reproduce import reproduce
from alexnet.launch.resume import resume
from alexnet.runs.folder import Run
from alexnet.training.job import execute
from support.images import small_data, write_images
from support.programs import ROOT
from support.run_folders import content


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two finished runs of one epoch, of 5 steps, with a validation split: seed 0 and seed 1."""
    home = tmp_path_factory.mktemp("finished")
    settings = ["model=cuda_convnet", *small_data(write_images(home / "images")), "dataset.validation=0.25", "epochs=1"]
    for name, seed in (("run", 0), ("other", 1)):
        (home / name).mkdir()
        with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            config = hydra.compose("train", [*settings, f"seed={seed}"])
        assert execute(config, Run(home / name)) == 0
    return home


@pytest.fixture
def run(finished, tmp_path):
    return Run(shutil.copytree(finished / "run", tmp_path / "run"))


@pytest.fixture
def other(finished, tmp_path):
    return Run(shutil.copytree(finished / "other", tmp_path / "other"))


@pytest.fixture
def refused(capsys):
    """refused(command, run, ...) is what the command printed: one line, exit status 2, and a folder that stays."""

    def refused(command, run, *arguments, **flags):
        before = content(run)
        capsys.readouterr()
        with pytest.raises(SystemExit) as end, mistakes_end_the_program():  # as the scripts end
            sys.exit(command(str(run.folder), *arguments, **flags))
        printed = capsys.readouterr().err
        assert end.value.code == 2 and printed.count("\n") == 1, printed
        assert content(run) == before
        return printed

    return refused


def flip(text):
    """Another digit in place of the last one of the first row's loss."""
    header, row, *rest = text.splitlines(keepends=True)
    cells = row.split(",")
    place = header.split(",").index("loss")
    cells[place] = cells[place][:-1] + str((int(cells[place][-1]) + 1) % 10)
    return "".join([header, ",".join(cells), *rest])


TABLE_DAMAGES = {
    "a row less": (lambda text: "".join(text.splitlines(keepends=True)[:-1]), ", found: "),
    "half a row": (lambda text: text[:-5], ", found: "),
    "only its header": (lambda text: text.splitlines(keepends=True)[0], ", found: 0"),
    "emptied": (lambda text: "", ", found: 0"),
    "deleted": (None, ", found: 0"),
    "another digit": (flip, "aren't those that the run wrote"),
    "another header": (lambda text: text.replace("loss", "lose"), "aren't those that the run wrote"),
}


def test_a_table_that_lost_or_changed_a_row_is_never_gone_on_with(run, refused):
    for name in ("losses.csv", "epochs.csv"):
        path = run.folder / name
        text = path.read_text()
        for damage, (change, said) in TABLE_DAMAGES.items():
            path.unlink() if change is None else path.write_text(change(text))
            assert f"{path} is damaged" in (told := refused(resume, run, ["epochs=2"])) and said in told, damage
            path.write_text(text)
        path.write_text(f"{text}{text.splitlines()[-1][:9]}")  # after the checkpoint: dropped, as after a kill
    assert resume(str(run.folder), ["epochs=2"]) == 0
    assert [row["step"] for row in run.windows()] == [2, 4, 5, 7, 9, 10] and len(run.epochs()) == 2


def test_a_changed_configuration_is_noticed_by_every_command(run, other, refused, tmp_path):
    """The sentence names the key and both values, and how a run is changed on purpose; a comment changes nothing."""
    path = run.folder / "config.yaml"
    text = path.read_text()
    for before, after, said in (
        ("lr: 0.001", "lr: 0.002", "optimizer.lr: 0.001 -> 0.002"),
        ("epochs: 1", "epochs: 3", "epochs: 1 -> 3"),
        ("seed: 0\n", "", "seed: 0 -> none"),
        ("seed: 0\n", "seed: 0\nextra: 1\n", "extra: none -> 1"),
    ):
        assert before in text
        path.write_text(text.replace(before, after))
        for command in (resume, reproduce, evaluate):
            told = refused(command, run, [])
            assert f"config.yaml isn't as the run wrote it ({said})" in told
            assert "resume.py" in told and "epochs=40" in told and "reproduce.py" in told
        warnings = []
        assert [record.run.folder for record in read_all([str(tmp_path)], warnings.append)] == [other.folder]
        assert len(warnings) == 1 and said in warnings[0]
    path.unlink()
    assert "config.yaml is missing" in refused(resume, run, [])
    path.write_text("# mine\n" + text)
    assert read(run).config["optimizer.lr"] == 0.001


def test_a_changed_environment_is_noticed_and_one_that_is_lost(run, refused):
    path = run.folder / "environment.json"
    text = path.read_text()
    digest = run.environment()["data_sha256"]
    path.write_text(text.replace(digest, "0" * 64))
    for command in (resume, reproduce, evaluate):
        assert "environment.json isn't as the run wrote it" in refused(command, run, [])
    with pytest.raises(Damaged):
        read(run)
    path.unlink()
    for command in (resume, reproduce, evaluate):
        assert "environment.json is missing" in refused(command, run, [])
    with pytest.raises(Damaged):
        read(run)
    (run.folder / "result.json").unlink()
    assert "environment.json is missing" in refused(resume, run, ["epochs=2"])
    assert evaluate(str(run.folder), []) == 0  # needs only the weights and the configuration


def test_a_checkpoint_is_never_gone_on_with_under_another_configuration(run, refused):
    """Also if somebody edits both files that have it, and removes the hash."""
    path = run.folder / "environment.json"
    environment = json.loads(path.read_text())
    del environment["sha256"]
    environment["config"]["optimizer"]["lr"] = 0.002
    path.write_text(json.dumps(environment))
    config = run.folder / "config.yaml"
    config.write_text(config.read_text().replace("lr: 0.001", "lr: 0.002"))
    assert "(optimizer.lr: 0.001 -> 0.002)" in refused(resume, run, ["epochs=2"])


def test_an_extended_runs_earlier_configuration_is_not_its_own_any_more(run, refused):
    assert resume(str(run.folder), ["epochs=2"]) == 0
    config = run.folder / "config.yaml"
    config.write_text(config.read_text().replace("epochs: 2", "epochs: 1"))
    assert "(epochs: 2 -> 1)" in refused(reproduce, run, [])


def test_a_best_checkpoint_that_is_gone_is_told_with_the_way_out(run, refused):
    (run.checkpoints / "best.pt").unlink()
    assert "best.pt is missing" in (told := refused(resume, run, ["epochs=2"])) and "--from-start" in told
    assert resume(str(run.folder), [], from_start=True) == 0
    assert (run.checkpoints / "best.pt").is_file()


def test_another_runs_checkpoints_are_never_gone_on_with(run, other, refused):
    """Neither the last one nor the best epoch's."""
    for name in ("last.pt", "best.pt"):
        kept = (run.checkpoints / name).read_bytes()
        shutil.copy(other.checkpoints / name, run.checkpoints / name)
        assert "of two runs" in refused(resume, run, ["epochs=2"])
        if name == "best.pt":
            assert "of two runs" in refused(evaluate, run, [])
            (run.checkpoints / name).write_bytes(kept[:-100])
            assert "best.pt can't be read" in refused(resume, run, ["epochs=2"])  # now, and not after the training
        (run.checkpoints / name).write_bytes(kept)
    assert evaluate(str(run.folder), []) == 0


def test_a_result_or_table_that_changed_after_the_end_is_never_compared(run, refused):
    path = run.folder / "result.json"
    text, accuracy = path.read_text(), json.dumps(run.result()["test_accuracy"])
    path.write_text(text.replace(f'"test_accuracy": {accuracy}', '"test_accuracy": 0.99'))
    with pytest.raises(Damaged, match=r"result\.json isn't as the run wrote it"):
        read(run)
    for command in (resume, evaluate, reproduce):
        refused(command, run, [])
    path.write_text(text)
    for name in ("losses.csv", "epochs.csv"):
        table = (run.folder / name).read_text()
        (run.folder / name).write_text(flip(table))
        with pytest.raises(Damaged, match=name):
            read(run)
        assert name in refused(reproduce, run, [])
        (run.folder / name).write_text(table)
    assert read(run).metrics["best_loss"] == min(row["loss"] for row in run.epochs())


def test_deleted_checkpoints_are_told_and_training_starts_again_only_when_asked(run, refused, capsys):
    windows = run.windows()
    for path in run.checkpoints.iterdir():
        path.unlink()
    run.checkpoints.rmdir()
    told = refused(resume, run, ["epochs=2"])
    assert "has no checkpoint" in told and f"resume.py {run.folder} epochs=2 --from-start" in told
    assert resume(str(run.folder), ["epochs=2"], from_start=True) == 0
    assert "Training from epoch 1." in capsys.readouterr().out
    assert [row["loss"] for row in run.windows()][:3] == [row["loss"] for row in windows]
    assert run.result()["epochs"] == 2 and len(run.epochs()) == 2


def test_from_the_start_means_whatever_checkpoints_there_are(run, capsys):
    """Damaged ones, too; and a kill after that doesn't bring them back."""
    weights = run.result()["weights_sha256"]
    (run.checkpoints / "last.pt").write_bytes(b"damaged")
    (run.folder / "result.json").unlink()
    assert "--from-start" in (capsys.readouterr(), resume(str(run.folder), []), capsys.readouterr().err)[2]
    run.begin((run.folder / "config.yaml").read_text(), run.environment(), epoch=0, step=0)
    assert not list(run.checkpoints.iterdir())
    assert resume(str(run.folder), []) == 0  # it has no rows, so nothing is lost
    assert run.result()["weights_sha256"] == weights


def test_a_sweeps_job_without_checkpoints_goes_on_by_itself(run, caplog):
    """It can't ask anybody; a warning says what it does."""
    weights = run.result()["weights_sha256"]
    for name in ("result.json", "checkpoints/last.pt"):
        (run.folder / name).unlink()
    assert execute(OmegaConf.create(run.config()), run) == 0
    assert "No checkpoint is left: training from epoch 1." in caplog.text
    assert run.result()["weights_sha256"] == weights


def test_killed_while_it_replaces_its_files_it_goes_on(finished, monkeypatch, tmp_path):
    """An extended run, after each of the files that it replaces: config.yaml fits environment.json all the same."""
    replace, epochs = os.replace, []
    for done in range(5):
        run = Run(shutil.copytree(finished / "run", tmp_path / str(done)))
        sealed, left = run.seal(), iter(range(done))

        def killed(*names, left=left):
            next(left)  # StopIteration stands for the kill
            replace(*names)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", killed)
            text = (run.folder / "config.yaml").read_text().replace("epochs: 1", "epochs: 2")
            with pytest.raises((StopIteration, RuntimeError)):
                run.begin(text, run.environment(), epoch=1, step=5, sealed=sealed)
        run.check_seal(sealed)
        epochs.append(run.config()["epochs"])
    assert epochs == [1, 1, 1, 2, 2]  # result.json, environment.json, config.yaml, the tables
    assert resume(str(tmp_path / "2"), ["epochs=2"]) == 0
    assert len(Run(tmp_path / "2").epochs()) == 2
