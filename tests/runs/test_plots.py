"""The pictures of a run: their size, their texts, and a font that has every character."""

import subprocess
import sys
import warnings

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
    """It is 10 x 5 inches at 300 dpi, and has the losses, the texts of the language, and a mark at each epoch's end."""
    losses = [2.3, 2.1, 1.8, 1.5]
    windows, epochs = make_rows(losses, [0.1] * 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns about every character that it has no glyph for
        plots.draw_training_curve(tmp_path / "curve.png", windows, epochs, None, "AlexNetCifar", 100, TEXTS[language])
    assert Image.open(tmp_path / "curve.png").size == (3000, 1500)
    (axes,) = figures[0].axes
    assert list(axes.lines[0].get_ydata()) == losses
    assert list(axes.lines[0].get_xdata()) == [1, 1.5, 2.5, 3]  # in windows: the rest of an epoch is half of one
    assert [line.get_xdata()[0] for line in axes.lines[1:]] == [1.5, 3]
    texts = (axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), axes.get_legend().get_texts()[0].get_text())
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
    named = [text.get_text() for text in loss.get_legend().get_texts()]
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
