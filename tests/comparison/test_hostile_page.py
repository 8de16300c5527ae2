"""The page and the picture of runs that anybody may have written, without a browser."""

import os
import re
import time

import pytest

from support.run_folders import make

CONTROLS = "\x1b\x7f\x9b\u202e\u200b"


@pytest.fixture
def hostile(tmp_path):
    """A run with hostile texts and pictures, beside two good ones."""
    text = f"<script>alert(1)</script>{CONTROLS}\n$x$"
    folder = make(tmp_path / "runs" / "hostile", {"model.dropout": text, text: 1, "optimizer.lr": 1e99})
    os.mkfifo(folder / "alexnet_training_curve.png")
    (folder / "confusion_matrix.png").symlink_to("/dev/zero")
    broken = make(tmp_path / "runs" / "broken")
    (broken / "config.yaml").write_text("a: !!omap [b: 1]")
    for seed in (0, 1):
        make(tmp_path / "runs" / str(seed), {"seed": seed})
    return tmp_path / "runs"


def test_the_page_waits_for_no_pipe_and_holds_every_text_as_text(compare, hostile, tmp_path):
    start = time.perf_counter()
    ended = compare("runs", "--html", "page.html")
    assert ended.status == 0 and time.perf_counter() - start < 20
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    (data,) = re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert "<" not in data and "\\u003cscript>alert(1)" in data and r"\\x1b" in data
    assert not {*CONTROLS} & {*data}


@pytest.mark.filterwarnings("ignore")
def test_the_picture_is_drawn(compare, hostile, tmp_path):
    assert compare("runs", "--plot", "curves.png").status == 0
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
