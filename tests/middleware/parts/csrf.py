"""`Csrf` under servers: refusals, and forms that the application reads after the token was looked for."""

from __future__ import annotations

from collections.abc import Callable

from dragoman.middleware import Csrf
from dragoman.middleware.csrf.token import encoded, masked, new_secret
from tests.middleware.part import Part, Probe
from tests.support.wire import Response

SECRET = "a secret of 32 characters, or so"
VISITOR = new_secret([SECRET.encode()])
COOKIE = {"Cookie": f"csrf={encoded(VISITOR)}"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LONG = "x" * 200_000


def is_refused(response: Response) -> None:
    assert response.status == 403
    assert response.body.startswith(b"Refused, since it may come from another site")


def has(body: bytes) -> Callable[[Response], None]:
    def holds(response: Response) -> None:
        assert (response.status, response.body) == (200, body)

    return holds


COMMON = (
    Probe("/hello", has(b"Hello, you"), fields={"Sec-Fetch-Site": "cross-site"}),
    Probe("/form", is_refused, "POST", {**FORM, "Sec-Fetch-Site": "cross-site"}, b"text=a"),
    Probe("/form", is_refused, "POST", {**FORM, "Origin": "https://evil.example"}, b"text=a"),
    Probe("/form", has(b"a"), "POST", {**FORM, "Sec-Fetch-Site": "same-origin"}, b"text=a"),
)
TOKEN = masked(VISITOR)
PARTS = [
    Part(
        "csrf",
        Csrf,
        (*COMMON, Probe("/form", has(b"a"), "POST", FORM, b"text=a")),
    ),
    Part(
        "csrf-token",
        lambda: Csrf(unsaid="token", secret=SECRET, secure=False),
        (
            *COMMON,
            Probe("/form", is_refused, "POST", {**FORM, **COOKIE}, b"text=a"),
            Probe(
                "/form",
                has(b"a"),
                "POST",
                {**FORM, **COOKIE},
                f"csrf_token={TOKEN}&text=a".encode(),
            ),
            Probe(
                "/form",
                has(LONG.encode()),
                "POST",
                {**FORM, **COOKIE},
                f"csrf_token={TOKEN}&text={LONG}".encode(),
            ),
        ),
    ),
]
