"""Trains a network in a new folder under outputs/: python scripts/train.py experiment=quickstart"""

from alexnet.launch.train import main

if __name__ == "__main__":
    main()
