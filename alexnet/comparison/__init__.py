"""Runs compared over their seeds, without torch. Imports errors, runs and config."""
