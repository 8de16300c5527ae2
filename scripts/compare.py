"""Compares runs: python scripts/compare.py outputs

Each row is a configuration: the runs that differ only in their seed, or in
options that can't change the result (language, log_every, where the data lies,
device.workers). Only finished runs are averaged.

Runs of different data sets have tables of their own, and so have different
models, except within one sweep.
"""

import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence

from alexnet.comparison import tables
from alexnet.comparison.groups import compare_groups
from alexnet.comparison.records import Record, choose_language, filter_records, read_all
from alexnet.errors import Mistake, mistakes_end_the_program
from alexnet.launch.arguments import Parser
from alexnet.messages.console import speaking, translate
from alexnet.messages.lines import measure_terminal, show


def parse() -> Namespace:
    parser = Parser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("folders", nargs="+", metavar="FOLDER", help="a run, a sweep, a day, or a pattern such as 'outputs/*/*'")
    add("--where", action="append", default=[], metavar="KEY=VALUE", help="only the runs with this value; repeatable")
    add(
        "--metric",
        action="append",
        metavar="NAME",
        help="what to compare: best_loss, final_loss, epochs_to_25 (epochs until the training error falls to 25 "
        "percent) or any number of result.json; default: validation_accuracy, with test_accuracy beside it, if a run "
        "has it, else test_accuracy; repeatable: the runs are compared by the first, the others are only shown",
    )
    add("--sort", metavar="KEY", help="a key, a metric, n or status; default: the metric, best first")
    add("--across-models", action="store_true", help="compare different models of the same data set in one table")
    add("--best-of", metavar="KEY", help="of this key, show only the best value for each choice of the other keys")
    add("--plot", metavar="FILE", help="draw the metric's curves, and the metric over each swept key: png, pdf or svg")
    add("--over", metavar="KEY", help="plot only the metric over this key, a line for each choice of the other keys")
    add("--title", metavar="TEXT", default="", help="the title of the plot")
    add(
        "--label",
        action="append",
        metavar="NAME=TEXT",
        default=[],
        help="what the plot says in place of a key, KEY=VALUE, a metric or an axis: 'optimizer.lr=0.01=small', "
        "'epoch=passes over the images'; repeatable",
    )
    add("--html", metavar="FILE", help="write a page with the table, the curves and the plots of each run")
    add("--diff", action="store_true", help="show only what differs in the runs' configurations and environments")
    add("--verbose", action="store_true", help="name every run that isn't averaged, and every pair that is compared")
    form = parser.add_mutually_exclusive_group()
    forms = {
        "csv": "unrounded numbers, a row for each configuration",
        "json": "all of it, with each run's numbers, folder and checkpoint",
        "markdown": "the tables for a README",
        "latex": r"the tables for a paper with \usepackage{booktabs}",
    }
    for name, effect in forms.items():
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name, default="text", help=effect)
    return parser.parse_intermixed_args()


def main() -> None:
    given = parse()
    if (given.title or given.label or given.over) and not given.plot:
        raise Mistake("--title, --label and --over are of a plot: give --plot curves.png, too.")
    if given.diff and (given.plot or given.html):
        raise Mistake("--diff draws nothing: give --plot and --html in a call without it.")
    records = filter_records(read_all(given.folders, lambda line: show(line, sys.stderr)), given.where)
    with speaking(choose_language(records)):
        if given.diff:
            print(tables.describe_differences(given.form, records, measure_terminal(sys.stdout)))
        else:
            report(given, records)


def report(given: Namespace, records: Sequence[Record]) -> None:
    """Draws and prints the comparison. Where its files are is said on stderr, as stdout may be for a program."""
    groups = compare_groups(records, given.metric, given.sort, given.best_of, given.across_models)
    # Here and not above: matplotlib and plotly take longer to import than a table takes to make.
    if given.plot:
        from alexnet.comparison.picture import draw

        draw(groups, given.plot, given.title, given.label, given.over)
        show(translate("Plot: {}").format(given.plot), sys.stderr)
    if given.html:
        from alexnet.comparison.page import write

        write(groups, given.html)
        show(translate("Page: {}").format(given.html), sys.stderr)
    print(tables.describe(given.form, groups, given.verbose, measure_terminal(sys.stdout)))


if __name__ == "__main__":
    with mistakes_end_the_program():
        main()
