"""Tests a run again with its saved weights: python scripts/evaluate.py outputs/DATE/TIME

Prints the figures, each class and the confusion matrix. Exits with 1 if a
figure isn't exactly that of result.json and no key=value explains it, such as
dataset.views=10. Nothing in the folder changes.

dataset.root=FOLDER tests on other images: FOLDER/test/CLASS/IMAGE is enough.
If they are more or fewer than the run's, nothing is compared.

In place of a run, a file of weights that torchvision publishes for its AlexNet
can be tested, on some or all of ImageNet's classes.
"""

from alexnet.launch.arguments import run_on_folder
from alexnet.launch.evaluate import evaluate

if __name__ == "__main__":
    run_on_folder(
        __doc__,
        evaluate,
        split={"choices": ("test", "validation", "train"), "default": "test", "help": "the images; default: test"},
        weights={
            "choices": ("best", "last"),
            "help": "of the best validation epoch, or of the last epoch; default: best if there are validation images",
        },
        plot={"metavar": "FILE", "help": "draw the confusion matrix: png, pdf or svg"},
        json="print everything, unrounded, for other programs",
    )
