"""AlexNet as a Hydra research repo. docs/architecture.md has the map of the folders."""
