"""Compares runs over their seeds, without torch. Imports errors, messages, runs and config."""
