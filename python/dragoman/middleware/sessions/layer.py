"""`Sessions`: a session for each request, in a signed cookie or in a store, read and written only when it is used."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias

from dragoman.http.cookies import SameSite, delete_cookie, set_cookie
from dragoman.middleware.answer import plain
from dragoman.middleware.layer import Layer
from dragoman.middleware.passing import Headers
from dragoman.middleware.personal import personal
from dragoman.middleware.secrets import Secret, secrets_of
from dragoman.middleware.sessions.keeping import Expiry, Keeper, Verdict
from dragoman.middleware.sessions.replacing import Replacement
from dragoman.middleware.sessions.session import Session, SessionTooLarge, SessionUnavailable
from dragoman.middleware.stores.base import Store
from dragoman.middleware.stores.urls import store_of
from dragoman.types import Environ, StartResponse, Write, WSGIApplication

__all__ = ["SESSION", "Sessions"]

SESSION = "dragoman.session"
"""The environ's key for the `Session`."""

DAY_S = 86_400
WhenDown: TypeAlias = Literal["empty", "error"]

log = logging.getLogger("dragoman.middleware")

UNAVAILABLE = plain(
    "503 Service Unavailable",
    "Sessions cannot be reached at the moment. Please try again.",
    ("Retry-After", "5"),
    ("Cache-Control", "no-store"),
)


class Sessions(Layer):
    """Gives each request ``environ["dragoman.session"]``, a `Session`.

    secret        signs cookies that hold the whole session: a text or bytes of 16 bytes at least, or a list of them, of
                  which the first signs and all verify, so that one can be replaced without ending every session
    store         keeps sessions there instead, and only a random id in the cookie; then there is no secret. A text is a
                  URL, as `dragoman.middleware.stores.store_of` has it
    idle_s        a session is over that long after its last use (a tenth of it less, as not each use is noted)
    lifetime_s    and that long after its beginning, used or not; None: never
    cookie        its name; None: ``__Host-session``, without `secure` or with a domain or a path ``session``
    secure, http_only, same_site, path, domain, partitioned   the cookie's attributes
    persistent    whether the cookie outlives the browser's end
    when_down     while the store is away: "empty": requests have empty sessions, and what they set is lost; "error": a
                  request that uses its session is answered 503

    A response whose request has used its session has ``Vary: Cookie``, and where it sets the cookie and the application
    says nothing of caches ``Cache-Control: private``. A request that does not use it costs nothing.
    Raises ValueError for a secret that is short, for both or neither of secret and store, for a cookie that browsers
    would drop.

        app = Sessions(app, secret=os.environ["SECRET"])
        app = Sessions(app, store=RedisStore("redis://127.0.0.1/0"))
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        secret: Secret | Sequence[Secret] | None = None,
        store: Store | str | None = None,
        idle_s: float = 14 * DAY_S,
        lifetime_s: float | None = None,
        cookie: str | None = None,
        secure: bool = True,
        http_only: bool = True,
        same_site: SameSite = "Lax",
        path: str = "/",
        domain: str | None = None,
        partitioned: bool = False,
        persistent: bool = True,
        when_down: WhenDown = "empty",
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(app)
        if when_down not in ("empty", "error"):
            raise ValueError(f'when_down: want "empty" or "error", got {when_down!r}')
        if not idle_s >= 1:
            raise ValueError(f"idle_s: want seconds, 1 at least, got {idle_s!r}")
        if lifetime_s is not None and not lifetime_s >= 1:
            raise ValueError(f"lifetime_s: want seconds, 1 at least, or None, got {lifetime_s!r}")
        if isinstance(store, str):
            store = store_of(store)
        is_bound_to_host = secure and path == "/" and domain is None
        self.cookie = cookie or ("__Host-session" if is_bound_to_host else "session")
        self.attributes: dict[str, Any] = {
            "path": path,
            "domain": domain,
            "secure": secure,
            "http_only": http_only,
            "same_site": same_site,
            "partitioned": partitioned,
        }
        # Refuses what browsers would drop, now and not at the first visitor.
        set_cookie(self.cookie, **self.attributes)
        self.persistent = persistent
        self.is_strict = store is not None and when_down == "error"
        self.is_shared = store is None or store.is_shared
        self.keeper = keeper_of(
            secret, store, self.cookie, Expiry(idle_s, lifetime_s), persistent, self.is_strict, clock
        )
        self.told: set[str] = set()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request with a session in its environ."""
        session = Session(self.keeper, self.cookie, environ.get("HTTP_COOKIE", ""), self.is_strict)
        environ[SESSION] = session
        if self.is_strict:
            return self.strictly(session, environ, start_response)
        set_cookie: str | None = None

        def started(status: str, headers: Headers, exc_info: Any = None, /) -> Write:
            nonlocal set_cookie
            if session.is_touched:
                # A second head, for an error, is the same session's.
                if not session.is_sealed:
                    set_cookie = self.stored(session, environ)
                headers = personal(headers, set_cookie)
            session.is_sealed = True
            return start_response(status, headers) if exc_info is None else start_response(status, headers, exc_info)

        return self.app(environ, started)

    def strictly(self, session: Session, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """The same; what the application makes of a session that cannot be reached is replaced by a 503."""
        replacement = Replacement(UNAVAILABLE, environ, start_response)
        set_cookie: str | None = None

        def started(status: str, headers: Headers, exc_info: Any = None, /) -> Write:
            nonlocal set_cookie
            if session.is_touched and not session.is_sealed:
                set_cookie = self.stored(session, environ)
            session.is_sealed = True
            if session.failure is not None:
                return replacement.start(exc_info)
            replacement.is_started = True
            if session.is_touched:
                headers = personal(headers, set_cookie)
            return start_response(status, headers) if exc_info is None else start_response(status, headers, exc_info)

        return replacement.of(self.app, started, SessionUnavailable)

    def stored(self, session: Session, environ: Environ) -> str | None:
        """Store the session; the Set-Cookie field that tells of it, if any does."""
        verdict = session.store()
        if verdict.is_removed:
            gone: str = delete_cookie(self.cookie, **self.attributes)
            return gone
        if verdict.value is None:
            return None
        self.tell(environ)
        return self.set_cookie(verdict, session)

    def set_cookie(self, verdict: Verdict, session: Session) -> str:
        max_age = verdict.max_age if self.persistent else None
        try:
            text: str = set_cookie(self.cookie, verdict.value or "", max_age=max_age, **self.attributes)
        except ValueError as error:
            sizes = sorted(((len(repr(value)), key) for key, value in session.data.items()), reverse=True)[:3]
            largest = ", ".join(f"{key} about {size} characters" for size, key in sizes)
            raise SessionTooLarge(f"{error}; in Sessions: give a store. The largest: {largest}") from None
        return text

    def tell(self, environ: Environ) -> None:
        """Say once what an operator should know."""
        host = environ.get("HTTP_HOST", "").partition(":")[0]
        is_clear = environ.get("wsgi.url_scheme") == "http" and host not in ("localhost", "127.0.0.1", "[")
        if self.attributes["secure"] and is_clear and "http" not in self.told:
            self.told.add("http")
            log.warning(
                "sessions: a cookie that is Secure was set by http, and browsers drop it there. Behind a proxy that"
                " ends TLS put ProxyHeaders outside of Sessions; without TLS give secure=False"
            )
        if not self.is_shared and environ.get("wsgi.multiprocess") and "processes" not in self.told:
            self.told.add("processes")
            log.warning(
                "sessions: they are in this process's memory, and there are other processes, which do not see them;"
                " give a store that is shared, such as RedisStore or FileStore"
            )


def keeper_of(
    secret: Secret | Sequence[Secret] | None,
    store: Store | None,
    cookie: str,
    expiry: Expiry,
    persistent: bool,
    is_strict: bool,
    clock: Callable[[], float],
) -> Keeper:
    if (secret is None) == (store is None):
        raise ValueError(
            "Sessions: want secret=…, which signs cookies that hold the session, or store=…, which keeps it; not both:"
            " the id of a stored session is random and needs no signature"
        )
    if store is None:
        from dragoman.middleware.sessions.signed import SignedCookies  # noqa: PLC0415

        assert secret is not None
        return SignedCookies(secrets_of(secret), cookie, expiry, clock)
    from dragoman.middleware.sessions.stored import StoredSessions  # noqa: PLC0415
    from dragoman.middleware.stores.watched import Watched  # noqa: PLC0415

    means = "requests that use their session are answered 503" if is_strict else "requests have empty sessions"
    return StoredSessions(Watched(store, "sessions", means), cookie, expiry, persistent, clock)
