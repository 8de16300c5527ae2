"""scripts/train.py whose hydra/launcher=slurm has submitit run the jobs on this machine: no Slurm is needed."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from alexnet.launch import slurm, train


class Slurm(slurm.Slurm):
    __module__ = "hydra_plugins.alexnet"
    cluster, begun = "local", {}

    def check(self):
        pass

    def submit(self, config, folder):
        job = super().submit(config, folder)
        self.begun[job.job_id] = job, folder
        return job

    def read_queue(self):
        states = {"RUNNING": "RUNNING", "FINISHED": "COMPLETED", "INTERRUPTED": "CANCELLED"}
        return {number: (states[job.state], "None", str(folder)) for number, (job, folder) in self.begun.items()}

    def read_exit_status(self, number):
        """submitit's controller doesn't tell that of the job."""
        return 0 if (self.begun[number][1] / "result.json").exists() else -signal.SIGKILL

    def stop(self, running, number):
        for started in running.values():
            os.kill(int(started.handle.number), signal.SIGTERM)


if __name__ == "__main__":
    import hydra_plugins.alexnet
    from support import submitit_local

    train.slurm.Slurm = hydra_plugins.alexnet.Slurm = submitit_local.Slurm
    slurm.POLL_SECONDS = 0.2
    train.main()
