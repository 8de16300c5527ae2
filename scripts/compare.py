"""Compares runs: python scripts/compare.py outputs

A row is a configuration: the runs that differ in nothing but their seed, or in what can't change the
result (language, log_every, where the data lies, device.workers). Only finished runs are averaged.
"""

import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from alexnet.comparison import tables
from alexnet.comparison.configurations import METRICS, compare
from alexnet.comparison.difference import differences
from alexnet.comparison.page import write
from alexnet.comparison.records import filter_records, read_all
from alexnet.errors import Mistake, mistakes_end_the_program


def parse() -> Namespace:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("folders", nargs="+", metavar="FOLDER", help="a run, a sweep, a day, or 'outputs/*/*'")
    add("--where", action="append", default=[], metavar="KEY=VALUE", help="only such runs; repeatable")
    add(
        "--metric",
        action="append",
        metavar="NAME",
        help="what to compare: best_loss, final_loss, epochs_to_25 (until the training error is 25 percent) or any "
        "number of result.json; default: test_accuracy; repeatable: more are only shown",
    )
    add("--sort", metavar="KEY", help="a key, a metric, n or status; default: the metric, best first")
    add("--best-of", metavar="KEY", help="only the best value of that key, whatever else differs")
    add("--plot", metavar="FILE", help="learning curves, and the metric over each swept number")
    add("--html", metavar="FILE", help="a page with table, curves and each run's plots, for any browser")
    add("--diff", action="store_true", help="only what differs in the runs' configurations and environments")
    form = parser.add_mutually_exclusive_group()
    for name in ("csv", "markdown", "json"):
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name, default="text")
    return parser.parse_args()


def main() -> None:
    given = parse()
    records = filter_records(read_all(given.folders, lambda line: print(line, file=sys.stderr)), given.where)
    if given.diff:
        if given.plot or given.html:
            raise Mistake("--diff draws nothing: give --plot and --html in a call without it.")
        headers, rows = differences(records)
        nothing = "Nothing differs." if given.form == "text" and not rows else None
        print(nothing or tables.render(given.form, headers, rows))
        return
    comparison = compare(records, given.metric or METRICS[:1], given.sort, given.best_of)
    if given.plot or given.html:
        from alexnet.comparison import picture  # matplotlib and plotly take longer to import than a table to make

        if given.plot:
            picture.draw(comparison, given.plot)
        if given.html:
            write(comparison, given.html)
    print(tables.describe(given.form, comparison))


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a terminal without ± still gets its table
    try:
        with mistakes_end_the_program():
            main()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has enough: nothing more is to be flushed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
