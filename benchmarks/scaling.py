"""How time and memory grow with images, batch, image size, classes and weights, and what it says of ImageNet:
python benchmarks/scaling.py

Takes the overrides of scripts/train.py for the device, such as device.threads=1, and the optimizer. Models and images
are its own. About three minutes.
"""

import json
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from alexnet.config import checks
from alexnet.config.compose import checking, compose_config
from alexnet.config.machine import check_machine
from alexnet.errors import Mistake, mistakes_end_the_program
from alexnet.launch.arguments import above_zero

# model, images held in memory, batch, pixels a side, classes: each moves while the others stand.
POINTS = [
    ("alexnet_cifar", 1000, 16, 32, 10),
    ("alexnet_cifar", 1000, 64, 32, 10),
    ("alexnet_cifar", 1000, 256, 32, 10),
    ("alexnet_cifar", 50_000, 64, 32, 10),
    ("alexnet_cifar", 200_000, 64, 32, 10),
    ("alexnet_cifar", 1000, 64, 48, 10),
    ("alexnet_cifar", 1000, 64, 64, 10),
    ("alexnet_cifar", 1000, 64, 32, 1000),
    ("alexnet", 1000, 16, 224, 1000),
    ("alexnet", 1000, 64, 224, 1000),
    ("alexnet", 1000, 64, 224, 10),
]
IMAGENET = {"images": 1_281_167, "epochs": 90, "batch": 128}


def parse() -> Namespace:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    add, above = parser.add_argument, above_zero(float)
    add("overrides", nargs="*", metavar="key=value", help="such as device=cpu, device.threads=1")
    add("--seconds", type=above, default=6, metavar="S", help="of measuring a point; default: 6")
    add("--gpu-rate", type=above, default=400e12, metavar="N", help="operations/s of a GPU's product; default: 4e14")
    add("--gpu-share", type=above, default=0.3, metavar="X", help="of it that training reaches, to 1; default: 0.3")
    add("--link", type=above, default=50e9, metavar="B", help="bytes/s between GPUs; default: 5e10")
    add("--json", action="store_true", help="all figures, in operations, bytes and seconds")
    return parser.parse_intermixed_args()


def main() -> None:
    given = parse()
    if given.gpu_share > 1:
        raise Mistake(f"--gpu-share {given.gpu_share}: expected a number above 0, at most 1.")
    for override in given.overrides:
        if not override.startswith(("device", "optimizer")):
            raise Mistake(
                f"{override}: the points have their own models and images; give device or optimizer settings."
            )
    configs = []
    for model, images, batch, size, classes in POINTS:
        overrides = ["dataset=digits", f"dataset.size={size}", f"model={model}", f"batch_size={batch}"]
        with checking():
            config, _ = compose_config([*overrides, *given.overrides])
            checks.check(config)
            check_machine(config)
        configs.append((config, model, images, size, classes))
    import cost  # torch takes seconds to import: not for a typing error

    measured = [cost.measure(*setting, given.seconds) for setting in configs]
    points, rates = [point for point, _ in measured], [rate for _, rate in measured]
    fitted = cost.fit(points)
    large = next(point for point in points if (point.model, point.classes) == ("alexnet", 1000))
    predicted = cost.predict(fitted, large, **IMAGENET, gpu=(given.gpu_rate, given.gpu_share, given.link))
    if given.json:
        found = {"points": cost.as_rows(points, fitted), "cost": fitted, "rates": rates, "imagenet": predicted}
        print(json.dumps(found, indent=2))
    else:
        print(cost.told(points, fitted, sorted(rates)[len(rates) // 2], predicted))


if __name__ == "__main__":
    with mistakes_end_the_program():
        main()
