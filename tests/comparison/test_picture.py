"""What --plot draws."""

import numpy as np
import pytest
from matplotlib import image

from alexnet.comparison.compare import compare as compare_records
from alexnet.comparison.picture import list_panels
from alexnet.comparison.records import read_all
from support.run_folders import make


def test_plot_draws_the_curves_and_the_swept_key(compare, sweep, tmp_path):
    for folder in sweep.iterdir():
        config = folder / "config.yaml"
        config.write_text(config.read_text().replace("language: en", "language: zh"))
    ended = compare("sweep", "--plot", "curves.png")
    assert ended.status == 0 and ended.stderr == ""  # not even a warning of a missing glyph
    picture = image.imread(tmp_path / "curves.png")
    left, right = np.array_split(picture[..., :3], [int(picture.shape[1] * 8 / 14)], axis=1)
    assert all((half.min(axis=2) < 0.9).mean() > 0.01 for half in (left, right))


def test_plot_sets_out_words_with_their_intervals(tmp_path):
    """If no number was swept, each configuration has its mean and interval at a place of its own."""
    for cross, accuracies in {"none": (0.7, 0.72), "all": (0.8, 0.81)}.items():
        for seed, accuracy in enumerate(accuracies):
            make(tmp_path / f"{cross}{seed}", {"model.cross": cross, "seed": seed}, accuracy)
    panels = list_panels(compare_records(read_all([str(tmp_path)], print)))
    ((_, names, means, reach),) = panels["model.cross"]
    assert names == ["all", "none"] and means == pytest.approx([80.5, 71.0])
    for half in reach:  # Student's t, one degree of freedom
        assert half == pytest.approx([12.706 * 0.5, 12.706 * 1.0], rel=1e-3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "huge", [{"optimizer.lr": 10**20}, {"optimizer.lr": -(10**98)}, {"optimizer.lr": float("inf")}, {"epochs": 2**64}]
)
def test_numbers_that_no_axis_can_show_stop_neither_picture_nor_page(compare, tmp_path, huge):
    """Whole numbers above 64 bits as swept values, as metrics and as steps, and losses up to the largest float."""
    make(tmp_path / "runs" / "usual", {"optimizer.lr": 0.1})
    make(tmp_path / "runs" / "small", {"optimizer.lr": 5e-324})
    make(tmp_path / "runs" / "huge", huge, accuracy=10**40, losses=(1e308, -1e308))
    make(tmp_path / "runs" / "infinite", {"optimizer.lr": 0.2}, losses=(float("nan"), float("inf")))
    ended = compare("runs", "--plot", "curves.png", "--html", "page.html")
    assert (ended.status, ended.stderr) == (0, "")
    assert image.imread(tmp_path / "curves.png").any()


def test_a_whole_number_above_64_bits_is_drawn_where_it_belongs(tmp_path):
    for number, rate in enumerate((1, 10**20, 10**120)):
        make(tmp_path / str(number), {"optimizer.lr": float(rate) if rate > 10**99 else rate}, 0.5)
    ((line,),) = list_panels(compare_records(read_all([str(tmp_path)], print))).values()
    assert line.values == [1.0, 1e20] and {*map(type, line.values)} == {float}
