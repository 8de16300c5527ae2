"""The run folder: the files in it, its checkpoints, its pictures. Imports errors, disk and messages only."""
