"""Lists runs, one per line: python scripts/runs.py outputs

The newest is the last. For other programs, --best prints where the best run is:

  python scripts/evaluate.py $(python scripts/runs.py outputs --best folder)
"""

import sys
from argparse import Namespace

from alexnet.comparison import listing
from alexnet.comparison.records import filter_records, read_all
from alexnet.errors import mistakes_end_the_program
from alexnet.launch.arguments import Parser
from alexnet.messages.lines import measure_terminal, show


def parse() -> Namespace:
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("folders", nargs="*", default=["outputs"], metavar="FOLDER", help="a run, a sweep, a day; default: outputs")
    add(
        "--where",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only the runs with this value, such as tags=wide or dataset=digits; note=TEXT: with this text in the "
        "note; repeatable",
    )
    add("--sort", metavar="KEY", help="a key, a metric, folder, status or started; default: started, newest last")
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--best",
        choices=("folder", "checkpoint"),
        help="print only the path of the run with the best validation accuracy (test accuracy if none held out images)",
    )
    for name, text in {"csv": "unrounded, with a header", "json": "with all metrics and the configuration"}.items():
        form.add_argument(f"--{name}", dest="form", action="store_const", const=name, default="text", help=text)
    return parser.parse_intermixed_args()


def main() -> None:
    given = parse()
    records = filter_records(read_all(given.folders, lambda line: show(line, sys.stderr)), given.where)
    records = listing.sort_records(records, given.sort)
    if given.best:
        best, note = listing.find_best(records)
        path = listing.locate(best, given.best)
        if note:
            show(note, sys.stderr)
        print(path)
    elif given.form == "text":
        print(listing.list_runs(records, measure_terminal(sys.stdout)))
    else:
        print(listing.list_values(records, given.form))


if __name__ == "__main__":
    with mistakes_end_the_program():
        main()
