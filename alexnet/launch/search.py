"""Searches for the values with the best validation accuracy, which Optuna chooses job by job: hydra/sweeper=search."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobRuntime
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from alexnet.config.saved import load_run_config
from alexnet.errors import Damaged, Diverged, Failure, Mistake, make_printable, shorten
from alexnet.launch.plan import PLAN
from alexnet.messages.console import say, translate, warn
from alexnet.messages.lines import show
from alexnet.runs.folder import Run, Sweep
from alexnet.training.pruning import prune

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

TARGET = "hydra_plugins.alexnet.Search"
Space = dict[str, IntervalSweep | list[str]]  # by key: an interval, or choices


class Search(Sweeper):
    """hydra/sweeper=search. trials: their number; params: {key: Hydra's interval(), choice() or a value}.

    study.db in the sweep's folder keeps the study. A trial has its job's number. Trials run in batches of as many as
    the launcher runs at once. A resumed search goes through the same batches: it resumes the trials without a result
    and adds those that are missing. So it takes the same values as a search that was never interrupted.

    The trials leave the test images alone. When all have ended, the best one is tested. With test=true all are tested,
    with test=false none is.
    """

    __module__ = "hydra_plugins.alexnet"  # Hydra accepts plugins from hydra_plugins only

    def __init__(self, trials: int, params: DictConfig):
        self.trials = trials

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.settings = config  # Sweeper has a `config`, which may be None
        self.loader = hydra_context.config_loader
        self.jobs = Plugins.instance().instantiate_launcher(hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> None:
        sweep = Sweep(self.settings.hydra.sweep.dir)
        OmegaConf.save(self.settings, sweep.multirun)
        study = open_study(sweep.study)
        fixed, space = split_space(self.settings)
        at_once = getattr(self.jobs, "at_once", 1)
        done = len(study.trials)
        PLAN.ended = done - len(list_open(study))
        if done >= self.trials and not list_open(study):
            say("The search is done; for more trials: hydra.sweeper.trials=N with N above {}.", done)
        last = max(done, self.trials)
        if PLAN.ended < last:
            say("Searching for the best validation accuracy (trials: {}): {}", last, describe_space(space))
        for first in range(0, last, at_once):
            batch = range(first, min(first + at_once, last))
            for number in batch:
                choose_values(study, number, first, space, self.settings.seed)
            for trials in group_consecutive([trial for trial in list_open(study) if trial.number in batch]):
                self.launch(study, trials, fixed)  # a trial that was begun is resumed in its folder
        self.finish(study, fixed)

    def launch(self, study: "optuna.Study", trials: Sequence["FrozenTrial"], fixed: list[str]) -> None:
        """Runs trials of consecutive numbers and tells the study their scores.

        A trial that was killed or failed stays open in the study: it isn't a bad one, and can be resumed.
        """
        jobs = [list_overrides(trial, fixed) for trial in trials]
        best_before = find_best(study)
        ended = self.jobs.launch(jobs, initial_job_idx=trials[0].number)
        for trial, job in zip(trials, ended, strict=True):
            if job.return_value is not None:
                study.tell(trial.number, job.return_value)
        self.discard([*trials, *([best_before] if best_before else [])], find_best(study), fixed)

    def finish(self, study: "optuna.Study", fixed: list[str]) -> None:
        """Prints the best finished trial, if there is one, and tests it. The study stays as it is."""
        finished = list_finished(study)
        best = find_best(study)
        if best is None:
            return
        values = " ".join(f"{key}={_format_value(value)}" for key, value in best.params.items())
        text = translate("best of {} trials: job {}, validation accuracy {:.2f}%: {}")
        show(text.format(len(finished), best.number + 1, 100 * (best.value or 0.0), values))
        if self.settings.test:
            test(self.locate(best, fixed), best.number)
            others = [trial for trial in finished if trial.number != best.number]
            results = [self.locate(trial, fixed).result() or {} for trial in others]
            earlier = [
                str(trial.number + 1) for trial, result in zip(others, results, strict=True) if "test_loss" in result
            ]
            if 0 < len(earlier) < len(others):
                say("also tested, as the best of fewer trials: job {}", ", ".join(earlier))
        self.discard(finished, best, fixed)

    def discard(self, trials: Sequence["FrozenTrial"], best: "FrozenTrial | None", fixed: list[str]) -> None:
        """With keep=none, deletes the weights of trials that aren't the best one and so won't be tested."""
        if self.settings.keep == "none":
            for trial in trials:
                if best is not None and trial.number != best.number:
                    prune(self.locate(trial, fixed), to_be_tested=False)

    def locate(self, trial: "FrozenTrial", fixed: list[str]) -> Run:
        """The run of that trial."""
        from alexnet.launch.sweep import get_subdir  # it imports this module

        config = self.loader.load_sweep_config(self.settings, list_overrides(trial, fixed))
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = trial.number
        return Run(Path(config.hydra.sweep.dir) / get_subdir(config.hydra))


def open_study(path: Path) -> "optuna.Study":
    """The study in that file, a new one if there is none. Raises Damaged for a file that Optuna can't read."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = f"sqlite:///{path.absolute()}"
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it isn't a file")
        study = optuna.create_study(storage=storage, study_name="search", direction="maximize", load_if_exists=True)
        _ = study.trials
    except Exception as error:  # of Optuna, SQLAlchemy or json: anybody may have written the file
        first, *_ = str(error).splitlines() or ["it isn't Optuna's"]  # SQLAlchemy adds its SQL and a link
        raise Damaged(f"{path} can't be read: {type(error).__name__}: {shorten(first)}") from error
    return study


def list_overrides(trial: "FrozenTrial", fixed: list[str]) -> list[str]:
    """Those of the trial's job."""
    return [*fixed, *(f"{key}={value}" for key, value in trial.params.items())]


def list_finished(study: "optuna.Study") -> list["FrozenTrial"]:
    """The trials with a score."""
    return [trial for trial in study.trials if trial.value is not None]


def find_best(study: "optuna.Study") -> "FrozenTrial | None":
    """The trial with the best score, the first one if there are several."""
    return max(list_finished(study), key=lambda trial: trial.value or 0.0, default=None)


def test(run: Run, number: int) -> None:
    """Tests a trial that finished without a test. If that fails, a line says why, and the exit status is 1."""
    from alexnet.training.testing import add_test_figures  # imported here, so that --help is answered sooner

    try:
        if run.is_untested:
            config, _ = load_run_config(run, [])
            add_test_figures(config, run)
    except (Mistake, Failure, Diverged) as error:
        warn("job {} can't be tested: {}", number + 1, error)
        JobRuntime.instance().set("exit_status", 1)


def group_consecutive(trials: Sequence["FrozenTrial"]) -> list[list["FrozenTrial"]]:
    """Groups of trials whose numbers follow one another, since a launcher numbers its jobs so."""
    groups: list[list[FrozenTrial]] = []
    for trial in trials:
        if groups and groups[-1][-1].number == trial.number - 1:
            groups[-1].append(trial)
        else:
            groups.append([trial])
    return groups


def list_open(study: "optuna.Study") -> list["FrozenTrial"]:
    """The trials without a result."""
    from optuna.trial import TrialState

    return study.get_trials(states=[TrialState.RUNNING])


def choose_values(study: "optuna.Study", number: int, first: int, space: Space, seed: int) -> None:
    """Adds the trial of that number with a value for every key, unless it is there. first: the first of its batch.

    The values follow from the seed, the number and the results of the batches before, and from nothing else.
    """
    import numpy as np  # imported here, so that --help and mistakes are answered sooner
    import optuna

    trials = study.trials
    known = trials[number] if number < len(trials) else None
    if known is not None and (known.state.is_finished() or space.keys() <= known.params.keys()):
        return
    finished = [trial for trial in trials[:first] if trial.state == optuna.trial.TrialState.COMPLETE]
    mixed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])  # another one for each seed and number
    sampler = optuna.samplers.TPESampler(seed=mixed)
    before = optuna.create_study(direction="maximize", sampler=sampler)
    before.add_trials(finished)
    chosen = before.ask()
    for key, span in space.items():
        if isinstance(span, IntervalSweep):
            low, high = get_ends(span)
            chosen.suggest_float(key, low, high, log="log" in span.tags)
        else:
            chosen.suggest_categorical(key, span)
    if known is None:  # all values at once: a trial that lacks some is never stored
        running = optuna.trial.TrialState.RUNNING
        study.add_trial(
            optuna.trial.create_trial(state=running, params=chosen.params, distributions=chosen.distributions)
        )
    else:  # an earlier version stored them one by one, and was killed
        for key in chosen.distributions.keys() - known.params.keys():
            kind = chosen.distributions[key]
            study._storage.set_trial_param(known._trial_id, key, kind.to_internal_repr(chosen.params[key]), kind)


def split_space(config: DictConfig) -> tuple[list[str], Space]:
    """The overrides that all trials share, and the space to search.

    hydra.sweeper.params is the default space. The command line takes precedence over it. A key that the configuration
    doesn't have is left out: adam has no momentum.
    """
    params = config.hydra.sweeper.params or {}
    default = [f"{key}={span}" for key, span in params.items() if OmegaConf.select(config, key) is not None]
    given = {
        override.get_key_element(): override
        for override in OverridesParser.create().parse_overrides([*default, *config.hydra.overrides.task])
    }
    fixed = [f"{key}={each.get_value_element_as_str()}" for key, each in given.items() if not each.is_sweep_override()]
    if "test" not in given:
        fixed.append("test=false")  # the best trial is tested at the end
    return fixed, {key: _get_span(override) for key, override in given.items() if override.is_sweep_override()}


def _get_span(override: Override) -> IntervalSweep | list[str]:
    span = override.value()
    return span if isinstance(span, IntervalSweep) else list(override.sweep_string_iterator())


def describe_space(space: Space) -> str:
    """'optimizer.lr 0.0001 to 0.1 (log); batch_size 32, 64'."""
    parts = []
    for key, span in space.items():
        if isinstance(span, IntervalSweep):
            low, high = map(_format_value, get_ends(span))
            text = translate("{} {} to {} (log)" if "log" in span.tags else "{} {} to {}")
            parts.append(text.format(key, low, high))
        else:
            parts.append(f"{key} {', '.join(span)}")
    return make_printable("; ".join(parts))


def _format_value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def get_ends(span: IntervalSweep) -> tuple[float, float]:
    """Both ends of an interval. Raises Mistake if one is missing."""
    if span.start is None or span.end is None:
        raise Mistake(f"interval({span.start},{span.end}): expected both ends, such as interval(0.5,0.99).")
    return span.start, span.end


def list_extremes(config: DictConfig) -> Sequence[Sequence[str]]:
    """The overrides of jobs with both ends of every interval and every choice, to be checked before the search.

    Raises Mistake if there is nothing to search, no validation split to search by, or no Optuna.
    """
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise Mistake("hydra/sweeper=search needs Optuna: pip install -e '.[search]'") from error
    trials = config.hydra.sweeper.trials
    if type(trials) is not int or trials < 1:
        raise Mistake(f"hydra.sweeper.trials={trials}: expected a whole number, 1 or more.")
    if config.dry_run:
        raise Mistake(
            "dry_run=true lists the jobs of a sweep, but a search chooses them one after the other: leave it out."
        )
    if config.dataset.validation == 0:
        raise Mistake("dataset.validation=0: a search chooses by validation accuracy; give dataset.validation=0.1.")
    fixed, space = split_space(config)
    if not space:
        raise Mistake("Nothing is left to search over: give for example 'optimizer.lr=tag(log,interval(1e-4,0.1))'.")
    values = {key: get_ends(span) if isinstance(span, IntervalSweep) else span for key, span in space.items()}
    jobs = max(map(len, values.values()))
    return [[*fixed, *(f"{key}={each[job % len(each)]}" for key, each in values.items())] for job in range(jobs)]
