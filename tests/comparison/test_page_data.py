"""What the page of compare.py --html holds, without a browser."""

import json
import re
import shlex

import pytest

from alexnet.comparison.groups import compare_groups
from alexnet.comparison.metrics import METRICS
from alexnet.comparison.page import SCRIPTS, WEB, render
from alexnet.comparison.page_data import list_worst_classes, shorten_curve
from alexnet.comparison.page_texts import CHINESE, ENGLISH
from alexnet.comparison.records import read_all
from alexnet.messages.console import asked_for
from support.run_folders import make


@pytest.fixture
def read_page(tmp_path):
    """The page of the runs in tmp_path, and the data in it."""

    def read_page(metrics=None):
        page = render(compare_groups(read_all([str(tmp_path)], pytest.fail), metrics))
        return page, json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])

    return read_page


def test_the_page_asks_no_other_place_for_anything(read_page, tmp_path):
    make(tmp_path / "run")
    page, _ = read_page()
    policy = re.search(r'Content-Security-Policy"\s+content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'") and "http" not in policy
    own = "".join((WEB / name).read_text() for name in ("page.html", "page.css", *SCRIPTS))
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(|XMLHttpRequest", own)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", own)


def test_a_thousand_runs_would_stay_under_10_mb(read_page, tmp_path):
    """50 runs with 300 windows may have a twentieth of it, without plotly."""
    from plotly.offline import get_plotlyjs

    losses = tuple(2 / (1 + number) + 0.123456789 for number in range(300))
    matrix = [[100] * 20] * 20
    for number in range(50):
        changes = {"optimizer.lr": 0.1 / (1 + number), "seed": number}
        make(tmp_path / str(number), changes, 0.5 + number / 1000, {"confusion_matrix": matrix}, losses)
    page, data = read_page()
    points = sum(len(x) for run in data["runs"] for x, _ in run["curves"].values())
    assert points == 50 * 300  # a thousand runs together have at most ten times as many
    assert len(page.encode()) - len(get_plotlyjs().encode()) < 500_000


def test_a_long_curve_is_shortened_to_means_that_keep_its_end():
    curve = [(step / 10, float(step)) for step in range(1, 8)]
    assert shorten_curve(curve, 3, "training_loss") == [[0.3, 0.6, 0.7], [2, 5, 7]]
    assert shorten_curve([(1, 0.5), (2, float("nan"))], 3, "validation_error") == [[1, 2], [50, None]]
    assert shorten_curve([], 3, "training_loss") is None


def test_the_worst_classes_come_with_what_they_were_taken_for():
    matrix = [[8, 2, 0], [0, 5, 0], [4, 5, 1]]
    assert list_worst_classes(matrix, "abc") == [["c", 0.1, 10, "b", 5], ["a", 0.8, 10, "b", 2]]


@pytest.mark.parametrize("classes", [3, 30])
def test_only_a_matrix_of_few_classes_is_in_the_page(read_page, tmp_path, classes):
    matrix = [[9 if true == other else 1 for other in range(classes)] for true in range(classes)]
    make(tmp_path / "run", result={"confusion_matrix": matrix})
    (run,) = read_page()[1]["runs"]
    assert ("confusion" in run) == (classes == 3)
    assert len(run["worst"]) == min(classes, 10)


def test_a_run_that_diverged_shows_the_curve_as_far_as_it_came(read_page, tmp_path):
    make(tmp_path / "run", None, None, {"status": "diverged", "reason": "the loss is NaN"}, (2.0, 9.0))
    make(tmp_path / "good", {"seed": 1})
    runs = {run["name"]: run for run in read_page()[1]["runs"]}
    assert runs["run"]["curves"]["training_loss"] == [[1, 2], [2, 9]]
    assert runs["run"]["metrics"] == {}  # nothing of it is compared


def test_a_command_reproduces_a_folder_whose_name_a_shell_would_split(read_page, tmp_path):
    make(tmp_path / "two words")
    (run,) = read_page()[1]["runs"]
    assert run["command"] == f"python scripts/reproduce.py '{tmp_path / 'two words'}'"


def test_the_environment_has_the_runs_own_command_as_it_can_be_pasted(read_page, tmp_path):
    command = ["python", "scripts/train.py", "note=two words", "tags=[a,b]"]
    (make(tmp_path / "run") / "environment.json").write_text(json.dumps({"command": command}))
    assert shlex.split(read_page()[1]["environment"]["command"]) == command


def test_the_groups_stay_apart_and_share_what_is_the_same_in_all(read_page, tmp_path):
    make(tmp_path / "a")
    make(tmp_path / "b", {"dataset._target_": "alexnet.data.digits.digits"})
    _, data = read_page()
    assert [len(group["configurations"]) for group in data["groups"]] == [1, 1]
    assert data["config"]["optimizer.lr"] == 0.01 and "dataset" not in data["config"]
    assert data["keys"] == ["dataset"]


def test_the_error_to_reach_is_drawn_across_the_training_errors(read_page, tmp_path):
    make(tmp_path / "run", losses=(2.0, 1.0), errors=(0.5, 0.2))
    (group,) = read_page(["epochs_to_25"])[1]["groups"]
    assert (group["curve"], group["level"]) == ("training_error", 25)


@pytest.mark.parametrize(
    ("language", "title"), [("en", "Runs compared"), ("zh", "运行对比"), ("other", "Runs compared")]
)
def test_the_page_speaks_the_language_of_the_runs(read_page, tmp_path, language, title):
    make(tmp_path / "run", {"language": language})
    page, data = read_page()
    assert f"<title>{title}</title>" in page and data["text"]["title"] == title
    assert ("@font-face" in page) == (language == "zh")


def test_the_sentences_metrics_and_buttons_of_a_chinese_page_are_chinese(read_page, tmp_path):
    make(tmp_path / "run", {"language": "zh"})
    make(tmp_path / "other", {"language": "zh", "seed": 1})
    _, data = read_page()
    assert data["labels"]["test_accuracy"] == "测试集准确率" and data["plotly"]["Zoom"] == "缩放"
    assert {*METRICS} <= {*data["labels"]}
    assert not re.search("averag|order|seed ", " ".join(data["groups"][0]["notes"]))
    assert asked_for["language"] == "en"  # what else this process says


def test_both_languages_have_every_text_and_the_same_places_in_it():
    def count_places(texts):
        return {key: len(re.findall(r"{\d*}", text)) for key, text in texts.items()}

    assert count_places(ENGLISH) == count_places(CHINESE)
    used = "".join((WEB / name).read_text() for name in ("page.html", *SCRIPTS))
    named = {*re.findall(r"TEXT\.(\w+)|{{ text\.(\w+) }}", used)}
    assert {name for pair in named for name in pair if name} <= {*ENGLISH}
