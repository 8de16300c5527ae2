"""Runs scripts/train.py: from the command line to one run, or with -m to a sweep."""

import json
import logging
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Sequence
from time import perf_counter
from typing import NoReturn

import hydra
from hydra._internal import hydra as runner
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobRuntime
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from alexnet.config import options
from alexnet.config.compose import OwnFolders, checking
from alexnet.config.help import register_resolver
from alexnet.config.keys import LAUNCH
from alexnet.config.options import make_importable
from alexnet.config.overrides import make_parsable
from alexnet.config.schema import make_schema
from alexnet.disk import sync
from alexnet.errors import DISK, WANTS_TRACE, Mistake, mistakes_end_the_program
from alexnet.launch import join, parallel, ray, search, slurm, sweep
from alexnet.launch.arguments import refuse_console_flags, take_config_dirs
from alexnet.launch.completion import extend_completion
from alexnet.launch.notify import Callbacks, note_end
from alexnet.launch.plan import PLAN
from alexnet.launch.sweep_report import say_where_the_report_is, score_run, write_report
from alexnet.launch.torchrun import add_processes, find_begun_folder, lead_or_follow
from alexnet.messages.console import configure, from_here, say, warn
from alexnet.runs.claims import Claim
from alexnet.runs.folder import Run, Sweep


def main() -> None:
    """Runs the program. Hydra composes the configuration, calls the callback, then `job` once or once per job."""
    with mistakes_end_the_program():  # it knows closed pipes
        sys.argv[1:] = take_config_dirs(sys.argv[1:])
        if "--schema" in sys.argv:
            print(json.dumps(make_schema(), indent=2, ensure_ascii=False))
            return
        lead_or_follow(_run)


def _run() -> None:
    """Runs the program in one process, or in the first one that torchrun has started: there it resumes the run that
    these processes have begun, if they were started again.
    """
    folder = find_begun_folder()
    if folder is not None:
        from alexnet.launch.resume import resume

        sys.exit(resume(folder, add_processes([]), from_start=not Run(folder).has_checkpoint))
    given, sys.argv[1:] = sys.argv[1:], add_processes(sys.argv[1:])
    if {"-m", "--multirun"} & set(given) and given != sys.argv[1:]:
        example = " ".join(["python scripts/train.py", *sys.argv[1:]])
        raise Mistake(f"-m doesn't run under torchrun, because each job needs processes of its own: {example}")
    run_hydra()


def run_hydra() -> NoReturn:
    """Ends the program with its exit status. Errors other than a person's mistakes get out."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # outside a job Ctrl-C just ends the program, without a stack trace
    arguments = list(map(make_parsable, sys.argv[1:]))
    _refuse_dashes(arguments)
    # Hydra takes options before or after all overrides, but not between them. So -m may stand anywhere.
    first = ("-m", "--multirun", "--config-dir")
    sys.argv[1:] = sorted(arguments, key=lambda argument: argument.partition("=")[0] not in first)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # otherwise Hydra reports errors itself, at length and with status 1
    # Hydra doesn't find these by itself.
    for plugin in (OwnFolders, parallel.Parallel, slurm.Slurm, ray.Ray, search.Search, join.Join):
        Plugins.instance().register(plugin)
    register_resolver()
    make_importable()  # Hydra builds callbacks, which may be of an own class
    JobRuntime.instance().set("exit_status", 0)
    vars(runner)["Callbacks"] = Callbacks
    if {"-sc", "--shell-completion"} & set(sys.argv):
        extend_completion()
    try:
        hydra.main(config_path=str(options.CONF), config_name="train", version_base="1.3")(job)()
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError, OSError, Mistake) as error:
        # `execute` catches a job's own errors. These are Hydra's, one of which is an OSError, or of files it writes.
        bug = isinstance(error, OSError) and not isinstance(error, HydraException) and error.errno not in DISK
        if bug:
            raise
        if WANTS_TRACE:
            traceback.print_exc()
            sys.exit(1)
        with checking():
            raise
    sys.exit(JobRuntime.instance().get("exit_status"))


def _refuse_dashes(arguments: Sequence[str]) -> None:
    """Raises Mistake for an option of this project that is given as a flag, such as --epochs=3 or --verbose."""
    refuse_console_flags(arguments)
    for given in arguments:
        name, _, value = given.lstrip("-").partition("=")
        name = name.replace("-", "_")
        if given.startswith("--") and name in (*options.list_run_keys(), *options.GROUPS, "experiment", "lr"):
            name = "optimizer.lr" if name == "lr" else name
            example = value or {"dry_run": "true", "resume": "FOLDER", "join": "FOLDER"}.get(name, "VALUE")
            raise Mistake(f"{given}: an option has no dashes: give {name}={example}")


def job(config: DictConfig, claim: Claim | None = None) -> float | None:
    """Trains one run and returns what a search maximises. It returns to Hydra, which then calls the callbacks.

    claim: this program's on the run's folder, if others join in the sweep.
    """
    # Imported here, so that --help and mistakes are answered sooner.
    from alexnet.training.job import execute
    from alexnet.training.pruning import prune

    settings = HydraConfig.get()
    configure(config.console, config.language)
    run = Run(from_here(settings.runtime.output_dir), claim)
    guard_log(claim)
    multirun = Sweep(settings.sweep.dir).multirun
    if multirun.is_file():
        sync(multirun)  # Hydra doesn't, and a sweep that lost it in a power loss couldn't be resumed
    trained = OmegaConf.masked_copy(config, [str(key) for key in config if key not in LAUNCH])
    in_sweep = settings.mode is RunMode.MULTIRUN
    name = PLAN.name_fully(settings.job.num, settings.overrides.task) if in_sweep else ""
    if in_sweep and run.is_done():  # in a resumed sweep, or in a job that its cluster began again
        PLAN.end(None)
        say("{} is done: {}", name, (run.result() or {})["status"])
        prune(run)  # it may have been killed before that
        return score_run(run)
    serial = in_sweep and settings.launcher._target_.endswith(".BasicLauncher")
    if serial:
        say_job(settings)
    began = perf_counter()
    exit_status = execute(trained, run, label=name, checked=was_checked(settings))
    note_end(exit_status)
    PLAN.end(perf_counter() - began)
    if serial:
        table = write_report(settings.sweep.dir, config.report)
        if exit_status > 128:
            say_stopped(settings, table, joined=bool(config.join))
    else:  # alone, or in a process of its own, which ends with it; the process that started it writes the report
        JobRuntime.instance().set("exit_status", exit_status)
    return score_run(run)  # of a sweep, `Callbacks` stops the process after a signal


def guard_log(claim: Claim | None) -> None:
    """Has the claim checked before each line of the run's log."""
    for handler in logging.getLogger().handlers:
        if claim is not None:
            handler.addFilter(claim.check_before_line)


def say_job(settings: HydraConf) -> None:
    """Prints which job of a serial sweep begins."""
    number, described = settings.job.num, PLAN.describe(settings.overrides.task)
    say("")
    say("{}{}{}", PLAN.name(number), f": {described}" if described else "", PLAN.time_left())


def say_stopped(settings: HydraConf, table: str, joined: bool) -> None:
    """Prints what there is of a serial sweep that was stopped, and how to resume it. joined: by several programs."""
    print(f"\n{table}")
    folder = str(from_here(settings.sweep.dir))
    say_where_the_report_is(folder)
    warn("To resume it: {}", shlex.join(["python", *(sys.argv if joined else ["scripts/resume.py", folder])]))


def was_checked(settings: HydraConf) -> bool:
    """Whether the callback checked this job's values, and this machine for them.

    A person may remove it, a search draws its values later, and it ran on another machine if a cluster runs the job.
    """
    if settings.launcher._target_.endswith((".Slurm", ".Ray")):
        return False
    callback = settings.callbacks.get("alexnet", {}).get("_target_")
    return sweep.knows_jobs(settings.sweeper._target_) and callback == "alexnet.launch.callback.Launch"
