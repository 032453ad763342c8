"""Several workers under one process that binds the sockets and keeps the workers alive."""

from dragoman.supervisor.control import Control, close_control, open_control
from dragoman.supervisor.parent import supervise
from dragoman.supervisor.sockets import Listener, close_all, open_all

__all__ = ["Control", "Listener", "close_all", "close_control", "open_all", "open_control", "supervise"]
