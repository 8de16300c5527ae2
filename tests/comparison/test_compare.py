"""What scripts/compare.py promises: honest numbers over seeds, nothing averaged in, errors that teach."""

import csv
import io
import json
import os
import runpy
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest
from matplotlib import image
from scipy import stats

from alexnet.comparison import picture
from alexnet.comparison.configurations import compare as compared
from alexnet.comparison.records import read_all
from alexnet.runs import plots
from support.programs import ROOT
from support.run_folders import make

SCRIPT = ROOT / "scripts" / "compare.py"
Ended = namedtuple("Ended", "status stdout stderr")
FIRST, SECOND = (0.90, 0.92, 0.91), (0.80, 0.85, 0.81)  # accuracies over seeds 0, 1, 2


@pytest.fixture
def compare(tmp_path, monkeypatch, capsys):
    """compare("sweep", "--json") runs the script in tmp_path and gives its exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def compare(*arguments):
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
        status = 0
        try:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        except SystemExit as end:
            status = end.code
        return Ended(status, *capsys.readouterr())

    return compare


@pytest.fixture
def sweep(tmp_path):
    """Two learning rates, three seeds each."""
    runs = [
        (rate, seed, accuracy)
        for rate, accuracies in ((0.1, FIRST), (0.01, SECOND))
        for seed, accuracy in enumerate(accuracies)
    ]
    for number, (rate, seed, accuracy) in enumerate(runs):
        make(tmp_path / "sweep" / str(number), {"optimizer.lr": rate, "seed": seed}, accuracy)
    return tmp_path / "sweep"


def parsed(ended):
    assert ended.status == 0, ended.stderr
    return json.loads(ended.stdout)


def configurations(ended):
    return parsed(ended)["configurations"]


def test_runs_that_differ_in_their_seed_are_one_row_with_mean_deviation_and_interval(compare, sweep):
    first, second = configurations(compare("sweep", "--json"))
    for row, rate, accuracies in ((first, 0.1, FIRST), (second, 0.01, SECOND)):
        spread = row["metrics"]["test_accuracy"]
        low, high = stats.t.interval(0.95, 2, np.mean(accuracies), stats.sem(accuracies))
        assert (row["name"], row["seeds"], spread["n"]) == (f"optimizer.lr={rate}", [0, 1, 2], 3)
        assert spread["mean"] == pytest.approx(np.mean(accuracies))
        assert spread["std"] == pytest.approx(np.std(accuracies, ddof=1))
        assert [spread["low"], spread["high"]] == pytest.approx([low, high])
        assert row["folders"] == [f"sweep/{number}" for number in ([0, 1, 2] if rate == 0.1 else [3, 4, 5])]


def test_the_table_has_only_the_keys_that_differ_and_the_best_first(compare, sweep):
    lines = compare("sweep").stdout.splitlines()
    assert lines[0].split("  ")[0] == "optimizer.lr" and "momentum" not in lines[0] and "seed" not in lines[0]
    assert lines[1].split()[:5] == ["0.1", "3", "91.00", "±", "1.00"] and "[88.52, 93.48]" in lines[1]
    assert lines[1].endswith("finished  sweep/{0,1,2}") and lines[2].endswith("finished  sweep/{3,4,5}")


def test_best_and_final_loss_are_those_of_the_epochs(compare, tmp_path):
    make(tmp_path / "run", losses=(2.0, 0.5, 0.75))
    metrics = configurations(compare("run", "--json"))[0]["metrics"]
    assert metrics["best_loss"]["mean"] == 0.5 and metrics["final_loss"]["mean"] == 0.75


def test_shared_seeds_give_a_paired_difference_with_its_interval(compare, sweep):
    (difference,) = parsed(compare("sweep", "--json"))["differences"]
    reference = stats.ttest_rel(FIRST, SECOND).confidence_interval(0.95)
    assert difference["seeds"] == [0, 1, 2] and difference["distinguishable"]
    assert difference["difference"]["mean"] == pytest.approx(np.mean(np.subtract(FIRST, SECOND)))
    interval = [difference["difference"]["low"], difference["difference"]["high"]]
    assert interval == pytest.approx(list(reference))
    low, high = (f"{100 * end:+.2f}" for end in reference)
    assert f"95% interval [{low}, {high}]: better with n=3." in compare("sweep").stdout


def test_an_interval_with_zero_in_it_is_not_distinguishable_with_the_real_n(compare, tmp_path):
    for rate, accuracies in ((0.1, (0.9, 0.8)), (0.01, (0.7, 0.9))):
        for seed, accuracy in enumerate(accuracies):
            make(tmp_path / f"{rate}-{seed}", {"optimizer.lr": rate, "seed": seed}, accuracy)
    assert "not distinguishable with n=2." in compare(".").stdout


def test_only_seeds_that_both_have_are_paired(compare, tmp_path):
    for rate, results in ((0.1, {0: 0.9, 1: 0.8, 7: 0.1}), (0.01, {0: 0.6, 1: 0.5, 5: 0.2})):
        for seed, accuracy in results.items():
            make(tmp_path / f"{rate}-{seed}", {"optimizer.lr": rate, "seed": seed}, accuracy)
    (difference,) = parsed(compare(".", "--json"))["differences"]
    assert difference["seeds"] == [0, 1] and difference["difference"]["mean"] == pytest.approx(0.3)


def test_single_runs_claim_nothing(compare, tmp_path):
    make(tmp_path / "a", {"optimizer.lr": 0.1}, 0.9)
    assert "n=1: one run has no spread" in compare("a").stdout
    make(tmp_path / "b", {"optimizer.lr": 0.01}, 0.8)
    assert "with n=1 a difference can't be told from chance" in compare(".").stdout
    make(tmp_path / "c", {"optimizer.lr": 0.01, "seed": 5}, 0.8)
    make(tmp_path / "d", {"optimizer.lr": 0.01, "seed": 6}, 0.8)
    assert "they share no seed" in compare("a", "c", "d").stdout


def test_epochs_to_an_error_are_counted_to_where_its_line_crosses_it(compare, tmp_path):
    """As numpy reads it off the line through the epochs; a run that never gets there is said to have none."""
    curves = {("relu", 0): (0.6, 0.4, 0.2), ("relu", 1): (0.5, 0.25, 0.1), ("tanh", 0): (0.7, 0.5, 0.3)}
    for (activation, seed), errors in curves.items():
        changes = {"model.activation": activation, "seed": seed}
        make(tmp_path / f"{activation}{seed}", changes, losses=(1.0,) * 3, errors=errors)
    relu, tanh = configurations(compare(".", "--metric", "epochs_to_25", "--json"))
    expected = [np.interp(-0.25, np.negative(curves["relu", seed]), [1, 2, 3]) for seed in (0, 1)]
    assert relu["config"]["model.activation"] == "relu" and tanh["metrics"]["epochs_to_25"] is None
    assert relu["metrics"]["epochs_to_25"]["mean"] == pytest.approx(np.mean(expected)) == pytest.approx(2.375)
    told = compare(".", "--metric", "epochs_to_25", "--plot", "figure.png").stdout
    assert "model.activation=tanh: 1 of 1 finished runs have no epochs_to_25: their training error didn't" in told
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    compare(".", "--metric", "epochs_to_25", "--html", "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "training error %" in page and '"y0":25.0' in page  # the line to come to
    (first,) = configurations(compare("relu0", "--metric", "epochs_to_60", "--json"))
    assert first["metrics"]["epochs_to_60"]["mean"] == 1


def test_best_of_keeps_each_ones_best_and_says_what_was_tried(compare, tmp_path):
    """tanh's best is in the middle; relu's at the end, so it may lie beyond; the fastest of one run isn't the best."""
    reached = {
        ("relu", 0.1): (2, 3),
        ("relu", 0.2): (4, 5),
        ("tanh", 0.1): (9, 8),
        ("tanh", 0.2): (6, 7),
        ("tanh", 0.4): (1,),
    }
    for (activation, rate), seconds in reached.items():
        for seed, value in enumerate(seconds):
            changes = {"model.activation": activation, "optimizer.lr": rate, "seed": seed}
            make(tmp_path / f"{activation}-{rate}-{seed}", changes, result={"seconds": value})
    rows = configurations(compare(".", "--metric", "seconds", "--best-of", "optimizer.lr", "--json"))
    assert [row["name"] for row in rows] == [
        "model.activation=relu, optimizer.lr=0.1",
        "model.activation=tanh, optimizer.lr=0.2",
    ]
    make(tmp_path / "diverged", {"model.activation": "relu", "optimizer.lr": 0.4}, None, {"status": "diverged"})
    told = compare(".", "--metric", "seconds", "--best-of", "optimizer.lr").stdout
    assert "each with the best of optimizer.lr=0.1,0.2,0.4\n" in told
    assert (
        "\nmodel.activation=relu, optimizer.lr=0.1 is at the end of what was tried: the best may lie beyond\n" in told
    )
    assert "model.activation=tanh, optimizer.lr=0.2 is" not in told
    assert "seeds 0, 1: seconds -4, " in told
    assert "not averaged: diverged: diverged" in told


def test_where_none_came_to_the_error_the_best_is_the_one_that_came_nearest(compare, tmp_path):
    for rate, loss in ((0.1, 1.5), (0.2, 0.9), (0.4, 1.2)):
        make(tmp_path / str(rate), {"optimizer.lr": rate}, losses=(2.0, loss), errors=(0.9, loss / 2))
    (row,) = configurations(compare(".", "--metric", "epochs_to_25", "--best-of", "optimizer.lr", "--json"))
    assert row["config"]["optimizer.lr"] == 0.2 and row["tried"] == [0.1, 0.2, 0.4]


def test_where_none_finished_there_is_no_best(compare, tmp_path):
    for rate in (0.1, 0.2):
        make(tmp_path / str(rate), {"optimizer.lr": rate}, None, {"status": "failed", "reason": "no data"})
    told = compare(".", "--metric", "epochs_to_25", "--best-of", "optimizer.lr").stdout
    assert "no data" in told and "the best" not in told


def test_more_metrics_are_shown_and_the_first_is_compared(compare, tmp_path):
    for rate, seconds in ((0.1, 5), (0.2, 3)):
        make(tmp_path / str(rate), {"optimizer.lr": rate}, result={"seconds": seconds, "bytes_crossed_per_image": 8})
    header, first, *_ = compare(".", "--metric", "seconds", "--metric", "bytes_crossed_per_image").stdout.splitlines()
    assert header.split()[:6] == ["optimizer.lr", "n", "seconds", "95%", "interval", "bytes_crossed_per_image"]
    assert first.split()[:5] == ["0.2", "1", "3", "-", "8"]


def test_for_a_loss_lower_is_better(compare, tmp_path):
    for rate, losses in ((0.1, (1.0, 1.1)), (0.01, (0.2, 0.21))):
        for seed, loss in enumerate(losses):
            make(tmp_path / f"{rate}-{seed}", {"optimizer.lr": rate, "seed": seed}, losses=(2.0, loss))
    answer = parsed(compare(".", "--metric", "final_loss", "--json"))
    assert [row["config"]["optimizer.lr"] for row in answer["configurations"]] == [0.01, 0.1]
    assert "better with n=2" in compare(".", "--metric", "final_loss").stdout


@pytest.mark.parametrize(
    "result, said",
    [
        ({"status": "diverged", "reason": "The loss became nan."}, "diverged: The loss became nan."),
        ({"status": "failed", "reason": "RuntimeError: no memory"}, "failed: RuntimeError: no memory"),
        ({"status": "interrupted", "reason": "Stopped by Ctrl-C."}, "interrupted: Stopped by Ctrl-C."),
        ({"status": "failed", "reason": "x", "test_accuracy": 0.1}, "failed: x"),
        (None, "unfinished: no result.json: it is running, or was killed"),
    ],
)
def test_what_did_not_finish_is_listed_with_its_reason_and_never_averaged(compare, sweep, result, said):
    make(sweep / "6", {"optimizer.lr": 0.1, "seed": 3}, accuracy=None, result=result)
    answer = configurations(compare("sweep", "--json"))[0]
    assert answer["metrics"]["test_accuracy"]["mean"] == pytest.approx(np.mean(FIRST))
    assert answer["seeds"] == [0, 1, 2]
    assert answer["not_averaged"][0]["folder"] == "sweep/6"
    assert f"not averaged: sweep/6: {said}" in compare("sweep").stdout


def test_a_run_that_ended_before_its_data_was_read_belongs_to_its_configuration(compare, sweep):
    folder = make(sweep / "6", {"optimizer.lr": 0.1, "seed": 3}, accuracy=None, data=None)
    (folder / ".hydra").mkdir()
    (folder / "config.yaml").rename(folder / ".hydra" / "config.yaml")
    answer = configurations(compare("sweep", "--json"))
    assert [row["status"] for row in answer] == ["3 finished, 1 unfinished", "finished"]


def test_a_seed_counts_once_by_its_newest_run(compare, sweep):
    make(sweep / "6", {"optimizer.lr": 0.1, "seed": 0}, 0.99, {"started": "2012-09-30T10:00:00"})
    answer = configurations(compare("sweep", "--json"))[0]
    assert answer["metrics"]["test_accuracy"]["n"] == 3
    assert answer["metrics"]["test_accuracy"]["mean"] == pytest.approx(np.mean([0.99, *FIRST[1:]]))
    assert answer["not_averaged"][0]["reason"] == "the same configuration and seed as sweep/6, which is newer"


def test_a_copy_is_not_called_newer(compare, tmp_path):
    for name in ("a", "b"):
        make(tmp_path / name, result={"started": "2012-09-30T10:00:00"})
    (row,) = configurations(compare(".", "--json"))
    assert row["not_averaged"][0]["reason"] == "the same configuration and seed as b, which began at the same time"


def test_runs_of_other_code_or_on_another_device_are_averaged_and_said_to_be(compare, sweep):
    for number, commit, device in ((0, "aaa", "CPU"), (1, "bbb", "CPU"), (2, "bbb", "GPU")):
        environment = {"source": {"commit": commit}, "device_name": device, "data_sha256": "abc"}
        (sweep / str(number) / "environment.json").write_text(json.dumps(environment))
    lines = compare("sweep").stdout.splitlines()
    assert "optimizer.lr=0.1: averaged over commits aaa, bbb; see --diff" in lines
    assert "optimizer.lr=0.1: averaged over devices CPU, GPU; see --diff" in lines
    assert len([line for line in lines if "averaged over" in line]) == 2


@pytest.mark.parametrize(
    "key, value",
    [
        ("language", "zh"),
        ("log_every", 5),
        ("dataset.root", "elsewhere"),
        ("device.workers", 7),
    ],
)
def test_what_cannot_change_the_numbers_makes_no_other_configuration(compare, tmp_path, key, value):
    make(tmp_path / "a", {"seed": 0})
    make(tmp_path / "b", {"seed": 1, key: value})
    (row,) = configurations(compare(".", "--json"))
    assert row["seeds"] == [0, 1]


def test_what_is_measured_for_a_choice_is_shown_only_where_it_alone_differs(compare, tmp_path):
    """Components are noted with a run that shifts colours, null with one that doesn't: the shift tells them apart."""
    components = [[0.1, 0.1, 0.1], [0.01, 0, -0.01], [0, 0.002, 0]]
    shifting = {"dataset.colour": 0.1, "dataset.components": components}
    make(tmp_path / "a", {"dataset.colour": 0, "dataset.components": None}, 0.8)
    make(tmp_path / "b", shifting, 0.9)
    assert "dataset.components" not in compare(".").stdout
    (best,) = configurations(compare(".", "--best-of", "dataset.colour", "--json"))
    assert best["config"]["dataset.colour"] == 0.1 and best["tried"] == [0, 0.1]
    make(tmp_path / "c", {**shifting, "dataset.components": components[::-1]}, 0.7)
    assert "dataset.components" in compare(".").stdout
    make(tmp_path / "given" / "a", {"dataset.mean": 0.4, "dataset.components": components}, 0.8)
    make(tmp_path / "given" / "b", {"dataset.mean": 0.6, "dataset.components": components[::-1]}, 0.9)
    assert "dataset.mean" in compare("given").stdout  # where nothing else tells them apart


def test_other_data_under_the_same_name_is_another_configuration(compare, tmp_path):
    make(tmp_path / "a", data="abc")
    make(tmp_path / "b", {"seed": 1}, data="def")
    names = {row["name"] for row in configurations(compare(".", "--json"))}
    assert names == {"data_sha256=abc", "data_sha256=def"}


def test_runs_are_found_in_runs_sweeps_days_patterns_and_copies_each_once(compare, tmp_path):
    for number in (10, 2):
        make(tmp_path / "outputs" / "2012-09-30" / "10-00-00" / str(number), {"seed": number})
    make(tmp_path / "outputs" / "2012-09-30" / "11-00-00", {"seed": 3})
    day = "outputs/2012-09-30"
    for given in (["outputs"], [day], ["outputs/*/*"], ["outputs", f"{day}/11-00-00"]):
        (row,) = configurations(compare(*given, "--json"))
        assert sorted(row["folders"]) == [f"{day}/10-00-00/10", f"{day}/10-00-00/2", f"{day}/11-00-00"]
    (tmp_path / "outputs").rename(tmp_path / "moved")
    folders = configurations(compare("moved/2012-09-30/10-00-00", "--json"))[0]["folders"]
    assert folders == ["moved/2012-09-30/10-00-00/2", "moved/2012-09-30/10-00-00/10"]


@pytest.mark.parametrize(
    "name, content",
    [
        ("config.yaml", "optimizer: {lr: ["),
        ("config.yaml", "just text"),
        ("config.yaml", ""),
        ("config.yaml", "a: &a [1]\nb: *a"),
        ("config.yaml", "[" * 100_000),
        ("config.yaml", "a: !!python/object/apply:os.system ['touch ran']"),
        ("environment.json", "{"),
        ("result.json", '{"status": "fini'),
        ("result.json", "[1]"),
        ("result.json", "[" * 100_000),
        ("result.json", '{"status": "finished", "test_accuracy": 1' + "0" * 400 + "}"),
        ("epochs.csv", "epoch,step,loss\n1,10,two\n"),
        ("epochs.csv", "epoch,step\n1,10\n"),
        ("epochs.csv", "a,b\n1,2,3\n"),
        ("losses.csv", "step,loss\n1\n"),
        ("losses.csv", b"\xff\xfe\x00"),
    ],
)
def test_a_damaged_folder_is_one_warning_and_the_rest_goes_on(compare, sweep, tmp_path, name, content):
    damaged = make(sweep / "6", {"optimizer.lr": 0.1, "seed": 3})
    (damaged / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    ended = compare("sweep", "--json")
    assert [row["seeds"] for row in parsed(ended)["configurations"]] == [[0, 1, 2], [0, 1, 2]]
    (warning,) = ended.stderr.splitlines()
    assert warning.startswith("left out: sweep/6")
    assert not (tmp_path / "ran").exists()


def test_a_folder_that_a_job_has_only_just_claimed_is_no_damage(compare, sweep):
    """The report after one of two parallel jobs meets the next one's folder before there is anything in it."""
    (sweep / "6" / ".hydra").mkdir(parents=True)
    assert compare("sweep").stderr == ""


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
        (["sweep", "--html", "missing/page.html"], "missing/page.html can't be written"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(compare, sweep, tmp_path, arguments, words):
    (tmp_path / "empty").mkdir()
    ended = compare(*arguments)
    assert ended.status == 2 and ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1 and words in ended.stderr


@pytest.mark.parametrize(
    "condition, folders",
    [
        ("optimizer.lr=1e-1", "012"),
        ("optimizer=sgd", "012345"),
        ("seed=1", "14"),
        ("optimizer=torch.optim.SGD", "012345"),
        ("model=alexnet_cifar", "012345"),
    ],
)
def test_where_keeps_the_runs_with_that_value(compare, sweep, condition, folders):
    rows = configurations(compare("sweep", "--where", condition, "--json"))
    assert [folder for row in rows for folder in row["folders"]] == [f"sweep/{number}" for number in folders]


def test_where_is_repeatable(compare, sweep):
    conditions = ["--where", "optimizer.lr=0.1", "--where", "seed=2"]
    (row,) = configurations(compare("sweep", *conditions, "--json"))
    assert row["folders"] == ["sweep/2"]


def test_sort_orders_by_a_key_with_numbers_as_numbers(compare, tmp_path):
    for rate in (0.5, 10, 2, 1e-3):
        make(tmp_path / str(rate), {"optimizer.lr": rate}, accuracy=rate / 20)
    rows = configurations(compare(".", "--sort", "optimizer.lr", "--json"))
    assert [row["config"]["optimizer.lr"] for row in rows] == [1e-3, 0.5, 2, 10]


def test_any_number_of_result_json_is_a_metric(compare, tmp_path):
    make(tmp_path / "a", result={"per_class_accuracy": {"猫": 0.25}})
    header, row = compare("a", "--metric", "per_class_accuracy.猫").stdout.splitlines()[:2]
    assert "per_class_accuracy.猫 %" in header and "25.00" in row


def test_csv_markdown_and_json_agree(compare, sweep):
    rows = list(csv.DictReader(io.StringIO(compare("sweep", "--csv").stdout)))
    spreads = [row["metrics"]["test_accuracy"] for row in configurations(compare("sweep", "--json"))]
    assert [float(row["test_accuracy"]) for row in rows] == [spread["mean"] for spread in spreads]
    assert [float(row["test_accuracy_low"]) for row in rows] == [spread["low"] for spread in spreads]
    lines = compare("sweep", "--markdown").stdout.splitlines()
    assert lines[0].startswith("| optimizer.lr | n | test_accuracy % |") and set(lines[1]) <= {"|", "-", " "}
    assert lines[2].startswith("| 0.1 | 3 | 91.00 ± 1.00 |")


def test_a_value_cannot_break_out_of_a_markdown_cell(compare, tmp_path):
    make(tmp_path / "a", {"model.dropout": "x | y\n| z"})
    make(tmp_path / "b")
    table = compare(".", "--markdown").stdout.split("\n\n")[0].splitlines()
    assert len(table) == 4 and len({line.replace(r"\|", "").count("|") for line in table}) == 1


def test_nothing_from_a_folder_steers_the_terminal(compare, tmp_path):
    escape = "\x1b[31m"
    make(tmp_path / f"alexnet.{escape}", {"model.dropout": escape, escape: 1})
    make(tmp_path / "b", {}, None, {"status": escape, "reason": f"{escape}\n\n"})
    for form in ([], ["--markdown"], ["--csv"], ["--json"], ["--diff"]):
        ended = compare(".", *form)
        assert ended.status == 0 and "\x1b" not in ended.stdout and "alexnet." in ended.stdout


def test_diff_shows_only_what_differs_in_configuration_and_environment(compare, tmp_path):
    make(tmp_path / "a", {"optimizer.lr": 0.1})
    make(tmp_path / "b", {"language": "zh"})
    environment = {"python": "3.12.0", "data_sha256": "abc", "started": "2012-09-30", "earlier": [{"python": "3.10.0"}]}
    (tmp_path / "b" / "environment.json").write_text(json.dumps(environment))
    rows = parsed(compare("--diff", "a", "b", "--json"))
    assert rows == [
        {"key": "language", "a": "en", "b": "zh"},
        {"key": "optimizer.lr", "a": "0.1", "b": "0.01"},
        {"key": "environment.python", "a": "3.11.2", "b": "3.12.0"},
    ]


def test_plot_draws_the_curves_and_the_swept_key(compare, sweep, tmp_path):
    for folder in sweep.iterdir():
        config = folder / "config.yaml"
        config.write_text(config.read_text().replace("language: en", "language: zh"))
    ended = compare("sweep", "--plot", "curves.png")
    assert ended.status == 0 and ended.stderr == ""  # not even a warning of a missing glyph
    picture = image.imread(tmp_path / "curves.png")
    left, right = np.array_split(picture[..., :3], [int(picture.shape[1] * 8 / 14)], axis=1)
    assert all((half.min(axis=2) < 0.9).mean() > 0.01 for half in (left, right))


def test_plot_sets_out_words_with_their_intervals(tmp_path, monkeypatch):
    """Where no number was swept, each configuration has its mean and interval at its own place."""
    for cross, accuracies in {"none": (0.7, 0.72), "all": (0.8, 0.81)}.items():
        for seed, accuracy in enumerate(accuracies):
            make(tmp_path / f"{cross}{seed}", {"model.cross": cross, "seed": seed}, accuracy)
    drawn = []
    monkeypatch.setattr(plots, "comparison", lambda path, curves, sweeps, *_: drawn.append(sweeps))
    picture.draw(compared(read_all([str(tmp_path)], print)), tmp_path / "plot.png")
    ((_, names, means, halves),) = drawn[0]["model.cross"]
    assert names == ["all", "none"] and means == pytest.approx([80.5, 71.0])
    assert halves == pytest.approx([12.706 * 0.5, 12.706 * 1.0], rel=1e-3)  # Student's t, one degree of freedom


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_reader_that_has_enough_ends_it_quietly(sweep):
    script = f"'{sys.executable}' '{SCRIPT}' '{sweep}' | true"  # it has ended before the table is there
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.run(["sh", "-c", script], capture_output=True, env=environment)
    assert (process.returncode, process.stderr) == (0, b"")
