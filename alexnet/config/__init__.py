"""The options and their checks. No torch. Imports errors, models/limits, data/facts, data/preparation and runs."""
