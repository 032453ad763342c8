"""The session of a request: that of a layer outside, or one of the application's own settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from dragoman.middleware import Sessions
from dragoman.middleware.personal import personal
from dragoman.middleware.secrets import secrets_of
from dragoman.middleware.sessions import SESSION, Session, SessionUnavailable
from dragoman.web.context import PLACES_OF_STREAM
from dragoman.web.errors import ServiceUnavailable
from dragoman.web.response import Response

if TYPE_CHECKING:
    from dragoman.web.config import Config
    from dragoman.web.request import Request

SessionsFor: TypeAlias = "Callable[[Request], Sessions | None]"
"""Those of the application, for a request; None without a secret."""

__all__ = ["NO_SECRET", "NoSession", "open_session", "save_session", "sessions_of"]

NO_SECRET = (
    "the session wants a secret that signs its cookie: set app.secret_key, or SECRET_KEY in the settings, to 16 random"
    " bytes at least (python -c 'import secrets; print(secrets.token_hex(32))'), the same for all workers; or put"
    " dragoman.middleware.Sessions around the application; or set app.sessions = Sessions(store=…)"
)


class NoSession(MutableMapping[str, Any]):
    """The session of an application without a secret: empty for who reads it, RuntimeError for who sets something."""

    is_new = True
    is_touched = is_changed = False

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __setitem__(self, key: str, value: Any) -> NoReturn:
        raise RuntimeError(NO_SECRET)

    def __delitem__(self, key: str) -> None:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def sessions_of(config: Config, is_local: bool) -> Sessions:
    """The sessions that the settings describe: in signed cookies.

    is_local   whether the site is asked by http, as at work and in tests: then the cookie is not Secure, unless
               SESSION_COOKIE_SECURE says so
    Raises ValueError for a SECRET_KEY that can be guessed and for a cookie that cannot be.
    """
    secrets = secrets_of(config["SECRET_KEY"], "the setting SECRET_KEY")
    if older := config["SECRET_KEY_FALLBACKS"]:
        secrets += secrets_of(older, "the setting SECRET_KEY_FALLBACKS")
    secure = config["SESSION_COOKIE_SECURE"]
    try:
        return Sessions(
            secret=secrets,
            idle_s=config["SESSION_IDLE_S"],
            cookie=config["SESSION_COOKIE_NAME"],
            secure=not is_local if secure is None else secure,
            http_only=config["SESSION_COOKIE_HTTPONLY"],
            same_site=config["SESSION_COOKIE_SAMESITE"],
            path=config["SESSION_COOKIE_PATH"],
            domain=config["SESSION_COOKIE_DOMAIN"],
        )
    except ValueError as error:
        raise ValueError(f"the settings SESSION_IDLE_S and SESSION_COOKIE_…: {error}") from error


def open_session(request: Request, sessions_for: SessionsFor) -> MutableMapping[str, Any]:
    """The session of a request; nothing is read before it is asked for something."""
    environ = request.environ
    of_layer = environ.get(SESSION)
    if isinstance(of_layer, MutableMapping):
        return of_layer
    sessions = sessions_for(request)
    if sessions is None:
        return NoSession()
    session = Session(sessions.keeper, sessions.cookie, environ.get("HTTP_COOKIE", ""), sessions.is_strict)
    session.is_sealed = len(request.context) >= PLACES_OF_STREAM
    return session


def save_session(request: Request, response: Response, sessions_for: SessionsFor) -> None:
    """Store that of the request, if it was touched, and say so in the response's fields.

    Raises ServiceUnavailable where it cannot be had, and that is what the setting wants.
    """
    session = request.session
    if session is request.environ.get(SESSION) or not isinstance(session, Session):
        # That of a layer is the layer's to store.
        return
    sessions = sessions_for(request)
    if sessions is None or not session.is_touched:
        session.is_sealed = response.stream is not None
        return
    try:
        field = sessions.stored(session, request.environ)
    except SessionUnavailable as error:
        raise ServiceUnavailable("Sessions cannot be reached at the moment. Please try again.") from error
    response.headers.pairs[:] = personal(response.headers.pairs, field)
    session.is_sealed = response.stream is not None
