"""Every part around three kinds of applications, as one application for servers in processes of their own.

``/PART/KIND/…`` is the application of that kind (plain, flask, django) inside of that part, checked on both sides:

    /hello    "Hello, NAME", NAME from ``?name=``        /stream   three blocks, the second after ``/open?gate=``
    /echo     the body of a POST                         /raise    raises, before anything is sent
    /form     the field ``text`` of a form               /empty    204
    /file     a file by ``wsgi.file_wrapper`` or the framework's own way

and ``/findings``, ``/closes`` tell what was seen so far, as JSON.
"""

from __future__ import annotations

import functools
import io
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

from dragoman.contract import Checked, Finding
from tests.middleware.part import all_parts

GATE_S = 10.0
FILE = b"".join(b"line %d\n" % number for number in range(1000))
PARTS = {part.name: part for part in all_parts()}

findings: list[dict[str, Any]] = []
closes: Counter[str] = Counter()
calls: Counter[str] = Counter()
gates: defaultdict[str, threading.Event] = defaultdict(threading.Event)


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Calls the part and kind that the path names."""
    path = environ["PATH_INFO"]
    if path == "/findings":
        return told(start_response, findings)
    if path == "/closes":
        return told(start_response, {name: [calls[name], closes[name]] for name in calls})
    if path == "/open":
        gates[query_of(environ, "gate")].set()
        return told(start_response, True)
    _, part, kind, *_ = path.split("/")
    environ["SCRIPT_NAME"] += f"/{part}/{kind}"
    environ["PATH_INFO"] = path.removeprefix(f"/{part}/{kind}")
    return wrapped(part, kind)(environ, start_response)


def told(start_response: Any, value: object) -> list[bytes]:
    body = json.dumps(value).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


@functools.cache
def wrapped(part: str, kind: str) -> Any:
    """The application of a kind inside of a part, checked on both sides, its closes counted."""
    name = f"{part}/{kind}"
    note = functools.partial(found, name)
    return Checked(PARTS[part].make().around(Checked(counted(name, KINDS[kind]()), note)), note)


def found(name: str, finding: Finding) -> None:
    findings.append({"at": name, "rule": finding.rule, "party": finding.party, "text": str(finding)})


def counted(name: str, inner: Any) -> Any:
    """`inner`; each call of it, and each close() of what it gave."""

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        result = inner(environ, start_response)
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(result, wrapper):
            return result
        calls[name] += 1
        return Closing(name, result)

    return application


class Closing:
    """An iterable whose close() is counted."""

    def __init__(self, name: str, result: Any) -> None:
        self.name = name
        self.result = result
        self.blocks: Any = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.blocks is None:
            self.blocks = iter(self.result)
        block: bytes = next(self.blocks)
        return block

    def close(self) -> None:
        closes[self.name] += 1
        if hasattr(self.result, "close"):
            self.result.close()


def query_of(environ: dict[str, Any], name: str, default: str = "") -> str:
    return parse_qs(environ.get("QUERY_STRING", "")).get(name, [default])[0]


def stream(gate: str) -> Iterator[bytes]:
    """Three blocks; the second one not before somebody has opened the gate."""
    yield b"one\n"
    yield b"two\n" if gates[gate].wait(GATE_S) else b"the gate was never opened\n"
    yield b"three\n"


def plain() -> Any:
    """Without a framework."""

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        headers = [("Content-Type", "text/plain; charset=utf-8")]
        if path == "/raise":
            raise RuntimeError("by plan")
        if path == "/empty":
            start_response("204 No Content", [])
            return []
        if path == "/stream":
            start_response("200 OK", headers)
            return stream(query_of(environ, "gate"))
        if path == "/file":
            start_response("200 OK", [*headers, ("Content-Length", str(len(FILE)))])
            return environ.get("wsgi.file_wrapper", lambda file: iter(file.readlines()))(io.BytesIO(FILE))
        if path == "/echo":
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        elif path == "/form":
            form = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            body = parse_qs(form.decode()).get("text", [""])[0].encode()
        else:
            body = f"Hello, {query_of(environ, 'name', 'you')}".encode()
        start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
        return [body]

    return application


def flask() -> Any:
    """Flask."""
    import flask as framework

    application = framework.Flask(__name__)
    request = framework.request

    @application.get("/hello")
    def hello() -> str:
        return f"Hello, {request.args.get('name', 'you')}"

    @application.get("/stream")
    def streamed() -> Any:
        return framework.Response(stream(request.args["gate"]), mimetype="text/plain")

    @application.route("/echo", methods=["POST", "PUT", "DELETE"])
    def echo() -> bytes:
        return request.get_data()

    @application.post("/form")
    def form() -> str:
        return request.form.get("text", "")

    @application.get("/file")
    def file() -> Any:
        return framework.send_file(io.BytesIO(FILE), mimetype="text/plain")

    @application.get("/empty")
    def empty() -> tuple[str, int]:
        return "", 204

    @application.get("/raise")
    def failing() -> str:
        raise RuntimeError("by plan")

    application.config["PROPAGATE_EXCEPTIONS"] = True
    return application


def django() -> Any:
    """Django."""
    from tests.middleware.served_django import application

    return application


KINDS: dict[str, Callable[[], Any]] = {"plain": plain, "flask": flask, "django": django}
