"""What can be set and its checks. No torch. Imports errors, models/limits, data/facts, data/preparation and runs."""
