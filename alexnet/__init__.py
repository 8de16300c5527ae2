"""AlexNet as a Hydra research repo. The map of the modules is in docs/architecture.md."""
