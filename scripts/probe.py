"""Measures what a linear classifier finds in each layer: python scripts/probe.py outputs/DATE/TIME

Prints a row for each layer, and writes probe.json and probe.png into the
run's folder. dataset=NAME probes the layers on other images and classes;
dataset.share=0.1 uses a tenth of the training images.
"""

from alexnet.inference.probe_report import probe_run
from alexnet.launch.arguments import run_on_folder

if __name__ == "__main__":
    run_on_folder(
        __doc__,
        lambda folder, overrides, **flags: probe_run(folder, overrides, **flags),
        layers={"metavar": "LAYER,...", "help": "such as conv1,conv5,fc7; default: all but the last"},
        out={"metavar": "FOLDER", "help": "where probe.json and probe.png go; default: RUN/probe"},
        force="replace files that are there already",
    )
