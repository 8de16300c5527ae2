"""A sweep reports truthfully while it runs, and resumes where it was interrupted."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from alexnet.comparison.metrics import NUMBERS
from alexnet.comparison.records import read
from alexnet.errors import Mistake
from alexnet.launch.sweep import check_metrics, warn_of_repeats
from alexnet.launch.sweep_report import write_report
from alexnet.runs.folder import Run
from support.programs import ROOT, list_run_folders, run_script, start_script, train_command
from support.run_folders import make, table, without_times

RESUME = [sys.executable, str(ROOT / "scripts" / "resume.py")]


@pytest.mark.slow
def test_failing_jobs_are_told_at_once_and_the_others_run(train, small, tmp_path):
    """Three jobs, one diverges: numbered folders, one line with its cause, a table best first, '2 of 3 ok', exit 1."""
    done = train("-m", *small, "epochs=1", "optimizer.lr=1e30,0.01,0.001")
    assert done.returncode == 1
    assert sorted(folder.name for folder in list_run_folders(tmp_path)) == ["0", "1", "2"]
    (sweep,) = {folder.parent for folder in list_run_folders(tmp_path)}
    assert sweep.parent.parent == tmp_path / "outputs"
    (told,) = [line for line in done.stderr.splitlines() if "ended early" in line]
    assert told.startswith("job 1 of 3 (") and "optimizer.lr=1e+30" in told and "Try a lower optimizer.lr" in told
    assert "Traceback" not in done.stderr + done.stdout
    assert (
        "Traceback" in (sweep / "0" / "train.log").read_text()
        and "Traceback" not in (sweep / "1" / "train.log").read_text()
    )
    assert done.stdout.splitlines()[-1] == "2 of 3 ok"
    rows = table(sweep)
    assert [row["status"] for row in rows] == ["finished", "finished", "diverged"]
    accuracies = [float(row["test_accuracy"]) for row in rows[:2]]
    assert accuracies == sorted(accuracies, reverse=True)
    for row in rows[:2]:
        assert float(row["test_accuracy"]) == Run(tmp_path / row["folders"]).result()["test_accuracy"]
        assert row["optimizer.lr"] in done.stdout and Path(row["folders"]).name in done.stdout
    assert (sweep / "sweep.png").stat().st_size > 10_000 and "| optimizer.lr" in (sweep / "sweep.md").read_text()


def test_a_number_that_no_run_will_have_is_refused_in_a_dry_run_too(train, tmp_path):
    done = train("-m", "dataset=digits", "seed=0,1", "report.metrics=[test_accuracy,test_eror]", "dry_run=true")
    assert done.returncode == 2 and done.stdout == "" and not list(tmp_path.iterdir())
    told = "report.metrics=[test_accuracy,test_eror]: no run has test_eror; did you mean test_error?"
    assert done.stderr == f"{told}\n"


def test_every_number_of_a_finished_run_may_be_in_the_report_that_of_validation_only_with_it(trained, compose):
    run = trained("dataset.validation=0.3")
    numbers = {name for name in read(run).metrics if not name.startswith("per_class_accuracy.")}
    assert numbers == set(NUMBERS)
    report = OmegaConf.create({"metrics": [*read(run).metrics, "epochs_to_12.5"]})
    configs = [compose("dataset=digits", f"dataset.validation={share}") for share in (0, 0.1)]
    check_metrics(report, configs)
    check_metrics(report, [])  # of a sweeper whose jobs aren't known
    with pytest.raises(Mistake, match=r"validation_accuracy needs held-out images: give dataset.validation=0\.1"):
        check_metrics(report, configs[:1])


def test_a_sweep_that_was_stopped_in_its_first_job_reports_by_validation_as_when_it_is_complete(tmp_path, capsys):
    (tmp_path / "multirun.yaml").touch()
    stopped = {"status": "interrupted", "reason": "stopped by SIGINT"}
    make(tmp_path / "0", {"dataset.validation": 0.1}, accuracy=None, result=stopped)
    report = OmegaConf.create({"metrics": None, "best_of": None})
    assert list(map(str.strip, re.findall("[a-z]+_accuracy", write_report(tmp_path, report)))) == [
        "validation_accuracy",
        "test_accuracy",
    ]


@pytest.mark.slow
def test_a_job_in_a_sweep_equals_the_job_alone_and_seeds_are_averaged(train, small, tmp_path):
    assert train("-m", *small, "epochs=1", "seed=range(0,2)", "optimizer.lr=0.01", "hydra.sweep.dir=s").returncode == 0
    assert train(*small, "epochs=1", "seed=1", "optimizer.lr=0.01", "hydra.run.dir=alone").returncode == 0
    inside, alone = Run(tmp_path / "s" / "1").result(), Run(tmp_path / "alone").result()
    assert inside["weights_sha256"] == alone["weights_sha256"]
    (row,) = table(tmp_path / "s")
    both = [Run(tmp_path / "s" / str(seed)).result()["test_accuracy"] for seed in (0, 1)]
    assert row["n"] == "2" and float(row["test_accuracy"]) == pytest.approx(sum(both) / 2)


@pytest.mark.slow
def test_a_claim_is_a_sweep_that_needs_no_m_and_reports_by_its_own_metric(train, small, tmp_path):
    """Two activations at two rates: a row for each at its better one, by the epochs to 25% training error."""
    rates = ["optimizer.lr=0.02,1e-9", "seed=0", "epochs=8", "hydra.sweep.dir=s"]
    done = train("experiment=paper/relu", *[given for given in small if not given.startswith("epochs")], *rates)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "4 of 4 ok", done.stderr
    assert [(row["model.activation"], row["optimizer.lr"]) for row in table(tmp_path / "s")] in (
        [("relu", "0.02"), ("tanh", "0.02")],
        [("tanh", "0.02"), ("relu", "0.02")],
    )
    for row in table(tmp_path / "s"):
        errors = [1 - epoch["accuracy"] for epoch in Run(tmp_path / row["folders"]).epochs()]
        first = next(number for number, error in enumerate(errors, 1) if error <= 0.25)
        assert first - 1 <= float(row["epochs_to_25"]) <= first
    assert "only the best of optimizer.lr=1e-09,0.02 is shown" in (tmp_path / "s" / "sweep.md").read_text()


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_and_ends_as_if_never_stopped(train, small, tmp_path):
    """SIGKILL during the second of three jobs; the report is right then; the rest runs in the same folders, by
    scripts/resume.py and by the sweep's own command."""
    arguments = ["-m", *small, "epochs=1", "optimizer.lr=0.02,0.01,0.005", "checkpoint_minutes=0.001"]
    assert train(*arguments, "hydra.sweep.dir=whole").returncode == 0
    sweep, kept = tmp_path / "扫 (1)", tmp_path / "kept"
    slow = [*train_command(*arguments), f"hydra.sweep.dir={sweep.name}"]
    process, _ = start_script(slow, tmp_path)
    while not (sweep / "1" / "losses.csv").is_file():
        assert process.is_alive()
        time.sleep(0.01)
    process.kill()
    process.join()
    (row,) = table(sweep)
    assert row["status"] == "finished" and row["folders"] == "扫 (1)/0"
    first = (sweep / "0" / "checkpoints" / "last.pt").stat().st_mtime_ns

    for go_on in ([*RESUME, sweep.name], train_command(*arguments, f"resume={sweep.name}")):
        shutil.copytree(sweep, kept)
        done = run_script(go_on, tmp_path)
        assert done.returncode == 0, done.stderr
        assert "is done: finished" in done.stdout and done.stdout.splitlines()[-1] == "3 of 3 ok"
        assert (sweep / "0" / "checkpoints" / "last.pt").stat().st_mtime_ns == first
        assert sorted(path.name for path in sweep.iterdir() if path.is_dir()) == ["0", "1", "2"]
        assert without_times(table(sweep)) == without_times(table(tmp_path / "whole"))
        for job in "012":
            ends = [Run(folder / job).result()["weights_sha256"] for folder in (sweep, tmp_path / "whole")]
            assert ends[0] == ends[1]
        shutil.rmtree(sweep)
        kept.rename(sweep)


@pytest.mark.slow
def test_other_arguments_than_the_sweeps_are_refused_with_the_difference(train, small, tmp_path):
    assert train("-m", *small, "epochs=1", "seed=0,1", "hydra.sweep.dir=s").returncode == 0
    refused = train("-m", *small, "epochs=3", "seed=0,1", "resume=s")
    assert refused.returncode == 2 and "without epochs=1, with epochs=3" in refused.stderr
    nowhere = train("-m", *small, "resume=nowhere")
    assert nowhere.returncode == 2 and "isn't the folder of a sweep" in nowhere.stderr
    parallel = train("-m", *small, "epochs=1", "seed=0,1", "resume=s", "hydra/launcher=parallel")
    assert parallel.returncode == 2 and "with hydra.launcher._target_=hydra_plugins.alexnet.Parallel" in parallel.stderr
    alone = train(*small, "resume=s")
    assert alone.returncode == 2 and "scripts/resume.py s" in alone.stderr


@pytest.mark.parametrize("sweeper", ["basic", "search"])
def test_params_that_are_no_mapping_are_a_mistake(train, tmp_path, sweeper):
    done = train("-m", f"hydra/sweeper={sweeper}", "hydra.sweeper.params=5", "dataset.validation=0.1")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "hydra.sweeper.params=5" in done.stderr and "did you mean" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("launcher", ["basic", "parallel"])
def test_two_jobs_of_one_folder_are_a_mistake_before_any_runs(train, tmp_path, launcher):
    given = ["-m", f"hydra/launcher={launcher}", "optimizer.lr=0.1,0.01", "seed=0,1", "dry_run=true"]
    by_rate = train(*given, "hydra.sweep.subdir=lr-${optimizer.lr}")
    assert by_rate.returncode == 2 and by_rate.stderr.count("\n") == 1
    assert "jobs 1 and 2 would both have the folder lr-0.1" in by_rate.stderr
    by_both = train(*given, "hydra.sweep.subdir=${hydra.job.override_dirname}")
    assert by_both.returncode == 0, by_both.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("jobs, arguments", [(1, ["seed=3"]), (6, ["-m", "optimizer.lr=0.1,0.01", "seed=range(0,3)"])])
def test_dry_run_lists_the_jobs_and_runs_nothing(train, tmp_path, jobs, arguments):
    done = train(*arguments, "dry_run=true")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == jobs + 1 and all(line.startswith(f"job {n}: ") for n, line in enumerate(lines[:-1], 1))
    sizes = "230 MB of disk (460 MB while training)" if jobs == 1 else "1.4 GB of disk (1.6 GB while training)"
    assert f"{jobs} job{'s' * (jobs > 1)} in outputs/" in lines[-1] and lines[-1].endswith(f"{sizes}; nothing was run")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_failed_jobs_memory_is_free_before_the_next_begins(small, tmp_path):
    """Job 0 fails in the middle of training with its network alive; job 1 looks for networks before it builds one."""
    program = f"""
import gc, sys
sys.argv = ["train.py", "-m", *{small!r}, "epochs=1", "seed=0,1", "hydra.sweep.dir=s"]
import torch
from alexnet.launch import train
from alexnet.training import build, loop
fit, assemble, alive = loop.train, build.assemble, []

def failing(run, training, state, signals):
    if training.seed == 0:
        network = training.model
        raise RuntimeError("out of memory")
    fit(run, training, state, signals)

def watched(config, **others):
    gc.collect()
    alive.append(sum(isinstance(thing, torch.nn.Module) for thing in gc.get_objects()))
    return assemble(config, **others)

loop.train, build.assemble = failing, watched
try:
    train.main()
except SystemExit as end:
    assert end.code == 1
print(alive)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[0, 0]", done.stderr
    assert "RuntimeError: out of memory" in done.stderr and "1 of 2 ok" in done.stdout


def test_jobs_that_give_the_same_numbers_are_told_however_they_are_typed(compose, capsys):
    jobs = [["optimizer.lr=0.1"], ["optimizer.lr=1e-1", "note=again"], ["seed=1"], ["language=zh", "seed=1"]]
    warn_of_repeats(jobs, [compose(*job) for job in jobs])
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and all(" are the same: " in line for line in told)


def test_a_dry_run_tells_equal_jobs(train):
    done = train("-m", "optimizer.lr=0.1,0.10", "dataset=digits", "model=cuda_convnet", "dry_run=true")
    assert done.returncode == 0 and "Jobs 1 and 2 are the same: optimizer.lr=0.1 " in done.stderr


ENGLISH = re.compile(r"[A-Za-z]{3,}( [A-Za-z]{3,}){2,}")  # a sentence: three words


@pytest.mark.slow
def test_a_sweeps_console_counts_its_jobs_ends_with_its_report_and_is_chinese_if_asked(train, small, tmp_path):
    sweep = ["-m", *small, "dataset.validation=0.2", "epochs=1", "seed=0,1", "optimizer.lr=0.01", "hydra.sweep.dir=s"]
    sweep += ["language=zh", "optimizer.weight_decay=0,0.001"]
    done = train(*sweep)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "扫描: 4 个任务, 目录 s"
    jobs = [line for line in lines if line.startswith("任务 ")]
    assert jobs[0] == "任务 1/4: seed=0 optimizer.weight_decay=0"
    assert re.fullmatch(r"任务 4/4: seed=1 optimizer.weight_decay=0.001, 约剩 00:\d\d", jobs[3]) and len(jobs) == 4
    assert lines[-2:] == ["报告: s/sweep.md, sweep.csv, sweep.png", "4 / 4 成功"]
    commands = re.compile(r"python scripts/.*|\[Epoch.*|optimizer.weight_decay  n .*")
    assert not [line for line in lines if ENGLISH.search(commands.sub("", line))]
    assert not [line for line in done.stderr.splitlines() if ENGLISH.search(line)]
    again = train(*sweep, "console=quiet", "resume=s")
    assert again.returncode == 0 and again.stdout.startswith("optimizer.weight_decay  n")
    assert "\n\n报告: s/sweep.md, sweep.csv, sweep.png\n" in again.stdout
    assert again.stdout.endswith("4 / 4 成功\n") and "任务" not in again.stdout
