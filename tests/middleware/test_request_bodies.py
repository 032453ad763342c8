"""`BodyLimit` and `Decompress`: request bodies that are too large, packed, broken, or bombs."""

from __future__ import annotations

import gzip
import io
import os
import random
import re
import resource
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.middleware import BodyLimit, Decompress
from dragoman.middleware.request_bodies import BodyRefused
from tests.middleware.kit import TEXT, Answered, ask


def deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=3),
    "zstd": zstandard.compress,
}
NOISE = random.Random(1).randbytes(3 << 20)
coded = pytest.mark.parametrize("coding", PACK)
streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def echo(environ: Any, start_response: Any) -> Any:
    """Reads as frameworks do: by the length, else to the end where there is one."""
    length = environ.get("CONTENT_LENGTH")
    source = environ["wsgi.input"]
    body = source.read(int(length)) if length else source.read() if environ.get("wsgi.input_terminated") else b""
    start_response("200 OK", [TEXT, ("Content-Length", str(len(body)))])
    return [body]


def swallowing(environ: Any, start_response: Any) -> Any:
    """An application that answers whatever happens, as frameworks do with their error pages."""
    try:
        return echo(environ, start_response)
    except Exception:
        start_response("500 Internal Server Error", [TEXT])
        return [b"our own ", b"error page"]


def lazy(environ: Any, start_response: Any) -> Iterator[bytes]:
    """Reads while it answers."""
    start_response("200 OK", [TEXT])
    yield b""
    yield environ["wsgi.input"].read()


def late(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [TEXT])
    yield b"begun"
    yield environ["wsgi.input"].read()


READERS = pytest.mark.parametrize("app", [echo, swallowing, lazy])


def sent(app: Any, body: bytes, *, length: str | None = "", target: str = "/", **fields: str) -> Answered:
    """`length` is "" for the right one, None for none."""
    given = {name.replace("_", "-"): value for name, value in fields.items()}
    more: dict[str, Any] = {"wsgi.input_terminated": True}
    more["CONTENT_LENGTH"] = str(len(body)) if length == "" else (length or "")
    return ask(app, "POST", target, given, body, **more)


# BodyLimit.


def test_a_body_up_to_the_limit_passes() -> None:
    app = BodyLimit(echo, max_bytes=10)
    assert sent(app, b"x" * 10).body == sent(app, b"x" * 10, length=None).body == b"x" * 10


def test_a_larger_one_is_refused_before_it_is_read() -> None:
    source = io.BytesIO(b"x" * 11)
    answered = ask(BodyLimit(echo, max_bytes=10), "POST", **{"wsgi.input": source, "CONTENT_LENGTH": "11"})
    assert (answered.status, answered.text, source.tell()) == (413, "The body is larger than 10 bytes.\n", 0)


@READERS
def test_one_of_unknown_length_is_refused_whatever_the_application_makes_of_it(app: Any) -> None:
    source = io.BytesIO(b"x" * 1000)
    environ = {"wsgi.input": source, "wsgi.input_terminated": True}
    answered = ask(BodyLimit(app, max_bytes=10), "POST", **environ)
    assert (answered.status, answered.text) == (413, "The body is larger than 10 bytes.\n")
    assert answered.value("Content-Length") == str(len(answered.body))
    assert source.tell() == 11


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_no_more_is_read_than_tells_that_there_is_more(size: int) -> None:
    def application(environ: Any, start_response: Any) -> Any:
        while environ["wsgi.input"].read(size):
            pass
        start_response("200 OK", [TEXT])
        return []

    source = io.BytesIO(b"x" * 1000)
    environ = {"wsgi.input": source, "wsgi.input_terminated": True}
    assert ask(BodyLimit(application, max_bytes=10), "POST", **environ).status == 413
    assert source.tell() == 11


def test_where_the_head_has_gone_the_connection_breaks() -> None:
    with pytest.raises(BodyRefused):
        ask(
            BodyLimit(late, max_bytes=10),
            "POST",
            **{"wsgi.input": io.BytesIO(b"x" * 99), "wsgi.input_terminated": True},
        )


@pytest.mark.parametrize("length", ["abc", "-1", "1.5", "+1", "1 1", "٣"])
def test_a_length_that_is_none_is_400(length: str) -> None:
    environ: Any = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(b"x")}
    heads: list[Any] = []
    for app in (BodyLimit(echo), Decompress(echo)):
        list(app({**environ, "HTTP_CONTENT_ENCODING": "gzip"}, lambda *head: heads.append(head)))  # type: ignore[arg-type, return-value]
    assert [head[0] for head in heads] == ["400 Bad Request"] * 2


def test_paths_have_limits_of_their_own() -> None:
    app = BodyLimit(echo, max_bytes=10, by_path={"/upload": 20, "/any": None})
    statuses = [
        sent(app, b"x" * 15, target=target).status for target in ("/", "/upload", "/upload/x", "/uploads", "/any")
    ]
    assert statuses == [413, 200, 200, 413, 200]
    assert sent(app, b"x" * 21, target="/upload").status == 413


@pytest.mark.parametrize(
    "read",
    [
        lambda source: source.read(4) + source.read(None) + source.read(),
        b"".join,
        lambda source: b"".join(source.readlines()),
        lambda source: b"".join(source.readlines(3)) + source.readline(2) + source.readline() + source.read(-1),
        lambda source: b"".join(iter(lambda: source.read(1), b"")),
    ],
)
@pytest.mark.parametrize("layer", [lambda app: BodyLimit(app, max_bytes=11), lambda app: Decompress(app, stream=True)])
def test_the_input_can_be_read_in_all_ways(read: Any, layer: Any) -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        return [read(environ["wsgi.input"])]

    body = b"ab\ncd\n\nefgh"
    app = layer(application)
    fields = {"Content_Encoding": "gzip"} if isinstance(app, Decompress) else {}
    assert sent(app, gzip.compress(body) if fields else body, length=None, **fields).body == body


def test_without_a_body_nothing_is_done() -> None:
    seen: list[Any] = []

    def application(environ: Any, start_response: Any) -> Any:
        seen.append(environ["wsgi.input"])
        start_response("200 OK", [TEXT])
        return []

    source = io.BytesIO()
    ask(BodyLimit(application), "GET", **{"wsgi.input": source})
    assert getattr(seen[0], "_stream", seen[0]) is not None and not type(seen[0]).__name__.startswith("Counting")


@pytest.mark.parametrize(
    "options",
    [{"max_bytes": -1}, {"max_bytes": "1M"}, {"max_bytes": True}, {"by_path": {"/a": 1.5}}, {"by_path": {"a": 1}}],
)
def test_a_limit_that_is_none_is_told(options: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        BodyLimit(**options)


# Decompress.


@coded
@streamed
@pytest.mark.parametrize("length", ["", None], ids=["length", "none"])
@pytest.mark.parametrize("body", [b"x", b"Hello, " * 1000, NOISE], ids=["one", "some", "file"])
def test_a_body_arrives_unpacked(coding: str, stream: bool, length: str | None, body: bytes) -> None:
    assert (
        sent(Decompress(echo, stream=stream), PACK[coding](body), length=length, Content_Encoding=coding).body == body
    )


@streamed
def test_the_application_sees_a_body_that_was_never_packed(stream: bool) -> None:
    seen: list[Any] = []

    def application(environ: Any, start_response: Any) -> Any:
        seen.append(dict(environ))
        return echo(environ, start_response)

    sent(Decompress(application, stream=stream), gzip.compress(b"Hello"), Content_Encoding="gzip")
    assert "HTTP_CONTENT_ENCODING" not in seen[0] and seen[0]["wsgi.input_terminated"] is True
    assert seen[0].get("CONTENT_LENGTH") == (None if stream else "5")


def test_what_follows_the_body_is_not_read() -> None:
    packed = gzip.compress(b"Hello")
    source = io.BytesIO(packed + b"GET / HTTP/1.1")
    environ = {"wsgi.input": source, "CONTENT_LENGTH": str(len(packed)), "HTTP_CONTENT_ENCODING": "gzip"}
    assert ask(Decompress(echo), "POST", **environ).body == b"Hello"
    assert source.tell() == len(packed)


def test_bare_deflate_is_understood_as_well() -> None:
    assert sent(Decompress(echo), deflate(b"Hello"), Content_Encoding="deflate").body == b"Hello"


def test_members_and_frames_may_be_several() -> None:
    for coding in ("gzip", "zstd"):
        packed = PACK[coding](b"one, ") + PACK[coding](b"") + PACK[coding](b"two")
        assert sent(Decompress(echo), packed, Content_Encoding=coding).body == b"one, two"


def test_two_codings_are_taken_in_their_order_and_three_are_not() -> None:
    packed = gzip.compress(brotli.compress(b"Hello"))
    assert sent(Decompress(echo), packed, Content_Encoding="br, gzip").body == b"Hello"
    assert sent(Decompress(echo), packed, Content_Encoding="br, gzip, gzip").status == 415


@pytest.mark.parametrize("coding", ["identity", "", "Identity"])
def test_identity_is_no_coding(coding: str) -> None:
    assert sent(Decompress(echo), b"Hello", Content_Encoding=coding).body == b"Hello"


def test_an_unknown_coding_is_415_and_told_what_is_known() -> None:
    answered = sent(Decompress(echo, codings=["gzip", "br"]), b"x", Content_Encoding="compress")
    assert (answered.status, answered.value("Accept-Encoding")) == (415, "gzip, br")
    assert sent(Decompress(echo, codings=["gzip"]), brotli.compress(b"x"), Content_Encoding="br").status == 415


@coded
@streamed
def test_a_body_that_is_broken_or_ends_early_is_400(coding: str, stream: bool) -> None:
    packed = PACK[coding](bytes(range(256)) * 20)
    app = Decompress(swallowing, stream=stream)
    for broken in (b"nonsense, and no coding at all", packed[:-1], packed[: len(packed) // 2], packed + b"rest"):
        answered = sent(app, broken, Content_Encoding=coding)
        assert answered.status == 400, broken
        assert answered.text.startswith("The compressed body")


def test_the_file_of_a_large_body_is_closed_when_the_request_ends() -> None:
    files: list[Any] = []

    def application(environ: Any, start_response: Any) -> Any:
        files.append(environ["wsgi.input"])
        start_response("200 OK", [TEXT])
        return [environ["wsgi.input"].read(1)]

    environ: Any = {"REQUEST_METHOD": "POST", "HTTP_CONTENT_ENCODING": "gzip", "CONTENT_LENGTH": "9999999"}
    environ["wsgi.input"] = io.BytesIO(gzip.compress(NOISE))
    result: Any = Decompress(application)(environ, lambda *_: lambda _: None)
    assert list(result) == [NOISE[:1]] and not files[0].closed
    result.close()
    assert files[0].closed


@coded
@streamed
def test_an_empty_body_is_empty(coding: str, stream: bool) -> None:
    assert sent(Decompress(echo, stream=stream), b"", length=None, Content_Encoding=coding).body == b""


@coded
@streamed
def test_a_bomb_goes_off_nowhere(coding: str, stream: bool) -> None:
    # Werkzeug and Django have no bound of their own: who unpacks by hand unpacks it all.
    bomb = PACK[coding](bytes(64 << 20))
    app = Decompress(swallowing, stream=stream, max_bytes=1 << 30)
    tracemalloc.start()
    try:
        answered = sent(app, bomb, Content_Encoding=coding)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (answered.status, answered.text) == (
        413,
        "The body becomes more than 100 times as large when it is unpacked.\n",
    )
    assert peak < 16 << 20


@coded
@streamed
def test_the_largest_body_is_to_the_byte(coding: str, stream: bool) -> None:
    app = Decompress(swallowing, stream=stream, max_bytes=1000)
    assert sent(app, PACK[coding](b"x" * 1000), Content_Encoding=coding).body == b"x" * 1000
    answered = sent(app, PACK[coding](b"x" * 1001), Content_Encoding=coding)
    assert (answered.status, answered.text) == (413, "The body is larger than 1000 bytes when it is unpacked.\n")


@coded
def test_a_bomb_in_a_bomb_goes_off_nowhere(coding: str) -> None:
    bomb = PACK[coding](PACK[coding](bytes(64 << 20)))
    answered = sent(Decompress(echo, max_bytes=1 << 30), bomb, Content_Encoding=f"{coding}, {coding}")
    assert answered.status == 413


@coded
@given(data=st.binary(max_size=200), cut=st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_a_body_or_400(coding: str, data: bytes, cut: int) -> None:
    for body in (data, PACK[coding](data)[:cut]):
        assert sent(Decompress(echo), body, Content_Encoding=coding).status in (200, 400)


def test_limits_before_and_behind_work_together() -> None:
    app = BodyLimit(Decompress(echo, max_bytes=5000), max_bytes=100)
    assert sent(app, gzip.compress(b"x" * 5000), Content_Encoding="gzip").body == b"x" * 5000
    assert sent(app, gzip.compress(NOISE[:300]), Content_Encoding="gzip").status == 413
    packed = gzip.compress(NOISE[:300])
    assert sent(app, packed, length=None, Content_Encoding="gzip").status == 413


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"codings": ["lzma"]}, "codings: want some of gzip, deflate, br, zstd, got 'lzma'"),
        ({"codings": "gzip"}, "codings: want a list"),
        ({"max_bytes": -1}, "max_bytes: want a number"),
        ({"max_ratio": 0.5}, "max_ratio: want a number"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        Decompress(**options)


def test_a_length_beside_a_transfer_encoding_is_not_believed() -> None:
    def to_the_end(environ: Any, start_response: Any) -> Any:
        body = environ["wsgi.input"].read()
        start_response("200 OK", [TEXT])
        return [body]

    fields = {"Transfer-Encoding": "chunked", "Content-Length": "5"}
    app = BodyLimit(to_the_end, max_bytes=10)
    for body, status in ((b"x" * 10, 200), (b"x" * 11, 413)):
        assert ask(app, "POST", "/", fields, body, **{"wsgi.input_terminated": True}).status == status


def test_a_body_of_many_frames_is_unpacked_by_one_decompressor(monkeypatch: pytest.MonkeyPatch) -> None:
    # To make one costs as much as to unpack 10 KiB: 400 KB of empty frames took 1.2 s.
    made: list[Any] = []
    make = zstandard.ZstdDecompressor
    monkeypatch.setattr(zstandard, "ZstdDecompressor", lambda **options: made.append(make(**options)) or made[-1])
    skippable = b"\x50\x2a\x4d\x18\3\0\0\0abc"
    body = (skippable + zstandard.compress(b"") + zstandard.compress(b"ab")) * 1000
    answered = ask(Decompress(echo), "POST", "/", {"Content-Encoding": "zstd"}, body)
    assert (answered.body, len(made)) == (b"ab" * 1000, 1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [(1 << 20) + 1, 3 << 20])
def test_a_body_that_there_is_no_room_for_is_507(size: int, caplog: pytest.LogCaptureFixture) -> None:
    # No file of this process can grow beyond a mebibyte: writes fail as on a full disk.
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limit[1]))
    try:
        answered = ask(Decompress(echo), "POST", "/", {"Content-Encoding": "gzip"}, gzip.compress(NOISE[:size]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (answered.status, answered.text) == (507, "There is no room for the body, unpacked.\n")
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.filterwarnings("error")
def test_a_body_that_is_refused_while_it_is_unpacked_leaves_no_file() -> None:
    app = Decompress(echo, max_bytes=2 << 20)
    before = len(os.listdir("/proc/self/fd"))
    assert ask(app, "POST", "/", {"Content-Encoding": "gzip"}, gzip.compress(NOISE)).status == 413
    assert len(os.listdir("/proc/self/fd")) == before
