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
    ((_, names, means, halves),) = panels["model.cross"]
    assert names == ["all", "none"] and means == pytest.approx([80.5, 71.0])
    assert halves == pytest.approx([12.706 * 0.5, 12.706 * 1.0], rel=1e-3)  # Student's t, one degree of freedom
