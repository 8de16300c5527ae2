"""scripts/compare.py as a command: its mistakes, its imports, and a reader that ends early."""

import os
import subprocess
import sys

import pytest

from support.comparisons import SCRIPT
from support.programs import ROOT


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["nowhere"], "nowhere: there is no such folder. Expected"),
        (["empty"], "There is no readable run in empty: expected"),
        (["sweep/0/config.yaml"], "sweep/0/config.yaml: it is a file. Expected"),
        (["sweep", "--metric", "test_acuracy"], "did you mean test_accuracy?"),
        (["sweep", "--metric", "epoch_to_25"], "did you mean epochs_to_25?"),
        (["sweep", "--metric", "foo"], "images_per_second, seconds, test_accuracy.\n"),
        (["sweep", "--sort", "optimizer.rate"], "did you mean optimizer.lr?\n"),
        (["sweep", "--best-of", "optimizer.rate"], "did you mean optimizer.lr?\n"),
        (["sweep", "--where", "optimizer.lrr=0.1"], "did you mean optimizer.lr?"),
        (["sweep", "--where", "optimizer.lr"], "expected KEY=VALUE"),
        (["sweep", "--where", "optimizer.lr=5"], "Here optimizer.lr is 0.01 or 0.1."),
        (["sweep/0", "--diff"], "--diff needs two runs or more, and found 1"),
        (["sweep", "--diff", "--html", "page.html"], "--diff draws nothing"),
        (["sweep", "--plot", "curves.doc"], "the name must end in .png"),
        (["sweep", "--plot", "missing/curves.png"], "missing/curves.png can't be written"),
        (["sweep", "--html", "page.txt"], "the name must end in .html"),
        (["sweep", "--where", "tags=x"], "--where tags=x: no run here has tags.\n"),
        (["sweep", "--where", "note=x"], "--where note=x: no run here has a note.\n"),
        (["sweep", "--html", "missing/page.html"], "missing/page.html can't be written"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(compare, sweep, tmp_path, arguments, words):
    (tmp_path / "empty").mkdir()
    ended = compare(*arguments)
    assert ended.status == 2 and ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1 and words in ended.stderr


def test_neither_table_nor_plot_nor_page_imports_torch(sweep, tmp_path):
    code = (
        "import runpy, sys; sys.argv[0] = sys.argv.pop(1);"
        "runpy.run_path(sys.argv[0], run_name='__main__'); sys.exit('torch' in sys.modules)"
    )
    arguments = [str(SCRIPT), str(sweep), "--plot", "curves.png", "--html", "page.html"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *arguments]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, env=environment)
    assert process.returncode == 0 and b"optimizer.lr" in process.stdout
    assert (tmp_path / "curves.png").is_file() and (tmp_path / "page.html").is_file()


def test_a_reader_that_has_enough_ends_it_quietly(sweep):
    script = f"'{sys.executable}' '{SCRIPT}' '{sweep}' | true"  # it has ended before the table is there
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.run(["sh", "-c", script], capture_output=True, env=environment)
    assert (process.returncode, process.stderr) == (0, b"")
