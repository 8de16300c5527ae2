"""A run's folder at several points of its life, and what a tracker should show of it."""

import csv
import json
import runpy
import shutil
import sys

from alexnet.comparison.records import format_value, read
from alexnet.runs.folder import Run
from support.programs import ROOT

SAVED = ROOT / "tests" / "support" / "run_of_0_1_0"  # eight windows, two epochs
ID = "5" * 32


class Life:
    """Writes the folder as the run would have left it. id: None for a folder of version 0.1.0."""

    def __init__(self, folder, id=ID, saved=SAVED):
        self.folder, self.saved = shutil.copytree(saved, folder), saved
        self.lines = {name: (saved / name).read_text("utf-8").splitlines(True) for name in ("losses.csv", "epochs.csv")}
        environment = json.loads((saved / "environment.json").read_text("utf-8"))
        self.environment = environment if id is None else {**environment, "id": id}
        self.write(8, 2)

    def write(self, windows, epochs, status="finished", starts=1, faster=1, **more):
        """faster: all windows after the second were computed so many times as fast, as after it was resumed."""
        rows = self.lines["losses.csv"][: windows + 1]
        rows[3:] = [change(line, 5, faster) for line in rows[3:]]
        (self.folder / "losses.csv").write_text("".join(rows))
        (self.folder / "epochs.csv").write_text("".join(self.lines["epochs.csv"][: epochs + 1]))
        (self.folder / "result.json").unlink(missing_ok=True)
        (self.folder / "environment.json").write_text(json.dumps({**self.environment, "earlier": [{}] * (starts - 1)}))
        if status == "finished":
            result = json.loads((self.saved / "result.json").read_text("utf-8"))
            (self.folder / "result.json").write_text(json.dumps({**result, **more}))
        elif status is not None:
            (self.folder / "result.json").write_text(json.dumps({"status": status, "reason": "a reason"}))


def change(line, column, factor):
    cells = line.split(",")
    return ",".join([*cells[:column], str(factor * float(cells[column])), *cells[column + 1 :]])


def list_points(folder):
    """{"window/loss": [(step, value), ...]} of each column of both tables, read by the csv module alone."""
    points = {}
    for kind, name in (("window", "losses.csv"), ("epoch", "epochs.csv")):
        with open(folder / name, newline="") as file:
            for row in csv.DictReader(file):
                for column, cell in row.items():
                    if column not in ("epoch", "batch", "step"):
                        points.setdefault(f"{kind}/{column}", []).append((int(row["step"]), float(cell)))
    return points


def list_options(folder):
    """As compare.py shows them."""
    return {key: format_value(value) for key, value in read(Run(folder)).config.items()}


def track(monkeypatch, capsys, *arguments):
    """(status, stdout, stderr) of scripts/track.py in this process."""
    monkeypatch.setattr(sys, "argv", ["track.py", *map(str, arguments)])
    status = 0
    try:
        runpy.run_path(str(ROOT / "scripts" / "track.py"), run_name="__main__")
    except SystemExit as end:
        status = end.code
    return status, *capsys.readouterr()
