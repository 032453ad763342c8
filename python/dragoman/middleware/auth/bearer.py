"""`BearerAuth`: a signed token (JWT) of somebody who issues them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dragoman.middleware.answer import Answer, plain
from dragoman.middleware.auth.identity import Identity, Need, Require
from dragoman.middleware.auth.jwks import ALGORITHMS, source_of
from dragoman.middleware.auth.layer import Authentication, Refused, credentials
from dragoman.middleware.extras import lacking
from dragoman.types import Environ, WSGIApplication

try:
    import jwt
except ImportError as error:
    raise lacking("BearerAuth", "PyJWT", "auth") from error

__all__ = ["BearerAuth"]

MOST_TOKEN = 16 << 10
MOST_CANDIDATES = 10
# Of a user's name: what would break a line of a log, and half a pair of surrogates, which is no text.
NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

# What a client is told; no more, and nothing of the token.
TOLD: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "the token has expired"),
    (jwt.ImmatureSignatureError, "the token is not valid yet"),
    (jwt.InvalidAudienceError, "the token is for another audience"),
    (jwt.InvalidIssuerError, "the token is of another issuer"),
    (jwt.MissingRequiredClaimError, "the token lacks a claim"),
    (jwt.InvalidSignatureError, "the signature does not fit"),
)


class BearerAuth(Authentication):
    """Lets through who sends a token that the issuer has signed; others are answered 401.

    jwks          the issuer's keys: an https URL, a file (read again when it has changed), or a JWKS as a dict
    issuer        what ``iss`` has to be
    audience      what ``aud`` has to be, or one of several: who takes tokens for others lets their users in
    algorithms    those that are taken, whatever a token says of itself
    leeway_s      by how much clocks may differ
    user_claim    the claim that is the name
    scope_claim   the claim with the scopes: a text with blanks between them, or a list
    refresh_s, keep_s, timeout_s   of a URL: after how long keys are fetched anew, how long they are used when that
                  fails, and how long a fetch is waited for
    realm, require   as `BasicAuth` has them

    The name is ``REMOTE_USER``, ``AUTH_TYPE`` is ``Bearer``, ``environ["dragoman.auth"]`` an `Identity` with the
    claims. A token needs ``exp``. While there are no keys at all, requests with a token are answered 503.
    Raises ValueError for an unknown algorithm, for a file that is no JWKS, for a URL without TLS.
    Source: RFC 6750; RFC 7519; RFC 8725.

        app = BearerAuth(app, jwks="https://id.example/jwks.json", issuer="https://id.example", audience="shop")
    """

    scheme = "Bearer"

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        jwks: str | os.PathLike[str] | Mapping[str, Any],
        issuer: str,
        audience: str | Sequence[str],
        algorithms: Sequence[str] = ("RS256", "ES256"),
        leeway_s: float = 30,
        user_claim: str = "sub",
        scope_claim: str = "scope",
        refresh_s: float = 300,
        keep_s: float = 86_400,
        timeout_s: float = 2,
        realm: str = "Restricted",
        require: Require | None = None,
    ) -> None:
        super().__init__(app, realm, require or {})
        unknown = [algorithms] if isinstance(algorithms, str) else [one for one in algorithms if one not in ALGORITHMS]
        if unknown or not algorithms:
            raise ValueError(f"algorithms: want a list of {', '.join(ALGORITHMS)}, got {algorithms!r}")
        if not issuer or not audience:
            raise ValueError("issuer, audience: want both; without them any token of the same keys would do")
        for name, value in (("refresh_s", refresh_s), ("keep_s", keep_s), ("timeout_s", timeout_s)):
            if not value > 0:
                raise ValueError(f"{name}: want seconds above 0, got {value!r}")
        if not leeway_s >= 0:
            raise ValueError(f"leeway_s: want seconds, 0 at least, got {leeway_s!r}")
        self.keys = source_of(jwks, refresh_s, keep_s, timeout_s)
        self.issuer = issuer
        self.audience = [audience] if isinstance(audience, str) else list(audience)
        self.algorithms = frozenset(algorithms)
        self.leeway_s = leeway_s
        self.user_claim = user_claim
        self.scope_claim = scope_claim

    def identify(self, environ: Environ) -> Identity | Refused | None:
        """Whose token came."""
        token = credentials(environ, "bearer")
        if token is None:
            return None
        claims = self.claims_of(token)
        if isinstance(claims, str):
            return Refused(claims, (("error", "invalid_token"), ("error_description", claims)))
        user = claims.get(self.user_claim)
        if not isinstance(user, str) or not user or NO_NAME.search(user):
            told = f"the token has no {self.user_claim}"
            return Refused(told, (("error", "invalid_token"), ("error_description", told)))
        given = claims.get(self.scope_claim, "")
        scopes = given.split() if isinstance(given, str) else given if isinstance(given, list) else []
        return Identity(
            user, self.scheme, frozenset(one for one in scopes if isinstance(one, str)), MappingProxyType(claims)
        )

    def claims_of(self, token: str) -> dict[str, Any] | str:
        """What a good token says; of any other what is wrong with it. Raises Unavailable."""
        if not token or len(token) > MOST_TOKEN or not token.isascii():
            return "the token is no JWT"
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            return "the token is no JWT"
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self.algorithms:
            return "the token's algorithm is not taken"
        # RFC 7515 section 4.1.11: what is critical and not understood is refused, and we understand none.
        if "crit" in header:
            return "the token has critical parameters"
        if kid is not None and not isinstance(kid, str):
            return "the token is no JWT"
        wrong = "the token's key is unknown"
        for key in self.keys.find(kid, algorithm)[:MOST_CANDIDATES]:
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=[algorithm],
                    audience=self.audience,
                    issuer=self.issuer,
                    leeway=self.leeway_s,
                    options={"require": ["exp", "iss", "aud"]},
                )
            except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
                wrong = next((text for kind, text in TOLD if isinstance(error, kind)), "the token is not valid")
                # Of several keys without a name another one may fit; that one has said enough.
                if not isinstance(error, jwt.InvalidSignatureError):
                    break
        return wrong

    def forbidden(self, need: Need) -> Answer:
        """The answer to who lacks scopes, with those that are wanted. RFC 6750 section 3.1."""
        parameters = (("error", "insufficient_scope"), ("scope", " ".join(sorted(need.scopes))))
        return plain("403 Forbidden", "You may not do this.", ("WWW-Authenticate", self.challenge(*parameters)))
