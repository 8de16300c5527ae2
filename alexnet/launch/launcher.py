"""What all launchers of this project share: they start a sweep's jobs, tell how each ends, report, stop and resume.

The process that the person started runs this. Nothing else writes the sweep's report.
"""

import signal
import sys
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from time import perf_counter
from typing import Any, NamedTuple

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict

from alexnet.config.compose import without_hydra
from alexnet.config.processes import count_shards, count_thread_shares
from alexnet.disk import replace_text
from alexnet.errors import Mistake
from alexnet.launch import sweep
from alexnet.launch.job_process import STOP, dump_hydra
from alexnet.launch.plan import PLAN
from alexnet.launch.sweep_report import say_where_the_report_is, score_run, write_report
from alexnet.messages.console import from_here, say, translate, warn
from alexnet.messages.lines import measure
from alexnet.runs.folder import Run
from alexnet.training.pruning import prune
from alexnet.training.signals import Interrupted, Signals


class Started(NamedTuple):
    handle: Any  # the engine's own: a process, the number of a job in a queue
    config: DictConfig
    at: float  # of perf_counter


COLUMNS = 80
Running = dict[int, Started]  # by slot, from 0 to at_once - 1
End = int | str  # a job's exit status, below 0 the number of the signal that killed it; or how it ended, in words


class JobLauncher(Launcher):
    """Runs each job in a process of its own. A subclass supplies the engine: the methods that are abstract here."""

    elsewhere = False  # whether jobs run on other machines, of whose GPUs nothing is known here

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.task, self.settings = hydra_context, task_function, config
        self.said_threads: list[int] = []

    @abstractmethod
    def check(self) -> None:
        """Raises Mistake if no job can be started so."""

    @property
    @abstractmethod
    def at_once(self) -> int:
        """How many jobs run, or wait in the engine's queue, at the same time."""

    @property
    @abstractmethod
    def has_gpus(self) -> bool:
        """Whether a job has a GPU."""

    @abstractmethod
    def count_threads(self, at_once: int) -> int:
        """How many threads a job has for all of its processes, if its configuration doesn't say."""

    @abstractmethod
    def start(self, config: DictConfig, slot: int) -> Any:
        """Starts a job, or puts it into a queue, and returns its handle."""

    @abstractmethod
    def wait(self, running: Running) -> None:
        """Waits until a job may have ended. A signal interrupts it."""

    @abstractmethod
    def find_ends(self, running: Running) -> dict[int, End]:
        """How each job ended that has ended, by slot."""

    @abstractmethod
    def stop(self, running: Running, number: int) -> None:
        """Tells all jobs to save what they trained, and to end. number: of the signal that stops the sweep."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs all jobs and returns their scores in order. A signal stops the jobs and ends the program."""
        setup_globals()
        self.hydra_state = dump_hydra(self.context)
        at_once = min(self.at_once, len(job_overrides))
        PLAN.at_once = at_once
        configs = [
            self.compose_job(list(overrides), number, at_once)
            for number, overrides in enumerate(job_overrides, initial_job_idx)
        ]
        waiting = [config for config in configs if not report_if_done(config)]
        self.say_threads(waiting, at_once)
        running: Running = {}
        with Signals() as signals:
            try:
                while waiting or running:
                    with signals.uninterrupted():  # every job that was started is in `running`
                        self.start_jobs(waiting, running, at_once)
                    self.wait(running)
                    with signals.uninterrupted():
                        self.collect_ended_jobs(running)
            except OSError:  # a full disk, where the next job's folder can't be made
                self.stop_all(running, signal.SIGTERM)
                raise
            except Interrupted as interrupted:
                self.stop_all(running, interrupted.exit_status - 128)
                print(f"\n{self.write_report()}")
                say_where_the_report_is(self.settings.hydra.sweep.dir)
                say_how_to_resume(self.settings)
                sys.exit(interrupted.exit_status)
        return [make_job_return(config) for config in configs]

    def say_threads(self, configs: Sequence[DictConfig], at_once: int) -> None:
        """Prints how many threads each of these jobs has, unless they are as many as of the jobs before."""
        from alexnet.engine.device import THREADS

        threads = sorted({config.device.threads for config in configs})
        if threads in ([], self.said_threads):
            return
        self.said_threads = threads
        given = " or ".join(f"device.threads={number}" for number in threads)
        say("Jobs at a time: {}, each with {}", at_once, given)
        if threads != [THREADS] and not self.has_gpus and self.settings.device.threads is None:
            say("Another number gives slightly other weights: to get these in a serial sweep, give {}", given)

    def start_jobs(self, waiting: list[DictConfig], running: Running, at_once: int) -> None:
        """Starts waiting jobs in the free slots."""
        for slot in sorted(set(range(at_once)) - set(running))[: len(waiting)]:
            config = waiting[0]
            note_configuration(config)
            try:
                running[slot] = Started(self.start(config, slot), config, perf_counter())
            except Mistake:
                if running:  # the engine may take this job when one of the others has ended
                    return
                raise
            del waiting[0]

    def collect_ended_jobs(self, running: Running) -> None:
        """Prints how each ended job ended, and writes the sweep's report again."""
        for slot, end in self.find_ends(running).items():
            started = running.pop(slot)
            PLAN.end(perf_counter() - started.at)
            print_end(started.config, end)
            if isinstance(end, str) or end < 0:
                say_how_to_resume(self.settings)
            self.write_report()

    def stop_all(self, running: Running, number: int) -> None:
        """Stops all jobs, waits until they have saved what they trained, and prints how each ended."""
        handlers = {which: signal.signal(which, signal.SIG_IGN) for which in STOP}  # a second Ctrl-C must not lose work
        self.stop(running, number)
        while running:
            self.wait(running)
            for slot, end in self.find_ends(running).items():
                print_end(running.pop(slot).config, end)
        for which, handler in handlers.items():
            signal.signal(which, handler)

    def write_report(self) -> str:
        """The sweep's report: its table, for the console."""
        return write_report(self.settings.hydra.sweep.dir, self.settings.report)

    def compose_job(self, overrides: list[str], number: int, at_once: int) -> DictConfig:
        """The job's configuration, with the engine's number of threads if none is given."""
        from alexnet.config.ranges import RANGES

        config = self.context.config_loader.load_sweep_config(self.settings, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
            # The threads go into the configuration, so reproducing the job gives the same weights. A resumed job
            # keeps its threads, however many jobs are left.
            begun = Run(get_folder(config)).config().get("device", {}).get("threads") if config.resume else None
            if not RANGES["device"]["threads"].allows(begun):  # the folder may be untrusted
                begun = None
            threads = max(1, self.count_threads(at_once) // count_thread_shares(config))
            config.device.threads = config.device.threads or begun or threads
        return config


def make(config: DictConfig) -> JobLauncher | None:
    """The launcher that the configuration chooses; None for one of others, such as Hydra's serial one."""
    mine = config.hydra.launcher._target_.startswith("hydra_plugins.alexnet.")
    if not mine:
        return None
    launcher: JobLauncher = instantiate(config.hydra.launcher)
    launcher.settings = config
    return launcher


def get_folder(config: DictConfig) -> Path:
    """The job's folder."""
    return Path(config.hydra.sweep.dir) / sweep.get_subdir(config.hydra)


def note_configuration(config: DictConfig) -> None:
    """Writes what Hydra writes when the job begins, so that one that never begins counts as a job of the sweep."""
    composed = get_folder(config) / ".hydra" / "config.yaml"
    composed.parent.mkdir(parents=True, exist_ok=True)
    if not composed.exists():
        given = without_hydra(config)
        given.device.shards = count_shards(given)  # as a job that begins notes it
        replace_text(composed, OmegaConf.to_yaml(given))


def get_name(config: DictConfig) -> str:
    """'job 2 of 6 (optimizer.lr=0.1)'."""
    return PLAN.name_fully(config.hydra.job.num, config.hydra.overrides.task)


def name_shortly(config: DictConfig) -> str:
    """'job 2 of 6'."""
    return PLAN.name(config.hydra.job.num)


def say_start(config: DictConfig) -> None:
    """Prints which job begins, and where."""
    name, described = name_shortly(config), PLAN.describe(config.hydra.overrides.task)
    say("{} starts in {}{}", name, from_here(get_folder(config)), f": {described}" if described else "")


def say_how_to_resume(config: DictConfig) -> None:
    """Prints the command that resumes the sweep."""
    warn("To resume it: {}", f"python scripts/resume.py {quote(str(from_here(config.hydra.sweep.dir)))}")


def report_if_done(config: DictConfig) -> bool:
    """Whether a resumed sweep has finished this job already; then a line says so."""
    run = Run(get_folder(config))
    result = run.result() if config.resume else None
    if result is None or not run.is_done():
        return False
    PLAN.end(None)
    say("{} is done: {}", get_name(config), result["status"])
    prune(run)  # it may have been killed before that
    return True


def print_end(config: DictConfig, end: End) -> None:
    """Prints one line on how the job ended."""
    name, run = get_name(config), Run(from_here(get_folder(config)))
    result = run.result()
    if isinstance(end, str):
        warn("{} ended early: {}", name, end)
    elif end < 0:
        why = translate("If memory ran out, run fewer at once with hydra.launcher.jobs.")
        warn("{} was killed by {}. {}", name, signal.Signals(-end).name, why)
    elif result and "reason" in result and (result["status"] != "interrupted" or end > 128):
        warn("{} ended early: {}", name, result["reason"])
    elif result and end == 0:
        figures = _describe_accuracy(result), PLAN.time_left()
        if measure(translate("{} finished{}{}").format(name, *figures)) > COLUMNS:
            name = name_shortly(config)  # its start has said what it is
        say("{} finished{}{}", name, *figures)
    else:
        why = translate("; {} says why").format(run.log) if run.log.is_file() and run.log.stat().st_size else ""
        warn("{} ended early, with exit status {}{}.", name, end, why)


def _describe_accuracy(result: dict[str, Any]) -> str:
    """The accuracies that it has: with test=false none in test."""
    test, validation = result.get("test_accuracy"), result.get("validation_accuracy")
    texts = [
        "" if validation is None else translate("val {:.2f}%").format(100 * validation),
        "" if test is None else translate("test {:.2f}%").format(100 * test),
    ]
    return "".join(f": {text}" if number == 0 else f", {text}" for number, text in enumerate(filter(None, texts)))


def make_job_return(config: DictConfig) -> JobReturn:
    """What Hydra expects of a finished job: the value that a search maximises."""
    job = JobReturn(overrides=list(config.hydra.overrides.task), status=JobStatus.COMPLETED)
    job.return_value = score_run(Run(get_folder(config)))
    return job
