"""A run built, trained and tested. Imports all folders but comparison and launch."""
