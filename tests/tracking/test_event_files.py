"""What track.py wrote, in a real TensorBoard, as a browser gets it from there."""

import os
import struct
from urllib.parse import parse_qsl

import numpy
import pytest

from alexnet.runs.folder import Run
from alexnet.tracking.event_files import EventFiles, encode
from alexnet.tracking.snapshot import identify, take
from support.servers import tensorboard, wait_for
from support.tracked import Life, list_options, list_points

TENSORBOARD = ("--to", "tensorboard")
SESSIONS = {
    "experimentName": "",
    "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
    "startIndex": 0,
    "sliceSize": 100,
}


def get_points(get, run, tag):
    return [(step, value) for _, step, value in get("scalars/scalars", run=run, tag=tag)]


def as_float32(points):
    return {tag: [(step, float(numpy.float32(value))) for step, value in found] for tag, found in points.items()}


def draw(path):
    """A picture of 3 x 2 pixels."""
    from PIL import Image

    Image.new("RGB", (3, 2)).save(path)


@pytest.mark.slow
def test_tensorboard_shows_the_rows_the_values_the_figures_and_the_pictures_of_each_run(send, tmp_path):
    runs = {"day/0": Life(tmp_path / "outputs/day/0"), "day/1": Life(tmp_path / "outputs/day/1", id="6" * 32)}
    runs["day/1"].write(5, 1, "diverged")
    runs["old"] = Life(tmp_path / "outputs/old", id=None)
    draw(Run(runs["old"].folder).curve)
    assert send("outputs", *TENSORBOARD) == (3, 0, 0)
    assert send("outputs", *TENSORBOARD) == (0, 0, 3)
    with tensorboard(tmp_path / "outputs") as get:
        tags = wait_for(lambda: len(tags := get("scalars/tags")) == 3 and tags)
        assert tags.keys() == runs.keys()
        for name, life in runs.items():
            for tag, points in as_float32(list_points(life.folder)).items():
                assert get_points(get, name, tag) == points
        assert get_points(get, "old", "result/test_accuracy") == [(0, pytest.approx(0.252777, abs=1e-6))]
        groups = get("hparams/session_groups", SESSIONS | {"colParams": [{"metric": {"tag": "result/test_accuracy"}}]})
        shown = {group["name"]: group for group in groups["sessionGroups"]}
        for name, life in runs.items():
            assert shown[name]["hparams"] == list_options(life.folder)
        assert shown["old"]["sessions"][0]["status"] == "STATUS_SUCCESS"
        assert shown["day/1"]["sessions"][0]["status"] == "STATUS_FAILURE"
        metrics = {each["name"]["tag"]: each["value"] for each in shown["old"]["metricValues"]}
        assert metrics["result/test_accuracy"] == pytest.approx(0.252777, abs=1e-6)
        (image,) = get("images/images", run="old", tag="alexnet_training_curve", sample=0)
        content = get("images/individualImage", **dict(parse_qsl(image["query"])))
        assert (image["step"], content) == (0, Run(runs["old"].folder).curve.read_bytes())
        (text,) = get("text/text", run="day/1", tag="result")
        assert "diverged" in text["text"] and "a reason" in text["text"]


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--load_fast=false"]])  # with its data server, and where that isn't built
def test_a_running_tensorboard_shows_a_resumed_run_without_overlap(send, tmp_path, options):
    """Once as it grows, once after each resume; also after it was sent as finished."""
    life = Life(tmp_path / "outputs" / "run")
    life.write(3, 0, None)
    send("outputs", *TENSORBOARD)

    def shows():
        tags = list_points(life.folder)
        return all(get_points(get, "run", tag) == points for tag, points in as_float32(tags).items())

    with tensorboard(tmp_path / "outputs", *options) as get:
        wait_for(shows)
        for state in (
            {"windows": 6, "epochs": 1, "status": None},
            {"windows": 4, "epochs": 0, "status": None, "starts": 2, "faster": 2},  # resumed from the second window
            {"windows": 8, "epochs": 2, "starts": 2, "faster": 2},
            {"windows": 5, "epochs": 1, "status": None, "starts": 3, "faster": 3},  # a run that was finished
            {"windows": 8, "epochs": 2, "starts": 3, "faster": 3},
        ):
            life.write(**state)
            assert send("outputs", *TENSORBOARD) == (0, 1, 0)
            if state["windows"] != 4:  # then epochs.csv is empty, and an earlier point of it stays for a while
                wait_for(shows)
        assert len(get_points(get, "run", "result/test_accuracy")) == 1


def test_the_same_run_sent_twice_is_there_once(send, refused, tmp_path):
    life = Life(tmp_path / "outputs" / "a")
    life.write(5, 1, None)
    assert send("outputs/a", *TENSORBOARD) == (1, 0, 0)
    assert send("outputs", *TENSORBOARD, "--into", "events") == (1, 0, 0)
    life.write(8, 2)
    copy = Life(tmp_path / "copy")
    assert send("copy", *TENSORBOARD, "--into", "events") == (0, 1, 0)
    assert send("outputs", *TENSORBOARD, "--into", "events") == (0, 0, 1)
    copy.write(5, 1, None)  # a copy of before
    assert send("copy", *TENSORBOARD, "--into", "events") == (0, 0, 1)
    status, err = refused("outputs", "copy", *TENSORBOARD)
    assert (status, err) == (0, "left out: copy is the same run as outputs/a, not newer.\n")
    assert len(list((tmp_path / "events").rglob("*tfevents*"))) == 1
    before = read_all(tmp_path / "outputs" / "a")
    assert send("outputs", *TENSORBOARD) == (0, 0, 1) and read_all(tmp_path / "outputs" / "a") == before


def read_all(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_run_of_0_1_0_stays_the_same_run_when_it_is_resumed_and_gets_an_id(send, tmp_path):
    life = Life(tmp_path / "run", id=None)
    assert send("run", *TENSORBOARD, "--into", "events") == (1, 0, 0)
    life.environment["id"] = "7" * 32
    life.write(8, 2, starts=2)
    assert send("run", *TENSORBOARD, "--into", "events") == (0, 0, 1)
    life.write(8, 2, starts=2, faster=2)
    assert send("run", *TENSORBOARD, "--into", "events") == (0, 1, 0)


def test_wherever_the_writing_is_cut_the_next_call_completes_the_file(tmp_path):
    """As a kill leaves it: bytes of the file are there up to any one of them, and earlier files, or not."""
    life = Life(tmp_path / "run")
    run = Run(life.folder)
    whole = encode(take(run, identify(run)))
    life.write(5, 1, None)
    EventFiles(None).send(take(run, identify(run)), None)
    life.write(8, 2, faster=2)
    expected = encode(take(run, identify(run)))
    assert expected != whole
    (first,) = life.folder.glob("*tfevents*")
    started = first.read_bytes()
    for length in range(0, len(expected), 499):
        for path in life.folder.glob("*tfevents*"):
            path.unlink()
        first.write_bytes(started)
        first.with_name(first.name.replace("0" * 10, f"{1:010}")).write_bytes(expected[:length])
        assert EventFiles(None).send(take(run, identify(run)), None) == "updated"
        contents = [path.read_bytes() for path in sorted(life.folder.glob("*tfevents*"))]
        assert contents == [b"", expected]


def test_every_record_of_a_file_is_whole(tmp_path):
    """Against the format: the length, its checksum, the record, its checksum."""
    content = encode(take(run := Run(Life(tmp_path / "run").folder), identify(run)))
    place, records = 0, 0
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        place, records = place + 16 + length, records + 1
    assert place == len(content) and records > 10


def test_what_is_no_file_of_a_run_is_left_alone(send, refused, tmp_path):
    life = Life(tmp_path / "run")
    send("run", *TENSORBOARD)
    (path,) = life.folder.glob("*tfevents*")
    path.unlink()
    (tmp_path / "mine").write_text("")
    path.symlink_to(tmp_path / "mine")
    status, err = refused("run", *TENSORBOARD)
    assert status == 0 and "is a link, so nothing is written to it" in err and (tmp_path / "mine").read_text() == ""
    path.unlink()
    os.mkfifo(path)
    assert "isn't an event file of a run: remove it." in refused("run", *TENSORBOARD)[1]
    path.unlink()
    path.mkdir()
    assert "is a folder, and no event file of a run: remove it." in refused("run", *TENSORBOARD)[1]
    path.rmdir()
    (tmp_path / "secret.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"secret" * 10)
    Run(life.folder).curve.symlink_to(tmp_path / "secret.png")
    send("run", *TENSORBOARD)
    assert b"secret" not in next(life.folder.glob("*tfevents*")).read_bytes()
