"""The networks, what their options may be, and how they are shown. Imports errors only."""
