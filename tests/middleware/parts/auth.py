"""`BasicAuth`, `BearerAuth` and `ApiKeyAuth` under servers."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import jwt
from argon2 import PasswordHasher

from dragoman.middleware import ApiKeyAuth, BasicAuth, BearerAuth
from dragoman.middleware.auth.api_key import hash_key
from tests.middleware.part import Part, Probe
from tests.support.wire import Response

# The streams and files of the suite come without credentials.
PUBLIC = ("stream", "file")
SECRET = b"a secret of 32 bytes is the least"
JWKS = {"keys": [{"kty": "oct", "k": base64.urlsafe_b64encode(SECRET).rstrip(b"=").decode()}]}
TOKEN = jwt.encode({"iss": "i", "aud": "a", "sub": "anna", "exp": 1 << 33}, SECRET, algorithm="HS256")


def require(part: str) -> dict[str, Any]:
    return {f"/{part}/{kind}/{path}": False for kind in ("plain", "flask", "django") for path in PUBLIC}


def asks(challenge: str) -> Callable[[Response], None]:
    def holds(response: Response) -> None:
        assert response.status == 401
        assert (response.value("WWW-Authenticate") or "").startswith(challenge)

    return holds


def lets_in(response: Response) -> None:
    assert (response.status, response.body) == (200, b"Hello, you")


def probes(scheme: str, field: str, right: str, wrong: str) -> tuple[Probe, ...]:
    return (
        Probe("/hello", asks(scheme)),
        Probe("/hello", asks(scheme), fields={field: wrong}),
        Probe("/hello", lets_in, fields={field: right}),
        Probe("/form", asks(scheme), "POST", {"Content-Type": "application/x-www-form-urlencoded"}, b"text=a"),
    )


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


PARTS = [
    Part(
        "basic-auth",
        lambda: BasicAuth(users={"anna": PasswordHasher(1, 8, 1).hash("x:y")}, require=require("basic-auth")),
        probes("Basic ", "Authorization", basic("anna:x:y"), basic("anna:x")),
    ),
    Part(
        "bearer-auth",
        lambda: BearerAuth(jwks=JWKS, issuer="i", audience="a", algorithms=["HS256"], require=require("bearer-auth")),
        probes("Bearer ", "Authorization", f"Bearer {TOKEN}", f"Bearer {TOKEN}x"),
    ),
    Part(
        "api-key-auth",
        lambda: ApiKeyAuth(keys={"ci": hash_key("right")}, require=require("api-key-auth")),
        probes("ApiKey ", "X-API-Key", "right", "wrong"),
    ),
]
