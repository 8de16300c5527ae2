"""Measures how time and memory grow with images, batch, image size, classes and weights: python benchmarks/scaling.py

Also predicts the days that ImageNet takes on this device, and on 8 and 64 like it. Takes the overrides of
scripts/train.py for the device, such as device.threads=1, and for the optimizer. It chooses models and images itself.
It takes about three minutes.
"""

import json
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from omegaconf import DictConfig

from alexnet.config import checks
from alexnet.config.compose import checking, compose_config
from alexnet.config.machine import check_machine
from alexnet.errors import Mistake, mistakes_end_the_program
from alexnet.launch.arguments import above_zero

# Model, images held in memory, batch, pixels a side, classes. Each changes while the others stay.
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


def parse() -> Namespace:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="such as device=cpu, device.threads=1")
    parser.add_argument("--seconds", type=above_zero(float), default=6, metavar="S", help="for each point; default: 6")
    parser.add_argument(
        "--rate",
        type=above_zero(float),
        metavar="BYTES_PER_SECOND",
        help="that a device sends to others while it receives as many; default: measured between two processes here",
    )
    parser.add_argument("--json", action="store_true", help="all figures, in operations, bytes, seconds and days")
    return parser.parse_intermixed_args()


def main() -> None:
    given = parse()
    for override in given.overrides:
        if not override.startswith(("device", "optimizer")):
            raise Mistake(f"{override}: the points have their own models and images; give device or optimizer options.")
        if override.startswith(("device.processes=", "device.shards=")):
            raise Mistake(f"{override}: each point is one process. benchmarks/processes.py measures several.")
    configs = []
    for model, images, batch, size, classes in POINTS:
        overrides = ["dataset=digits", f"dataset.size={size}", f"model={model}", f"batch_size={batch}"]
        configs.append((compose([*overrides, *given.overrides]), model, images, size, classes))
    two = compose(["dataset=digits", "model=alexnet_cifar", *given.overrides, "device.processes=2"])
    # Importing torch takes seconds: an error in the command must not wait for that.
    import cost
    import exchange

    measured = [cost.measure(*setting, given.seconds) for setting in configs]
    points, rates = [point for point, _ in measured], [rate for _, rate in measured]
    fitted = cost.fit(points)
    large = next(point for point in points if (point.model, point.classes) == ("alexnet", 1000))
    days = cost.predict_days(fitted, large, **cost.IMAGENET)
    rate, source = (given.rate, "not measured but given with --rate") if given.rate else exchange.measure_rate(two)
    devices = cost.predict_devices(fitted, large, rate, **cost.IMAGENET)
    if given.json:
        found = {"points": cost.as_rows(points, fitted), "cost": fitted, "rates": rates, "imagenet_days": days}
        print(json.dumps({**found, "exchange_rate": rate, "devices": devices}, indent=2))
    else:
        print(cost.as_text(points, fitted, sorted(rates)[len(rates) // 2], days))
        print(f"\n{cost.devices_as_text(devices, source)}")


def compose(overrides: list[str]) -> DictConfig:
    with checking():
        config, _ = compose_config(overrides)
        checks.check(config)
        check_machine(config)
    return config


if __name__ == "__main__":
    with mistakes_end_the_program():
        main()
