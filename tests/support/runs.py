"""A run in this process, without the command line."""

from alexnet.runs.folder import Run
from alexnet.runs.texts import TEXTS
from alexnet.training import loop
from alexnet.training.build import assemble
from alexnet.training.signals import Signals


def run_in(folder, config):
    """(training, result) of a run in that folder."""
    folder.mkdir(exist_ok=True)
    run, training = Run(folder), assemble(config)
    with Signals() as signals:
        result = loop.train(run, training, loop.restore(run, training), signals, TEXTS["en"])
    return training, result
