"""Several workers under one process that binds the sockets and keeps the workers alive."""

from dragoman.supervisor.activation import take_passed
from dragoman.supervisor.container import deaf_parent
from dragoman.supervisor.control import Control, close_control, control_address, holder_of, open_control
from dragoman.supervisor.notify import Notifier
from dragoman.supervisor.parent import supervise
from dragoman.supervisor.privileges import Identity, identity_of
from dragoman.supervisor.sockets import Listener, close_all, open_all
from dragoman.supervisor.title import set_title

__all__ = [
    "Control",
    "Identity",
    "Listener",
    "Notifier",
    "close_all",
    "close_control",
    "control_address",
    "deaf_parent",
    "holder_of",
    "identity_of",
    "open_all",
    "open_control",
    "set_title",
    "supervise",
    "take_passed",
]
