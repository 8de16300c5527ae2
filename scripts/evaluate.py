"""Works out a run's test figures anew from its saved weights: python scripts/evaluate.py outputs/DATE/TIME"""

from alexnet.launch.arguments import on_run_folder
from alexnet.launch.evaluate import reevaluate

if __name__ == "__main__":
    on_run_folder(__doc__, reevaluate)
