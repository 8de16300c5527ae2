"""A run built, trained and tested. Imports all folders but comparison, inference and launch."""
