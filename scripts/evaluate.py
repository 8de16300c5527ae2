"""Tests a run again with its saved weights: python scripts/evaluate.py outputs/DATE/TIME [dataset.views=10]"""

from alexnet.launch.arguments import run_on_folder
from alexnet.launch.evaluate import evaluate

if __name__ == "__main__":
    run_on_folder(__doc__, evaluate)
