"""`Static`: files of a directory, served beside an application."""

from dragoman.middleware.static.layer import Static

__all__ = ["Static"]
