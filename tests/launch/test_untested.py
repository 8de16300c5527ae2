"""test=false: a run leaves the test images alone, and is tested in its folder when a person asks for it."""

import pytest

from alexnet.errors import Mistake
from alexnet.launch.evaluate import evaluate
from alexnet.launch.reproduce import reproduce
from alexnet.launch.resume import resume
from alexnet.runs.folder import Run
from support.run_folders import content


def without_times(result):
    return {key: value for key, value in result.items() if "second" not in key and key not in ("started", "tables")}


def test_a_run_that_is_tested_later_has_the_result_of_one_that_was_tested_at_once(trained, capsys):
    given = ("dataset.validation=0.25", "optimizer.lr=0.01")
    at_once, later = trained(*given), trained(*given, "test=false", "keep=none", folder="later")
    tested = without_times(at_once.result())
    of_test = ("test", "per_class", "confusion", "error_gap")
    untested = {key: value for key, value in tested.items() if not key.startswith(of_test)}
    assert without_times(later.result()) == untested and not later.confusion.exists()
    assert [path.name for path in later.checkpoints.iterdir()] == ["best.pt"]  # without it nothing could be tested
    before = content(later)
    assert evaluate(str(later.folder), []) == 0 and resume(str(later.folder), []) == 0
    assert content(later) == before
    assert resume(str(later.folder), ["test=true"]) == 0
    assert without_times(later.result()) == tested and later.confusion.exists()
    assert list(later.checkpoints.iterdir()) == []
    log, accuracy = later.log.read_text(), f"Test accuracy: {100 * tested['test_accuracy']:.2f}%"
    assert accuracy in log and "No weights are kept (keep=none). To train them again: " in log
    capsys.readouterr()
    assert resume(str(later.folder), ["test=true"]) == 0
    finished, validation, test = capsys.readouterr().out.splitlines()
    assert finished.endswith("is finished, with epochs=1.")  # with keep=none it can't be extended
    assert validation.startswith("Validation chose epoch ") and test == accuracy
    assert resume(str(later.folder), ["test=true", "console=quiet"]) == 0
    assert capsys.readouterr().out.splitlines() == [validation, test] and later.log.read_text() == log


def test_an_untested_run_is_reproduced_by_its_weights(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert reproduce(str(trained("test=false").folder), []) == 0
    assert "weights equal" in capsys.readouterr().out


@pytest.mark.parametrize("change, said", [("data", "The data isn't what"), ("weights", "hasn't the weights")])
def test_no_figures_of_other_data_or_weights_get_into_a_result(trained, images, change, said):
    run, other = trained("test=false"), trained("test=false", "seed=1", folder="other")
    if change == "data":
        (images / "test" / "dark" / "00.jpg").unlink()
    else:
        from alexnet.runs import checkpoints

        saved, strange = (checkpoints.load(each.checkpoints, "last") for each in (run, other))
        checkpoints.save(run.checkpoints, "last", {**saved, "model": strange["model"]})
    before = content(run)
    with pytest.raises(Mistake, match=said):
        resume(str(run.folder), ["test=true"])
    assert content(run) == before and "test_loss" not in Run(run.folder).result()
