"""Offline folders of W&B, as `wandb sync` reads them."""

import json
import struct
import subprocess
import sys

import pytest

from support.tracked import Life, list_options, list_points

pytest.importorskip("wandb.sdk", reason="W&B isn't installed: pip install -e '.[wandb]'")
from wandb.proto import wandb_internal_pb2

WANDB = ("--to", "wandb")
pytestmark = pytest.mark.slow


def scan(content):
    """The records of a log in LevelDB's format: in blocks of 32 KB, each part with checksum, length and kind."""
    place, parts = 7, []
    while place < len(content):
        if 2**15 - place % 2**15 < 7:  # no room for a header
            place += 2**15 - place % 2**15
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        parts.append(content[place + 7 : place + 7 + length])
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            yield b"".join(parts)
            parts = []


def read_offline(folder):
    """(history rows, config, summary, exit status, run) of the file that is uploaded."""
    (path,) = folder.glob("*.wandb")
    rows, config, summary, status, run = [], {}, {}, None, None
    for data in scan(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        read = lambda items: {item.key or item.nested_key[0]: json.loads(item.value_json) for item in items}  # noqa: E731
        if record.HasField("history"):
            rows.append(read(record.history.item))
        elif record.HasField("run"):
            run, config = record.run, read(record.run.config.update)
        elif record.HasField("summary"):
            summary |= read(record.summary.update)
        elif record.HasField("exit"):
            status = record.exit.exit_code
    return rows, config, summary, status, run


def test_a_run_is_one_offline_folder_and_a_longer_one_takes_its_place(send, tmp_path):
    sweep = tmp_path / "sweep"
    lives = [Life(sweep / str(number), id=str(number) * 32) for number in range(2)]
    settings = {"launcher": {}, "sweeper": {}, "sweep": {}, "overrides": {"task": [], "hydra": []}}
    (sweep / "multirun.yaml").write_text(json.dumps({"hydra": settings}))
    lives[1].write(5, 1, "diverged")
    assert send("sweep", *WANDB) == (2, 0, 0)
    assert send("sweep", *WANDB) == (0, 0, 2)
    ids = [folder.name[-32:] for folder in (tmp_path / "wandb").glob("offline-run-*")]
    lives[1].write(8, 2, starts=2, faster=2)
    assert send("sweep", *WANDB) == (0, 1, 1)
    folders = sorted((tmp_path / "wandb").glob("offline-run-*"), key=lambda folder: ids.index(folder.name[-32:]))
    assert len(folders) == 2
    groups = set()
    for folder in folders:
        rows, config, summary, status, run = read_offline(folder)
        life = next(life for life in lives if str(run.display_name).endswith(life.folder.name))
        points = {}
        for row in rows:
            for name, value in row.items():
                if "/" in name:
                    points.setdefault(name, []).append((row["_step"], value))
        assert points == list_points(life.folder)
        assert {name: config[name] for name in list_options(life.folder)} == list_options(life.folder)
        assert (summary["test_accuracy"], status) == (0.25277777777777777, 0)
        assert json.loads((folder / "files" / "result.json").read_text("utf-8"))["status"] == "finished"
        groups.add(run.run_group)
    assert len(groups) == 1
    listed = subprocess.run(
        [sys.executable, "-m", "wandb", "sync", "--dry-run", *folders], capture_output=True, text=True
    )
    assert listed.returncode == 0 and "Would sync 2 run(s)" in listed.stderr
