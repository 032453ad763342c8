"""Fuzz target: whatever an application does, clients get well-formed answers or an end, and the next one is served."""

import functools
import gc
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import harness
from harness import Choices, Growth, Served
from misdeeds import EXCEPTIONS, OCTETS, Record, anything, body, headers, item, status

from tests.support.wire import ConnectionEnded, Wire

ORDINARY = b"an ordinary answer"
# Functions of requests that have ended, which a later application calls.
kept: list[Any] = []
growth = Growth()


class Request:
    """One call of the application with what it may do wrong."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.record = Record()
        self.environ: dict[str, Any] = {}
        self.start_response: Any = None
        self.write: Any = None
        self.is_tame = not choices.rarely()
        self.acts: list[Callable[[], Any]] = [
            self.start, self.start, self.start, self.start_with_exc_info, self.write_out, self.read, self.read,
            self.tell_errors, self.spoil_environ, self.hint, self.call_kept, self.keep, self.fail,
        ]  # fmt: skip

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """The application."""
        self.environ = environ
        self.start_response = start_response
        try:
            if self.choices.often():
                self.write = start_response(self.choices.one_of(["200 OK", "204 No Content"]), list(OCTETS))
            self.act()
            return body(self.choices, environ.copy(), self.record, self.act)
        except BaseException:
            self.record.owes_close = False
            raise
        finally:
            self.environ = environ

    def act(self) -> None:
        """Some misdeeds; what they raise passes on, or not."""
        for _ in range(self.choices.below(3)):
            act = self.choices.one_of(self.acts)
            try:
                if self.choices.rarely():
                    elsewhere(act)
                else:
                    act()
            except Exception:
                if not self.is_tame:
                    raise

    def start(self) -> None:
        arguments = [status(self.choices), headers(self.choices)]
        if self.choices.rarely():
            arguments = [anything(self.choices) for _ in range(self.choices.below(5))]
        self.write = self.start_response(*arguments)

    def start_with_exc_info(self) -> None:
        try:
            raise self.choices.one_of(EXCEPTIONS)()
        except BaseException:
            exc_info: Any = sys.exc_info() if self.choices.often() else anything(self.choices)
        try:
            if self.choices.often():
                self.write = self.start_response("500 Failed", list(OCTETS), exc_info)
            else:
                self.write = self.start_response(status(self.choices), headers(self.choices), exc_info=exc_info)
        finally:
            del exc_info

    def write_out(self) -> None:
        if self.write is not None:
            self.write(item(self.choices))

    def read(self) -> None:
        stream = self.environ.get("wsgi.input")
        if stream is None:
            return
        method = self.choices.one_of(["read", "readline", "readlines", "__next__", "close", "readinto"])
        arguments = [self.choices.one_of([0, 1, 5, -1, None, 1 << 62, "1"])] if self.choices.below(2) else []
        getattr(stream, method)(*arguments)

    def tell_errors(self) -> None:
        errors = self.environ.get("wsgi.errors")
        if errors is not None:
            getattr(errors, self.choices.one_of(["write", "writelines"]))(anything(self.choices))

    def spoil_environ(self) -> None:
        if self.choices.rarely():
            self.environ.clear()
        self.environ[self.choices.one_of(["wsgi.input", "REQUEST_METHOD", "PATH_INFO"])] = anything(self.choices)

    def hint(self) -> None:
        hints = self.environ.get("wsgi.early_hints")
        if callable(hints):
            hints(headers(self.choices))

    def keep(self) -> None:
        kept.extend([self.start_response, self.write, self.environ.get("wsgi.input")])
        del kept[:-6]

    def call_kept(self) -> None:
        if not kept:
            return
        function = self.choices.one_of(kept)
        if hasattr(function, "read"):
            function.read()
        elif callable(function):
            function(*[item(self.choices) for _ in range(self.choices.below(3))])

    def fail(self) -> None:
        raise self.choices.one_of(EXCEPTIONS)()


def elsewhere(act: Callable[[], Any]) -> None:
    """Runs it in a thread of its own, as applications do that ought not to."""

    def run() -> None:
        try:
            act()
        except BaseException:
            pass  # it would be printed, and is told by nobody here

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(harness.DEADLINE_S)
    assert not thread.is_alive(), "a call from another thread hangs"


current: list[Request] = []


def app(environ: dict[str, Any], start_response: Any) -> Any:
    """The ordinary answer, or what the input asks for."""
    if environ["PATH_INFO"] == "/misdeeds":
        return current.pop()(environ, start_response)
    length = str(len(ORDINARY))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", length)])
    return [ORDINARY]


@functools.cache
def server() -> Served:
    """The one server of this process."""
    return harness.serve(app, threads=3)


def one_input(data: bytes) -> None:
    """One misbehaving application, then an ordinary request on its connection and one on a new one."""
    served = server()
    served.forget_log()
    choices = Choices(data)
    method = choices.one_of([b"GET", b"GET", b"HEAD", b"POST"])
    version = choices.one_of([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"])
    framing = choices.one_of([b"", b"Content-Length: 12\r\n", b"Content-Length: 70000\r\n"])
    sent = {b"": b"", b"Content-Length: 12\r\n": b"line\nanother"}.get(framing, b"z" * 70_000)
    is_cut = choices.rarely()
    gives_up_after = choices.below(40_000) if choices.rarely() else None
    request = Request(choices)
    current[:] = [request]
    head = b"%b /misdeeds %b\r\nHost: a\r\n%b\r\n" % (method, version, framing)
    try:
        with Wire(served.address, harness.DEADLINE_S) as wire:
            try:
                wire.send(head + (sent[:-1] if is_cut else sent))
                if is_cut:
                    wire.half_close()
            except (BrokenPipeError, ConnectionResetError):
                pass  # the server may end before it has read all
            if gives_up_after is None:
                converse(wire, method.decode(), is_cut)
            else:
                read_some(wire, gives_up_after)
        record = request.record
        del request
        check_after(served, record)
    except AssertionError as error:
        raise AssertionError(f"{error}\nlog: {served.log_text()}") from error
    growth.check()


def converse(wire: Wire, method: str, is_cut: bool) -> None:
    """Reads the answer strictly; an end in its middle is an answer too. A kept connection serves the next request."""
    try:
        response = wire.read_response(method)
    except (ConnectionEnded, ConnectionResetError, BrokenPipeError):
        return
    for head in (response, *response.interim):
        assert not head.values("X-Injected"), f"injected: {head}"
    assert 200 <= response.status <= 999
    is_closed = "close" in [value.lower() for value in response.values("Connection")]
    if is_cut or is_closed or (response.version, response.value("Connection")) == ("HTTP/1.0", None):
        return
    try:
        wire.send(b"GET /ordinary HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = wire.read_response()
    except (ConnectionEnded, ConnectionResetError, BrokenPipeError) as error:
        received = getattr(error, "received", b"")
        assert not received, f"the connection ends within an answer: {received!r}"
        return
    assert (answer.status, answer.body) == (200, ORDINARY), f"{answer} on the connection after {response}"


def read_some(wire: Wire, count: int) -> None:
    """A client that loses interest in the middle, or before the answer has begun."""
    if count:
        try:
            wire.socket.recv(count)
        except ConnectionResetError:
            pass


def check_after(served: Served, record: Record) -> None:
    """The next client is served; close() was called once; nothing of the request is left."""
    with Wire(served.address, harness.DEADLINE_S) as wire:
        answer = wire.request("GET", "/ordinary")
        assert (answer.status, answer.body) == (200, ORDINARY), answer
    if record.owes_close:
        assert record.closed.wait(harness.DEADLINE_S), "close() was not called"
    until = time.monotonic() + harness.DEADLINE_S
    while any(reference() is not None for reference in record.bodies):
        assert time.monotonic() < until, "the iterable is still there"
        time.sleep(0.001)
        gc.collect()
    assert record.closes == int(record.owes_close), f"close() was called {record.closes} times"
