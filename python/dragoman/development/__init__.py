"""What --dev adds to a process that serves: all rules of the contract, and failures shown for a person to read."""

from dragoman.development.checking import Checking
from dragoman.development.failure import tell_failure
from dragoman.development.notices import notices, start_line
from dragoman.development.paint import paint, takes_colours

__all__ = ["Checking", "notices", "paint", "start_line", "takes_colours", "tell_failure"]
