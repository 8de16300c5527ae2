"""What --plot draws."""

from itertools import product

import matplotlib
import pytest
from matplotlib import image
from matplotlib.figure import Figure

from alexnet.comparison.compare import compare as compare_records
from alexnet.comparison.curves import choose_curves
from alexnet.comparison.groups import compare_groups
from alexnet.comparison.panels import list_panels
from alexnet.comparison.picture import LOOK, make_figure
from alexnet.comparison.records import read_all
from alexnet.runs.plots import use_fonts
from support.run_folders import make

LONG = "a name that is so long that nobody would type it, which a program may have made all the same"
SWEEPS = {
    "1": ({}, 2),
    "3 choices, failed": ({"model.cross": ("none", "all", "failed")}, 2),
    "12 rates": ({"optimizer.lr": tuple(0.1 / 2**power for power in range(12))}, 2),
    "12, a grid": ({"optimizer.lr": (0.01, 0.0101, 1.0), "model.dropout": (0.0, 0.25, 0.5, 0.75)}, 3),
    "12 words": ({"model.cross": ("none", "all", LONG), "model.pooling": ("最大池化", "平均", "$x$", "none")}, 2),
    "long and short": (
        {"model.cross": ("a", "b", "c", "d " * 80, "e" * 90, "f " * 80, "g", "h", "i", "j")},
        1,
    ),
    "60": ({"optimizer.lr": tuple(range(1, 11)), "model.cross": ("a", "b", LONG), "batch_size": (32, 64)}, 1),
    "60 words": ({"model.cross": tuple(f"{number} {LONG}" for number in range(60))}, 1),
}


def make_sweep(folder, values, seeds, language="en"):
    """A run for each choice of the values and each seed. The runs with the value 'failed' have diverged."""
    for number, (*chosen, seed) in enumerate(product(*values.values(), range(seeds))):
        error = 0.1 + 0.3 * (number * 7 % 60) / 60
        errors = {"errors": (0.8, error), "validation": (0.9, error + 0.1), "losses": (2.0, error)}
        metrics = {"validation_accuracy": 1 - error}
        if "failed" in chosen:
            errors, metrics = {}, {"status": "diverged"}
        changes = {**dict(zip(values, chosen, strict=True)), "seed": seed, "language": language}
        make(folder / str(number), changes, None if "failed" in chosen else 0.9, metrics, **errors)
    return folder


def draw(folder, *metrics, **look) -> Figure:
    groups = compare_groups(read_all([str(folder)], print), metrics or None)
    use_fonts()
    with matplotlib.rc_context(LOOK):
        figure = make_figure(groups, **look)
        figure.draw_without_rendering()
    return figure


def find_texts(figure):
    """The boxes of what is written, in pixels, each with its text; and the boxes of the axes."""
    texts = [*figure.texts]
    for legend in figure.legends:
        texts += [*legend.get_texts(), legend.get_title()]
    for axes in figure.axes:
        texts += [axes.xaxis.label, axes.yaxis.label, axes.title]
        for axis, (low, high), which in ((axes.xaxis, axes.get_xlim(), 0), (axes.yaxis, axes.get_ylim(), 1)):
            inside = sorted((low, high))  # what lies outside isn't drawn
            texts += [tick for tick in axis.get_ticklabels() if inside[0] <= tick.get_position()[which] <= inside[1]]
    written = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
    return written, [axes.get_window_extent() for axes in figure.axes]


def overlap(first, second):
    """Whether two boxes share more than the rounding to pixels."""
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    return width > 1 and height > 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SWEEPS)
def test_nothing_in_a_picture_covers_anything_whatever_was_swept(tmp_path, name):
    """Measured: every text and legend has its own place outside the axes and within the picture. No warning."""
    figure = draw(make_sweep(tmp_path, *SWEEPS[name], language="zh" if "12" in name else "en"))
    texts, places = find_texts(figure)
    for index, (text, box) in enumerate(texts):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, text
        covered = [other for other, taken in texts[:index] if overlap(box, taken)]
        assert not covered, (text, covered)
        assert not any(overlap(box, place) for place in places), text
    for index, place in enumerate(places):
        assert not any(overlap(place, other) for other in places[:index])


def test_no_point_of_a_random_search_covers_another_or_is_joined_to_an_unrelated_one(tmp_path):
    for number in range(24):
        rate, size, momentum = 10 ** -(1 + number * 7 % 24 / 8), (32, 64)[number % 2], (0.8, 0.9)[number // 2 % 2]
        changes = {"optimizer.lr": rate, "batch_size": size, "optimizer.momentum": momentum}
        make(tmp_path / str(number), changes, 0.9 - number // 4 / 10)  # the same accuracy four times
    axes = {each.get_xlabel(): each for each in draw(tmp_path).axes}
    assert not axes["optimizer.lr"].lines
    places = [
        tuple(each.get_offset_transform().transform(point).round())
        for each in axes["batch_size"].collections
        for point in each.get_offsets()
    ]
    assert len(places) == len({*places}) == 24


def test_every_colour_bar_has_its_numbers(tmp_path):
    figure = draw(make_sweep(tmp_path, {"optimizer.lr": tuple(0.01 * number for number in range(1, 13))}, 1))
    (bar,) = (axes for axes in figure.axes if axes.get_label() == "<colorbar>" or axes.get_window_extent().height < 40)
    assert len([text for text in bar.get_xticklabels() if text.get_text()]) > 2


def test_plot_draws_the_curves_and_the_swept_key(compare, sweep, tmp_path):
    for folder in sweep.iterdir():
        config = folder / "config.yaml"
        config.write_text(config.read_text().replace("language: en", "language: zh"))
    ended = compare("sweep", "--plot", "curves.png")
    assert ended.status == 0 and ended.stderr == "图像: curves.png\n"  # not even a warning of a missing glyph
    picture = image.imread(tmp_path / "curves.png")
    assert (picture[..., :3].min(axis=2) < 0.9).mean() > 0.01


@pytest.mark.filterwarnings("error")
def test_a_title_and_labels_stand_in_the_picture_and_dollars_are_dollars(compare, tmp_path):
    make_sweep(tmp_path / "runs", {"optimizer.lr": (0.1, 0.2), "model.cross": ("all", "none")}, 1)
    labels = {"optimizer.lr": "rate $\\eta$", "model.cross=all": "both = $x$", "epoch": "passes"}
    written = [text for text, _ in find_texts(draw(tmp_path / "runs", title="Two $ and $", labels=labels))[0]]
    assert {"Two $ and $", "rate $\\eta$", "both = $x$", "passes", "both = $x$, rate $\\eta$=0.2"} <= {*written}
    assert not {"optimizer.lr", "all", "epoch"} & {*written}
    given = [part for name, text in labels.items() for part in ("--label", f"{name}={text}")]
    ended = compare("runs", "--plot", "curves.pdf", "--title", "Two", *given)
    assert (ended.status, ended.stderr) == (0, "Plot: curves.pdf\n") and (
        tmp_path / "curves.pdf"
    ).read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--plot", "c.png", "--label", "lr=small"], "did you mean optimizer.lr?"),
        (["--plot", "c.png", "--label", "optimizer.lr"], "expected NAME=TEXT"),
        (["--title", "Rates"], "give --plot curves.png, too."),
    ],
)
def test_a_label_of_nothing_in_the_picture_is_a_mistake(compare, sweep, arguments, expected):
    ended = compare("sweep", *arguments)
    assert ended.status == 2 and expected in ended.stderr and ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("metric", "curves"),
    [
        (None, ["training_loss", "validation_loss", "training_error", "validation_error"]),
        ("validation_accuracy", ["validation_error"]),
        ("epochs_to_25", ["training_error"]),
        ("test_accuracy", ["training_error", "validation_error"]),
        ("final_loss", ["training_loss"]),
        ("seconds", ["training_loss", "validation_loss", "training_error", "validation_error"]),
    ],
)
def test_the_metric_decides_which_curves_are_drawn(tmp_path, metric, curves):
    make_sweep(tmp_path, {"optimizer.lr": (0.1, 1.0)}, 1)
    comparison = compare_records(read_all([str(tmp_path)], print), metric and [metric])
    assert choose_curves(comparison) == curves


def test_few_configurations_have_training_and_validation_in_one_panel_and_a_level_is_drawn(tmp_path):
    make_sweep(tmp_path, {"optimizer.lr": (0.1, 1.0)}, 2)
    loss, error, rates = draw(tmp_path).axes
    assert [axes.get_ylabel() for axes in (loss, error, rates)] == ["loss", "error (%)", "validation accuracy (%)"]
    assert [line.get_ydata()[0] for line in loss.lines] == pytest.approx([2.0, 2.0, 9.0, 9.0])
    assert [line.get_ydata()[0] for line in error.lines] == pytest.approx([80, 80, 90, 90])
    error, _ = draw(tmp_path, "epochs_to_25").axes
    assert error.get_ylabel() == "training error (%)" and [25, 25] in [list(line.get_ydata()) for line in error.lines]


def test_more_than_eight_are_coloured_by_their_number_or_only_the_best_are(tmp_path):
    """A colour bar for one swept number, logarithmic if the values are; else five names and the number of others."""
    figure = draw(make_sweep(tmp_path / "rates", {"optimizer.lr": tuple(0.1 / 2**power for power in range(12))}, 1))
    assert not figure.legends and figure.axes[-1].get_xlabel() == "optimizer.lr"
    assert figure.axes[-1].get_xscale() == "log"
    grid = make_sweep(tmp_path / "grid", {"optimizer.lr": (0.1, 0.2, 1.0), "batch_size": (32, 64, 128, 256)}, 1)
    figure = draw(grid)
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(named) == 6 and named[-1] == "7 others"
    assert sum(line.get_color() == "#c4c4c4" for line in figure.axes[0].lines) == 7


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_epochs_are_whole_numbers(tmp_path, epochs):
    losses = tuple(1 / epoch for epoch in range(1, epochs + 1))
    make(tmp_path / "run", {"epochs": epochs}, losses=losses, errors=losses)
    for axes in draw(tmp_path).axes:
        assert all(float(tick) == int(tick) for tick in axes.get_xticks()) and axes.get_xlim()[1] >= epochs


def test_losses_that_are_no_numbers_leave_the_other_panels(tmp_path):
    for number, rate in enumerate((0.1, 1.0)):
        losses = (float("nan"), float("inf"))
        make(tmp_path / str(number), {"optimizer.lr": rate}, losses=losses, errors=(0.9, 0.8))
    assert [axes.get_ylabel() for axes in draw(tmp_path).axes] == ["training error (%)", "test accuracy (%)"]


def test_runs_that_all_failed_are_a_sentence_and_other_failures_a_number(tmp_path):
    make_sweep(tmp_path / "failed", {"model.cross": ("failed",)}, 3)
    assert "No run has finished yet." in [text.get_text() for text in draw(tmp_path / "failed").axes[0].texts]
    make_sweep(tmp_path / "some", {"model.cross": ("failed", "none")}, 3)
    assert draw(tmp_path / "some").texts[-1].get_text().endswith("Configurations without a finished run, not drawn: 1.")


def test_plot_sets_out_words_with_their_seeds_and_intervals(tmp_path):
    """If no number was swept, each configuration has its mean and interval in a row of its own."""
    for cross, accuracies in {"none": (0.7, 0.72), "all": (0.8, 0.81)}.items():
        for seed, accuracy in enumerate(accuracies):
            make(tmp_path / f"{cross}{seed}", {"model.cross": cross, "seed": seed}, accuracy)
    (panel,) = list_panels(compare_records(read_all([str(tmp_path)], print)))
    ((_, points),) = panel.lines
    assert panel.words == ["model.cross=all", "model.cross=none"] == [point.value for point in points]
    assert [point.seeds for point in points] == [[pytest.approx(80), pytest.approx(81)], pytest.approx([70, 72])]
    for (_, _, _, spread), mean, half in zip(points, (80.5, 71.0), (12.706 * 0.5, 12.706 * 1.0), strict=True):
        assert spread.mean == pytest.approx(mean)  # Student's t, one degree of freedom
        assert [spread.low, spread.high] == pytest.approx([mean - half, mean + half], rel=1e-3)


def test_each_swept_key_has_a_panel_with_a_line_for_each_choice_of_the_others(tmp_path):
    make_sweep(tmp_path, {"optimizer.lr": (0.1, 1.0), "model.cross": ("all", "none")}, 2)
    cross, rate = list_panels(compare_records(read_all([str(tmp_path)], print)))
    assert [line.others for line in cross.lines] == [{"optimizer.lr": 0.1}, {"optimizer.lr": 1.0}]
    assert {line.others["model.cross"] for line in rate.lines} == {"all", "none"} and rate.connected
    assert all([point.value for point in line.points] == [0.1, 1.0] for line in rate.lines)


def test_a_random_search_has_points_that_no_line_connects(tmp_path):
    for number in range(5):
        make(tmp_path / str(number), {"optimizer.lr": 0.1 + number, "model.dropout": number / 10}, 0.5 + number / 100)
    dropout, rate = list_panels(compare_records(read_all([str(tmp_path)], print)))
    for panel in (dropout, rate):
        assert not panel.connected and [len(line.points) for line in panel.lines] == [5]


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
    assert (ended.status, ended.stderr) == (0, "Plot: curves.png\nPage: page.html\n")
    assert image.imread(tmp_path / "curves.png").any()


def test_a_whole_number_above_64_bits_is_drawn_where_it_belongs(tmp_path):
    for number, rate in enumerate((1, 10**20, 10**120)):
        make(tmp_path / str(number), {"optimizer.lr": float(rate) if rate > 10**99 else rate}, 0.5)
    (panel,) = list_panels(compare_records(read_all([str(tmp_path)], print)))
    values = [point.value for line in panel.lines for point in line.points]
    assert values == [1.0, 1e20] and {*map(type, values)} == {float}
