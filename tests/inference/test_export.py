"""export.py: other programs compute from its files what torch computes, and nothing else is ever left behind."""

import json
import runpy
import sys

import pytest
import torch
import torchvision
import yaml

from alexnet.config.compose import compose_config
from alexnet.engine.convolutions import FastConv2d
from alexnet.errors import Failure, Mistake
from alexnet.inference import export as command
from alexnet.inference import exporters, verdict
from alexnet.inference.export import FILES, export
from alexnet.inference.trained import Trained, _build
from support.programs import ROOT

NETWORKS = {
    "cuda_convnet": ["model=cuda_convnet", "model.lrn=true", "dataset.size=20"],
    "two columns": [
        *("model=alexnet_cifar", "model.columns=2", "model.normalisation=batch", "model.activation=gelu"),
        *("model.kernels=[8,8,8,8,8]", "model.hidden=32", "model.pool_to=2", "dataset.size=32"),
    ],
    "2012": ["model=alexnet_2012", "model.kernels=[8,8,8,8,8]", "dataset.size=64", "dataset.std=0.00392157"],
}


@pytest.fixture(scope="module")
def digits(train_digits):
    return train_digits("dataset=digits", "dataset.validation=0.1")


def make(*overrides, classes=7, channels=3):
    """A network with random weights, which are large, so that a wrong normalisation shows."""
    config, _ = compose_config(["dataset=digits", *overrides, *exporters.PLAIN])
    torch.manual_seed(0)
    network = _build(config, [f"class {number}" for number in range(classes)], channels, "cpu")
    for name, value in network.model.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2)
        elif value.is_floating_point():
            value.add_(0.02 * torch.randn(value.shape))
    return exporters.describe(Trained("random", network, config))


def read_back(exported, to, folder):
    exporter = exporters.EXPORTERS[to]
    exporter.write(exported, folder)
    return verdict.compare(exported, exporter.read(exported, folder), exporter.reader, exporter.exact)


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
def test_onnxruntime_computes_the_same_for_every_model(kind, tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx", reason="onnx isn't installed")
    monkeypatch.setattr(verdict, "NOISE", 70)
    exported = make(*NETWORKS[kind], channels=1 if kind == "cuda_convnet" else 3)
    found = read_back(exported, "onnx", tmp_path)
    assert found.holds and found.count == 70 and found.same >= 69 and 0 < found.bound < 1e-2
    model = onnx.load(tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]  # no file of weights beside it
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(about["classes"]) == exported.trained.classes and about["size"] == str(exported.trained.size)
    assert about["weights_sha256"] == exported.trained.weights_sha256 and about["command"] == "unknown"
    assert str(ROOT).encode() not in (tmp_path / "model.onnx").read_bytes()
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert shape[0].dim_param == "batch" and model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


@pytest.mark.slow
def test_torchvisions_alexnet_loads_the_weights_and_gives_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(verdict, "NOISE", 3)
    exported = make("model=alexnet", "dataset.size=64", "dataset.mean=[0.5,0.4,0.3]", classes=7)
    found = read_back(exported, "torchvision", tmp_path)
    assert found.holds and found.bound == 0 and found.same == found.count == 3
    theirs = torchvision.models.alexnet(num_classes=7).eval()
    theirs.load_state_dict(torch.load(tmp_path / "alexnet.pth", weights_only=True))
    pixels = (torch.full((1, 3, 64, 64), 80) / 255 - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / 0.5
    with torch.no_grad():
        assert torch.equal(theirs(pixels), exported.trained.model(pixels))


@pytest.mark.slow
def test_a_program_of_torch_export_is_read_without_a_pickle_and_takes_any_number_of_images(tmp_path, monkeypatch):
    monkeypatch.setattr(verdict, "NOISE", 65)
    exported = make(*NETWORKS["two columns"])
    assert read_back(exported, "pt2", tmp_path).holds
    program = torch.export.load(tmp_path / "model.pt2").module()
    assert [program(torch.zeros(count, 3, 32, 32, dtype=torch.uint8))[1].shape for count in (1, 5)] == [(1, 7), (5, 7)]
    inputs = (torch.zeros(1, 3, 32, 32, dtype=torch.uint8),)
    torch.export.save(torch.export.export(exported.network, inputs), tmp_path / "pickled.pt2")
    with pytest.raises(Failure, match="pickles a part of it"):
        exporters.check_not_pickled(tmp_path / "pickled.pt2")


def test_safetensors_alone_are_enough_to_build_the_network_again(digits, tmp_path, capsys):
    pytest.importorskip("safetensors", reason="safetensors isn't installed")
    assert export(str(digits.folder), [], "safetensors", str(tmp_path / "out")) == 0
    shown = capsys.readouterr().out
    assert "360 of 360 the same class, all logits equal bit for bit" in shown and "360 test images" in shown
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model.safetensors"]


def test_without_data_noise_is_compared_and_said(digits, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(verdict, "load_split", refuse_data)
    exported = exporters.prepare(str(digits.folder), [], "unknown")
    found = verdict.compare(exported, exported.network, "itself", True)
    assert found.holds and found.count == 1000 and "1,000 images of noise (seed 0)" in found.describe()
    assert "there is no such folder" in found.describe()
    exported.names_data = True  # a person says where the data is
    with pytest.raises(Mistake, match="no such folder"):
        verdict.compare(exported, exported.network, "itself", True)


def refuse_data(*arguments):
    raise Mistake("there is no such folder")


def test_the_plain_network_is_exported_not_the_engines_convolutions(digits):
    """The engine replaces large convolutions by its own, if float32 is asked for."""
    own = ["model=alexnet_cifar", "model.hidden=8", "device.precision=float32", "device.winograd=true"]
    config, _ = compose_config(["dataset=digits", *own])
    engine_made = _build(config, ["a", "b"], 3, "cpu").model
    assert any(isinstance(module, FastConv2d) for module in engine_made.modules())
    plain = make(*own).network
    assert not any(isinstance(module, FastConv2d) for module in plain.modules())
    exported = exporters.prepare(str(digits.folder), ["device.precision=bf16"], "unknown")
    assert exported.trained.network.engine.precision == "float32"
    assert exported.trained.weights_sha256 == digits.result()["weights_sha256"]


def test_a_network_that_diverged_is_a_failure(digits):
    exported = exporters.prepare(str(digits.folder), [], "unknown")
    next(exported.trained.model.parameters()).data.fill_(float("nan"))
    with pytest.raises(Failure, match="diverged"):
        verdict.compare(exported, exported.network, "itself", False)


def test_a_full_disk_is_told_before_anything_is_written(digits, tmp_path, monkeypatch):
    monkeypatch.setattr("alexnet.disk.measure_free", lambda folder: 1000)
    with pytest.raises(Mistake, match=r"0\.0 MB free, and this may write 1\.4 MB: make room, or give another --out"):
        export(str(digits.folder), [], "pt2", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", ["logits", "order", "nan"])
def test_another_answer_is_a_failure_and_leaves_nothing(digits, tmp_path, monkeypatch, capsys, wrong):
    def read(exported, folder):
        def compute(images):
            logits, probabilities = exported.network(images)
            changed = {"logits": logits + 1e-3, "order": logits.flip(1), "nan": logits * float("nan")}
            return changed[wrong], probabilities

        return compute

    changed = exporters.Exporter("another program", wrong == "order", exporters._write_torchvision, read)
    monkeypatch.setitem(exporters.EXPORTERS, "torchvision", changed)
    with pytest.raises(Failure, match=r"another program computes something else.*nothing was written"):
        export(str(digits.folder), [], "torchvision", str(tmp_path / "new" / "out"))
    assert "largest difference of a logit" in capsys.readouterr().out and list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_what_was_there(digits, tmp_path, monkeypatch, capsys):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(verdict, "_add", interrupt)
    pytest.importorskip("safetensors", reason="safetensors isn't installed")
    (tmp_path / "model.safetensors").write_text("old")
    arguments = ["export.py", str(digits.folder), "--to", "safetensors", "--out", str(tmp_path), "--force"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit, match="130"):
        runpy.run_path(str(ROOT / "scripts" / "export.py"), run_name="__main__")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
    assert capsys.readouterr().err == "stopped by SIGINT\n"


@pytest.mark.parametrize(
    "given, said",
    [
        ({"to": "torchvision"}, "--to torchvision is for model=alexnet.*cuda_convnet: give --to onnx.* or hub"),
        ({"folder": "nowhere"}, "isn't the folder of a run"),
        ({"to": "pt2", "license": "mit"}, "only the model card of --to hub"),
        ({"to": "hub", "license": "MIT; rm"}, "--license MIT; rm: expected an identifier"),
        ({"out": "file"}, "--out .*file is a file"),
        ({"out": "there"}, "alexnet.pth is there already: give another --out, or --force"),
        ({"out": "folder"}, "alexnet.pth is a folder"),
        ({"overrides": ["model.activation=gelu", "dataset.root=x"]}, "root"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(digits, tmp_path, monkeypatch, given, said):
    monkeypatch.setattr(command, "find_spec", lambda name: True)
    (tmp_path / "file").write_text("")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "alexnet.pth").write_text("old")
    (tmp_path / "folder" / "alexnet.pth").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    given = {"folder": str(digits.folder), "overrides": [], "to": "torchvision", "out": "new", **given}
    with pytest.raises(Mistake, match=said):
        export(**{**given, "out": str(tmp_path / given["out"])})
    assert sorted(tmp_path.rglob("*")) == before and (tmp_path / "there" / "alexnet.pth").read_text() == "old"


def test_a_format_that_is_misspelt_is_answered_with_the_nearest(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["export.py", "nowhere", "--to", "onx", "--out", "new"])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(ROOT / "scripts" / "export.py"), run_name="__main__")
    assert capsys.readouterr().err.endswith("; did you mean onnx?\n")


@pytest.mark.parametrize("to", ["onnx", "safetensors", "hub"])
def test_a_missing_library_is_a_sentence_with_the_line_that_installs_it(to, monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    with pytest.raises(Mistake, match=r"--to \w+ needs .*pip install -e '\.\[export\]'"):
        export("nowhere", [], to, "out")


def test_the_hubs_folder_says_what_the_run_was_and_its_own_code_runs(digits, tmp_path, monkeypatch, capsys):
    pytest.importorskip("safetensors", reason="safetensors isn't installed")
    assert export(str(digits.folder), [], "hub", str(tmp_path), license="mit") == 0
    assert {path.name for path in tmp_path.iterdir()} == set(FILES["hub"])
    printed = [line.split(" ")[0] for line in capsys.readouterr().out.splitlines()]
    assert printed[-4:] == [str(tmp_path / name) for name in FILES["hub"]]  # one a line
    card, result = (tmp_path / "README.md").read_text(), digits.result()
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["license"] == "mit" and head["pipeline_tag"] == "image-classification"
    (measured,) = head["model-index"][0]["results"]
    assert measured["metrics"][0]["value"] == result["test_accuracy"] and measured["dataset"]["name"] == "digits"
    environment = digits.environment()
    for said in (f"{result['test_accuracy']:.2%}", environment["data_sha256"], result["weights_sha256"]):
        assert said in card
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    exec(card.split("```python\n")[1].split("```")[0], {})
    assert capsys.readouterr().out.strip() in exporters.prepare(str(digits.folder), [], "").trained.classes


def test_the_card_of_a_sweeps_job_gives_the_interval_over_its_seeds(digits, tmp_path):
    """Three seeds with 0.5, 0.6 and 0.7: the mean, and Student's interval, which is wide for so few."""
    from alexnet.comparison.spread import Spread
    from alexnet.inference.model_card import _describe_figures

    shown = _describe_figures({"test_accuracy": 0.5, "test_images": 360}, Spread.of([0.5, 0.6, 0.7], (0, 1)))
    assert "| 60.00% | 35.16% to 84.84% | mean of 3 seeds" in shown
    assert "| 50.00% | 44.86% to 55.14% | these weights, on 360 images" in shown


def test_the_runs_of_its_sweep_are_found(tmp_path):
    from alexnet.inference.model_card import _find_record
    from alexnet.runs.folder import Run
    from support.run_folders import make as make_run

    for job, accuracy in enumerate((0.5, 0.6, 0.7)):
        make_run(tmp_path / "sweep" / str(job), {"seed": job}, accuracy)
    make_run(tmp_path / "sweep" / "3", {"seed": 0, "optimizer.lr": 0.5}, 0.1)
    run = Run(tmp_path / "sweep" / "1")
    assert _find_record(run)[1].n == 1  # runs of one day are no sweep
    settings = {name: {} for name in ("launcher", "sweeper", "sweep")} | {"overrides": {"task": [], "hydra": []}}
    (tmp_path / "sweep" / "multirun.yaml").write_text(yaml.safe_dump({"hydra": settings}))
    spread = _find_record(run)[1]
    assert spread.n == 3 and spread.mean == pytest.approx(0.6)


def test_hostile_json_of_a_hubs_folder_builds_nothing_but_our_networks(tmp_path):
    from alexnet.inference.model_card import read

    good = {"model_type": "os.system", "options": {}, "num_labels": 1, "num_channels": 3, "image_size": 32}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0], "image_std": [1]}))
    (tmp_path / "config.json").write_text(json.dumps({**good, "id2label": {"0": "a"}}))
    with pytest.raises(Mistake, match=r"os\.system is no network of conf/model"):
        exporters.rebuild(read(tmp_path), {})
    for change in ({"num_labels": 10**12}, {"num_labels": "many"}, {"id2label": []}):
        (tmp_path / "config.json").write_text(json.dumps({**good, "id2label": {"0": "a"}, **change}))
        with pytest.raises(Mistake, match=r"config\.json doesn't describe a network"):
            read(tmp_path)
