"""Compares runs over their seeds, without torch. Imports errors, runs and config."""
