"""--over KEY draws the metric over a key: a line for each choice of the other keys."""

import pytest

from alexnet.comparison.groups import compare_groups
from alexnet.comparison.picture import draw, make_figure
from alexnet.comparison.records import read_all
from alexnet.errors import Mistake
from support.run_folders import make


@pytest.fixture
def sweep(tmp_path):
    """Three layers, frozen or not, over three seeds; and a run that takes no weights. fc6 lies between the others."""
    accuracies = {"conv2": 0.7, "conv10": 0.5, "fc6": 0.6}
    for layer, accuracy in accuracies.items():
        for freeze in ("kept", "conv1"):
            for seed in range(3):
                values = {"model.keep": layer, "model.freeze": freeze, "seed": seed}
                make(tmp_path / f"{layer}{freeze}{seed}", values, accuracy + seed / 100)
    for seed in range(3):
        make(tmp_path / f"scratch{seed}", {"model.keep": None, "model.freeze": "conv1", "seed": seed}, 0.65)
    return compare_groups(read_all([str(tmp_path)], print))


def test_each_choice_is_a_line_through_its_means_in_the_order_of_the_layers(sweep):
    (axes,) = make_figure(sweep, over="model.keep").axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["conv2", "conv10", "fc6"]
    lines = [line for line in axes.get_lines() if len(line.get_xdata()) == 3]
    assert len(lines) == 2
    for line in lines:
        assert line.get_ydata() == pytest.approx([71, 51, 61])
        assert [round(place) for place in line.get_xdata()] == [0, 1, 2]
    (level,) = [line for line in axes.get_lines() if line.get_linestyle() == "--"]
    assert level.get_ydata() == pytest.approx([65, 65])


@pytest.mark.parametrize(
    "key, said", [("model.kep", "did you mean model.keep?"), ("batch_size", "tells these runs apart")]
)
def test_a_key_that_is_not_swept_is_one_sentence(sweep, tmp_path, key, said):
    with pytest.raises(Mistake, match=said.replace("?", r"\?")):
        draw(sweep, tmp_path / "over.png", over=key)
    assert not (tmp_path / "over.png").exists()
