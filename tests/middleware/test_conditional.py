"""`Conditional`: ETags for responses of one known block, and 304."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dragoman.http.dates import http_date
from dragoman.middleware import Conditional
from tests.middleware.kit import TEXT, Answered, Inner, ask


def listed(headers: list[tuple[str, str]], *blocks: bytes) -> Any:
    """An application whose number of blocks is known."""

    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", headers[:])
        return list(blocks)

    return application


def got(app: Any, method: str = "GET", **fields: str) -> Answered:
    return ask(app, method, "/", {name.replace("_", "-"): value for name, value in fields.items()})


def test_a_response_gets_an_etag_and_then_304() -> None:
    inner = Inner(headers=[TEXT, ("Set-Cookie", "a=b"), ("Vary", "Cookie"), ("Content-Length", "5")])
    app = Conditional(inner)
    first = got(app)
    assert (first.status, first.body, first.value("Content-Length")) == (200, b"Hello", "5")
    again = got(app, If_None_Match=first.value("ETag") or "")
    assert (again.status, again.body) == (304, b"")
    assert dict(again.headers) == {"Set-Cookie": "a=b", "Vary": "Cookie", "ETag": first.value("ETag")}
    inner.settled()


def test_other_bytes_have_another_etag() -> None:
    one, other = (got(Conditional(listed([TEXT], block))).value("ETag") for block in (b"a", b"b"))
    assert one != other
    assert got(Conditional(listed([TEXT], b"a"))).value("ETag") == one


def test_a_body_of_one_block_keeps_its_length() -> None:
    assert got(Conditional(listed([TEXT], b"Hello"))).value("Content-Length") == "5"


@pytest.mark.parametrize("app", [listed([TEXT], b"a", b"b"), Inner(blocks=iter([b"a"]))], ids=["two", "unknown"])
def test_a_body_that_is_not_one_known_block_gets_none(app: Any) -> None:
    answered = got(Conditional(app))
    assert answered.value("ETag") is None and answered.status == 200


def test_a_stream_streams() -> None:
    made: list[int] = []

    def blocks() -> Iterator[bytes]:
        for number in (1, 2):
            made.append(number)
            yield b"x"

    result = iter(Conditional(Inner(blocks=blocks()).answer)({"REQUEST_METHOD": "GET"}, lambda *_: lambda _: None))  # type: ignore[arg-type]
    assert (next(result), made) == (b"x", [1])


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("404 Not Found", [TEXT]),
        ("201 Created", [TEXT]),
        ("200 OK", [TEXT, ("Cache-Control", "private, No-Store")]),
        ("200 OK", [TEXT, ("Last-Modified", http_date(1_700_000_000))]),
    ],
)
def test_what_is_to_get_no_etag_gets_none(status: str, headers: list[tuple[str, str]]) -> None:
    length = ("Content-Length", "5")
    assert got(Conditional(Inner(status, [*headers, length]))).value("ETag") is None


def test_etags_can_be_unwanted_and_bodies_too_large() -> None:
    for app in (listed([TEXT], b"Hello"), listed([TEXT, ("Content-Length", "5")], b"Hello")):
        assert got(Conditional(app)).value("ETag") is not None
        assert got(Conditional(app, etags=False)).value("ETag") is None
        assert got(Conditional(app, max_bytes=4)).value("ETag") is None
        assert got(Conditional(app, exempt=["/"])).value("ETag") is None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_validators_of_the_application_count(method: str) -> None:
    headers = [TEXT, ("ETag", '"mine"'), ("Last-Modified", http_date(1_700_000_000))]
    app = Conditional(Inner(headers=headers))
    assert got(app, method).headers == headers
    assert got(app, method, If_None_Match='W/"mine"').status == 304
    assert got(app, method, If_None_Match='"other"', If_Modified_Since=http_date(1_700_000_000)).status == 200
    assert got(app, method, If_Modified_Since=http_date(1_700_000_000)).status == 304
    assert got(app, method, If_Match='"other"').status == 412
    assert got(app, method, If_Match='"mine"').status == 200


def test_a_stream_with_an_etag_of_its_own_is_not_asked_for_a_block() -> None:
    inner = Inner(headers=[TEXT, ("ETag", '"mine"')], blocks=iter([b"a", b"b"]))
    assert got(Conditional(inner), If_None_Match='"mine"').status == 304
    assert inner.given <= 1
    inner.settled()


def test_a_file_with_an_etag_is_closed_when_it_is_not_sent() -> None:
    closed: list[bool] = []

    class FileWrapper:
        def __iter__(self) -> Any:
            raise AssertionError("it is not asked for")

        def close(self) -> None:
            closed.append(True)

    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT, ("ETag", '"a"')])
        return FileWrapper()

    environ: Any = {"REQUEST_METHOD": "GET", "HTTP_IF_NONE_MATCH": '"a"', "wsgi.file_wrapper": FileWrapper}
    heads: list[Any] = []
    result: Any = Conditional(application)(environ, lambda *head: heads.append(head))  # type: ignore[arg-type, return-value]
    assert list(result) == [] and heads[0][0] == "304 Not Modified"
    result.close()
    assert closed == [True]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_pass(method: str) -> None:
    answered = got(Conditional(Inner()), method, If_None_Match="*")
    assert (answered.status, answered.value("ETag")) == (200, None)


def test_a_setting_that_makes_no_sense_is_told() -> None:
    with pytest.raises(ValueError, match="max_bytes: want a number of bytes"):
        Conditional(max_bytes=-1)
