"""Measures several processes against one with all threads, alternately on this machine: python benchmarks/processes.py

Takes the overrides of scripts/train.py, such as device.processes=4 (default: 2), and measures that model, dataset and
device. The dataset (default: digits) is repeated to 50,000 images. Also measures what the processes exchange in a step.
"""

import json
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from alexnet.config.checks import check
from alexnet.config.combinations import check_size
from alexnet.config.compose import checking, compose_config
from alexnet.config.machine import check_machine
from alexnet.data import facts
from alexnet.errors import Mistake, mistakes_end_the_program
from alexnet.launch.arguments import above_zero


def parse() -> Namespace:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="such as batch_size=64, model=cuda_convnet")
    parser.add_argument("--pairs", type=above_zero(int), default=5, metavar="N", help="turns of each side; default: 5")
    parser.add_argument("--seconds", type=above_zero(float), default=8, metavar="S", help="of one turn; default: 8")
    parser.add_argument("--json", action="store_true", help="all figures, in bytes and seconds")
    return parser.parse_intermixed_args()


def main() -> None:
    given = parse()
    with checking():
        config, _ = compose_config(["dataset=digits", "device.processes=2", *given.overrides])
        check(config)
        check_size(config, config.dataset.size)
        check_machine(config)
        facts.check_batch(config.batch_size, facts.FACTS["cifar10"].images)  # as many as turns.py repeats
    if config.device.processes == 1:
        raise Mistake("device.processes=1: expected 2 or more, to be measured against one process.")
    # Importing torch takes seconds: an error in the command must not wait for that.
    import exchange

    found = exchange.measure(config, given.pairs, given.seconds)
    print(json.dumps(found, indent=2) if given.json else exchange.as_text(found))


if __name__ == "__main__":
    with mistakes_end_the_program():
        main()
