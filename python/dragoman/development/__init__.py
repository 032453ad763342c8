"""What --dev adds to a process that serves: all rules of the contract, and failures shown for a person to read."""

from dragoman.development.notices import notices, start_line

__all__ = ["notices", "start_line"]
