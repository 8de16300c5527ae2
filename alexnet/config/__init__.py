"""What can be set, checked before any work, without torch. Imports errors, models/limits, data/facts and runs."""
