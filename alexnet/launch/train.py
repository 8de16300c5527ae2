"""Around Hydra: checks before any work, folders of one's own, errors in a sentence, exit statuses."""

import os
import re
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from alexnet.config import checks, options
from alexnet.errors import Failure, Mistake
from alexnet.launch import parallel, search, sweep
from alexnet.launch.arguments import mistakes_end_the_program
from alexnet.runs.folder import Run, check_space, claim
from alexnet.training.job import execute


def main() -> None:
    """scripts/train.py: from the command line to one run, or with -m to a sweep of them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # outside a job Ctrl-C just ends the program, without a trace
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a terminal without Chinese still gets its lines
    arguments = map(sweep.parsable, sys.argv[1:])
    # Wherever it was given: Hydra takes options before and behind all overrides, but not among them.
    sys.argv[1:] = sorted(arguments, key=lambda argument: argument not in ("-m", "--multirun"))
    wants_trace = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra reports errors by itself, at length and with status 1
    for plugin in (parallel.Parallel, search.Search):  # Hydra itself finds none in an editable install
        Plugins.instance().register(plugin)
    try:
        hydra.main(config_path=str(options.CONF), config_name="train", version_base="1.3")(job)()
    except (HydraException, OmegaConfBaseException, ValueError, Mistake):  # a job's own errors end in execute
        if wants_trace:
            raise
        with checking():
            raise


def job(config: DictConfig) -> float | None:
    """One run: alone it ends the program with its exit status; in a sweep it returns what a search maximises."""
    settings = HydraConfig.get()
    run = Run(settings.runtime.output_dir)
    trained = OmegaConf.masked_copy(config, [key for key in config if key not in checks.LAUNCH])
    if settings.mode is not RunMode.MULTIRUN:
        sys.exit(execute(trained, run))
    name = sweep.job_name(settings)
    if config.resume and run.is_done():
        print(f"{name} is done: {run.result()['status']}")
    else:
        exit_status = execute(trained, run, f"{name} ended early: ")
        table = sweep.report(settings)
        if exit_status > 128:  # a person wants the sweep to stop, not only this job
            print(table)
            sys.exit(exit_status)
    return sweep.score(run)


class Launch(Callback):
    """What Hydra calls before the first and after the last job. metrics, best_of: what a sweep is compared by."""

    def __init__(self, metrics: Sequence[str], best_of: str | None):
        pass  # sweep.report, which every job calls, reads them from the configuration

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Checks every value, then makes a folder that is this run's alone."""
        with checking(), open_dict(config):
            checks.check(without_hydra(config))
            checks.check_images(config)
            if config.resume:
                raise Mistake(
                    f"resume={config.resume} goes on with a sweep, together with -m. A run goes on with "
                    f"python scripts/resume.py {config.resume}"
                )
            if config.dry_run:
                print(sweep.plan([config.hydra.overrides.task], disk_bytes([config]), config.hydra.run.dir))
                sys.exit()
            checks.check_machine(config)
            config.hydra.run.dir = str(claim(config.hydra.run.dir))

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Checks every value of every job and the disk, then makes a folder that is this sweep's alone."""
        with checking(), open_dict(config):
            sweep.check(config)
            parallel.check(config)
            planned = sweep.jobs(config)
            configs, subdirs = [], []
            for number, overrides in enumerate(planned):
                each = GlobalHydra.instance().config_loader().load_sweep_config(config, overrides)
                each.hydra.job.num = number
                subdirs.append(sweep.subdir(each.hydra))
                configs.append(without_hydra(each))
                checks.check(configs[-1])
                checks.check_images(configs[-1])
            if config.hydra.sweeper._target_ != search.TARGET:  # whose jobs are not these, but between them
                sweep.check_subdirs(subdirs)
            if config.dry_run:
                print(sweep.plan(planned, disk_bytes(configs), config.hydra.sweep.dir))
                sys.exit()
            for each in configs:
                checks.check_machine(each)
            if config.resume:
                folder = str(sweep.existing(config))
            else:
                way_out = "give a folder on another disk with hydra.sweep.dir=FOLDER"
                check_space(Path(config.hydra.sweep.dir), disk_bytes(configs), way_out)
                folder = str(claim(config.hydra.sweep.dir))
            config.hydra.sweep.dir = folder
            config.hydra.overrides.hydra.append(f"hydra.sweep.dir={sweep.quoted(folder)}")  # each job is composed anew

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """The table of all jobs; status 1 where one of them didn't finish. In a search to diverge is a result."""
        print(sweep.report(config.hydra))
        statuses = sweep.statuses(config.hydra.sweep.dir)
        print(f"{statuses['finished']} of {statuses.total()} ok")
        results = {"finished", "diverged"} if config.hydra.sweeper._target_ == search.TARGET else {"finished"}
        if set(statuses) - results:
            sys.exit(1)


def composed(overrides: Sequence[str]) -> tuple[DictConfig, DictConfig]:
    """What scripts/train.py would take from these overrides, unchecked, and the option taken of each group."""
    with hydra.initialize_config_dir(str(options.CONF), version_base="1.3"):
        config = hydra.compose("train", [sweep.parsable(given) for given in overrides], return_hydra_config=True)
    return without_hydra(config), config.hydra.runtime.choices


def without_hydra(config: DictConfig) -> DictConfig:
    """The run's own part of what Hydra composed."""
    return OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])


def disk_bytes(configs: Sequence[DictConfig]) -> int:
    """What the runs' folders may come to, at most, in bytes."""
    from alexnet.training.build import disk_bytes

    needs = [disk_bytes(config) for config in configs]
    return sum(kept for kept, _ in needs) + max((replacing for _, replacing in needs), default=0)


@contextmanager
def checking() -> Iterator[None]:
    """Ends the program for any exception: from a callback Hydra would swallow it and go on."""
    with mistakes_end_the_program():
        try:
            yield
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            raise Mistake(explain(error)) from error
        except (Mistake, Failure):
            raise
        except Exception:  # a bug
            traceback.print_exc()
            sys.exit(1)


def explain(error: Exception) -> str:
    """One sentence for what Hydra or OmegaConf refused, with the nearest name that there is."""
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, option = error.missing_cfg_file.rpartition("/")
        names = list(error.options)
        if error.missing_cfg_file.startswith("experiment/"):  # its folders hold options, and are no groups
            group, _, option = error.missing_cfg_file.partition("/")
            folder = options.CONF / group
            names = [str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.yaml")]
        return f"{group}={option}: there is no such {group}{options.nearest(option, names)}"
    if isinstance(error, OverrideParseException):
        return f"'{error.override}': expected KEY=VALUE, such as optimizer.lr=0.01"
    cause = error.__cause__
    key = getattr(cause, "full_key", None)
    parent = getattr(cause, "parent_node", None)
    if key and isinstance(cause, (ConfigKeyError, ConfigAttributeError)) and isinstance(parent, DictConfig):
        prefix, dot, name = key.rpartition(".")
        known = [str(option) for option in parent if option not in ("_target_", "hydra")]
        return f"{key} isn't a key of this configuration{options.nearest(name, known, prefix + dot)}"
    unknown_group = re.search(r"Could not override '([^']+)'\.\s*No match in the defaults list", str(error))
    if unknown_group:
        return f"{unknown_group[1]} isn't a group{options.nearest(unknown_group[1], [*options.GROUPS, 'experiment'])}"
    if "Config group override must be" in str(error):
        return f"A group takes the name of one of its options, for example model=alexnet_cifar. ({error})"
    return " ".join(f"{error} {cause or ''}".split())
