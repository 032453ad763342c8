"""`Csrf`: where a request comes from is judged by what browsers say, and for old ones by a token."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

from dragoman.http.cookies import parse_cookies, set_cookie
from dragoman.middleware.answer import plain
from dragoman.middleware.csrf.origin import SAFE_METHODS, Source, judge, origins
from dragoman.middleware.csrf.token import (
    SECRET_BYTES,
    Token,
    decoded,
    encoded,
    is_signed,
    new_secret,
    unmasked,
)
from dragoman.middleware.form_field import field_in_form
from dragoman.middleware.layer import Layer
from dragoman.middleware.passing import Headers, editing
from dragoman.middleware.paths import PathTable, path_of
from dragoman.middleware.personal import personal
from dragoman.middleware.secrets import Secret, secrets_of
from dragoman.middleware.sessions.session import TOKEN_KEY, Session
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["CSRF_TOKEN", "Csrf"]

CSRF_TOKEN = "dragoman.csrf_token"
"""The environ's key for the `Token`, where ``unsaid="token"``."""

Unsaid: TypeAlias = Literal["allow", "token"]

log = logging.getLogger("dragoman.middleware")


class Csrf(Layer):
    """Answers 403 to requests that change something (all but GET, HEAD and OPTIONS) and come from another site's page.

    trusted_origins   other origins that may send such requests, such as ``["https://pay.example"]``
    exempt            paths that are not looked at, such as hooks that are called with a signature of their own
    unsaid            what is done where a client says nothing of where a request comes from, neither by Sec-Fetch-Site
                      nor by Origin. Browsers do since 2020, so it is none. "allow": it goes through, as in Go; "token":
                      it needs a token, in a field or in the form
    secret            signs the cookie that tokens are compared with, as `Sessions` has it. Inside of `Sessions` it is
                      not needed: the session keeps it
    header            the field of a request that a script sends the token in
    form_field        the field of a form with the token
    form_bytes        so much of a form is read for it, and held in memory; the application gets the whole body
    cookie, secure    the cookie's name and whether it goes over https only

    With ``unsaid="token"`` ``environ["dragoman.csrf_token"]`` is a `Token`: ``str()`` of it, or its `input` in a form.
    An application must not change anything at a GET, and must not let scripts of others into its pages.
    Raises ValueError for what is no origin, no path, no secret.
    Source: CrossOriginProtection of Go 1.25.

        app = Csrf(app)
        app = stack(app, Sessions(secret=…), Csrf(unsaid="token"))
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        trusted_origins: Iterable[str] = (),
        exempt: Iterable[str] = (),
        unsaid: Unsaid = "allow",
        secret: Secret | Sequence[Secret] | None = None,
        header: str = "X-CSRF-Token",
        form_field: str = "csrf_token",
        form_bytes: int = 1 << 16,
        cookie: str | None = None,
        secure: bool = True,
    ) -> None:
        super().__init__(app)
        if unsaid not in ("allow", "token"):
            raise ValueError(f'unsaid: want "allow" or "token", got {unsaid!r}')
        if unsaid == "allow" and secret is not None:
            raise ValueError('secret: want it only with unsaid="token"; otherwise there is no token')
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", header):
            raise ValueError(f"header: want the name of a field, such as X-CSRF-Token, got {header!r}")
        if type(form_bytes) is not int or form_bytes < 1024:
            raise ValueError(f"form_bytes: want a whole number of bytes, 1024 at least, got {form_bytes!r}")
        self.trusted = origins(trusted_origins, "trusted_origins")
        self.exempt = PathTable.of(exempt, "exempt")
        self.has_tokens = unsaid == "token"
        self.keys = secrets_of(secret) if secret is not None else []
        self.header = header
        self.key = f"HTTP_{header.upper().replace('-', '_')}"
        self.form_field = form_field
        self.form_bytes = form_bytes
        self.cookie = cookie or ("__Host-csrf" if secure else "csrf")
        self.attributes: dict[str, Any] = {"secure": secure, "http_only": True, "same_site": "Lax"}
        set_cookie(self.cookie, **self.attributes)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request, or refuse it."""
        visitor = Visitor(self, environ) if self.has_tokens else None
        method = environ["REQUEST_METHOD"]
        if method not in SAFE_METHODS and (reason := self.refusal(environ, visitor)) is not None:
            log.info("csrf: refused %s %s: %s", method, ascii(path_of(environ)[:200]), reason)
            return plain("403 Forbidden", f"Refused, since it may come from another site: {reason}.")(
                environ, start_response
            )
        if visitor is None:
            return self.app(environ, start_response)
        environ[CSRF_TOKEN] = Token(self.form_field, visitor.secret)

        def edit(status: str, headers: Headers) -> tuple[str, Headers]:
            # That of a session is the session's matter.
            visitor.is_sealed = True
            return status, personal(headers, visitor.set_cookie()) if visitor.is_touched else headers

        return self.app(environ, editing(start_response, edit))

    def refusal(self, environ: Environ, visitor: Visitor | None) -> str | None:
        """Why the request is refused, None if it is not."""
        source, reason = judge(
            environ.get("HTTP_SEC_FETCH_SITE") or None,
            environ.get("HTTP_ORIGIN") or None,
            environ.get("wsgi.url_scheme", ""),
            environ.get("HTTP_HOST"),
            self.trusted,
        )
        if source is Source.OURS or (self.exempt and self.exempt.has(path_of(environ))):
            return None
        if source is Source.OTHER or visitor is None:
            return reason if source is Source.OTHER else None
        token = environ.get(self.key) or field_in_form(environ, self.form_field, self.form_bytes)
        if not token:
            return (
                f"{reason}, and there is no token in {self.header} or at the beginning of a form as {self.form_field}"
            )
        given, expected = unmasked(token), visitor.known()
        is_it = given is not None and expected is not None and hmac.compare_digest(given, expected)
        return None if is_it else f"{reason}, and the token is not this visitor's"


class Visitor:
    """The secret of one visitor: in the session where there is one, else in a cookie of its own."""

    __slots__ = ("environ", "is_sealed", "is_touched", "layer", "made")

    def __init__(self, layer: Csrf, environ: Environ) -> None:
        self.layer = layer
        self.environ = environ
        self.made: bytes | None = None
        # Whether the answer depends on our cookie.
        self.is_touched = False
        # Whether its head has gone out.
        self.is_sealed = False

    def known(self) -> bytes | None:
        """The secret that the request came with."""
        session = self.environ.get("dragoman.session")
        if isinstance(session, Session):
            text = session.get(TOKEN_KEY)
            secret = decoded(text) if isinstance(text, str) else None
            return secret if secret is not None and len(secret) == SECRET_BYTES else None
        if not self.layer.keys:
            raise RuntimeError("Csrf: want secret=…, or Sessions outside of Csrf, to compare a token with")
        if self.is_sealed and not self.is_touched:
            raise RuntimeError("the token is first asked for after the head of the answer; ask before start_response")
        self.is_touched = True
        secret = decoded(parse_cookies(self.environ.get("HTTP_COOKIE", "")).get(self.layer.cookie, ""))
        return secret if secret is not None and is_signed(secret, self.layer.keys) else None

    def secret(self) -> bytes:
        """That one, or a new one."""
        if self.made is not None:
            return self.made
        known = self.known()
        if known is not None:
            return known
        session = self.environ.get("dragoman.session")
        if isinstance(session, Session):
            made = new_secret([b"any key: the session is not ours to sign"])
            session[TOKEN_KEY] = encoded(made)
            return made
        self.made = new_secret(self.layer.keys)
        return self.made

    def set_cookie(self) -> str | None:
        """The Set-Cookie field for a new secret."""
        if self.made is None:
            return None
        text: str = set_cookie(self.layer.cookie, encoded(self.made), **self.layer.attributes)
        return text
