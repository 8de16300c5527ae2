"""hydra/launcher=slurm on a real Slurm that the test sets up; tests/support/on_slurm.py does more of the same."""

import pytest

from support.on_slurm import ON_SLURM, SWEEP, Sweeps
from support.slurm_cluster import find_missing, run_cluster

pytest.importorskip("submitit", reason="submitit isn't installed: pip install -e '.[slurm]'")


@pytest.mark.slow
@pytest.mark.skipif(find_missing() != [], reason=f"a real Slurm needs {', '.join(find_missing())}")
def test_a_preempted_job_goes_on_and_a_cancelled_one_is_told(tmp_path):
    with run_cluster(tmp_path / "cluster") as environment:
        sweeps = Sweeps(tmp_path, {**environment, "SECONDS_A_STEP": "0.7"})
        process = sweeps.begin("tests/support/slow_train.py", *SWEEP, "seed=0,1", *ON_SLURM, "hydra.sweep.dir=sweep")
        sweeps.wait_for("both jobs train", lambda: all(sweeps.has_rows(f"sweep/{job}") for job in range(2)))
        sweeps.do("scontrol", "requeue", sweeps.find_number("sweep/0"))
        sweeps.do("scancel", sweeps.find_number("sweep/1"))
        printed, status = sweeps.end(process)
        assert status == 1 and "1 of 2 ok" in printed and "job 1 of 2 is in Slurm's queue: requeued" in printed
        assert "ended early: Slurm says CANCELLED" in printed
        assert sweeps.list_statuses("sweep", 2) == ["finished", "interrupted"]
        assert sweeps.count_starts("sweep/0") == 2
        sweeps.run("scripts/train.py", *SWEEP[1:], "seed=0", "hydra.run.dir=alone/0")
        assert sweeps.list_weights("sweep", 1) == sweeps.list_weights("alone", 1)
