"""Runs that start from another one: reproduced, resumed, compared, and what of them is refused."""

import json
import shutil

import pytest
from omegaconf import OmegaConf

from alexnet.comparison.compare import compare
from alexnet.comparison.records import read_all
from alexnet.config.compose import compose_config
from alexnet.config.keys import SINCE
from alexnet.errors import Mistake
from alexnet.launch.reproduce import reproduce
from alexnet.launch.resume import resume
from alexnet.runs.folder import Run
from alexnet.training.job import execute
from support.transfer import BATCH, SMALL, A, B, train


@pytest.mark.slow
def test_a_reproduction_says_that_its_source_has_gone_or_changed(source, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "there"
    shutil.copytree(source.folder, place)
    run = train(tmp_path / "run", *BATCH, B, f"model.weights={place}")
    assert reproduce(str(run.folder), []) == 0
    shutil.rmtree(place)
    with pytest.raises(Mistake, match=r"was trained from \S*there \(SHA-256 \w{12}\), .* model.weights=PLACE"):
        reproduce(str(run.folder), [])
    train(place, *BATCH, A, "seed=1")
    with pytest.raises(Mistake, match=r"has other weights now than when .*run began \(SHA-256"):
        reproduce(str(run.folder), [])
    assert reproduce(str(run.folder), [f"model.weights={source.folder}"]) == 0  # the same, elsewhere
    assert len(list(tmp_path.glob("outputs/*/*"))) == 2


def test_a_run_that_begins_again_refuses_a_changed_source(source, tmp_path, capsys):
    place = tmp_path / "there"
    shutil.copytree(source.folder, place)
    run = train(tmp_path / "run", *BATCH, B, f"model.weights={place}")
    shutil.rmtree(place)
    train(place, *BATCH, A, "seed=1")
    assert resume(str(run.folder), [], from_start=True) == 2
    printed = capsys.readouterr().err
    assert "has other weights now than when" in printed and printed.count("\n") == 1
    assert run.result()["status"] == "finished"


@pytest.mark.slow
def test_runs_from_other_weights_are_other_configurations(source, tmp_path):
    """At the same path, too; seeds of the same weights are averaged, and tables show the path as it was typed."""
    place = tmp_path / "there"
    shutil.copytree(source.folder, place)
    given = [*BATCH, B, f"model.weights={place}"]
    for seed in (0, 1):
        train(tmp_path / "runs" / str(seed), *given, f"seed={seed}")
    shutil.rmtree(place)
    train(place, *BATCH, A, "seed=1")
    train(tmp_path / "runs" / "2", *given, "seed=2")
    train(tmp_path / "runs" / "3", *BATCH, B)
    compared = compare(read_all([str(tmp_path / "runs")], print))
    assert sorted(len(each.repeats) for each in compared.configurations) == [1, 1, 2]
    assert compared.keys == ["model.weights", "model.weights_sha256"]


def test_a_run_of_before_is_the_same_configuration_as_one_of_today(tmp_path):
    """A folder that lacks the new keys."""
    run = train(tmp_path / "runs" / "new", *BATCH)
    old = tmp_path / "runs" / "old"
    shutil.copytree(run.folder, old)
    for name in ("environment.json", "config.yaml"):
        (old / name).unlink()
    result = json.loads((old / "result.json").read_text())
    config = run.config()
    for path in SINCE:
        group, _, key = path.rpartition(".")
        del (config[group] if group else config)[key]
    config["seed"] = 1
    (old / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(config)))
    (old / "result.json").write_text(json.dumps({k: v for k, v in result.items() if k not in ("sha256", "tables")}))
    compared = compare(read_all([str(tmp_path / "runs")], print))
    assert len(compared.configurations) == 1


REFUSED = [
    (
        ["model.keep=conv9"],
        "model.keep=conv9: there is no layer conv9 in this network (conv1, conv2, ",
    ),
    (["model.freeze=con3"], "fc7, fc8); did you mean conv3?"),
    (["model.keep=conv2", "model.freeze=conv3"], "give model.freeze=conv2 or an earlier layer"),
    (["model.freeze=fc8"], "leaves nothing to train: give model.freeze=fc7"),
    (["model.weights=null", "model.keep=conv2"], "model.keep=conv2 needs the weights to start from"),
    (["model.weights=null", "model.freeze=kept"], "model.freeze=kept needs the weights to start from"),
    (["model.weights=null", "optimizer.new_layers=10"], "optimizer.new_layers=10 needs the weights to start from"),
    (["optimizer.new_layers=0"], "expected a number above 0"),
    (["model.weights=nowhere"], "model.weights=nowhere: there is no such file or folder; expected the folder of a run"),
    (["model.weights=."], "model.weights=. isn't the folder of a run"),
    (["model.weights=run/config.yaml"], "model.weights=run/config.yaml can't be read as weights"),
    (["model.weights=pruned"], "no weights in checkpoints/. To train them: python scripts/reproduce.py pruned"),
    (["dataset.only=[1]"], "expected a list of two or more different names of classes"),
    (["dataset.only=[1,1]"], "expected a list of two or more different names of classes"),
    (["dataset.only=[1,10]"], "dataset.only: 10 isn't one of the classes here; did you mean 1?"),
    (["dataset.only=[0,1,2,3,4]", "model.freeze=kept"], "leaves nothing to train: all layers are taken"),
    (["dataset.only=[0,1,2,3,4]", "optimizer.new_layers=2"], "no layer is new, all are taken"),
    (["model.keep=fc6", "dataset.size=48"], "Give dataset.size=32 or model.keep=conv5"),
    (["model.keep=conv2", "model.kernels=[16,8,12,12,8]"], "conv1 doesn't fit: (8, 3, 5, 5) and (8,)"),
    (["model.keep=conv2", "model.normalisation=none"], "conv1 doesn't fit"),
    (["model=alexnet_2012", "dataset.size=64", "model.kernels=[8,8,8,8,8]"], "conv1 doesn't fit"),
    (["model.hidden=24", "model.freeze=fc6"], "model.weights gives those up to conv5: give model.freeze=conv5"),
]


@pytest.mark.parametrize("given, said", REFUSED, ids=[" ".join(given) for given, _ in REFUSED])
def test_what_does_not_fit_is_one_sentence_with_the_way_out(source, tmp_path, monkeypatch, capsys, given, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").symlink_to(source.folder)
    shutil.copytree(source.folder, "pruned", ignore=shutil.ignore_patterns("*.pt"))
    (tmp_path / "to").mkdir()
    own = [] if any(each.startswith("model=") for each in given) else BATCH
    config = compose_config([*SMALL, *own, B, "model.weights=run", *given])[0]
    assert execute(config, Run(tmp_path / "to"), checked=False) == 2
    printed = capsys.readouterr().err
    assert said in printed and printed.count("\n") == 1
    assert not Run(tmp_path / "to").windows()


def test_the_console_says_what_was_taken_and_what_is_new(source, tmp_path, capsys, caplog):
    caplog.set_level("INFO")
    train(tmp_path / "run", *BATCH, B, f"model.weights={source.folder}", "model.freeze=conv1")
    lines = [record.getMessage() for record in caplog.records]
    assert f"Weights: conv1 to fc7 from {source.folder}, new: fc8" in lines and "Not trained: conv1" in lines
