"""Images, from their source to the batch. Imports errors, disk and messages only."""
