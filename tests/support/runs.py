"""A run in this process, without the command line."""

from alexnet.runs import checkpoints
from alexnet.runs.folder import Run
from alexnet.training import loop
from alexnet.training.build import assemble
from alexnet.training.result import compute_result
from alexnet.training.signals import Signals
from alexnet.training.state import restore_checkpoint


def run_in(folder, config):
    """(training, result) of a run in that folder."""
    folder.mkdir(exist_ok=True)
    run, training = Run(folder), assemble(config)
    state = restore_checkpoint(run, training)
    with Signals() as signals:
        loop.train(run, training, state, signals)
        return training, compute_result(run, training, state)


def change_checkpoint(run, **state):
    """As if the run had saved that state with the rows that are in the folder now."""
    saved = checkpoints.load(run.checkpoints, "last")
    saved = {**saved, "state": {**saved["state"], **state}, "folder": run.seal()}
    checkpoints.save(run.checkpoints, "last", saved)
