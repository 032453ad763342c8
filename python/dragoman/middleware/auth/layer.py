"""What the three ways to authenticate have in common: what a path wants, who has come, and what is answered if not."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import ClassVar, NamedTuple

from dragoman.http.fields import add_token, quote
from dragoman.middleware.answer import Answer, plain
from dragoman.middleware.auth.identity import AUTH, Identity, Need, Needs, Require
from dragoman.middleware.layer import Layer
from dragoman.middleware.passing import Headers, editing
from dragoman.middleware.paths import path_of
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["Authentication", "Refused", "Unavailable", "credentials"]

log = logging.getLogger("dragoman.middleware")


class Refused(NamedTuple):
    """Credentials that are none. `parameters` go into the challenge; neither they nor `reason` hold a secret."""

    reason: str
    parameters: tuple[tuple[str, str], ...] = ()


class Unavailable(Exception):
    """Whether the credentials are good cannot be found out at the moment."""


class Authentication(Layer):
    """A layer that lets through who has shown who they are: the base of `BasicAuth`, `BearerAuth` and `ApiKeyAuth`.

    Who an outer layer of this kind has identified is not asked again: two of them around an application take either's
    credentials, if the outer one's are "optional".
    """

    scheme: ClassVar[str]
    # Where credentials come, as a response's Vary names it.
    field = "Authorization"

    def __init__(self, app: WSGIApplication | None, realm: str, require: Require) -> None:
        super().__init__(app)
        try:
            self.realm = quote(realm)
        except ValueError as error:
            raise ValueError(f"realm: {error}") from None
        self.needs = Needs(require)

    def identify(self, environ: Environ) -> Identity | Refused | None:
        """Who has sent the request; None without credentials of this kind. Raises Unavailable."""
        raise NotImplementedError

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request if somebody has sent it who may."""
        need = self.needs.of(path_of(environ))
        if not need.is_looked_at:
            return self.app(environ, start_response)
        answer = self.refusal(need, environ)
        if answer is not None:
            return answer(environ, start_response)

        # RFC 9111 section 3.5: caches take such an answer for one client's, but not where the application says
        # must-revalidate, s-maxage or public of it.
        def edit(status: str, headers: Headers) -> tuple[str, Headers]:
            add_token(headers, "Vary", self.field)
            return status, headers

        return self.app(environ, editing(start_response, edit))

    def refusal(self, need: Need, environ: Environ) -> Answer | None:
        """What is answered in the application's place, None when it answers."""
        found: object = environ.get(AUTH)
        if not isinstance(found, Identity):
            try:
                found = self.identify(environ)
            except Unavailable as error:
                log.info("%s: %s: cannot be told: %s", self.scheme, where(environ), error)
                return plain(
                    "503 Service Unavailable",
                    "Who you are cannot be found out at the moment. Please try again.",
                    ("Retry-After", "5"),
                    ("Cache-Control", "no-store"),
                )
        if isinstance(found, Refused):
            log.info("%s: %s: refused: %s", self.scheme, where(environ), found.reason)
            return self.unauthorized(*found.parameters)
        if isinstance(found, Identity):
            if need.scopes <= found.scopes:
                environ[AUTH] = found
                # A native string of WSGI: bytes as latin-1.
                environ["REMOTE_USER"] = found.user.encode().decode("latin-1")
                environ["AUTH_TYPE"] = found.scheme
                return None
            log.info("%s: %s: %r lacks scopes", self.scheme, where(environ), found.user)
            return self.forbidden(need)
        return self.unauthorized() if need.is_required else None

    def challenge(self, *parameters: tuple[str, str]) -> str:
        """The value of WWW-Authenticate."""
        given = "".join(f", {name}={quote(value)}" for name, value in parameters)
        return f"{self.scheme} realm={self.realm}{given}"

    def unauthorized(self, *parameters: tuple[str, str]) -> Answer:
        """The answer to who has not shown who they are. RFC 9110 section 15.5.2."""
        return plain(
            "401 Unauthorized", "Authentication is required.", ("WWW-Authenticate", self.challenge(*parameters))
        )

    def forbidden(self, need: Need) -> Answer:
        """The answer to who may not."""
        return plain("403 Forbidden", "You may not do this.")


def credentials(environ: Environ, scheme: str) -> str | None:
    """What stands behind `scheme` in Authorization; None without it, or with another scheme. RFC 9110 section 11.4."""
    given, _, rest = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return rest.strip(" ") if given.lower() == scheme.lower() else None


def where(environ: Environ) -> str:
    return f"{environ.get('REQUEST_METHOD', '')} {path_of(environ)[:200]!a}"
