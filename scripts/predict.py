"""Predicts what image files show: python scripts/predict.py outputs/DATE/TIME photo.jpg

RUN is a run's folder, or a file of weights that torchvision publishes for its
AlexNet. PATH is an image, a folder, a pattern such as 'photos/**/*.jpg', or -
for names on stdin. Images in folders that are called as classes are give an
accuracy. A file that can't be read is a line with the reason; then the exit
status is 1.
"""

import sys
from argparse import Namespace

from alexnet.data.preparation import VIEWS
from alexnet.errors import mistakes_end_the_program
from alexnet.launch.arguments import Parser, above_zero


def parse() -> Namespace:
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("run", metavar="RUN", help="a run's folder, or a file of weights such as alexnet.pth")
    add("paths", nargs="+", metavar="PATH", help="images, folders, patterns; - for names on stdin")
    add("--top", type=above_zero(int), metavar="K", help="how many classes to show of each image; default: 5")
    add("--views", type=int, choices=VIEWS, help="of each image; default: as the run was tested")
    add("--invert", action="store_true", help="make light what is dark, for networks that learnt light on black")
    add("--weights", choices=("best", "last"), help="default: those that the run was tested with")
    add("--device", choices=("auto", "cpu", "cuda", "mps"), help="default: the run's own, if it is here")
    add("--csv", metavar="FILE", help="write a table, unrounded")
    add("--json", metavar="FILE", help="write the same for other programs")
    add("--html", metavar="FILE", help="write a page with all images, to be filtered")
    add("--plot", metavar="FILE", help="draw a few of the images with their bars: png, pdf or svg")
    add("--force", action="store_true", help="replace files that are there already")
    parser.add_config_dir()
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    with mistakes_end_the_program():
        given = parse()
        from alexnet.inference.predict import predict

        sys.exit(predict(**vars(given)))
