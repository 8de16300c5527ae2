"""Offline folders of W&B, one a run, which `wandb sync` sends to its server. W&B itself isn't reached.

W&B can't resume an offline run. So a run that has grown is written whole again, with the same id, and takes the place
of its earlier folder; `wandb sync` then replaces the run on the server.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import wandb

from alexnet.disk import make_folder
from alexnet.errors import Failure, make_printable
from alexnet.runs.reading import read_json
from alexnet.tracking.snapshot import Part, Snapshot

NOTES = "alexnet.json"  # in an offline folder: of which run and state of it that is
# What this program runs on isn't what the run was trained on.
NOTHING_ELSE = dict.fromkeys(
    ("disable_git", "disable_code", "x_disable_stats", "x_disable_meta", "x_disable_machine_info"), True
)
SETTINGS = {"mode": "offline", "console": "off", "silent": True, "x_save_requirements": False, **NOTHING_ELSE}


class WandbFolders:
    """into: where `wandb` with the folders is made; None: in WANDB_DIR, or here. follows: leaves out running runs."""

    def __init__(self, into: str | None, project: str, follows: bool):
        self.place = make_folder(Path(into or os.environ.get("WANDB_DIR") or ".") / "wandb", "--into")
        self.project, self.follows = project, follows

    def send(self, snapshot: Snapshot, part: Part | None) -> str:
        """Returns what was done: new, updated or unchanged. Raises Damaged or Failure if it can't be written."""
        identity = snapshot.identity
        if self.follows and snapshot.result is None:
            return "unchanged"
        before = {folder: notes for each in identity.ids for folder, notes in self._find(each)}
        group = self._choose_group(part) or next((notes["group"] for notes in before.values()), "")
        rank = [identity.starts, len(snapshot.rows), snapshot.result is not None]  # lower in an earlier copy
        notes = {"id": identity.id, "group": group, "rank": rank, "digest": snapshot.digest()}
        kept = next((folder for folder, each in before.items() if each == notes or each["rank"] > rank), None)
        if kept is None:
            kept = self._write(snapshot, notes)
            done = "updated" if before else "new"
        else:
            done = "unchanged"
        for folder in before:
            if folder != kept:
                shutil.rmtree(folder)
        return done

    def end(self) -> None:
        """Everything is on the disk already."""

    def _find(self, identity: str) -> list[tuple[Path, dict[str, Any]]]:
        """The complete offline folders of the run, and their notes."""
        folders = sorted(self.place.glob(f"offline-run-*-{identity}"))
        notes = ((folder, read_json(folder / NOTES)) for folder in folders)
        return [(folder, found) for folder, found in notes if found is not None]

    def _choose_group(self, part: Part | None) -> str:
        """The group that the sweep's runs have already; a new one has the sweep's name and its first run's id."""
        if part is None:
            return ""
        known = (notes["group"] for each in part.members for _, notes in self._find(each.id) if notes["group"])
        return next(known, make_printable(f"{'/'.join(part.folder.parts[-2:])} {part.members[0].id[:6]}"))

    def _write(self, snapshot: Snapshot, notes: dict[str, Any]) -> Path:
        """The run's new folder, which appears when it is complete."""
        part = self.place / f".part-{snapshot.identity.id}"
        shutil.rmtree(part, ignore_errors=True)  # of a call that was killed
        part.mkdir()
        try:
            written = _log(snapshot, part, self.project, notes["group"])
        except wandb.Error as error:
            raise Failure(f"W&B can't write {snapshot.record.run.folder}: {error}") from error
        (written / NOTES).write_text(json.dumps(notes), encoding="utf-8")
        folder = self.place / written.name
        if folder.is_dir():  # it is of the same second; if this is killed here, the next call writes the run again
            shutil.rmtree(folder)
        os.replace(written, folder)
        shutil.rmtree(part)
        return folder


def _log(snapshot: Snapshot, place: Path, project: str, group: str) -> Path:
    """Writes the run as an offline run of W&B into wandb/ in that place. Returns its folder."""
    record = snapshot.record
    steps: dict[int, dict[str, Any]] = {}
    for row in snapshot.rows:
        steps.setdefault(row.step, {}).update(row.values)
    run = wandb.init(
        id=snapshot.identity.id,
        project=project,
        group=group or None,
        name="/".join(record.run.folder.absolute().parts[-2:]),
        notes=make_printable(record.note) or None,
        tags=[make_printable(tag)[:64] for tag in record.tags if str(tag)],
        config={**snapshot.options, "status": snapshot.status},
        dir=str(place),
        settings=wandb.Settings(**SETTINGS),
    )
    for step, values in steps.items():
        run.log(values, step=step)
    for name, content in snapshot.pictures.items():
        picture = place / name
        picture.write_bytes(content)
        run.log({Path(name).stem: wandb.Image(str(picture))}, step=snapshot.last_step)
    run.summary.update({**snapshot.figures, "status": snapshot.status, "reason": snapshot.reason})
    if snapshot.result is not None:
        result = Path(run.dir) / "result.json"
        result.write_text(snapshot.result, encoding="utf-8")
        run.save(str(result), base_path=run.dir, policy="now")
    folder = Path(run.dir).parent
    run.finish(exit_code=0 if record.finished else 1)
    return folder
