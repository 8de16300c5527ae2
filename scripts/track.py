"""Sends runs to a tracker: python scripts/track.py outputs --to tensorboard

It only reads the runs' folders, so no training waits for it. Called again, it
sends what is new; a copy of a run, or a resumed one, is the same run.

tensorboard  event files in the runs' folders: tensorboard --logdir outputs
mlflow       the server at --server or in MLFLOW_TRACKING_URI
wandb        offline folders in ./wandb: wandb sync
"""

import sys
from argparse import Namespace

from alexnet.errors import mistakes_end_the_program
from alexnet.launch.arguments import Parser
from alexnet.messages.lines import show
from alexnet.tracking.send import follow, send_once
from alexnet.tracking.trackers import TRACKERS, open_tracker


def parse() -> Namespace:
    parser = Parser(description=__doc__)
    add = parser.add_argument
    add("folders", nargs="+", metavar="FOLDER", help="a run, a sweep, a day, or a pattern such as 'outputs/*/*'")
    add("--to", required=True, choices=TRACKERS, help="the tracker")
    add("--follow", action="store_true", help="go on as runs appear and grow, until Ctrl-C")
    add("--server", metavar="ADDRESS", help="MLflow's, such as http://localhost:5000; default: MLFLOW_TRACKING_URI")
    add(
        "--experiment",
        metavar="NAME",
        help="MLflow's experiment or W&B's project; default: MLFLOW_EXPERIMENT_NAME or WANDB_PROJECT, else alexnet",
    )
    add(
        "--into",
        metavar="DIR",
        help="where event files or offline folders are written; default: the runs' folders or ./wandb",
    )
    return parser.parse_intermixed_args()


def main() -> int:
    given = parse()
    tracker = open_tracker(given.to, given.server, given.experiment, given.into, given.follow)
    if given.follow:
        follow(given.folders, tracker, lambda line: show(line, sys.stderr))
    return send_once(given.folders, tracker, lambda line: show(line, sys.stderr))


if __name__ == "__main__":
    with mistakes_end_the_program():
        sys.exit(main())
