"""Measures this project's loop and a tutorial's alternately on this machine: python benchmarks/benchmark.py

Takes the overrides of scripts/train.py and measures that model, dataset and device. By default it measures the
tutorial's network on the digits dataset, repeated to 50,000 images.
"""

import json
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from alexnet.config.checks import check
from alexnet.config.combinations import check_size
from alexnet.config.compose import checking, compose_config
from alexnet.config.machine import check_machine
from alexnet.data import facts
from alexnet.errors import mistakes_end_the_program
from alexnet.launch.arguments import above_zero


def parse() -> Namespace:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="such as dataset=cifar10, device.threads=1")
    parser.add_argument("--batch-size", type=int, metavar="N", help="default: 64, the tutorial's")
    parser.add_argument("--device", metavar="NAME", help="default: auto")
    parser.add_argument("--pairs", type=above_zero(int), default=5, metavar="N", help="turns of each loop; default: 5")
    parser.add_argument("--seconds", type=above_zero(float), default=8, metavar="S", help="of one turn; default: 8")
    parser.add_argument("--profile", action="store_true", help="also the project's time by operator")
    parser.add_argument(
        "--json", action="store_true", help="all figures, in operations, bytes and seconds unless the name says another"
    )
    return parser.parse_intermixed_args()


def main() -> None:
    given = parse()
    overrides = ["dataset=digits"] if not any("dataset=" in text for text in given.overrides) else []
    overrides += given.overrides
    overrides += [f"batch_size={given.batch_size}"] if given.batch_size is not None else []
    overrides += [f"device={given.device}"] if given.device else []
    with checking():
        config, _ = compose_config(overrides)
        check(config)
        check_size(config, config.dataset.size)
        check_machine(config)
        facts.check_batch(config.batch_size, facts.FACTS["cifar10"].images)  # as many as turns.py repeats
    # Importing torch takes seconds: an error in the command must not wait for that.
    import profiling
    import turns

    found = turns.measure(config, given.pairs, given.seconds)
    if given.profile:
        found["profile"] = profiling.profile(config, found["matrix_product_rate"][found["precision"]])
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        print(turns.as_text(found))
        if given.profile:
            print(f"\n{profiling.as_text(found['profile'])}")


if __name__ == "__main__":
    with mistakes_end_the_program():
        main()
