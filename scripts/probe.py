"""Measures what a linear classifier finds in each layer: python scripts/probe.py outputs/DATE/TIME

Prints a row for each layer, and writes probe.json and probe.png into the
run's folder. dataset=NAME probes the layers on other images and classes;
dataset.share=0.1 uses a tenth of the training images.
"""

import sys
from argparse import Namespace

from alexnet.errors import mistakes_end_the_program
from alexnet.launch.arguments import Parser


def parse() -> Namespace:
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("run", metavar="RUN", help="a run's folder, or a file of weights such as alexnet.pth")
    add("overrides", nargs="*", metavar="key=value", help="dataset=NAME, dataset.root=FOLDER, dataset.share=0.1")
    add("--layers", metavar="NAME,...", help="such as conv1,conv5,fc7; default: all but the last")
    add("--out", metavar="FOLDER", help="where probe.json and probe.png go; default: RUN/probe")
    add("--force", action="store_true", help="replace files that are there already")
    parser.add_config_dir()
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    arguments = parse()
    with mistakes_end_the_program():
        from alexnet.inference.probe_report import probe_run

        sys.exit(probe_run(**vars(arguments)))
