"""Fuzz target: whatever head is accepted, the environ keeps its contract and says what was sent."""

import functools
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

import harness
from harness import Choices, Growth, Served

from tests.support.wire import ConnectionEnded, Wire

NAMES = [b"Accept", b"accept", b"Cookie", b"cookie", b"X-Tag", b"X_Tag", b"Proxy", b"Connection", b"Keep-Alive", b"TE"]
NAMES += [b"Content-Type", b"Content-Length", b"Transfer-Encoding", b"Expect", b"Upgrade", b"X", b"Authorization"]
VALUES = [b"", b"a", b"a, b", b"gzip", b"\xc3\xa9\xff", b"close", b"5", b"0", b"100-continue", b"a=b; c=d", b"\t a \t"]
TARGETS = [b"/", b"/a/b?c=d", b"//x//", b"/%C3%A9%2F?%zz", b"/a;b=1", b"*", b"http://h:1/p?q", b"http://h", b"/?"]
METHODS = [b"GET", b"POST", b"HEAD", b"OPTIONS", b"get", b"X!#$%&'*+-.^_`|~9", b"PUT"]
WSGI_KEYS = {
    "wsgi.version", "wsgi.url_scheme", "wsgi.input", "wsgi.errors", "wsgi.multithread", "wsgi.multiprocess",
    "wsgi.run_once", "wsgi.input_terminated", "wsgi.file_wrapper", "wsgi.early_hints",
}  # fmt: skip

seen: list[tuple[dict[str, Any], bytes]] = []
growth = Growth()


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Keeps what it was given for the check."""
    body = environ["wsgi.input"].read()
    seen.append((environ.copy(), body))
    # It belongs to this request alone: nothing of this may reach another one.
    environ.clear()
    environ["HTTP_POLLUTED"] = "by the request before"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


@functools.cache
def server() -> Served:
    """The one server of this process."""
    return harness.serve(app, threads=2, keep_alive=60)


def one_input(data: bytes) -> None:
    """One connection with a few requests that share their fields, so that remembered blocks come to it."""
    served = server()
    choices = Choices(data)
    served.forget_log()
    version = choices.one_of([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"])
    fields = [(b"Host", choices.one_of([b"test", b"a:80", b"[::1]:8", b"", b"x%41"]))]
    for _ in range(choices.below(6)):
        name = choices.one_of(NAMES) if choices.often() else choices.some_bytes(12)
        value = choices.one_of(VALUES) if choices.often() else choices.some_bytes(20)
        # A colon would end the name, and begin another value than is meant here.
        fields.append((name.replace(b":", b"-"), value))
    try:
        with Wire(served.address, harness.DEADLINE_S) as wire:
            for _ in range(1 + choices.below(4)):
                method = choices.one_of(METHODS)
                target = choices.one_of(TARGETS) if choices.often() else b"/" + choices.some_bytes(24)
                if not exchange(wire, method, target, version, fields):
                    break
    except AssertionError as error:
        raise AssertionError(f"{error}\nlog: {served.log_text()}") from error
    check_alive(served)
    growth.check()


def exchange(wire: Wire, method: bytes, target: bytes, version: bytes, fields: list[tuple[bytes, bytes]]) -> bool:
    """One request and its check; whether the connection goes on."""
    seen.clear()
    lines = [b"%b %b %b" % (method, target, version), *(b"%b: %b" % field for field in fields)]
    body = body_for(fields)
    try:
        wire.send(b"\r\n".join([*lines, b"", b""]) + body)
        response = wire.read_response(method.decode("latin-1"))
    except (ConnectionEnded, ConnectionError):
        raise AssertionError(f"no answer to {lines} {body!r}") from None
    if not seen:
        assert response.status >= 400, f"{response.status} without the application, to {lines}"
        return False
    assert len(seen) == 1 and response.status == 200, f"{len(seen)} calls, {response.status}, for {lines}"
    environ, got = seen[0]
    # A target or value with line ends is two lines, which the server may take for good ones: what it read is not what
    # this side means.
    if not any(b"\r" in part or b"\n" in part or b"\0" in part for part in [target, *sum(fields, ())]):
        check_environ(environ, method, target, version, fields)
        assert got == (b"hello" if body else b""), f"body {got!r} of {body!r}"
    check_types(environ)
    return "close" not in [value.lower() for value in response.values("Connection")]


def body_for(fields: list[tuple[bytes, bytes]]) -> bytes:
    """The body that the framing fields announce, where they are good."""
    values = {name.lower(): value.strip(b" \t") for name, value in fields}
    if values.get(b"content-length") == b"5":
        return b"hello"
    if values.get(b"transfer-encoding", b"").lower() == b"chunked":
        return b"5\r\nhello\r\n0\r\n\r\n"
    return b""


def check_types(environ: dict[str, Any]) -> None:
    """PEP 3333 "environ Variables" and "Unicode Issues": native strings that are latin-1."""
    assert type(environ) is dict, type(environ)
    assert environ.keys() >= WSGI_KEYS, WSGI_KEYS - environ.keys()
    for key, value in environ.items():
        assert type(key) is str and key.isascii(), key
        if "." not in key:
            assert type(value) is str, f"{key} is {value!r}"
            value.encode("latin-1")
    assert "HTTP_POLLUTED" not in environ, "the environ of another request"


def check_environ(
    environ: dict[str, Any], method: bytes, target: bytes, version: bytes, fields: list[tuple[bytes, bytes]]
) -> None:
    """Every key that the head leads to, and none that it does not."""
    authority, path, query = split_target(target)
    expected = {
        "REQUEST_METHOD": method,
        "RAW_URI": target,
        "REQUEST_URI": target,
        "SCRIPT_NAME": b"",
        "PATH_INFO": unquote_to_bytes(path),
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": version,
        **fields_of(fields),
    }
    if authority is not None:
        expected["HTTP_HOST"] = authority
    for key, value in expected.items():
        assert environ.get(key) == value.decode("latin-1"), f"{key}: {environ.get(key)!r}, not {value!r}"
    from_fields = {key for key in environ if key.startswith(("HTTP_", "CONTENT_"))}
    assert from_fields <= expected.keys(), f"nobody sent {from_fields - expected.keys()}"


def split_target(target: bytes) -> tuple[bytes | None, bytes, bytes]:
    """(authority, path, query)."""
    authority = None
    if target.lower().startswith((b"http://", b"https://")):
        hierarchy = target.split(b"://", 1)[1]
        end = min((at for at in (hierarchy.find(b"/"), hierarchy.find(b"?")) if at >= 0), default=len(hierarchy))
        authority, target = hierarchy[:end], hierarchy[end:]
    path, _, query = target.partition(b"?")
    return authority, path or b"/", query


def fields_of(fields: list[tuple[bytes, bytes]]) -> dict[str, bytes]:
    """The variables of the fields: dashes become underscores, so that names with underscores are left out."""
    variables: dict[str, bytes] = {}
    for name, value in fields:
        key = name.decode("latin-1").upper().replace("-", "_")
        if b"_" in name or key in ("PROXY", "TRANSFER_ENCODING"):
            continue
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        trimmed = value.strip(b" \t")
        separator = b"; " if key == "HTTP_COOKIE" else b","
        variables[key] = variables[key] + separator + trimmed if key in variables else trimmed
    return variables


def check_alive(served: Served) -> None:
    """The next ordinary request is answered right."""
    with Wire(served.address, harness.DEADLINE_S) as wire:
        response = wire.request("GET", "/ordinary")
        assert (response.status, response.body) == (200, b"ok"), response
