"""Dragoman: a WSGI application server."""

from dragoman.errors import DragomanError

__all__ = ["DragomanError", "__version__"]

__version__ = "0.1.0"
