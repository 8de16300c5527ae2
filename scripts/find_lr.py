"""Finds a learning rate: python scripts/find_lr.py dataset=digits optimizer=adamw

Takes the overrides of scripts/train.py. Trains a new network of each seed with
a rate that grows from step to step, and draws its loss over the rate. Then it
suggests a rate, with the command of the sweep that checks it. It never looks
at the test images. Ctrl-C shows the seeds so far.
"""

import sys
from argparse import Namespace

from alexnet.config.compose import checking
from alexnet.launch.arguments import Parser, above_zero, refuse_console_flags
from alexnet.launch.find_lr import find_lr


def parse() -> Namespace:
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("overrides", nargs="*", metavar="key=value", help="such as model=NAME, dataset=NAME, experiment=NAME")
    add("--seeds", type=above_zero(int), default=3, metavar="N", help="how many, from seed on; default: 3")
    rate = {"type": above_zero(float), "metavar": "RATE"}
    add("--from", dest="lowest", **rate, help="default: a tenth of the optimizer's usual rate, which conf/ has")
    add("--to", dest="highest", **rate, help="default: 1000 times the usual rate")
    add("--steps", type=above_zero(int), default=400, metavar="N", help="from the one to the other; default: 400")
    parser.add_config_dir()
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    with checking():
        refuse_console_flags(sys.argv[1:])
        sys.exit(find_lr(parse()))
