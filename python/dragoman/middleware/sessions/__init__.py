"""`Sessions`: what an application remembers of a visitor, in a signed cookie or in a store."""

from dragoman.middleware.sessions.layer import SESSION, Sessions
from dragoman.middleware.sessions.session import Session, SessionSealed, SessionTooLarge, SessionUnavailable

__all__ = ["SESSION", "Session", "SessionSealed", "SessionTooLarge", "SessionUnavailable", "Sessions"]
