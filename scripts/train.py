"""Trains a network in a new folder under outputs/: python scripts/train.py experiment=quickstart"""

# Hydra's shell completion runs only files with this word in them: @hydra.main
from alexnet.launch.train import main

if __name__ == "__main__":
    main()
