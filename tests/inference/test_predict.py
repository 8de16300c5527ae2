"""predict.py: the figures of the run's own test, from files; and what it prints and writes of each image."""

import csv
import json
import os
import re
import signal
import stat
import sys
import time
from math import sqrt

import numpy as np
import pytest
import torch
from PIL import Image

import alexnet
from alexnet.errors import Failure, Mistake
from alexnet.inference.looks import Look, Remarks
from alexnet.inference.outputs import check_outputs
from alexnet.inference.predict import predict
from alexnet.inference.trained import Trained
from alexnet.launch.evaluate import evaluate
from alexnet.training.evaluation import rank_classes
from support.images import small_data, write_images
from support.programs import ROOT, start_script


@pytest.fixture(scope="module")
def digit_files(digit_run, tmp_path_factory):
    """The run's test images as NAME/NUMBER.png, and their paths in the order of the test."""
    root = tmp_path_factory.mktemp("digit_files")
    test = alexnet.load(digit_run.folder).load_split("test")[0].test
    paths = []
    for number, (image, label) in enumerate(zip(test.images, test.labels.tolist(), strict=True)):
        (root / str(label)).mkdir(exist_ok=True)
        paths.append(str(root / str(label) / f"{number:03}.png"))
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(paths[-1])
    return paths


def predict_json(run, paths, tmp_path, **flags):
    """The exit status, and what --json writes."""
    status = predict(str(run), list(map(str, paths)), json=str(tmp_path / "out.json"), force=True, **flags)
    return status, json.loads((tmp_path / "out.json").read_text())


def evaluate_json(run, capsys, *overrides):
    capsys.readouterr()
    assert evaluate(str(run.folder), overrides, json=True) == 0
    return json.loads(capsys.readouterr().out)


def test_the_test_images_as_files_give_the_runs_own_accuracy_to_the_last_digit(
    digit_run, digit_files, tmp_path, capsys
):
    status, found = predict_json(digit_run.folder, digit_files, tmp_path)
    recorded = digit_run.result()
    assert status == 0 and found["accuracy"] == recorded["test_accuracy"] and 0.3 < found["accuracy"] < 1
    assert found["weights_sha256"] == recorded["weights_sha256"]
    share, count = found["accuracy"], found["accuracy_images"]
    middle, squared = 1.959963984540054**2 / (2 * count), 1.959963984540054**2
    spread = 1.959963984540054 * sqrt(share * (1 - share) / count + squared / (4 * count**2))
    wilson = [(share + middle + sign * spread) / (1 + squared / count) for sign in (-1, 1)]
    assert found["accuracy_interval"] == pytest.approx(wilson)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"accuracy {100 * share:.2f}% (") and f"{100 * wilson[0]:.2f}% to" in last
    ten = predict_json(digit_run.folder, digit_files, tmp_path, views=10)[1]
    assert ten["accuracy"] == evaluate_json(digit_run, capsys, "dataset.views=10")["test_accuracy"]
    assert ten["views"] == 10 and ten["predictions"][0]["top"] != found["predictions"][0]["top"]


@pytest.mark.slow
def test_an_image_folder_as_it_lies_gives_the_runs_own_accuracy_to_the_last_digit(
    train_digits, digit_folder, tmp_path, capsys
):
    """In bf16, with 10 views of larger images; then with one."""
    size = ["dataset.size=24", "dataset.resize=28", "dataset.views=10", "device.precision=bf16", "epochs=4"]
    run = train_digits("dataset=image_folder", f"dataset.root={digit_folder}", "dataset.cache=null", *size)
    status, found = predict_json(run.folder, [digit_folder / "test"], tmp_path)
    assert status == 0 and found["accuracy"] == run.result()["test_accuracy"] and 0.2 < found["accuracy"] < 1
    assert found["accuracy_images"] == 100
    one = predict_json(run.folder, [digit_folder / "test"], tmp_path, views=1)[1]
    assert one["accuracy"] == evaluate_json(run, capsys, "dataset.views=1")["test_accuracy"]


def test_a_broken_file_is_a_row_with_its_reason_and_the_others_are_predicted(digit_run, digit_files, tmp_path, capsys):
    (tmp_path / "broken.png").write_text("no image")
    given = [digit_files[0], str(tmp_path / "broken.png"), digit_files[1]]
    alone = predict_json(digit_run.folder, digit_files[:2], tmp_path)[1]["predictions"]
    capsys.readouterr()
    status, found = predict_json(digit_run.folder, given, tmp_path, csv=str(tmp_path / "out.csv"))
    assert status == 1 and found["broken"] == 1
    first, broken, last = found["predictions"]
    assert [row["path"] for row in (first, broken, last)] == given
    assert broken["top"] == [] and "can't be read as an image (no known format)" in broken["error"]
    for row, expected in zip((first, last), alone, strict=True):
        assert [each["class"] for each in row["top"]] == [each["class"] for each in expected["top"]]
    shown = capsys.readouterr().out.splitlines()
    assert shown[2].startswith(f"{tmp_path}/broken.png can't be read") and shown[-2] == "1 of 3 images can't be read."
    with open(tmp_path / "out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == given
    assert {row["weights_sha256"] for row in rows} == {digit_run.result()["weights_sha256"]}
    assert float(rows[0]["probability_1"]) == first["top"][0]["probability"] and rows[1]["error"] == broken["error"]


def test_rows_fit_in_80_columns_and_name_the_path_as_it_was_given(
    digit_run, digit_files, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("alexnet.messages.lines.measure_terminal", lambda stream: 80)
    monkeypatch.chdir(tmp_path)
    long = tmp_path / f"{'long' * 12}.png"
    os.symlink(digit_files[0], long)
    os.symlink(digit_files[0], "a.png")
    for given in (["./a.png"], ["./a.png", long.name]):
        predict(str(digit_run.folder), given, top=10)
        lines = capsys.readouterr().out.splitlines()
        assert digit_run.result()["weights_sha256"][:12] in "".join(lines[:2]) and max(map(len, lines)) <= 80
        assert all(any(line.startswith(name) for line in lines) for name in given)
        assert sum(line.count("%") for line in lines) == 10 * len(given)


def test_a_photograph_given_to_a_network_of_light_digits_is_told_what_that_learnt_on(
    digit_run, digit_files, tmp_path, capsys
):
    image = np.array(Image.open(digit_files[0]))
    Image.fromarray(255 - image).save(tmp_path / "ink.png")
    Image.fromarray(image * np.array([1, 0, 0], np.uint8)).save(tmp_path / "red.png")
    told = {}
    for name, flags in (("ink.png", {}), ("ink.png", {"invert": True}), ("red.png", {})):
        capsys.readouterr()
        predict(str(digit_run.folder), [str(tmp_path / name)], **flags)
        told[(name, *flags)] = capsys.readouterr()
    assert "ink.png has a light border (" in told["ink.png",].err and "light on black: --invert" in told["ink.png",].err
    assert told["ink.png", "invert"].err == ""
    assert "red.png has colours, and the run learnt on grey images" in told["red.png",].err
    capsys.readouterr()
    assert predict(str(digit_run.folder), [digit_files[0]]) == 0
    own = capsys.readouterr()
    assert (
        own.err == ""
        and own.out.splitlines()[1].split()[1:] == told["ink.png", "invert"].out.splitlines()[1].split()[1:]
    )
    predict(str(digit_run.folder), digit_files, invert=True)
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"{len(digit_files)} images have a light border" in last and "leave out --invert" in last


def test_the_last_line_of_many_light_images_names_the_way_out(capsys):
    remarks = Remarks("alexnet.data.digits.digits", 3, inverted=False)
    for number in range(60):
        remarks.see(f"{number}.png", Look(border=1, colour=0, thumbnail=b""))
    capsys.readouterr()
    remarks.end()
    assert re.search("60 images have a light border.*--invert", capsys.readouterr().err)


def test_a_pipe_a_device_and_where_the_program_prints_are_never_replaced_by_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    os.symlink("pipe", "link.csv")
    os.symlink("loop", "loop")
    unnamed = os.pipe()
    with open("printed", "w") as file:
        fstat = os.fstat
        monkeypatch.setattr(os, "fstat", lambda number: fstat(file.fileno() if number == 1 else number))
        for name in ("pipe", "link.csv", "loop", "printed", f"/dev/fd/{unnamed[1]}"):
            with pytest.raises(Mistake, match=f"--csv {name} is a device, a pipe, or where this program prints"):
                check_outputs({"--csv": name}, force=True)
    for end in unnamed:
        os.close(end)
    assert sorted(os.listdir()) == ["link.csv", "loop", "pipe", "printed"] and stat.S_ISFIFO(os.stat("pipe").st_mode)


def test_a_link_stays_and_its_file_is_written(digit_run, digit_files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "there.csv").write_text("mine")
    for name in ("there.csv", "new.json", "none.html"):
        os.symlink(f"{'kept' if name != 'none.html' else 'nowhere'}/{name}", name)
    run, paths = str(digit_run.folder), digit_files[:1]
    for flags, said in (
        ({"csv": "there.csv"}, "--csv there.csv is there already"),
        ({"html": "none.html"}, "--html none.html: there is no folder nowhere"),
        ({"csv": "there.csv", "json": "kept/there.csv", "force": True}, "would write the same file"),
    ):
        with pytest.raises(Mistake, match=said):
            predict(run, paths, **flags)
    assert predict(run, paths, csv="there.csv", json="new.json", force=True) == 0
    assert all(map(os.path.islink, ("there.csv", "new.json")))
    assert sorted(os.listdir("kept")) == ["new.json", "there.csv"]
    assert (tmp_path / "kept" / "there.csv").read_text().startswith("path,")


def test_bad_input_is_one_sentence_and_nothing_is_written(digit_run, digit_files, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "there.csv").write_text("mine")
    monkeypatch.chdir(tmp_path)
    run, paths = str(digit_run.folder), digit_files[:1]
    for given, flags, said in (
        ([run, paths], {"top": 11}, "--top 11: .* tells 10 classes apart; give --top 10 or less"),
        ([run, ["empty"]], {}, "There are no images in empty"),
        ([run, ["nowhere.png"]], {}, "nowhere.png isn't there: expected image files"),
        ([run, ["*.jpg"]], {}, r"\*.jpg matches no file"),
        (["empty", paths], {}, "empty isn't the folder of a run"),
        (["nowhere", paths], {}, "nowhere isn't the folder of a run"),
        ([run, paths], {"weights": "best"}, "held out no images, so it has no best weights"),
        ([run, paths], {"csv": "there.csv"}, "--csv there.csv is there already: name another file, or give --force"),
        ([run, paths], {"json": "no/out.json"}, "--json no/out.json: there is no folder no"),
        ([run, paths], {"html": "empty"}, "--html empty is a folder"),
        ([run, paths], {"csv": f"{'x' * 250}.csv"}, "can't be written: File name too long"),
        ([run, paths], {"plot": "out.txt"}, "expected a file that ends in .png, .pdf, .svg"),
        ([run, paths], {"csv": "-"}, "--csv -: stdout has the lines for people.*--csv FILE && cat FILE"),
        ([paths[0], [run]], {}, "000.png is an image: RUN comes first, a run's folder, or a file of weights"),
        (["there.csv", paths], {}, r"^there.csv can't be read as weights .* RUN must be a run's folder, or a file of"),
        ([run, paths], {"csv": "out", "json": "./out"}, "--csv and --json would write the same file"),
    ):
        with pytest.raises(Mistake, match=said):
            predict(*given, **flags)
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["empty", "there.csv"]
    assert predict(run, paths, csv="there.csv", force=True) == 0
    assert (tmp_path / "there.csv").read_text().startswith("path,")


@pytest.mark.slow
def test_a_run_that_kept_no_weights_says_so(train_digits, tmp_path, digit_files):
    run = train_digits("dataset=image_folder", *small_data(write_images(tmp_path / "images")), "epochs=1", "keep=none")
    with pytest.raises(Mistake, match=r"kept no weights when it ended.*keep=weights"):
        predict(str(run.folder), digit_files[:1])


@pytest.mark.slow
def test_ctrl_c_in_the_middle_leaves_whole_files_only(digit_run, digit_files, tmp_path):
    """The rows so far are printed; a file that was to be replaced is as it was; nothing else is left."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "out.csv").write_text("mine")
    script = [
        sys.executable,
        str(ROOT / "scripts" / "predict.py"),
        str(digit_run.folder),
        *(digit_files * 500),
    ]  # more than are done before the signal
    process, (stdout, stderr) = start_script([*script, "--csv", "out.csv", "--html", "out.html", "--force"], home)
    for _ in range(600):
        if stdout.stat().st_size > 5000:
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 130 and stderr.read_text() == "stopped by SIGINT\n"
    assert 20 < len(stdout.read_text().splitlines()) < 50 * len(digit_files)
    assert os.listdir(home) == ["out.csv"] and (home / "out.csv").read_text() == "mine"


def test_equally_likely_classes_have_one_order_however_many_are_shown():
    """In bfloat16 they often are; the first one decides whether an image is right."""
    logits = torch.randint(3, (200, 20), generator=torch.Generator().manual_seed(0)).float()
    first = logits.topk(5).indices[:, 0]  # as the run's test chooses
    for count in range(1, 25):
        ranked = rank_classes(logits, count)
        assert torch.equal(ranked[:, 0], first) and ranked.shape == (200, min(count, 20))
        assert all(len(set(row)) == len(row) for row in ranked.tolist())
        values = logits.gather(1, ranked)
        assert torch.equal(values, values.sort(1, descending=True).values)


def test_a_network_that_diverged_says_so_and_writes_nothing(digit_run, digit_files, tmp_path, monkeypatch):
    monkeypatch.setattr(Trained, "compute_logits", lambda *_: iter([torch.full((1, 10), float("nan"))]))
    with pytest.raises(Failure, match="its training has diverged"):
        predict(str(digit_run.folder), digit_files[:1], json=str(tmp_path / "out.json"))
    assert os.listdir(tmp_path) == []
