"""Hydra's callback: before the first job the checks and a new folder, after the last job the table of a sweep."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobRuntime
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict

from alexnet.config import checks
from alexnet.config.compose import checking, without_hydra
from alexnet.config.machine import check_machine
from alexnet.config.overrides import quote
from alexnet.disk import check_space
from alexnet.errors import Mistake
from alexnet.launch import join, launcher, search, sweep
from alexnet.launch.disk_space import describe, sum_up
from alexnet.launch.plan import PLAN
from alexnet.launch.sweep_report import count_statuses, say_where_the_report_is, write_report
from alexnet.launch.sweep_resume import find_existing_sweep
from alexnet.messages.console import configure, from_here, say, translate, warn
from alexnet.messages.lines import show
from alexnet.runs.claim import claim

WAY_OUT = "give a folder on another disk with hydra.{}.dir=FOLDER"


class Launch(Callback):
    """Hydra calls it before the first job and after the last one."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Checks every value, then makes the run's own new folder."""
        with checking(), open_dict(config):
            _check_directory(config.hydra.job.chdir)
            checks.check_run(without_hydra(config))
            configure(config.console, config.language)
            if config.resume:
                raise Mistake(
                    f"resume={config.resume} resumes a sweep and needs -m. To resume a run: "
                    f"python scripts/resume.py {config.resume}"
                )
            if config.join:
                raise Mistake(f"join={config.join} joins in a sweep, which several programs run: give -m, too.")
            if config.dry_run:
                show(sweep.describe_plan([config.hydra.overrides.task], describe([config]), config.hydra.run.dir))
                sys.exit()
            check_machine(config)
            check_options([config])
            check_space(Path(config.hydra.run.dir), sum_up([config]).peak, WAY_OUT.format("run"))
            config.hydra.run.dir = _claim(config.hydra.run.dir)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Checks every value of every job, and the disk; then makes the sweep's own new folder."""
        with checking(), open_dict(config):
            _check_directory(config.hydra.job.chdir)
            sweep.check(config)
            jobs = launcher.make(config)
            if jobs is not None:
                jobs.check()
            if config.get("join"):
                join.check(config)
                config.hydra.sweep.dir = config.join
            planned = sweep.list_jobs(config)
            configs, subdirs = _compose_jobs(config, planned)
            configure(config.get("console"), config.get("language"))
            if not config.resume:
                sweep.check_metrics(config.report, configs)
            searches = config.hydra.sweeper._target_ == search.TARGET  # its jobs lie between these extremes
            if not searches:
                sweep.check_subdirs(subdirs)
                sweep.warn_of_repeats(planned, configs)
            at_once = 1 if jobs is None else jobs.at_once
            PLAN.begin(planned, config.hydra.sweeper.trials if searches else None)
            if config.dry_run:
                show(sweep.describe_plan(planned, describe(configs, at_once), config.hydra.sweep.dir))
                sys.exit()
            for each in configs:
                check_machine(each, begins=not config.resume, elsewhere=jobs is not None and jobs.elsewhere)
            config.hydra.sweep.dir = folder = _enter_folder(config, configs, at_once)
            # For the jobs, which are composed again.
            config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quote(folder)}")
            join.enter(config)
            _say_sweep(folder)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Prints the table of all jobs. Exit status: 1 if a job didn't finish; in a search, to diverge is a result."""
        say("")
        print(write_report(config.hydra.sweep.dir, config.report))
        say_where_the_report_is(config.hydra.sweep.dir)
        counts = count_statuses(config.hydra.sweep.dir)
        print(translate("{} of {} ok").format(counts["finished"], counts.total()))
        results = {"finished", "diverged"} if config.hydra.sweeper._target_ == search.TARGET else {"finished"}
        if config.join and counts["failed"]:
            again = shlex.join(["python", "scripts/resume.py", str(from_here(config.hydra.sweep.dir))])
            warn("To try again what failed: {}", again)
        untested = JobRuntime.instance().get("exit_status")  # the best trial of a search
        JobRuntime.instance().set("exit_status", 1 if set(counts) - results or untested else 0)


def _say_sweep(folder: str) -> None:
    say(
        "Sweep of 1 job in {1}" if PLAN.total == 1 else "Sweep of {0} jobs in {1}", PLAN.total or "?", from_here(folder)
    )


def _enter_folder(config: DictConfig, configs: Sequence[DictConfig], at_once: int) -> str:
    """The sweep's folder, made if it is a new one, for which there must be room on the disk."""
    if config.resume:
        return str(find_existing_sweep(config))
    if not (config.join and join.has_begun(config)):
        check_options(configs)
        needed = sum_up(_list_all(config, configs), at_once).peak
        check_space(Path(config.hydra.sweep.dir), needed, WAY_OUT.format("sweep"))
    return join.make_folder(config.join) if config.join else _claim(config.hydra.sweep.dir)


def _compose_jobs(config: DictConfig, planned: Sequence[Sequence[str]]) -> tuple[list[DictConfig], list[str]]:
    """Each job's configuration, checked, and its folder within the sweep's. planned: each job's overrides."""
    configs, subdirs = [], []
    for number, overrides in enumerate(planned):
        each = GlobalHydra.instance().config_loader().load_sweep_config(config, list(overrides))
        each.hydra.job.num = number
        subdirs.append(sweep.get_subdir(each.hydra))
        configs.append(without_hydra(each))
        checks.check_run(configs[-1])
    return configs, subdirs


def _list_all(config: DictConfig, configs: Sequence[DictConfig]) -> Sequence[DictConfig]:
    """A configuration for each job. configs: the same, but of a search those of its extremes."""
    if config.hydra.sweeper._target_ != search.TARGET:
        return configs
    return [configs[number % len(configs)] for number in range(config.hydra.sweeper.trials)]


def _claim(wanted: str) -> str:
    """A new folder of that name, or of a similar one, which is then printed."""
    folder = str(claim(wanted))
    if folder != str(Path(wanted)):
        warn("{} is there already: this is {}.", from_here(wanted), from_here(folder))
    return folder


def _check_directory(chdir: bool | None) -> None:
    """Raises Mistake if jobs were to run in their own folders: their data would be looked for, and cached, there."""
    if chdir:
        raise Mistake(
            f"hydra.job.chdir={chdir}: a run reads relative paths, such as dataset.root=data, where its command was "
            f"given: leave it out. The run's own folder is ${{hydra:runtime.output_dir}}."
        )


def check_options(configs: Sequence[DictConfig]) -> None:
    """Raises Mistake for what only a network, optimizer or schedule itself can refuse."""
    from alexnet.training import build  # torch takes seconds to import: only for values that are known to be good

    for config in configs:
        build.check_options(config)
