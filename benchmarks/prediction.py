"""Measures how fast a trained network predicts decoded images: python benchmarks/prediction.py outputs/DATE/TIME

The limit is a product of two large matrices on the same device, which alternates with the predictions. Reading and
decoding of files is left out.
"""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from alexnet.data.preparation import VIEWS
from alexnet.errors import mistakes_end_the_program
from alexnet.launch.arguments import above_zero

if TYPE_CHECKING:
    from alexnet.data.batches import Batches
    from alexnet.inference.trained import Trained

IMAGES = 10_000  # as many as CIFAR-10's test has


def parse() -> Namespace:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("run", metavar="RUN", help="a run's folder, or a file of weights such as alexnet.pth")
    add("--batch-size", type=above_zero(int), metavar="N", help="views in a batch; default: the run's, as predict.py")
    add("--views", type=int, choices=VIEWS, default=1, help="of each image; default: 1")
    add("--device", choices=("auto", "cpu", "cuda", "mps"), help="default: the run's own, if it is here")
    add("--turns", type=above_zero(int), default=5, metavar="N", help="of both sides; default: 5")
    add("--seconds", type=above_zero(float), default=4, metavar="S", help="of one turn; default: 4")
    return parser.parse_args()


def main() -> None:
    given = parse()
    import torch  # takes seconds, and a mistake in the command must not wait for that

    from alexnet.inference.trained import load

    trained = load(given.run, device=given.device)
    pixels = torch.Generator().manual_seed(0)
    shape = IMAGES, trained.channels, trained.side, trained.side
    images = torch.randint(256, shape, dtype=torch.uint8, generator=pixels)
    batches = trained.make_batches(images, given.views, given.batch_size)
    print(as_text(trained, batches, measure(trained, batches, given.turns, given.seconds)))


def measure(trained: "Trained", batches: "Batches", turns: int, seconds: float) -> dict[str, Any]:
    """speeds in images/s and rates in operations/s, of each turn; operations of an image."""
    from torch.utils.flop_counter import FlopCounterMode

    from alexnet.engine.device import DTYPES
    from alexnet.engine.processor import measure_matrix_rate

    engine = trained.network.engine
    with FlopCounterMode(display=False) as counter:
        first = predict(trained, batches, seconds=0)
    predict(trained, batches, seconds)  # warms up
    found: dict[str, Any] = {"operations": counter.get_total_flops() / first["images"], "speeds": [], "rates": []}
    for _ in range(turns):
        found["rates"].append(measure_matrix_rate(engine.device, DTYPES[engine.precision]))
        turn = predict(trained, batches, seconds)
        found["speeds"].append(turn["images"] / turn["seconds"])
    return found


def predict(trained: "Trained", batches: "Batches", seconds: float) -> dict[str, float]:
    """Predicts for that long, batch by batch as predict.py does, and at least one batch."""
    from alexnet.training.evaluation import rank_classes

    began, images = perf_counter(), 0
    while True:
        for logits in trained.compute_logits(batches):
            ranked = rank_classes(logits, min(5, len(trained.classes))).cpu()
            logits.softmax(1).cpu().gather(1, ranked)
            images += len(logits)
            if perf_counter() - began >= seconds:
                return {"images": images, "seconds": perf_counter() - began}


def as_text(trained: "Trained", batches: "Batches", found: dict[str, Any]) -> str:
    """What `measure` found, for a reader."""
    from alexnet.engine.device import get_threads
    from alexnet.engine.environment import get_device_name

    engine, speeds, operations = trained.network.engine, found["speeds"], found["operations"]
    limits = [rate / operations for rate in found["rates"]]
    shares = [speed / limit for speed, limit in zip(speeds, limits, strict=True)]
    threads = f", threads: {get_threads()}" if engine.device.type == "cpu" else ""
    return (
        f"{type(trained.model).__name__}, images a batch: {batches.batch_size}, views: {batches.preparation.views}; "
        f"{get_device_name(engine.device)}{threads}; {engine.precision}\n"
        f"predicted: {median(speeds):,.0f} images/s, from {min(speeds):,.0f} to {max(speeds):,.0f}\n"
        f"limit: {operations / 1e9:.3f} G operations an image, a matrix product reaches "
        f"{median(found['rates']) / 1e9:,.0f} G/s: {median(limits):,.0f} images/s\n"
        f"reached: {median(shares):.0%}, from {min(shares):.0%} to {max(shares):.0%}"
    )


if __name__ == "__main__":
    with mistakes_end_the_program():
        main()
