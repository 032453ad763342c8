"""Applications that type checkers accept."""
