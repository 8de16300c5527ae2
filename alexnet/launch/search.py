"""A sweep whose values are chosen as it goes, by Optuna, for the best validation accuracy."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from alexnet.errors import Mistake
from alexnet.runs.folder import Sweep

if TYPE_CHECKING:
    import optuna
    from optuna.trial import BaseTrial, FrozenTrial

TARGET = "hydra_plugins.alexnet.Search"
Space = dict[str, IntervalSweep | list[str]]  # what to search over: an interval, or a choice


class Search(Sweeper):
    """hydra/sweeper=search. trials: how many; params: {key: Hydra's interval(), choice() or a value}.

    The study is study.db in the sweep's folder, and a trial's number is its job's. In an existing folder the trials
    without a result go on, for whatever reason they have none, and then more are made until there are `trials`.
    """

    __module__ = "hydra_plugins.alexnet"  # Hydra takes plugins from packages of that name alone

    def __init__(self, trials: int, params: DictConfig):
        self.trials = trials

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> None:
        import optuna

        sweep = Sweep(self.config.hydra.sweep.dir)
        OmegaConf.save(self.config, sweep.multirun)
        study = open_study(sweep.study, self.config.seed)
        fixed, space = split(self.config)
        at_once = getattr(self.launcher, "at_once", 1)
        left = study.get_trials(states=[optuna.trial.TrialState.RUNNING])
        if not left and len(study.trials) >= self.trials:
            print(f"The search is done; for more trials: hydra.sweeper.trials=N with N above {len(study.trials)}.")
        for trials in consecutive(left):  # each goes on in its folder, from its checkpoint
            self.launch(study, trials, fixed)
        while len(study.trials) < self.trials:
            together = min(at_once, self.trials - len(study.trials))
            self.launch(study, [suggested(study, space) for _ in range(together)], fixed)
        if told := study.get_trials(states=[optuna.trial.TrialState.COMPLETE]):
            best = study.best_trial
            values = " ".join(f"{key}={value}" for key, value in best.params.items())
            accuracy = f"{100 * best.value:.2f}% of validation"
            print(f"best of {len(told)} trials: job {best.number}, {accuracy}: {values}")

    def launch(self, study: "optuna.Study", trials: Sequence["BaseTrial"], fixed: list[str]) -> None:
        """Runs trials of consecutive numbers and tells the study how good they are.

        One that was killed, or failed, stays under way in the study: it isn't bad, and is to go on.
        """
        jobs = [[*fixed, *(f"{key}={value}" for key, value in trial.params.items())] for trial in trials]
        ended = self.launcher.launch(jobs, initial_job_idx=trials[0].number)
        for trial, job in zip(trials, ended, strict=True):
            if job.return_value is not None:
                study.tell(trial.number, job.return_value)


def open_study(path: Path, seed: int) -> "optuna.Study":
    """The study in that file, a new one if there is none."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = f"sqlite:///{path.absolute()}"
    study = optuna.create_study(storage=storage, study_name="search", direction="maximize", load_if_exists=True)
    # A study that goes on must not draw the same random numbers again.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))
    return study


def consecutive(trials: Sequence["FrozenTrial"]) -> list[list["FrozenTrial"]]:
    """In groups whose numbers follow one another, as a launcher numbers its jobs."""
    groups: list[list[FrozenTrial]] = []
    for trial in trials:
        if groups and groups[-1][-1].number == trial.number - 1:
            groups[-1].append(trial)
        else:
            groups.append([trial])
    return groups


def suggested(study: "optuna.Study", space: Space) -> "optuna.Trial":
    """A new trial, with a value for every key."""
    trial = study.ask()
    for key, span in space.items():
        if isinstance(span, IntervalSweep):
            trial.suggest_float(key, span.start, span.end, log="log" in span.tags)
        else:
            trial.suggest_categorical(key, span)
    return trial


def split(config: DictConfig) -> tuple[list[str], Space]:
    """What is the same in all trials, as overrides, and what is searched over.

    hydra.sweeper.params gives the usual space, of which a key that the configuration doesn't have is left out (adam
    has no momentum); the command line goes before it.
    """
    params = config.hydra.sweeper.params or {}
    usual = [f"{key}={span}" for key, span in params.items() if OmegaConf.select(config, key) is not None]
    given = {
        override.get_key_element(): override
        for override in OverridesParser.create().parse_overrides([*usual, *config.hydra.overrides.task])
    }
    fixed = [f"{key}={each.get_value_element_as_str()}" for key, each in given.items() if not each.is_sweep_override()]
    return fixed, {key: _span(override) for key, override in given.items() if override.is_sweep_override()}


def _span(override: Override) -> IntervalSweep | list[str]:
    return override.value() if override.is_interval_sweep() else list(override.sweep_string_iterator())


def extremes(config: DictConfig) -> list[Sequence[str]]:
    """The overrides of the jobs to check before the search: with both ends of every interval, and every choice.

    Raises Mistake where there is nothing to search over or by, and where Optuna isn't installed.
    """
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise Mistake("hydra/sweeper=search needs Optuna: pip install -e '.[search]'") from error
    trials = config.hydra.sweeper.trials
    if type(trials) is not int or trials < 1:
        raise Mistake(f"hydra.sweeper.trials={trials}: expected a whole number, 1 or more.")
    if config.dry_run:
        raise Mistake("dry_run=true lists the jobs of a sweep, but a search chooses them as it goes: leave it out.")
    if config.dataset.validation == 0:
        raise Mistake("dataset.validation=0: a search chooses by validation accuracy; give dataset.validation=0.1.")
    fixed, space = split(config)
    if not space:
        raise Mistake("Nothing is left to search over: give for example 'optimizer.lr=tag(log,interval(1e-4,0.1))'.")
    values = {key: (span.start, span.end) if isinstance(span, IntervalSweep) else span for key, span in space.items()}
    jobs = max(map(len, values.values()))
    return [[*fixed, *(f"{key}={each[job % len(each)]}" for key, each in values.items())] for job in range(jobs)]
