"""Writes what layers give: python scripts/features.py outputs/DATE/TIME test --layer fc6,fc7

Images: train, validation or test of the run's own data, or files and folders.
Each layer becomes LAYER.npy, a row for each image, after ReLU and before
dropout; index.csv has the rows' files and classes, about.json all the rest.
The same command continues after an interruption.
"""

import sys
from argparse import Namespace

from alexnet.errors import mistakes_end_the_program
from alexnet.launch.arguments import Parser


def parse() -> Namespace:
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("run", metavar="RUN", help="a run's folder, or a file of weights such as alexnet.pth")
    add("images", nargs="+", metavar="PATH", help="train, validation, test; or files, folders, patterns, - for stdin")
    add("--layer", required=True, metavar="NAME,...", help="conv1 to fc8")
    add("--before-relu", action="store_true", help="what the activation is given")
    add("--invert", action="store_true", help="make light what is dark, for networks that learnt light on black")
    add("--weights", choices=("best", "last"), help="default: those that the run was tested with")
    add("--device", choices=("auto", "cpu", "cuda", "mps"), help="default: the run's own, if it is here")
    add("--out", metavar="FOLDER", help="default: RUN/features/test, or RUN/features/files")
    add("--force", action="store_true", help="replace features that are there already")
    parser.add_config_dir()
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    arguments = parse()
    with mistakes_end_the_program():
        from alexnet.inference.extract import extract

        sys.exit(extract(**vars(arguments)))
