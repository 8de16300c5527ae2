"""Exports a trained network: python scripts/export.py outputs/DATE/TIME --to onnx --out exported

Each file is read back by the program that it is for, which must compute the
same on the run's test images, or on noise without them; otherwise nothing is
written and the exit status is 1. In place of the run, a file of weights that
torchvision publishes for its AlexNet can be given. Nothing is uploaded.
"""

from alexnet.inference.export import FILES, export
from alexnet.launch.arguments import run_on_folder

if __name__ == "__main__":
    run_on_folder(
        __doc__,
        export,
        to={
            "choices": tuple(FILES),
            "required": True,
            "help": "onnx: uint8 images to logits and probabilities; safetensors: weights; torchvision: what its "
            "alexnet loads; pt2: a program of torch.export; hub: a folder for the Hugging Face hub",
        },
        out={"required": True, "metavar": "DIR", "help": "the folder to write to"},
        force="replace files that are there already",
        license={"metavar": "NAME", "help": "of the weights, for the hub's model card, such as mit; default: unknown"},
    )
