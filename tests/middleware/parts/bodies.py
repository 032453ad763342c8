"""`Compress`, `Conditional`, `BodyLimit` and `Decompress` under servers."""

from __future__ import annotations

import gzip

from dragoman.middleware import BodyLimit, Compress, Conditional, Decompress
from tests.middleware.part import Part, Probe
from tests.support.wire import Response

LONG = "n" * 600
TEXT = b"text=" + b"a" * 3000
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def is_packed(response: Response) -> None:
    assert response.value("Content-Encoding") == "gzip"
    assert gzip.decompress(response.body) == f"Hello, {LONG}".encode()
    assert response.value("Vary") == "Accept-Encoding"
    assert response.value("Content-Length") == str(len(response.body))


def is_not_packed(response: Response) -> None:
    assert (response.value("Content-Encoding"), response.body) == (None, f"Hello, {LONG}".encode())


def is_small(response: Response) -> None:
    assert (response.value("Content-Encoding"), response.body) == (None, b"Hello, you")


def is_bodiless(response: Response) -> None:
    assert (response.status, response.body) == (204, b"")


def has_an_etag(response: Response) -> None:
    assert (response.value("ETag"), response.body) == ('"72c9308c323e7254e56a99de92d9dab5"', b"Hello, you")


def is_known(response: Response) -> None:
    assert (response.status, response.body) == (304, b"")


def is_echoed(response: Response) -> None:
    assert (response.status, response.body) == (200, TEXT)


def is_the_field(response: Response) -> None:
    assert (response.status, response.body) == (200, b"a" * 3000)


def is_too_large(response: Response) -> None:
    assert response.status == 413


def is_broken(response: Response) -> None:
    assert response.status == 400


def is_unknown(response: Response) -> None:
    assert (response.status, response.value("Accept-Encoding")) == (415, "gzip")


PACKED = {"Content-Encoding": "gzip"}

PARTS = [
    Part(
        "compress",
        lambda: Compress(codings=["gzip"]),
        (
            Probe(f"/hello?name={LONG}", is_packed, fields={"Accept-Encoding": "gzip"}),
            Probe(f"/hello?name={LONG}", is_not_packed),
            Probe("/hello", is_small, fields={"Accept-Encoding": "gzip"}),
            Probe("/empty", is_bodiless, fields={"Accept-Encoding": "gzip"}),
        ),
    ),
    Part(
        "conditional",
        Conditional,
        (
            Probe("/hello", has_an_etag),
            Probe("/hello", is_known, fields={"If-None-Match": 'W/"72c9308c323e7254e56a99de92d9dab5"'}),
            Probe("/empty", is_bodiless),
        ),
    ),
    Part(
        "body-limit",
        lambda: BodyLimit(max_bytes=4000),
        (
            Probe("/echo", is_echoed, method="POST", body=TEXT),
            Probe("/form", is_the_field, method="POST", body=TEXT, fields=FORM),
            Probe("/echo", is_too_large, method="POST", body=TEXT * 2),
        ),
    ),
    Part(
        "decompress",
        lambda: Decompress(codings=["gzip"], max_bytes=4000),
        (
            Probe("/echo", is_echoed, method="POST", body=TEXT),
            Probe("/echo", is_echoed, method="POST", body=gzip.compress(TEXT), fields=PACKED),
            Probe("/form", is_the_field, method="POST", body=gzip.compress(TEXT), fields={**FORM, **PACKED}),
            Probe("/echo", is_too_large, method="POST", body=gzip.compress(TEXT * 2), fields=PACKED),
            Probe("/echo", is_broken, method="POST", body=b"no gzip at all", fields=PACKED),
            Probe("/echo", is_unknown, method="POST", body=TEXT, fields={"Content-Encoding": "compress"}),
        ),
    ),
]
