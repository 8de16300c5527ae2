"""Trains AlexNet and compares the runs, configured with Hydra. docs/architecture.md has the map of the folders."""
