"""Shows what a trained network has learnt: python scripts/show.py outputs/DATE/TIME filters

filters              the kernels of conv1, and how colourful each column's are;
                     of runs that differ in the seed: RUN RUN RUN filters
neighbours [IMAGE]   the nearest training images by a layer and by pixels
mistakes             the wrong test images that the network was surest of
saliency IMAGE       what in an image the class depends on, with a score
embedding            the test images in two dimensions by a layer

Writes PNG, SVG and JSON, which has the figures, into show/ in the run's folder.
After them, key=value changes the configuration, such as dataset.root=FOLDER.
"""

from argparse import Namespace

from alexnet.errors import mistakes_end_the_program
from alexnet.inference.show import METHODS, show
from alexnet.launch.arguments import Parser


def parse() -> Namespace:
    parser = Parser(description=__doc__, usage="show.py RUN WHAT [IMAGE ...] [key=value ...] [options]")
    add = parser.add_argument
    add("arguments", nargs="+", metavar="ARGUMENT", help="a run's folder, one of the words above, and what it takes")
    add("--layer", metavar="NAME", help="of neighbours and embedding: conv1 to fc8; default: the last one before fc8")
    add("--method", choices=METHODS, help="of embedding; default: pca, which takes seconds; tsne parts classes better")
    add(
        "--invert",
        action="store_true",
        help="make light what is dark in IMAGE, for networks that learnt light on black",
    )
    add("--out", metavar="DIR", help="where to write; default: show/ in the run's folder")
    add("--force", action="store_true", help="replace pictures that are there already")
    parser.add_config_dir()
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    with mistakes_end_the_program():
        show(**vars(parse()))
