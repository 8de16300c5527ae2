"""Trains a run again and compares the two: python scripts/reproduce.py outputs/DATE/TIME [optimizer.lr=0.01 ...]"""

from alexnet.launch.arguments import run_on_folder
from alexnet.launch.reproduce import reproduce

if __name__ == "__main__":
    run_on_folder(__doc__, reproduce, trains=True)
