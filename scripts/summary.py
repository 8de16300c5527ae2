"""Shows a network layer by layer, and draws it: python scripts/summary.py model=alexnet_2012

Takes the overrides of scripts/train.py. It reads no data. The number of classes
is known for datasets such as cifar10; for your own dataset give --classes.
"""

from argparse import Namespace

from alexnet.config.compose import checking
from alexnet.launch.arguments import Parser, above_zero
from alexnet.launch.summary import summarise


def parse() -> Namespace:
    parser = Parser(description=__doc__)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="such as model=NAME, dataset=NAME")
    parser.add_argument(
        "--classes", type=above_zero(int), metavar="N", help="default: those of the dataset if known, else 1000"
    )
    parser.add_argument(
        "--channels", type=above_zero(int), metavar="N", help="default: those of the dataset if known, else 3"
    )
    parser.add_argument("--out", metavar="PATH", help="draws PATH.png and PATH.svg; default: outputs/summary/MODEL")
    parser.add_config_dir()
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    given = parse()
    with checking():
        summarise(given.overrides, given.classes, given.channels, given.out)
