"""What every launcher of this project promises, seen with an engine whose jobs only pretend to run."""

import signal

import hydra
import pytest
from hydra._internal.callbacks import Callbacks
from hydra.types import HydraContext
from omegaconf import OmegaConf

from alexnet.launch.launcher import JobLauncher
from alexnet.launch.sweep_report import count_statuses
from alexnet.runs.folder import Run
from support.programs import ROOT


class Loader:
    """In place of Hydra's: every job has the sweep's configuration."""

    def load_sweep_config(self, config, _):
        return OmegaConf.create(config)


class Pretending(JobLauncher):
    """Each job ends as `ends` says, by its number; until it is told to stop if that is None."""

    at_once, has_gpus = 2, False

    def __init__(self, ends, wait=lambda: None):
        self.ends, self.wait_once, self.most, self.stopped = ends, wait, 0, []

    def check(self):
        pass

    def count_threads(self, at_once):
        return 1

    def start(self, config, slot):
        end = self.ends[config.hydra.job.num]
        if isinstance(end, Exception):
            raise end
        if end == 0:
            Run(f"{config.hydra.sweep.dir}/{config.hydra.job.num}").write_result({"status": "finished"})
        return config.hydra.job.num

    def wait(self, running):
        self.most = max(self.most, len(running))
        self.wait_once()

    def find_ends(self, running):
        ends = {slot: self.ends[started.handle] for slot, started in running.items()}
        return {slot: end for slot, end in ends.items() if end is not None}

    def stop(self, running, number):
        self.stopped.append((number, sorted(started.handle for started in running.values())))
        self.ends = [128 + number] * len(self.ends)


@pytest.fixture
def launch(tmp_path):
    """launch([0, 0]) runs two jobs that end well, and gives the launcher."""

    def launch(ends, **others):
        overrides = [f"hydra.sweep.dir={tmp_path}", "dataset=digits"]
        with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            config = hydra.compose("train", overrides, return_hydra_config=True)
        launcher = Pretending(ends, **others)
        context = HydraContext(Loader(), Callbacks())
        launcher.setup(hydra_context=context, task_function=None, config=config)
        try:
            launcher.launch([[]] * len(ends), initial_job_idx=0)
        finally:
            launch.last = launcher
        return launcher

    return launch


def test_a_job_that_never_began_is_told_and_is_in_the_report(launch, tmp_path, capsys):
    """As when it is cancelled in a queue, or its process dies at once: the sweep must not end as if all had."""
    assert launch([0, "cancelled in the queue", 0]).most == 2
    assert "ended early: cancelled in the queue" in capsys.readouterr().err
    assert count_statuses(tmp_path) == {"finished": 2, "unfinished": 1}
    assert (tmp_path / "sweep.csv").is_file()


def test_a_signal_stops_what_runs_and_starts_no_more(launch, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        launch([None, None, 0], wait=lambda: signal.raise_signal(signal.SIGINT))
    assert ended.value.code == 130 and launch.last.stopped == [(signal.SIGINT, [0, 1])]
    assert "To resume it: python scripts/resume.py" in capsys.readouterr().err
    assert not (tmp_path / "2").exists() and (tmp_path / "sweep.csv").is_file()


def test_if_a_job_cannot_be_started_the_others_save_and_end(launch):
    with pytest.raises(OSError, match="No space"):
        launch([None, OSError(28, "No space")])
    assert launch.last.stopped == [(signal.SIGTERM, [0])]
