"""A run built, trained and tested. Imports errors, models, data, engine, runs and config."""
