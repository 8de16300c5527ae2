"""Shows a network layer by layer, and draws it: python scripts/summary.py model=alexnet_2012

Takes the overrides of scripts/train.py. No data is read: of the datasets that come with a name the number of
classes is known; for others, and for a try, give --classes.
"""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from alexnet.config.compose import checking
from alexnet.launch.summary import summarise


def parse() -> Namespace:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="such as model=NAME, dataset=NAME")
    parser.add_argument("--classes", type=int, metavar="N", help="default: the dataset's, where it is known, else 1000")
    parser.add_argument("--channels", type=int, metavar="N", help="default: the dataset's, where it is known, else 3")
    parser.add_argument("--out", metavar="PATH", help="draws PATH.png and PATH.svg; default: outputs/summary/MODEL")
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    given = parse()
    with checking():
        summarise(given.overrides, given.classes, given.channels, given.out)
