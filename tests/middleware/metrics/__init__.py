"""`Metrics` and what it counts with."""
