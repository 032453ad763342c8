"""`Compress`: which responses, in which coding, block for block."""

from __future__ import annotations

import io
import random
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.middleware import Compress, Conditional, codings
from tests.middleware.kit import Answered, Inner, ask

HTML = ("Content-Type", "text/html; charset=utf-8")
PAGE = b"<p>a paragraph of which there are many</p>" * 100


def unzstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()


def ungzip(data: bytes) -> bytes:
    return zlib.decompress(data, 31)


UNPACK: dict[str, Callable[[bytes], bytes]] = {"gzip": ungzip, "br": brotli.decompress, "zstd": unzstd}
coded = pytest.mark.parametrize("coding", UNPACK)


def page(*headers: tuple[str, str], status: str = "200 OK", blocks: Any = (PAGE,)) -> Inner:
    return Inner(status, [HTML, *headers], blocks)


def sized(*headers: tuple[str, str]) -> Inner:
    return page(("Content-Length", str(len(PAGE))), *headers)


def listed(headers: list[tuple[str, str]], *blocks: bytes) -> Any:
    """An application whose number of blocks is known."""

    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", headers[:])
        return list(blocks)

    return application


def got(app: Any, accepted: str | None = "gzip", method: str = "GET", **fields: str) -> Answered:
    given = {name.replace("_", "-"): value for name, value in fields.items()}
    return ask(app, method, "/", given if accepted is None else {"Accept-Encoding": accepted, **given})


@coded
def test_a_page_is_compressed(coding: str) -> None:
    inner = sized()
    answered = got(Compress(inner), coding)
    assert answered.value("Content-Encoding") == coding
    assert answered.value("Vary") == "Accept-Encoding"
    assert answered.value("Content-Length") == str(len(answered.body))
    assert len(answered.body) < len(PAGE) / 5 and UNPACK[coding](answered.body) == PAGE
    inner.settled()


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, br, zstd", "br"),
        ("gzip;q=1, br;q=0.1", "gzip"),
        ("*", "br"),
        ("*;q=0.1, zstd", "zstd"),
        ("gzip;q=0", None),
        ("gzip;q=0, *;q=0", None),
        ("br;q=0, *", "zstd"),
        # flask-compress reads `;q=` without blanks alone, and any other weight as 1.
        ("gzip; q=0", None),
        ("gzip ;Q=0.5, br ; q=0.1", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("deflate", None),
        ("", None),
        (None, None),
    ],
)
def test_the_coding_is_that_which_is_wanted_most(accepted: str | None, coding: str | None) -> None:
    answered = got(Compress(sized()), accepted)
    assert answered.value("Content-Encoding") == coding
    assert answered.value("Vary") == "Accept-Encoding"
    if coding is None:
        assert answered.body == PAGE and answered.value("Content-Length") == str(len(PAGE))


def test_the_order_of_the_codings_is_the_operators() -> None:
    assert got(Compress(sized(), codings=["gzip", "br"]), "br, gzip, zstd").value("Content-Encoding") == "gzip"
    assert got(Compress(sized(), codings=["gzip"]), "br").value("Content-Encoding") is None


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Type", "image/png")],
        [("Content-Type", "text/event-stream")],
        [HTML, ("Content-Encoding", "gzip")],
        [HTML, ("Content-Encoding", "identity")],
        [HTML, ("Cache-Control", "public, No-Transform")],
        [HTML, ("Content-Range", "bytes 0-9/20")],
        [HTML, ("Content-Digest", "sha-256=:AAAA:")],
        [HTML, ("Repr-Digest", "sha-256=:AAAA:")],
        [HTML, ("Digest", "sha-256=AAAA")],
        [HTML, ("Content-Length", "20")],
        [],
    ],
)
@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_what_is_to_be_left_alone_is_left_alone(headers: list[tuple[str, str]], accepted: str) -> None:
    body = b"x" * 20 if ("Content-Length", "20") in headers else PAGE
    inner = Inner(headers=headers or [("X", "y")], blocks=[body])
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "HTTP_ACCEPT_ENCODING": accepted}
    heads: list[Any] = []
    result = Compress(inner.answer)(environ, lambda *head: heads.append(head))  # type: ignore[arg-type, return-value]
    assert list(result) == [body]
    assert heads == [("200 OK", inner.headers)]


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "206 Partial Content"])
def test_a_status_without_a_whole_body_is_left_alone(status: str) -> None:
    inner = Inner(status, [HTML] if status.startswith("206") else [], [] if not status.startswith("206") else [PAGE])
    assert got(Compress(inner)).value("Content-Encoding") is None


def test_error_pages_are_compressed() -> None:
    # flask-compress compresses 2xx alone.
    assert got(Compress(page(status="404 Not Found"))).value("Content-Encoding") == "gzip"


def test_a_small_body_is_left_alone_also_without_a_length() -> None:
    answered = got(Compress(listed([HTML], b"small")))
    assert (answered.body, answered.value("Content-Encoding"), answered.value("Content-Length")) == (
        b"small",
        None,
        "5",
    )


def test_what_does_not_become_smaller_is_sent_as_it_is() -> None:
    noise = random.Random(1).randbytes(3000)
    answered = got(Compress(listed([HTML], noise)))
    assert (answered.value("Content-Encoding"), answered.body) == (None, noise)
    assert answered.value("Vary") == "Accept-Encoding"


# Streams.


@coded
def test_a_block_that_comes_can_be_read_before_the_next_is_made(coding: str) -> None:
    # flask-compress holds blocks back until its compressor's buffer is full.
    made: list[str] = []
    first, second = b"first" * 3, b"second" * 3

    def blocks() -> Iterator[bytes]:
        made.append("first")
        yield first
        made.append("second")
        yield second

    read: Any = {
        "gzip": zlib.decompressobj(31).decompress,
        "br": brotli.Decompressor().process,
        "zstd": zstandard.ZstdDecompressor().decompressobj().decompress,
    }[coding]
    result = iter(
        Compress(page(blocks=blocks()).answer)(
            {"REQUEST_METHOD": "GET", "HTTP_ACCEPT_ENCODING": coding}, lambda *_: lambda _: None
        )
    )  # type: ignore[arg-type]
    assert (read(next(result)), made) == (first, ["first"])
    assert (read(next(result)), made) == (second, ["first", "second"])
    assert read(b"".join(result)) == b""


@coded
@given(blocks=st.lists(st.binary(max_size=3000), max_size=6))
@settings(max_examples=50, deadline=None)
def test_a_stream_is_the_same_stream_unpacked(coding: str, blocks: list[bytes]) -> None:
    inner = page(blocks=iter(blocks))
    answered = got(Compress(inner, min_bytes=0), coding)
    body = answered.body if answered.value("Content-Encoding") is None else UNPACK[coding](answered.body)
    assert body == b"".join(blocks)
    assert len(answered.blocks) in (len(blocks), len(blocks) + 1)
    inner.settled()


def test_a_stream_of_a_known_length_loses_it() -> None:
    inner = page(("Content-Length", str(2 * len(PAGE))), blocks=[PAGE, PAGE])
    answered = got(Compress(inner))
    assert answered.value("Content-Length") is None and ungzip(answered.body) == 2 * PAGE


def test_streams_can_be_left_alone() -> None:
    app = Compress(page(blocks=iter([PAGE, PAGE])), streams=False)
    assert got(app).value("Content-Encoding") is None
    assert got(Compress(sized(), streams=False)).value("Content-Encoding") == "gzip"


def test_an_event_stream_is_compressed_where_that_is_asked_for() -> None:
    inner = Inner(headers=[("Content-Type", "text/event-stream")], blocks=iter([b"data: a\n\n"]))
    assert ungzip(got(Compress(inner, types=["text/event-stream"])).body) == b"data: a\n\n"


def test_what_is_written_is_compressed_too() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        write = start_response("200 OK", [HTML])
        write(b"written, ")
        return [b"given"]

    answered = got(Compress(application))
    assert ungzip(answered.body) == b"written, given"


def test_a_head_that_comes_with_the_first_block_is_seen() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [HTML])
        yield PAGE

    assert ungzip(got(Compress(application)).body) == PAGE


def test_an_error_page_can_still_take_the_place_of_a_page() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        import sys

        start_response("200 OK", [HTML, ("ETag", '"a"')])
        yield b""
        try:
            raise ValueError
        except ValueError:
            start_response("500 Internal Server Error", [HTML], sys.exc_info())
        yield PAGE

    answered = got(Compress(application))
    assert (answered.status, answered.value("ETag")) == (500, None)
    assert ungzip(answered.body) == PAGE


def test_what_the_application_raises_comes_out() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [HTML])
        yield PAGE
        raise LookupError

    with pytest.raises(LookupError):
        got(Compress(application))


def test_head_has_the_fields_of_get() -> None:
    app = Compress(sized(("ETag", '"a"')))
    head, get = got(app, method="HEAD"), got(app)
    assert dict(head.headers) == {name: value for name, value in get.headers if name != "Content-Length"}


# Validators.


@pytest.mark.parametrize(("tag", "weak"), [('"a"', 'W/"a"'), ('W/"a"', 'W/"a"')])
def test_the_etag_becomes_weak_and_ranges_go(tag: str, weak: str) -> None:
    # flask-compress makes "a:gzip" of it, which the application does not know when it comes back.
    answered = got(Compress(sized(("ETag", tag), ("Accept-Ranges", "bytes"), ("Vary", "Cookie"))))
    assert (answered.value("ETag"), answered.value("Accept-Ranges")) == (weak, None)
    assert answered.value("Vary") == "Cookie, Accept-Encoding"


def test_a_304_of_the_application_has_the_etag_that_the_client_has() -> None:
    inner = Inner("304 Not Modified", [("ETag", '"a"')], [])
    answered = got(Compress(inner), If_None_Match='W/"a"')
    assert (answered.status, answered.value("ETag"), answered.value("Vary")) == (304, 'W/"a"', "Accept-Encoding")
    assert got(Compress(inner), If_None_Match='"a"').value("ETag") == '"a"'


def test_304_is_answered_for_an_application_that_does_not_know_its_weak_etag() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        if environ.get("HTTP_IF_NONE_MATCH") == '"a"':
            start_response("304 Not Modified", [("ETag", '"a"')])
            return []
        start_response("200 OK", [HTML, ("ETag", '"a"'), ("Content-Length", str(len(PAGE)))])
        return [PAGE]

    app = Compress(application)
    tag = got(app).value("ETag") or ""
    again = got(app, If_None_Match=f'"other", {tag}')
    assert (again.status, again.body, again.value("ETag")) == (304, b"", tag)
    assert again.value("Content-Encoding") is None
    assert got(app, If_None_Match='W/"ab"').status == 200


def test_it_works_with_conditional_inside() -> None:
    app = Compress(Conditional(listed([HTML], PAGE)))
    first = got(app)
    assert (first.value("ETag") or "").startswith('W/"')
    assert got(app, If_None_Match=first.value("ETag") or "").status == 304


def test_nothing_is_compressed_twice() -> None:
    answered = got(Compress(Compress(sized())))
    assert answered.values("Content-Encoding") == ["gzip"] and ungzip(answered.body) == PAGE


# Files, paths, settings.


class FileWrapper:
    def __init__(self, file: Any, size: int = 8192) -> None:
        self.file, self.size, self.close = file, size, file.close

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.file.read(self.size), b"")


@pytest.mark.parametrize("files", [False, True])
def test_a_file_is_the_servers_to_send(files: bool) -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [HTML, ("Content-Length", str(len(PAGE)))])
        return environ["wsgi.file_wrapper"](io.BytesIO(PAGE))

    environ: Any = {"REQUEST_METHOD": "GET", "HTTP_ACCEPT_ENCODING": "gzip", "wsgi.file_wrapper": FileWrapper}
    heads: list[Any] = []
    result = Compress(application, files=files)(environ, lambda *head: heads.append(head))  # type: ignore[arg-type, return-value]
    body = b"".join(result)
    assert type(result) is not FileWrapper if files else type(result) is FileWrapper
    assert (ungzip(body) if files else body) == PAGE
    assert (("Content-Encoding", "gzip") in heads[0][1]) is files


def test_exempt_paths_are_left_alone() -> None:
    # BREACH: what mixes a secret with what a client sends.
    app = Compress(sized(), exempt=["/account"])
    assert ask(app, "GET", "/account/keys", {"Accept-Encoding": "gzip"}).value("Content-Encoding") is None
    assert ask(app, "GET", "/accounts", {"Accept-Encoding": "gzip"}).value("Content-Encoding") == "gzip"


def test_levels_count() -> None:
    sizes = [
        len(got(Compress(page(blocks=[bytes(str(list(range(3000))), "ascii")]), levels={"gzip": level})).body)
        for level in (1, 9)
    ]
    assert sizes[0] > sizes[1]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"codings": ["lzma"]}, "codings: want some of br, zstd, gzip, got 'lzma'"),
        ({"codings": "gzip"}, "codings: want a list"),
        ({"codings": []}, "codings: want a list"),
        ({"levels": {"br": 12}}, "levels: br has levels from 0 to 11, got 12"),
        ({"levels": {"lzma": 1}}, "levels: want levels of"),
        ({"min_bytes": -1}, "min_bytes: want a number"),
        ({"types": "text/html"}, "types: want a list"),
        ({"exempt": ["account"]}, "exempt: want paths"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        Compress(**options)


def test_without_the_packages_there_is_gzip_and_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codings.importlib.util, "find_spec", lambda name: None)
    assert got(Compress(sized()), "br, zstd, gzip;q=0.1").value("Content-Encoding") == "gzip"
    with pytest.raises(ImportError, match=re.escape("Compress with br needs brotli; pip install 'dragoman[compress]'")):
        Compress(codings=["br"])
