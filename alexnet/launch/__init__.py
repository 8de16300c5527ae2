"""From a command to a finished run, or many of them. Imports all other folders."""
