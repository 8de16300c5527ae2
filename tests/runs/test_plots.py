"""The pictures of a run: their size, their texts, and a font that has every character."""

import subprocess
import sys
import warnings
from itertools import pairwise

import numpy as np
import pytest
from matplotlib import pyplot
from PIL import Image

from alexnet.runs import plots
from alexnet.runs.texts import TEXTS


@pytest.fixture
def figures(monkeypatch):
    """The figures that were drawn, kept open for the test to read."""
    kept = []
    monkeypatch.setattr(pyplot, "close", kept.append)
    yield kept
    monkeypatch.undo()
    pyplot.close("all")


def make_rows(losses, rates, **epochs):
    """Windows of 100 of the epoch's 150 batches, then the rest of the epoch, and the epochs' rows."""
    steps = [step for epoch in range(len(losses) // 2) for step in (150 * epoch + 100, 150 * epoch + 150)]
    keys = ("step", "loss", "learning_rate")
    windows = [dict(zip(keys, row, strict=True)) for row in zip(steps, losses, rates, strict=True)]
    ends = [{"epoch": number, "step": 150 * number} for number in range(1, len(losses) // 2 + 1)]
    return windows, [{**end, **{key: row[index] for key, row in epochs.items()}} for index, end in enumerate(ends)]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_curve_is_the_tutorials(tmp_path, figures, language):
    """It is 10 x 5 inches at 200 dpi, and has the losses, the texts of the language, and a mark at each epoch's end."""
    losses = [2.3, 2.1, 1.8, 1.5]
    windows, epochs = make_rows(losses, [0.1] * 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns about every character that it has no glyph for
        plots.draw_training_curve(tmp_path / "curve.png", windows, epochs, None, "AlexNetCifar", 100, TEXTS[language])
    assert Image.open(tmp_path / "curve.png").size == (2000, 1000)
    (axes,) = figures[0].axes
    assert list(axes.lines[0].get_ydata()) == losses
    assert list(axes.lines[0].get_xdata()) == [1, 1.5, 2.5, 3]  # in windows: the rest of an epoch is half of one
    assert [line.get_xdata()[0] for line in axes.lines[1:]] == [1.5, 3]
    texts = (axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), figures[0].legends[0].get_texts()[0].get_text())
    assert (
        texts
        == {
            "en": ("Simplified AlexNet training loss", "training batches (in windows of 100)", "loss", "training loss"),
            "zh": ("简化版AlexNet训练损失曲线", "训练批次 (每100批)", "损失", "训练损失"),
        }[language]
    )


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_curve_shows_validation_the_chosen_epoch_and_a_changing_learning_rate(tmp_path, figures, language):
    windows, epochs = make_rows([2.3, 2.1, 1.8, 1.5], [0.1, 0.2, 0.3, 0.1], validation_loss=[2.2, 1.7])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.draw_training_curve(tmp_path / "curve.png", windows, epochs, 2, "AlexNet", 100, TEXTS[language])
    loss, rate = figures[0].axes
    assert list(loss.lines[1].get_ydata()) == [2.2, 1.7] and list(loss.lines[1].get_xdata()) == [1.5, 3]
    assert (loss.lines[2].get_xdata()[0], loss.lines[2].get_ydata()[0]) == (3, 1.7)
    named = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert named[1:] == {"en": ["validation loss", "chosen: epoch 2"], "zh": ["验证损失", "选中: 第 2 轮"]}[language]
    assert list(rate.lines[0].get_ydata()) == [0.1, 0.2, 0.3, 0.1]


@pytest.mark.parametrize("classes", [["猫 $x_{$", "dog"], [f"class {index}" for index in range(100)]])
def test_the_confusion_matrix_shows_every_class(tmp_path, figures, classes):
    counts = np.diag(np.arange(1, len(classes) + 1))
    counts[0, 1] = 7
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.draw_confusion_matrix(tmp_path / "m.png", counts.tolist(), classes, 0.5, TEXTS["zh"])
    axes = figures[0].axes[0]
    assert [label.get_text().replace("\\$", "$") for label in axes.get_yticklabels()] == classes
    assert axes.images[0].get_array()[0, 1] == pytest.approx(7 / 8)
    numbers = {text.get_text() for text in axes.texts}
    assert numbers == ({"1", "7", "0", "2"} if len(classes) == 2 else set())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [2, 20, 100, 300])
def test_names_of_classes_never_cover_one_another_or_squeeze_the_matrix(tmp_path, figures, count):
    """Measured: a long name is cut in its middle. Beyond 100 classes there are numbers. A class has whole pixels."""
    classes = [f"{index} {'long ' * 30}" for index in range(count)]
    plots.draw_confusion_matrix(tmp_path / "m.png", np.eye(count, dtype=int).tolist(), classes, 1, TEXTS["en"])
    axes, bar = figures[0].axes
    figures[0].draw_without_rendering()  # the file was cut to what there is; this is measured without it
    boxes = [tick.get_window_extent() for tick in axes.get_yticklabels()]
    boxes = sorted((box for box in boxes if axes.bbox.y0 <= box.y0 < axes.bbox.y1), key=lambda box: box.y0)
    assert len(boxes) > 1 and all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))
    assert axes.bbox.x0 > max(box.x1 for box in boxes) and axes.bbox.x1 < bar.bbox.x0
    assert axes.yaxis.label.get_window_extent().x1 <= min(box.x0 for box in boxes)
    with Image.open(tmp_path / "m.png") as picture:
        width, height = picture.size
    assert min(width, height) > axes.bbox.width / figures[0].dpi * 150 > 700
    pixels = axes.bbox.width / figures[0].dpi * 150 / count
    assert pixels == pytest.approx(round(pixels)) or count <= 20


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("epochs", "log_every"), [(1, 150), (1, 1000), (3, 1000), (90, 100)])
def test_the_legend_covers_no_curve_and_the_axis_counts_whole_numbers(tmp_path, figures, epochs, log_every):
    """Batches if an epoch is shorter than a window. Of many epochs, 15 or fewer are marked."""
    losses = [2.0 / number for number in range(1, 2 * epochs + 1)]
    windows, rows = make_rows(losses, losses, validation_loss=losses)
    plots.draw_training_curve(tmp_path / "curve.png", windows, rows, 1, "AlexNet", log_every, TEXTS["en"])
    loss, rate = figures[0].axes
    assert rate.get_xlabel() == (
        "training batches" if log_every > 150 else f"training batches (in windows of {log_every})"
    )
    assert loss.lines[0].get_xdata()[-1] == 150 * epochs / (1 if log_every > 150 else log_every)
    assert all(tick == int(tick) for tick in rate.get_xticks()) and loss.get_xlim()[0] == 0
    legend = figures[0].legends[0].get_window_extent()
    below = min(rate.get_tightbbox().y0, rate.xaxis.label.get_window_extent().y0)
    assert 0 <= legend.y0 < legend.y1 <= below + 1
    assert sum(line.get_linestyle() == ":" for line in loss.lines) == min(epochs, 15)


def test_a_few_huge_losses_make_the_axis_logarithmic(tmp_path, figures):
    for losses in ([2.0, 1.5, 1.0, 0.5], [3e4, 1.5, 1.0, 0.5], [float("nan"), float("inf"), 2.0, 1.0]):
        plots.draw_training_curve(
            tmp_path / "curve.png", *make_rows(losses, [0.1] * 4), None, "AlexNet", 100, TEXTS["en"]
        )
    assert [figure.axes[0].get_yscale() for figure in figures] == ["linear", "log", "linear"]


def test_a_class_name_controls_no_terminal_and_a_script_without_a_glyph_is_no_warning(tmp_path, figures):
    """As a program runs by default; whoever turns warnings into errors gets the missing glyph's."""
    classes = ["a\x1b[31m", "แมว", "🐈"]
    counts = np.eye(3, dtype=int).tolist()
    with warnings.catch_warnings(record=True) as told:
        warnings.resetwarnings()
        plots.draw_confusion_matrix(tmp_path / "m.png", counts, classes, 1, TEXTS["en"])
    assert not [str(each.message) for each in told if "Glyph" in str(each.message)]
    labels = [label.get_text() for label in figures[0].axes[0].get_yticklabels()]
    assert labels == ["a\\x1b[31m", "แมว", "🐈"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.draw_confusion_matrix(tmp_path / "m.png", counts, ["a\x1b[31m", "b\u202e", "c"], 1, TEXTS["en"])
        with pytest.raises(UserWarning, match="Glyph"):
            plots.draw_confusion_matrix(tmp_path / "m.png", counts, classes, 1, TEXTS["en"])


def test_torch_is_not_needed_to_draw():
    program = "import sys, alexnet.runs.plots; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
