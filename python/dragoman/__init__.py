"""Dragoman: a WSGI application server."""

from typing import TYPE_CHECKING

from dragoman.errors import DragomanError

__all__ = ["DragomanError", "__version__", "serve"]

__version__ = "0.1.0"

if TYPE_CHECKING:
    from dragoman.embedded import serve
else:

    def __getattr__(name: str) -> object:
        # The engine is loaded by those who serve: whoever asks for the version or an error's class needs none of it.
        if name == "serve":
            from dragoman.embedded import serve  # noqa: PLC0415

            return serve
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
