"""What a person sees while a command runs: lines and bars, in their language. Imports nothing of the project."""
