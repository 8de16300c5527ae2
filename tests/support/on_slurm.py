"""Runs sweeps on a real Slurm that it sets up on this machine, does to their jobs what clusters do, and checks the end.

It needs Debian's packages slurm-wlm and munge, takes some minutes, and prints what it saw:
    python tests/support/on_slurm.py
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.programs import ROOT
from support.slurm_cluster import find_missing, run_cluster

SWEEP = ["-m", "dataset=digits", "model=cuda_convnet", "epochs=2", "log_every=5", "device.threads=1"]
SEEDS = "seed=0,1,2,3,4"
ON_SLURM = ["hydra/launcher=slurm", "hydra.launcher.cpus=1", "hydra.launcher.minutes=2"]


class Sweeps:
    """Sweeps in a folder, on the cluster of `environment`."""

    def __init__(self, folder, environment):
        self.folder, self.began = folder, time.monotonic()
        paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
        self.environment = {"SECONDS_A_STEP": "2.5", **environment, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}

    def begin(self, script, *arguments):
        command = [sys.executable, str(ROOT / script), *arguments]
        print(f"\n$ {' '.join(['python', script, *arguments])}", flush=True)
        output = open(self.folder / "output", "w+")  # noqa: SIM115
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=output, stderr=output, start_new_session=True
        )

    def end(self, process):
        """What it printed, and its exit status."""
        status = process.wait(timeout=900)
        printed = (self.folder / "output").read_text()
        print(f"{printed}[exit status {status}, at {time.monotonic() - self.began:.0f} s]", flush=True)
        assert "Traceback" not in printed
        return printed, status

    def run(self, script, *arguments):
        return self.end(self.begin(script, *arguments))

    def do(self, *command):
        """One of Slurm's commands: what it printed."""
        print(f"  ({time.monotonic() - self.began:.0f} s) {' '.join(command)}", flush=True)
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout

    def wait_for(self, what, of, seconds=240):
        for _ in range(4 * seconds):
            if of():
                return
            time.sleep(0.25)
        raise AssertionError(f"{what} didn't happen in {seconds} s:\n{(self.folder / 'output').read_text()}")

    def find_number(self, run):
        """Slurm's number of the job of that run's folder."""
        listed = subprocess.run(["squeue", "-h", "-o%i|%k"], env=self.environment, capture_output=True, text=True)
        return next(
            (line.split("|")[0] for line in listed.stdout.splitlines() if line.endswith(f"|{self.folder / run}")), None
        )

    def has_rows(self, run, rows=1):
        table = self.folder / run / "losses.csv"
        return table.is_file() and len(table.read_text().splitlines()) > rows

    def read(self, run, name):
        path = self.folder / run / name
        return json.loads(path.read_text()) if path.is_file() else {}

    def list_weights(self, sweep, jobs=5):
        return [self.read(f"{sweep}/{job}", "result.json").get("weights_sha256") for job in range(jobs)]

    def list_statuses(self, sweep, jobs=5):
        return [self.read(f"{sweep}/{job}", "result.json").get("status") for job in range(jobs)]

    def count_starts(self, run):
        return 1 + len(self.read(run, "environment.json").get("earlier", []))


def see_what_happens_to_jobs(sweeps, weights):
    """Of five jobs, one meets its time limit alone, two are preempted, one is cancelled, one never starts."""
    process = sweeps.begin("tests/support/slow_train.py", *SWEEP, SEEDS, *ON_SLURM, "hydra.sweep.dir=fates")
    sweeps.wait_for("four jobs train", lambda: all(sweeps.has_rows(f"fates/{job}") for job in range(4)))
    sweeps.do("scancel", sweeps.find_number("fates/4"))  # it waits for a free CPU
    sweeps.do("scancel", sweeps.find_number("fates/3"))
    sweeps.wait_for("the cancelled job saved", lambda: sweeps.read("fates/3", "result.json"))
    sweeps.do("sbatch", "--partition=high", "--cpus-per-task=3", "--output=/dev/null", "--wrap=sleep 5")
    printed, status = sweeps.end(process)
    assert status == 1 and "3 of 5 ok" in printed
    assert printed.count("ended early: Slurm says CANCELLED") == 2
    assert sweeps.list_statuses("fates") == ["finished"] * 3 + ["interrupted", None]
    starts = [sweeps.count_starts(f"fates/{job}") for job in range(3)]
    print(f"starts of the jobs that finished: {starts}; reasons that they stopped before:")
    for job in range(3):
        log = (sweeps.folder / f"fates/{job}/train.log").read_text()
        print(f"  job {job + 1}: {[line.split('] ')[-1] for line in log.splitlines() if 'stopped by' in line]}")
        assert "stopped by SIGUSR2" in log
    assert sweeps.list_weights("fates")[:3] == weights[:3]
    printed, status = sweeps.run("scripts/resume.py", "fates")
    assert status == 0 and "5 of 5 ok" in printed


def kill_the_sweep(sweeps):
    """Its jobs go on, and the sweep that resumes it waits for them."""
    process = sweeps.begin("tests/support/slow_train.py", *SWEEP, SEEDS, *ON_SLURM, "hydra.sweep.dir=killed")
    sweeps.wait_for("a job trains", lambda: sweeps.has_rows("killed/0"))
    os.kill(process.pid, signal.SIGKILL)
    sweeps.end(process)
    printed, status = sweeps.run("scripts/resume.py", "killed")
    assert status == 0 and "5 of 5 ok" in printed and printed.count(", still") >= 4


def stop_the_sweep(sweeps):
    """Ctrl-C: the jobs save, and none is left in the queue."""
    process = sweeps.begin("tests/support/slow_train.py", *SWEEP, SEEDS, *ON_SLURM, "hydra.sweep.dir=stopped")
    sweeps.wait_for("four jobs train", lambda: all(sweeps.has_rows(f"stopped/{job}") for job in range(4)))
    os.killpg(process.pid, signal.SIGINT)
    printed, status = sweeps.end(process)
    assert status == 130 and "To resume it: python scripts/resume.py stopped" in printed
    assert sweeps.list_statuses("stopped") == ["interrupted"] * 4 + [None]
    assert not sweeps.do("squeue", "--noheader").strip()
    printed, status = sweeps.run("scripts/resume.py", "stopped")
    assert status == 0 and "5 of 5 ok" in printed


def make_mistakes(sweeps):
    """One sentence, and no folder."""
    for given in (
        "hydra.launcher.partition=nowhere",
        "hydra.launcher.cpus=100",
        "hydra.launcher.options={constraint: x}",
    ):
        printed, status = sweeps.run("scripts/train.py", *SWEEP, SEEDS, *ON_SLURM, "hydra.sweep.dir=mistake", given)
        assert status == 2 and printed.count("\n") == 1 and not (sweeps.folder / "mistake").exists()


def main():
    if missing := find_missing():
        sys.exit(f"A Slurm needs {', '.join(missing)}. On Debian: apt-get install slurm-wlm munge")
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, run_cluster(Path(name) / "cluster") as environment:
        sweeps = Sweeps(Path(name), environment)
        print(sweeps.do("sinfo"))
        make_mistakes(sweeps)
        sweeps.run("scripts/train.py", *SWEEP, SEEDS, "hydra.sweep.dir=serial")
        weights = sweeps.list_weights("serial")
        see_what_happens_to_jobs(sweeps, weights)
        kill_the_sweep(sweeps)
        stop_the_sweep(sweeps)
        print("\nSHA-256 of the weights, in serial and on Slurm:")
        for sweep in ("serial", "fates", "killed", "stopped"):
            print(f"  {sweep:8}", *(each[:12] for each in sweeps.list_weights(sweep)))
            assert sweeps.list_weights(sweep) == weights
        print("All promises held.")


if __name__ == "__main__":
    main()
