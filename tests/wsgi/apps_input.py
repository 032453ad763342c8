"""Applications that read wsgi.input in every way, or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from tests.support.probe import Probe
from tests.support.routing import Environ, Routes, StartResponse, answer_json, start_octets

app = Routes()


def run(stream: Any, operations: list[list[Any]]) -> list[Any]:
    """Results of the operations on a stream, as JSON can hold them: the same for wsgi.input and for io.BytesIO."""
    results: list[Any] = []
    for name, *arguments in operations:
        result: Any
        if name == "iterate":
            result = list(stream)
        elif name == "next":
            result = next(iter(stream), b"")
        elif name == "readinto":
            target = bytearray(arguments[0])
            count = stream.readinto(target)
            result = bytes(target[:count])
        elif name == "digest":
            result = hashlib.sha256(stream.read(*arguments)).digest()
        elif name == "digest by pieces":
            digest = hashlib.sha256()
            while piece := stream.read(*arguments):
                digest.update(piece)
            result = digest.digest()
        else:
            result = getattr(stream, name)(*arguments)
        results.append(_plain(result))
    return results


def _plain(result: Any) -> Any:
    if isinstance(result, bytes):
        return result.decode("latin-1") if len(result) < 1000 else hashlib.sha256(result).hexdigest()
    if isinstance(result, list):
        return [_plain(item) for item in result] if len(result) < 100 else [len(result), _plain(b"|".join(result))]
    return result


@app.view
def operations(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Runs the operations that the field X-Operations lists."""
    return answer_json(start_response, run(environ["wsgi.input"], json.loads(environ["HTTP_X_OPERATIONS"])))


@app.view
def attributes(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """What the input says of itself."""
    stream = environ["wsgi.input"]
    return answer_json(
        start_response,
        {
            "type": type(stream.read(0)).__name__,
            "closed": stream.closed,
            "length": environ.get("CONTENT_LENGTH"),
            "encoding": environ.get("HTTP_TRANSFER_ENCODING"),
            "terminated": environ["wsgi.input_terminated"],
        },
    )


@app.view
def echo(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The body comes back."""
    body = environ["wsgi.input"].read()
    start_octets(start_response, ("Content-Length", str(len(body))))
    return [body]


@app.view
def echo_by_pieces(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The body comes back while it is being read."""
    start_octets(start_response)
    return iter(lambda: environ["wsgi.input"].read(50_000), b"")


@app.view
def unread(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Leaves the body."""
    Probe(environ).tell("call")
    start_octets(start_response)
    return [b"unread"]


@app.view
def half_read(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Reads ten bytes and leaves the others."""
    start = environ["wsgi.input"].read(10)
    start_octets(start_response)
    return [start]


@app.view
def smuggled(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Only a request inside a body can come here."""
    start_octets(start_response)
    return [b"SMUGGLED"]


@app.view
def gates(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Tells that it was called, reads when the test says so, and tells what came or was raised."""
    probe = Probe(environ)
    probe.tell("call")
    probe.wait("read")
    try:
        start = environ["wsgi.input"].read(10)
        probe.tell("start", len(start))
        rest = environ["wsgi.input"].read()
    except OSError as error:
        probe.tell("raised", [type(error).__name__, isinstance(error, OSError)])
        raise
    probe.tell("rest", len(rest))
    return answer_json(start_response, len(start) + len(rest))


@app.view
def raises_by(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Reads by the operation that the query names; tells what that raised."""
    probe = Probe(environ)
    probe.tell("call")
    operation = environ["QUERY_STRING"].split("&")[0]
    try:
        while run(
            environ["wsgi.input"], [[operation, 100_000] if operation in ("read", "readinto") else [operation]]
        ) != [""]:
            pass
    except OSError as error:
        probe.tell("raised", type(error).__name__)
        raise
    probe.tell("raised", "nothing")
    return answer_json(start_response, {})


@app.view
def swallows(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Goes on after the client has gone."""
    try:
        environ["wsgi.input"].read()
    except OSError:
        Probe(environ).tell("swallowed")
    start_octets(start_response)
    return [b"nobody hears this"]


@app.view
def refuses(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answers without reading, as an authorization check does."""
    Probe(environ).tell("call")
    start_response("403 Forbidden", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"no"]


@app.view
def reads_late(environ: Environ, start_response: StartResponse) -> Any:
    """Reads the body only when the response has begun."""
    start_octets(start_response)

    def body() -> Any:
        yield b"begun "
        yield environ["wsgi.input"].read(100)

    return body()
