"""Images, from their source to the batch. Imports errors and disk only."""
