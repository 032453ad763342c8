"""No false alarm: applications of seven frameworks and their middlewares, checked on all sides and driven broadly."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.apps.checked import FINDINGS
from tests.support.needs import need
from tests.support.server import Server
from tests.support.wire import ConnectionEnded, Wire, chunked_request_bytes, request_bytes

FRAMEWORKS = ["flask", "werkzeug", "django", "falcon", "bottle", "webob", "whitenoise", "pyramid"]
PREFIX = "werkzeug's ProxyFix makes SCRIPT_NAME of X-Forwarded-Prefix as it comes, a slash at its end included"
BREACHES: Mapping[str, Mapping[str, str]] = {
    "flask": {
        "environ-path-shape": PREFIX,
        "chunk-pulled-ahead": "werkzeug's ProfilerMiddleware takes the whole body, to measure what making it costs",
    },
    "werkzeug": {"environ-path-shape": PREFIX},
    "bottle": {"close-missing": "Bottle.mount() drops a response that has no block, without calling its close()"},
}
"""What is found in a framework by rule, each looked at: how it is a breach of theirs."""

PATHS = [
    *("/", "/hello", "/hello?name=M%C3%B6we", "/json", "/stream", "/file", "/visits", "/redirect", "/fails"),
    *("/missing", "/hello/", "//hello", "/caf%C3%A9", "/a%2Fb", "/%FF", "/hello?%FF&&a=&=b;c", "/hello?" + "x" * 2000),
    *("/static/", "/static/file.bin", "/static/style.css", "/static/data.bin", "/static/missing", "/static/../file"),
    *("/static/pages/", "/static/pages", "/static/empty.txt", "/live/style.css", "/live/pages/", "/live/../x"),
    *("/mounted", "/mounted/", "/mounted/hello", "/mounted/stream", "/mounted/file", "/mounted/missing"),
    *("/csrf-form", "/proxied/hello", "/form", "/body"),
]
METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"]
FIELDS = [
    [("Range", "bytes=0-99")],
    [("Range", "bytes=-5")],
    [("Range", "bytes=5-2")],
    [("Range", "bytes=900000-")],
    [("Range", "bytes=0-1,5-9")],
    [("If-None-Match", "*")],
    [("If-None-Match", '"one", W/"two"')],
    [("If-Match", '"none"')],
    [("If-Modified-Since", "Fri, 31 Dec 2100 00:00:00 GMT")],
    [("If-Unmodified-Since", "Fri, 31 Dec 1999 00:00:00 GMT")],
    [("If-Modified-Since", "yesterday")],
    [("Accept-Encoding", "gzip, br;q=0")],
    [("Accept", "application/json"), ("Accept-Language", "de;q=x")],
    [("Cookie", "visits=nonsense; session=; =; a")],
    [("X-Forwarded-For", "192.0.2.1, 192.0.2.2"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Prefix", "/shop")],
    [("X-Forwarded-Prefix", "/shop/"), ("X-Forwarded-Host", "example.org:1")],
    [("Authorization", "Basic !!!"), ("Content-Type", "nonsense")],
]
CONDITIONAL = [
    "/file",
    "/visits",
    "/hello",
    "/static/file.bin",
    "/static/style.css",
    "/static/data.bin",
    "/live/style.css",
]
FORM = "application/x-www-form-urlencoded"
PART = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
    + b"data" * 50_000
    + b"\r\n--b--\r\n"
)
BODIES = [
    ("/form", FORM, b"name=Ada&text=a%3Db"),
    ("/form", FORM, b""),
    ("/form", FORM, b"%FF&&=&name"),
    ("/form", "multipart/form-data; boundary=b", PART),
    ("/form", "multipart/form-data", b"no boundary"),
    ("/form", "application/json", b"{not json"),
    ("/upload", "multipart/form-data; boundary=b", PART),
    ("/upload", "multipart/form-data; boundary=b", PART[:1000]),
    ("/upload", "text/plain", b"no parts"),
    ("/body", "application/octet-stream", b"x"),
    ("/body", "application/octet-stream", b""),
    ("/body", "application/octet-stream", b"x" * 3_000_000),
    ("/mounted/body", "application/octet-stream", b"x" * 1000),
    # Those that read nothing of it.
    ("/hello", "application/octet-stream", b"x" * 200_000),
    ("/missing", FORM, b"name=Ada"),
    ("/fails", FORM, b"name=Ada"),
    ("/csrf-form", FORM, b"name=Ada"),
    ("/static/style.css", FORM, b"name=Ada"),
    ("/proxied/x", FORM, b"name=Ada"),
]
CLOSE = ("Connection", "close")


def requests() -> Iterator[bytes]:
    """Whole requests, each on a connection of its own."""
    for method, path in itertools.product(METHODS, PATHS):
        yield request_bytes(method, path, [CLOSE])
    for method, path, fields in itertools.product(["GET", "HEAD"], CONDITIONAL, FIELDS):
        yield request_bytes(method, path, [*fields, CLOSE])
    for path in PATHS:
        yield request_bytes("GET", path, version="HTTP/1.0")
    for path, kind, body in BODIES:
        for method in ("POST", "PUT"):
            yield request_bytes(method, path, [("Content-Type", kind), CLOSE], body)
        yield chunked_request_bytes(path, [body[:100], body[100:]] if len(body) > 100 else [body] * bool(body), [CLOSE])


def leave_early(server: Server) -> None:
    """Clients that go away in the middle of a body, theirs or the server's."""
    for path, kind, body in BODIES:
        with server.connect() as wire, contextlib.suppress(OSError):
            wire.send(request_bytes("POST", path, [("Content-Type", kind)], body)[: -1 - len(body) // 2])
            wire.half_close() if len(body) % 2 else wire.reset()
    for path in ("/file", "/stream", "/static/file.bin", "/static/data.bin", "/mounted/file"):
        with server.connect(receive_buffer=4096) as wire, contextlib.suppress(ConnectionEnded):
            wire.send(request_bytes("GET", path))
            wire.read_exactly(100)
            wire.reset()


def revalidate(server: Server) -> None:
    """Ask again with what the first answer was marked with."""
    for path in CONDITIONAL:
        first = server.request("GET", path)
        for given, asked in (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"), ("ETag", "If-Range")):
            for value in first.values(given):
                fields = [(asked, value), *([("Range", "bytes=0-9")] if asked == "If-Range" else [])]
                for method in ("GET", "HEAD"):
                    server.request(method, path, fields)
        cookies = [cookie.partition(";")[0] for cookie in first.values("Set-Cookie")]
        server.request("GET", path, [("Cookie", "; ".join(cookies))])


def pipeline(server: Server) -> None:
    """Several requests at once on one connection."""
    with server.connect() as wire:
        wire.send(b"".join(request_bytes("GET", path) for path in ("/hello", "/stream", "/missing")))
        wire.send(request_bytes("GET", "/file", [CLOSE]))
        wire.expect_end()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_is_found_in_a_framework_is_a_breach_of_it(framework: str, tmp_path: Path) -> None:
    need(framework)
    file = tmp_path / "findings"
    file.touch()
    with Server(f"tests.apps.checked:make('{framework}')", env={FINDINGS: str(file)}) as server:
        count = 0
        for request in requests():
            with Wire(server.address) as wire, contextlib.suppress(ConnectionResetError, BrokenPipeError):
                wire.send(request)
                assert wire.expect_end().startswith(b"HTTP/1.")
            count += 1
        revalidate(server)
        pipeline(server)
        leave_early(server)
        assert server.request("GET", "/hello").status == 200
        assert count > 500
    found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    known = BREACHES.get(framework, {})
    unknown = sorted({one["text"] for one in found if one["rule"] not in known})
    assert unknown == [], "\n\n".join(unknown)
    assert {one["party"] for one in found} <= {"middleware"}
    # A breach that is gone has to leave the table.
    assert {one["rule"] for one in found} == known.keys()
