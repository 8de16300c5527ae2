"""hydra/sweeper=search: what a person may rely on when Optuna chooses the values."""

import sys
from functools import partial
from itertools import count

import hydra
import pytest
from hydra.core.utils import JobReturn, JobStatus

from alexnet.errors import Mistake
from alexnet.launch import search
from alexnet.launch.sweep_report import score_run
from alexnet.runs.folder import Run
from support.programs import ROOT


@pytest.fixture
def searching():
    """The configuration of a search with these overrides."""

    def searching(*overrides):
        with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return hydra.compose("train", ["hydra/sweeper=search", *overrides], return_hydra_config=True)

    return searching


def list_tested(sweep):
    """The trials whose result.json has test figures, which are those with a confusion matrix."""
    runs = [Run(path) for path in sweep.glob("[0-9]*")]
    tested = {run.folder.name for run in runs if any("test" in key for key in run.result())}
    assert tested == {run.folder.name for run in runs if run.confusion.exists()}
    return tested


def forget_test(run):
    """As if the search had been killed before it tested the run."""
    of_test = ("test_", "per_class", "confusion", "error_gap")
    run.write_result({key: value for key, value in run.result().items() if not key.startswith(of_test)})
    run.confusion.unlink()


@pytest.mark.slow
def test_a_search_keeps_its_study_and_goes_on(train, small, tmp_path):
    """A trial counts with its validation accuracy, a diverged one with 0; with resume more trials are added. Only the
    best is tested, also after a kill.
    """
    optuna = pytest.importorskip("optuna", reason="pip install -e '.[search]'")
    command = ["-m", "hydra/sweeper=search", *small, "epochs=1", "dataset.validation=0.3"]
    command += ["optimizer.lr=choice(0.01,1e30)", "optimizer.momentum=interval(0.8,0.9)"]
    first = train(*command, "hydra.sweeper.trials=3", "hydra.sweep.dir=found")
    (best,) = list_tested(tmp_path / "found")
    whole = Run(tmp_path / "found" / best).result()
    forget_test(Run(tmp_path / "found" / best))
    again = train(*command, "hydra.sweeper.trials=3", "resume=found")
    assert list_tested(tmp_path / "found") == {best}
    result = Run(tmp_path / "found" / best).result()
    assert {**whole, "test_seconds": 0} == {**result, "test_seconds": 0}
    assert "The search is done" in again.stdout and "best of 3 trials" in again.stdout
    second = train(*command, "hydra.sweeper.trials=4", "resume=found")
    for done, trials in ((first, 3), (again, 3), (second, 4)):
        assert f"best of {trials} trials" in done.stdout and "Traceback" not in done.stderr
        assert done.returncode == 0

    study = optuna.load_study(study_name="search", storage=f"sqlite:///{tmp_path}/found/study.db")
    assert list_tested(tmp_path / "found") == {best, str(study.best_trial.number)}
    results = [Run(tmp_path / "found" / str(trial.number)).result() for trial in study.trials]
    assert {result["status"] for result in results} == {"finished", "diverged"}
    assert [trial.value for trial in study.trials] == [result.get("validation_accuracy", 0) for result in results]
    assert all(
        set(trial.params) == {"optimizer.lr", "optimizer.momentum", "optimizer.weight_decay"} for trial in study.trials
    )
    assert len({trial.params["optimizer.momentum"] for trial in study.trials}) == 4


class StoppedOnce:
    """A launcher whose second job is stopped by a signal."""

    def __init__(self):
        self.launched = []

    def launch(self, jobs, initial_job_idx):
        self.launched.append((initial_job_idx, jobs))
        if len(self.launched) == 2:
            raise SystemExit(130)
        return [JobReturn(status=JobStatus.COMPLETED, _return_value=0.5)]


def test_an_interrupted_search_goes_on_to_the_number_that_it_was_to_have(searching, tmp_path):
    """The trial that was cut off comes first, with its values and in its folder."""
    pytest.importorskip("optuna", reason="pip install -e '.[search]'")
    sweeper = search.Search(trials=3, params=None)
    sweeper.settings, sweeper.jobs = searching(f"hydra.sweep.dir={tmp_path}", "test=false"), StoppedOnce()
    with pytest.raises(SystemExit):
        sweeper.sweep([])
    sweeper.sweep([])
    numbers = [number for number, _ in sweeper.jobs.launched]
    assert numbers == [0, 1, 1, 2]
    assert sweeper.jobs.launched[1] == sweeper.jobs.launched[2] != sweeper.jobs.launched[3]
    sweeper.sweep([])  # complete
    assert len(sweeper.jobs.launched) == 4
    sweeper.trials = 5
    sweeper.sweep([])
    assert [number for number, _ in sweeper.jobs.launched[4:]] == [3, 4]


class FailsAtFirst:
    """A launcher whose jobs 1 and 3 have no result in the first call."""

    def __init__(self):
        self.launched = []

    def launch(self, jobs, initial_job_idx):
        numbers = range(initial_job_idx, initial_job_idx + len(jobs))
        values = [None if number in (1, 3) and number not in self.launched else number / 10 for number in numbers]
        self.launched += numbers
        return [JobReturn(status=JobStatus.COMPLETED, _return_value=value) for value in values]


def test_a_trial_that_failed_counts_for_nothing_and_goes_on(searching, tmp_path, capsys):
    """It was killed, or the disk was full: its values are not the worst, and going on runs it again."""
    optuna = pytest.importorskip("optuna", reason="pip install -e '.[search]'")
    sweeper = search.Search(trials=4, params=None)
    sweeper.settings, sweeper.jobs = searching(f"hydra.sweep.dir={tmp_path}", "test=false"), FailsAtFirst()
    sweeper.sweep([])
    assert "best of 2 trials: job 3," in capsys.readouterr().out
    sweeper.sweep([])
    assert sweeper.jobs.launched == [0, 1, 2, 3, 1, 3]
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{tmp_path}/study.db")
    assert [trial.value for trial in study.trials] == [0.0, 0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    "result, expected",
    [
        ({"status": "finished", "validation_accuracy": 0.5}, 0.5),
        ({"status": "diverged"}, 0.0),
        ({"status": "failed"}, None),
        ({"status": "interrupted"}, None),
        (None, None),
    ],
)
def test_only_a_loss_that_is_no_number_counts_as_the_worst(tmp_path, result, expected):
    if result:
        Run(tmp_path).write_result(result)
    assert score_run(Run(tmp_path)) == expected


def test_a_search_leaves_out_what_the_optimizer_does_not_have(searching):
    """The preset's own ranges for sgd, without momentum for adam; the command line goes before them."""
    assert set(search.split_space(searching())[1]) == {
        "optimizer.lr",
        "optimizer.momentum",
        "optimizer.weight_decay",
        "batch_size",
    }
    fixed, space = search.split_space(searching("optimizer=adam", "batch_size=64"))
    assert fixed == ["batch_size=64", "optimizer=adam", "test=false"] and set(space) == {
        "optimizer.lr",
        "optimizer.weight_decay",
    }
    assert "log" in space["optimizer.lr"].tags and (space["optimizer.lr"].start, space["optimizer.lr"].end) == (
        1e-4,
        0.1,
    )


def test_a_search_may_name_its_folders_by_what_it_draws(train, small):
    """Which values are drawn isn't known before, so that two trials with the same folder aren't foreseen."""
    pytest.importorskip("optuna", reason="pip install -e '.[search]'")
    command = ["-m", "hydra/sweeper=search", *small, "dataset.validation=0.3", "hydra.sweeper.trials=1"]
    by_rate = train(*command, "epochs=1", "batch_size=choice(4,8,12)", "hydra.sweep.subdir=lr-${optimizer.lr}")
    assert by_rate.returncode == 0 and "1 of 1 ok" in by_rate.stdout


def test_a_search_needs_a_validation_split(train, tmp_path):
    pytest.importorskip("optuna", reason="pip install -e '.[search]'")
    done = train("-m", "hydra/sweeper=search", "dataset=digits")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "dataset.validation=0.1" in done.stderr
    assert not list(tmp_path.iterdir())


def test_without_optuna_the_command_that_installs_it_is_told(searching, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(Mistake, match=r"pip install -e '\.\[search\]'"):
        search.list_extremes(searching("dataset.validation=0.1"))


class Killed(BaseException):
    """In place of SIGKILL: nothing catches it."""


class Scoring:
    """A launcher that scores its jobs by their values, at_once at a time. It kills the search in the given call."""

    def __init__(self, at_once, killed_in=None):
        self.at_once, self.killed_in = at_once, killed_in
        self.launched = []

    def launch(self, jobs, initial_job_idx):
        self.launched.append((initial_job_idx, jobs))
        values = [dict(each.split("=") for each in job if "(" not in each) for job in jobs]
        scores = [
            -abs(float(job["optimizer.lr"]) - 0.01) - abs(float(job["optimizer.momentum"]) - 0.9) for job in values
        ]
        if len(self.launched) == self.killed_in:
            raise Killed
        return [JobReturn(status=JobStatus.COMPLETED, _return_value=score) for score in scores]


@pytest.fixture
def search_in(searching):
    """search_in(folder, trials, launcher) searches there, and gives the values and scores of all trials."""
    optuna = pytest.importorskip("optuna", reason="pip install -e '.[search]'")

    def search_in(folder, trials, launcher):
        folder.mkdir(exist_ok=True)
        sweeper = search.Search(trials=trials, params=None)
        sweeper.settings, sweeper.jobs = searching(f"hydra.sweep.dir={folder}", "test=false"), launcher
        try:
            sweeper.sweep([])
        except Killed:
            return None
        study = optuna.load_study(study_name="search", storage=f"sqlite:///{folder}/study.db")
        return [(trial.number, trial.params, trial.value) for trial in study.trials]

    return search_in


@pytest.mark.slow
def test_a_search_that_was_killed_takes_the_values_of_an_unbroken_one(search_in, tmp_path, monkeypatch):
    """While a trial is added, while scores are told, and before any; each time in the middle of a batch of two."""
    optuna = pytest.importorskip("optuna", reason="pip install -e '.[search]'")
    early = partial(optuna.samplers.TPESampler, n_startup_trials=2)  # from the third on values depend on the results
    monkeypatch.setattr(optuna.samplers, "TPESampler", early)
    unbroken = search_in(tmp_path / "unbroken", 5, Scoring(at_once=2))
    assert len({str(params) for _, params, _ in unbroken}) == 5

    def kill_in(monkey, name, call):
        calls, own = count(1), getattr(optuna.Study, name)

        def killing(*arguments):
            if next(calls) == call:
                raise Killed
            return own(*arguments)

        monkey.setattr(optuna.Study, name, killing)

    for place in ("add_trial", "tell"):
        with monkeypatch.context() as monkey:
            kill_in(monkey, place, call=4)
            assert search_in(tmp_path / place, 5, Scoring(at_once=2)) is None
        assert search_in(tmp_path / place, 5, Scoring(at_once=2)) == unbroken, place
    assert search_in(tmp_path / "jobs", 5, Scoring(at_once=2, killed_in=2)) is None
    assert search_in(tmp_path / "jobs", 5, Scoring(at_once=2)) == unbroken
    search_in(tmp_path / "extended", 3, Scoring(at_once=2))  # as if it had been started with all trials
    assert search_in(tmp_path / "extended", 5, Scoring(at_once=2)) == unbroken


def test_a_search_says_before_its_first_trial_what_it_searches_and_at_the_end_what_it_found(
    search_in, tmp_path, capsys
):
    class Telling(Scoring):
        def launch(self, jobs, initial_job_idx):
            print("trial")
            return super().launch(jobs, initial_job_idx)

    ((_, found, _),) = search_in(tmp_path, 1, Telling(1))
    first, trial, last = capsys.readouterr().out.splitlines()
    assert first == (
        "Searching for the best validation accuracy (trials: 1): optimizer.lr 0.0001 to 0.1 (log); "
        "optimizer.momentum 0.5 to 0.99; optimizer.weight_decay 1e-06 to 0.01 (log); "
        "batch_size 32, 64, 128, 256"
    )
    assert trial == "trial" and f" optimizer.momentum={found['optimizer.momentum']:.4g} " in last


def test_a_trial_of_which_only_some_values_were_stored_gets_the_others(search_in, tmp_path):
    """An earlier version stored them one by one. Without them the job would take the values of conf/."""
    pytest.importorskip("optuna", reason="pip install -e '.[search]'")
    stored = search.open_study(tmp_path / "study.db").ask().suggest_float("optimizer.lr", 1e-4, 0.1, log=True)
    launcher = Scoring(1)
    (first, second) = search_in(tmp_path, 2, launcher)
    assert first[1].keys() == second[1].keys() and len(first[1]) == 4
    (_, (job,)), _ = launcher.launched
    assert {f"{key}={value}" for key, value in first[1].items()} <= set(job)
    assert first[1]["optimizer.lr"] == stored
