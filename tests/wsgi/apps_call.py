"""Applications that use start_response and write() in every way that PEP 3333 allows, and in some that it does not."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from tests.support.probe import Probe
from tests.support.routing import OCTETS, Environ, Routes, StartResponse, answer_json, start_octets

KEPT: dict[str, Any] = {}

app = Routes()


class Canary(Exception):
    """An exception that can be watched by a weak reference."""


class PepClass:
    """PEP 3333 "The Application/Framework Side": a class whose instances are the iterables."""

    def __init__(self, environ: Environ, start_response: StartResponse) -> None:
        self.environ = environ
        self.start = start_response

    def __iter__(self) -> Iterator[bytes]:
        start_octets(self.start)
        yield b"from an instance"


class Instance:
    """An instance with __call__, and a bound method."""

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_octets(start_response)
        return [b"called"]

    def method(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """A bound method is an application like any other."""
        start_octets(start_response)
        return [b"bound"]


instance = Instance()
bound_method = instance.method


def recorder(*arguments: Any, **keywords: Any) -> Iterable[bytes]:
    """Shows how it was called."""
    environ, start_response = arguments
    Probe(environ).tell("call")
    return answer_json(start_response, {"arguments": len(arguments), "keywords": sorted(keywords)})


@app.view
def returns_write(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Says whether start_response gave a callable."""
    write = start_octets(start_response)
    return [b"callable" if callable(write) else b"not callable"]


@app.view
def subclasses(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Subclasses of str and bytes are strings and bytes."""

    class Text(str):
        pass

    class Data(bytes):
        pass

    start_response(Text("200 Fine"), [(Text("X-Sub"), Text("class"))])
    return [Data(b"of "), Data(b"bytes")]


@app.view
def replaced(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The head of an error page replaces the first one."""
    start_response(
        "200 OK", [("X-First", "1"), ("Set-Cookie", "first=1"), ("Content-Length", "1000"), ("Date", "never")]
    )
    try:
        raise Canary("before the head was sent")
    except Canary:
        start_response("503 Replaced", [*OCTETS, ("X-Second", "2")], sys.exc_info())
    return [b"error page"]


@app.view
def replaced_after_empty_blocks(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """Empty blocks send nothing, so that the head can still be replaced."""
    start_response("200 OK", [("X-First", "1")])
    yield b""
    yield b""
    try:
        raise Canary("before the first byte")
    except Canary:
        start_response("503 Replaced", [*OCTETS, ("X-Second", "2")], sys.exc_info())
    yield b"error page"


@app.view
def exc_info_first(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """exc_info is allowed in the first call already."""
    try:
        raise Canary("the first call")
    except Canary:
        start_response("500 Mine", OCTETS, sys.exc_info())
    return [b"error page"]


@app.view
def late(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """start_response with exc_info after bytes have gone out re-raises that exception."""
    probe = Probe(environ)
    start_octets(start_response)
    yield b"sent"
    error = Canary("after the head was sent")
    try:
        try:
            raise error
        except Canary:
            start_response("500 Too Late", OCTETS, sys.exc_info())
    except BaseException as raised:
        probe.tell("re-raised", [raised is error, type(raised).__name__])
        raise
    probe.tell("re-raised", [False, "nothing"])


@app.view
def late_after_write(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """write() has sent the head too."""
    write = start_octets(start_response)
    write(b"sent")
    error = Canary("after write")
    try:
        raise error
    except Canary:
        start_response("500 Too Late", OCTETS, sys.exc_info())
    return [b"never"]


@app.view
def twice(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A second call without exc_info; tells what it raised."""
    probe = Probe(environ)
    start_octets(start_response, ("X-First", "1"))
    try:
        start_response("404 Second", [*OCTETS, ("X-Second", "2")])
    except AssertionError as error:
        probe.tell("raised", str(error))
        raise
    probe.tell("raised", "nothing")
    return [b"body"]


@app.view
def again_after_refusal(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The first call raises for its status; the second is a second call all the same."""
    probe = Probe(environ)
    raised = []
    for status in ("two hundred", "200 OK"):
        try:
            start_response(status, OCTETS)
        except AssertionError as error:
            raised.append(str(error))
    probe.tell("raised", raised)
    return [b"body"]


@app.view
def in_iteration(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """A generator: its whole body runs after the call has returned."""
    start_octets(start_response, ("X-Lazy", "yes"), status="201 Created")
    yield b"lazy"


@app.view
def in_iteration_after_empty_block(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """start_response may come after an empty block? No block may precede it; this one comes before any block."""
    if environ["REQUEST_METHOD"]:
        start_octets(start_response, status="202 Accepted")
    yield b""
    yield b"after an empty block"


@app.view
def writes(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """write() before yielded blocks."""
    write = start_octets(start_response)
    write(b"one ")
    write(b"")
    write(b"two ")
    return [b"three ", b"four"]


@app.view
def writes_only(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """write() and an empty list, within a declared length."""
    write = start_octets(start_response, ("Content-Length", "8"))
    write(b"only ")
    write(b"now")
    return []


@app.view
def writes_flushed(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Each write() goes out before the next."""
    probe = Probe(environ)
    write = start_octets(start_response)
    for number in range(3):
        write(b"block %d" % number)
        probe.wait(f"read {number}")
    return []


@app.view
def writes_too_much(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """write() beyond Content-Length."""
    write = start_octets(start_response, ("Content-Length", "4"))
    write(b"four")
    try:
        write(b"five!")
    except Exception as error:
        Probe(environ).tell("raised", str(error))
    return []


@app.view
def write_from_replaced_head(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The write() of the second start_response works."""
    start_response("200 OK", [("X-First", "1")])
    try:
        raise Canary("replaces")
    except Canary:
        write = start_response("500 Mine", OCTETS, sys.exc_info())
    write(b"written")
    return []


@app.view
def drop_exc_info(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Keeps only a weak reference to the exception."""
    try:
        canary = Canary("watched")
        KEPT["canary"] = weakref.ref(canary)
        try:
            raise canary
        finally:
            del canary
    except Canary:
        start_response("500 Mine", OCTETS, sys.exc_info())
    return [b"page"]


@app.view
def is_exc_info_alive(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Whether somebody still holds that exception."""
    return answer_json(start_response, KEPT["canary"]() is not None)


@app.view
def keep_callables(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Keeps start_response and write beyond the end of the request."""
    KEPT["write"] = start_octets(start_response)
    KEPT["start_response"] = start_response
    return [b"kept"]


@app.view
def use_kept_callables(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Calls those of the ended request; they must fail and touch nothing."""
    raised = []
    start_octets(start_response)
    for name, arguments in (("start_response", ("200 OK", [("X-Leaked", "1")])), ("write", (b"leaked",))):
        try:
            KEPT[name](*arguments)
        except Exception as error:
            raised.append(type(error).__name__)
        else:
            raised.append("nothing")
    return [repr(raised).encode()]


@app.view
def raises(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """An exception in the call, after start_response."""
    start_octets(start_response, ("X-First", "1"))
    raise Canary("secret of the call")


@app.view
def raises_in_iteration(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """An exception before the first block."""
    start_octets(start_response)
    if environ:
        raise Canary("secret of the iteration")
    yield b""


@app.view
def raises_midway(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """An exception after a block has been sent."""
    start_octets(start_response)
    yield b"first block"
    raise Canary("secret of the middle")


@app.view
def raises_midway_with_length(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """An exception within a declared length."""
    start_octets(start_response, ("Content-Length", "100"))
    yield b"first block"
    raise Canary("secret of the length")


def _raise_base(environ: Environ) -> None:
    name = dict(pair.split("=") for pair in environ["QUERY_STRING"].split("&"))["kind"]
    kinds: dict[str, BaseException] = {
        "KeyboardInterrupt": KeyboardInterrupt(),
        "SystemExit": SystemExit(7),
        "StopIteration": StopIteration(1),
        "GeneratorExit": GeneratorExit(),
        "BaseException": BaseException("bare"),
        "MemoryError": MemoryError(),
        "RecursionError": RecursionError(),
    }
    raise kinds[name]


@app.view
def base_in_call(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Raises what the query names, in the call."""
    _raise_base(environ)
    return []


class _RaisesInNext:
    def __init__(self, environ: Environ, before: list[bytes]) -> None:
        self.environ = environ
        self.before = before

    def __iter__(self) -> _RaisesInNext:
        return self

    def __next__(self) -> bytes:
        if self.before:
            return self.before.pop(0)
        _raise_base(self.environ)
        return b""


@app.view
def base_in_next(environ: Environ, start_response: StartResponse) -> Any:
    """Raises it in the iteration, after one block."""
    start_octets(start_response)
    return _RaisesInNext(environ, [b"first block"])


@app.view
def alive(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The worker lives."""
    start_octets(start_response)
    return [b"alive"]
