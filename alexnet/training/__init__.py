"""A run built, trained and tested. Imports errors, disk, models, data, engine, runs and config."""
