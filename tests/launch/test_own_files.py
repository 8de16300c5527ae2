"""A person's own network, optimizer and the like work as those in conf/ do, from a folder that the person names."""

import json
import sys
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf
from PIL import Image

import alexnet
from alexnet.comparison.records import format_value, read
from alexnet.config import checks, options
from alexnet.config.compose import compose_config
from alexnet.config.own_code import hash_own_code
from alexnet.config.saved import load_run_config
from alexnet.errors import Mistake
from alexnet.launch.resume import resume
from alexnet.runs.folder import Run
from alexnet.training.network import load_dataset
from alexnet.training.targets import find_target
from support.own import list_commands, start, write, write_own_files

RUN = "outputs/tiny"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with my_conf, in which the page's commands have run one after the other."""
    place = tmp_path_factory.mktemp("own") / "work"
    write_own_files(place)
    for command in list_commands():
        ended = start(command, place)
        assert ended.returncode == 0 and not ended.stderr, (command, ended.stdout, ended.stderr)
        (place / f"{Path(command[1]).stem}.txt").write_text(ended.stdout)
    return place


@pytest.fixture
def own(place, monkeypatch):
    """my_conf, which isn't named yet. The test runs beside it."""
    monkeypatch.setenv(options.VARIABLE, "")  # so that it is as before again after the test
    monkeypatch.delenv(options.VARIABLE)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    monkeypatch.chdir(place)
    return place / "my_conf"


@pytest.mark.slow
def test_the_pages_commands_train_sweep_resume_reproduce_and_compare(place):
    assert len(json.loads((place / RUN / "environment.json").read_text())["own_code"]["model"]) == 1
    assert Run(place / RUN).epochs()[-1]["epoch"] == 3
    assert "identical: " in (place / "reproduce.txt").read_text()
    table = (place / "compare.txt").read_text()
    assert "NAdam" in table and "model.width" in table and "code_sha256" not in table


@pytest.mark.slow
def test_a_run_is_used_and_exported_from_its_folder_and_the_own_one(own, tmp_path):
    result = Run(RUN).result()
    trained = alexnet.load(RUN, config_dir=own)
    assert trained.weights_sha256 == result["weights_sha256"] and trained.predict(Image.new("RGB", (9, 9))).top(3)
    for script, *rest in (
        ("evaluate", RUN),
        ("export", RUN, "--to", "hub", "--out", str(tmp_path / "hub")),
        ("features", RUN, "test", "--layer", "conv1", "--out", str(tmp_path / "features")),
    ):
        ended = start(["python", f"scripts/{script}.py", *rest, "--config-dir", "my_conf"], own.parent)
        assert ended.returncode == 0, ended.stderr
    assert json.loads((tmp_path / "hub" / "config.json").read_text())["model_type"] == "tiny"


@pytest.mark.slow
def test_a_sweep_of_processes_finds_the_own_folder_and_is_resumed_with_it(own):
    """The jobs of hydra/launcher=parallel, and the second process of a run, are started without the flag."""
    given = ["python", "scripts/train.py", "--config-dir", "my_conf", "model=tiny", "dataset=digits", "epochs=1"]
    given.append("dataset.share=0.1")
    jobs = ["-m", "hydra/launcher=parallel", "device.processes=2", "hydra.sweep.dir=outputs/sweep"]
    ended = start([*given, *jobs], own.parent)
    assert ended.returncode == 0 and "1 of 1 ok" in ended.stdout, ended.stdout + ended.stderr
    (own.parent / "outputs/sweep/0/result.json").unlink()
    refused = start(["python", "scripts/resume.py", "outputs/sweep"], own.parent)
    assert refused.returncode == 2 and "model=tiny: there is no such model" in refused.stderr
    resumed = start(["python", "scripts/resume.py", "outputs/sweep"], own.parent, ALEXNET_CONFIG_DIR="my_conf")
    assert resumed.returncode == 0 and "1 of 1 ok" in resumed.stdout, resumed.stdout + resumed.stderr


def test_without_the_own_folder_the_run_is_refused_and_the_message_names_the_flag(own):
    with pytest.raises(Mistake, match=r"model\._target_=my_nets\.Tiny isn't one .* --config-dir DIR"):
        load_run_config(Run(RUN), [])
    options.add_own_folder("my_conf")
    assert load_run_config(Run(RUN), ["optimizer=nadam"])[0].model.width == 16


def test_nothing_in_a_run_folder_adds_a_target_or_a_folder(own, tmp_path, capsys):
    """A stranger's folder has its own conf, code, search path and callbacks, and is resumed as a run and as a sweep."""
    folder = tmp_path / "theirs"
    write_own_files(folder)
    (folder / "my_conf" / "my_nets.py").write_text("open('owned', 'w')\n")
    config, _ = compose_config(["model=cuda_convnet", "dataset=digits"])
    plain = OmegaConf.to_container(config)
    plain["model"] = {"_target_": "my_nets.Tiny", "width": 8}
    (folder / "config.yaml").write_text(yaml.safe_dump(plain))
    here = f"file://{folder}/my_conf"
    hydra = {"hydra": {"searchpath": [here], "callbacks": {"x": {"_target_": "my_nets.Tiny"}}}}
    (folder / ".hydra").mkdir()
    (folder / ".hydra" / "hydra.yaml").write_text(yaml.safe_dump(hydra))
    with pytest.raises(Mistake, match="--config-dir DIR"):
        resume(str(folder), [])
    hydra["hydra"] |= {"launcher": {}, "sweeper": {}, "sweep": {"dir": "."}}
    for given in (f"hydra.searchpath=[{here}]", f"--config-dir={folder}/my_conf", f"-cd={folder}/my_conf"):
        for kind, other in (("task", "hydra"), ("hydra", "task")):
            hydra["hydra"]["overrides"] = {kind: [given, "model=tiny"], other: []}
            (folder / "multirun.yaml").write_text(yaml.safe_dump(hydra))
            with pytest.raises(Mistake, match="isn't used from a folder"):
                resume(str(folder), [])
    assert options.list_own_folders() == [] and not Path("owned").exists() and "my_nets" not in sys.modules


def test_own_options_are_checked_by_their_class_and_not_by_the_rules_of_others(own):
    """pool means something else here; the size of the images has no limit that is known."""
    options.add_own_folder("my_conf")
    config, _ = compose_config(["model=tiny", "dataset=digits", "dataset.size=7"])
    OmegaConf.set_struct(config, False)
    checks.check_run(config)
    config.model.pool = 4
    with pytest.raises(Mistake, match=r"model\.pool isn't an option of Tiny; there are"):
        checks.check_run(config)
    del config.model.pool
    config.model.wdth = 4
    with pytest.raises(Mistake, match=r"model\.wdth isn't an option of Tiny; did you mean width"):
        checks.check_run(config)


def test_a_comparison_tells_runs_of_other_code_apart_without_importing_it(own, tmp_path):
    """Also one whose code changed before it was resumed: it was trained with neither alone."""
    environment = json.loads((Path(RUN) / "environment.json").read_text())
    del environment["sha256"]
    other = {"model": {"my_nets.py": "1" * 64}}
    changes = {"same": {}, "other": {"own_code": other}, "changed": {"earlier": [{"own_code": other}]}}
    hashes = {}
    for name, change in changes.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.yaml").write_text((Path(RUN) / "config.yaml").read_text())
        (folder / "environment.json").write_text(json.dumps({**environment, **change}))
        hashes[name] = read(Run(folder)).config["model.code_sha256"]
    assert read(Run(RUN)).config["model.code_sha256"] == hashes["same"] and len(set(hashes.values())) == 3
    assert format_value(read(Run(RUN)).config["model"]) == "my_nets.Tiny"
    assert "my_nets" not in sys.modules


MISTAKES = {
    "no module": ("nothing.here.Net", "", "No module named 'nothing'"),
    "no class": ("broken.Net", "x = 1", r"can't be imported: broken has no Net\."),
    "a syntax error": ("wrong.Net", "def", r"SyntaxError: .*wrong\.py\", line 1|File .*wrong\.py\", line 1"),
    "an error in it": (
        "raises.Net",
        "\nx = 1 / 0",
        r"ZeroDivisionError: division by zero, raised in .*raises\.py, line 2",
    ),
    "an end of the program": (
        "exits.Net",
        "\nimport sys; sys.exit(0)",
        r"can't be imported: SystemExit: 0, raised in .*exits\.py",
    ),
    "no network": ("function.Net", "def Net(): pass", "not to a valid model"),
    "no dots": ("Net", "", "can't be imported"),
}


@pytest.mark.parametrize("target, code, said", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_target_that_cannot_be_used_is_said_in_a_sentence(own, tmp_path, target, code, said):
    write(tmp_path, f"{target.partition('.')[0]}.py", code)
    write(tmp_path, "model/odd.yaml", f"_target_: {target}\n")
    if not code:
        (tmp_path / f"{target.partition('.')[0]}.py").unlink()
    options.add_own_folder(str(tmp_path))
    config, _ = compose_config(["model=odd", "dataset=digits"])
    checks.check_run(config)  # it imports nothing
    with pytest.raises(Mistake, match=said) as raised:
        find_target("model", config.model)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["defaults: [_self_\n", "a: 1\na: 2\n", b"\xff"], ids=["open", "twice", "bytes"])
def test_a_file_that_is_no_yaml_is_named_in_a_sentence(own, tmp_path, text):
    place = tmp_path / "conf" / "model"
    place.mkdir(parents=True)
    (place / "odd.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    ended = start(["python", "scripts/train.py", "--config-dir", "conf", "model=odd", "dataset=digits"], tmp_path)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1 and "odd.yaml can't be read: " in ended.stderr


def test_code_that_changed_since_is_told_when_the_network_is_used(own, tmp_path, capsys):
    options.add_own_folder("my_conf")
    alexnet.load(RUN)
    assert "has changed" not in capsys.readouterr().err
    code = own / "my_nets.py"
    before = code.read_text()
    try:
        code.write_text(before + "\n")
        alexnet.load(RUN)
    finally:
        code.write_text(before)
    assert "Your own code has changed since the run was trained so far: model.my_nets.py" in capsys.readouterr().err


def test_a_file_that_hydra_would_not_read_is_refused(own, tmp_path):
    write(tmp_path, "optimizer/sgd.yaml", "_target_: torch.optim.NAdam\n")
    options.add_own_folder(str(tmp_path))
    with pytest.raises(Mistake, match=r"sgd\.yaml is never read, because .*conf/optimizer/sgd\.yaml has that name"):
        options.load_files("optimizer")
    write(tmp_path, "optimizer/sgd.yaml", "- a list\n")
    (tmp_path / "optimizer/sgd.yaml").rename(tmp_path / "optimizer/list.yaml")
    with pytest.raises(Mistake, match=r"list\.yaml can't be read"):
        options.load_files("optimizer")
    with pytest.raises(Mistake, match="there is no such folder"):
        options.add_own_folder("nowhere")


DATA = """
import torch
from alexnet.data.dataset import Dataset, Split

def noise(size, images):
    split = Split(torch.zeros(8, 1, size, size, dtype=getattr(torch, images)), torch.zeros(8, dtype=torch.int64))
    return Dataset(["a", "b"], 1, size, split, split)
"""


def test_an_own_dataset_has_the_shared_options_and_gives_what_it_says(own, tmp_path):
    write(tmp_path, "noises.py", DATA)
    write(tmp_path, "dataset/bare.yaml", "_target_: noises.noise\nsize: 8\nimages: uint8\n")
    text = "defaults: [base/images, base/split, _self_]\n_target_: noises.noise\nsize: 8\nimages: uint8\n"
    write(tmp_path, "dataset/noise.yaml", text)
    options.add_own_folder(str(tmp_path))
    with pytest.raises(Mistake, match=r"dataset\.mean is missing.*base/images"):
        checks.check_run(compose_config(["model=cuda_convnet", "dataset=bare"])[0])
    config, _ = compose_config(["model=cuda_convnet", "dataset=noise", "dataset.only=[a,b]"])
    checks.check_run(config)
    assert load_dataset(config.dataset).channels == 1
    config.dataset.images = "float32"
    with pytest.raises(Mistake, match=r"train\.images has shape .*float32; expected \(8, 1, S, S\).*torch\.uint8"):
        load_dataset(config.dataset)


def test_the_hash_of_own_code_covers_what_the_module_imports_from_beside_it(own, tmp_path):
    write(tmp_path, "kinds/__init__.py", "")
    write(tmp_path, "kinds/nets.py", "from . import parts\nimport torch, os, alexnet.models.layers\n")
    write(tmp_path, "kinds/parts.py", "def f():\n    from beside import g\n")
    write(tmp_path, "beside.py", "import kinds.nets\n")
    write(tmp_path, "kinds/unused.py", "")
    options.add_own_folder(str(tmp_path))
    group = {"_target_": "kinds.nets.Net"}
    config = OmegaConf.create({name: {} for name in options.GROUPS} | {"model": group})
    (files,) = hash_own_code(config).values()
    assert set(files) == {"beside.py", "kinds/__init__.py", "kinds/nets.py", "kinds/parts.py"}
    write(tmp_path, "kinds/parts.py", "pass\n")
    assert hash_own_code(config)["model"]["kinds/parts.py"] != files["kinds/parts.py"]
