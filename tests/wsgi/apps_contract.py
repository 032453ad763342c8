"""Applications that break the contract: one view for each breach, named by the rule and what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.probe import Probe
from tests.support.routing import OCTETS, Environ, Routes, StartResponse, start_octets

app = Routes()
"""Paths are /RULE/VARIANT."""

KEPT: dict[str, Any] = {}


def breach(path: str) -> Callable[[Callable[[Environ, StartResponse], Any]], Callable[[Environ, StartResponse], Any]]:
    """Decorator: the view answers that path."""

    def register(view: Callable[[Environ, StartResponse], Any]) -> Callable[[Environ, StartResponse], Any]:
        app.views[path] = view
        return view

    return register


def head(path: str, *arguments: Any, **keywords: Any) -> None:
    """A view that calls start_response with these arguments."""

    def view(environ: Environ, start_response: StartResponse) -> Any:
        start_response(*arguments, **keywords)
        return [b"body"]

    app.views[path] = view


def body(path: str, make: Callable[[], Any], *fields: tuple[str, str], status: str = "200 OK") -> None:
    """A view with a right head whose returned object is made by `make`."""

    def view(environ: Environ, start_response: StartResponse) -> Any:
        start_octets(start_response, *fields, status=status)
        return make()

    app.views[path] = view


def blocks(*items: Any) -> Iterator[Any]:
    """A generator of the items."""
    yield from items


head("/start-response-arguments/none")
head("/start-response-arguments/status-alone", "200 OK")
head("/start-response-arguments/four", "200 OK", OCTETS, None, None)
head("/start-response-arguments/keywords", status="200 OK", headers=OCTETS)
head("/start-response-arguments/unknown-keyword", "200 OK", OCTETS, reason="OK")

head("/status-not-str/bytes", b"200 OK", OCTETS)
head("/status-not-str/int", 200, OCTETS)
head("/status-not-str/none", None, OCTETS)

head("/status-malformed/code-alone", "200", OCTETS)
head("/status-malformed/no-code", "OK", OCTETS)
head("/status-malformed/empty", "", OCTETS)
head("/status-malformed/below-100", "099 Low", OCTETS)
head("/status-malformed/above-999", "1000 High", OCTETS)

head("/status-informational/continue", "100 Continue", OCTETS)
head("/status-informational/early-hints", "103 Early Hints", OCTETS)

head("/headers-not-list/tuple", "200 OK", tuple(OCTETS))
head("/headers-not-list/dict", "200 OK", dict(OCTETS))
head("/headers-not-list/none", "200 OK", None)
head("/headers-not-list/str", "200 OK", "Content-Type: text/plain")
head("/headers-not-list/items", "200 OK", dict(OCTETS).items())
app.views["/headers-not-list/generator"] = lambda environ, start: [b"", start("200 OK", blocks(*OCTETS))]

head("/headers-item/list", "200 OK", [["Content-Type", "text/plain"]])
head("/headers-item/three", "200 OK", [("Content-Type", "text/plain", "utf-8")])
head("/headers-item/one", "200 OK", [("Content-Type",)])
head("/headers-item/str", "200 OK", ["ab"])
head("/headers-item/none", "200 OK", [None])

head("/header-name-type/bytes", "200 OK", [(b"Content-Type", "text/plain")])
head("/header-name-type/none", "200 OK", [(None, "text/plain")])
head("/header-value-type/int", "200 OK", [("Content-Length", 4)])
head("/header-value-type/bytes", "200 OK", [("Content-Type", b"text/plain")])
head("/header-value-type/none", "200 OK", [("X-None", None)])

head("/header-name-malformed/empty", "200 OK", [("", "value")])
head("/header-name-malformed/colon", "200 OK", [("X-Name:", "value")])
head("/header-name-malformed/blank", "200 OK", [("X Name", "value")])

head("/header-injection/crlf-in-value", "200 OK", [("X-Name", "a\r\nX-Injected: 1")])
head("/header-injection/lf-in-value", "200 OK", [("X-Name", "a\nX-Injected: 1")])
head("/header-injection/cr-in-value", "200 OK", [("X-Name", "a\rb")])
head("/header-injection/nul-in-value", "200 OK", [("X-Name", "a\0b")])
head("/header-injection/crlf-in-name", "200 OK", [("X-Name\r\nX-Injected", "1")])

head("/header-not-latin1/value", "200 OK", [("X-Snow", "\u2603")])

head("/header-duplicate-length/twice", "200 OK", [("Content-Length", "4"), ("Content-Length", "4")])
head("/header-duplicate-length/not-a-number", "200 OK", [("Content-Length", "four")])

head("/exc-info-not-triple/true", "200 OK", OCTETS, True)
head("/exc-info-not-triple/exception", "200 OK", OCTETS, ValueError("alone"))
head("/exc-info-not-triple/nones", "200 OK", OCTETS, (None, None, None))
head("/exc-info-not-triple/pair", "200 OK", OCTETS, (ValueError, ValueError("pair")))

app.views["/start-response-missing/block"] = lambda environ, start_response: [b"block"]
app.views["/start-response-missing/empty"] = lambda environ, start_response: []
app.views["/start-response-missing/generator"] = lambda environ, start_response: blocks(b"block")


@breach("/start-response-twice/without-exc-info")
def _twice(environ: Environ, start_response: StartResponse) -> Any:
    start_octets(start_response)
    start_octets(start_response)
    return [b"body"]


@breach("/start-response-late/in-generator")
def _late(environ: Environ, start_response: StartResponse) -> Any:
    start_octets(start_response)
    yield b"first"
    try:
        raise ValueError("late")
    except ValueError:
        failure = sys.exc_info()
    start_response("500 Late", OCTETS, failure)


body("/body-not-iterable/none", lambda: None)
body("/body-not-iterable/int", lambda: 5)
body("/body-not-iterable/object", object)
body("/body-is-str/str", lambda: "a string")
body("/body-not-bytes/str", lambda: ["Hello"])
body("/body-not-bytes/bytearray", lambda: [bytearray(b"Hello")])
body("/body-not-bytes/memoryview", lambda: [memoryview(b"Hello")])
body("/body-not-bytes/none", lambda: [None])
body("/body-not-bytes/generator-of-str", lambda: blocks("Hello", "World"))
body("/body-not-bytes/tuple-of-str", lambda: ("Hello",))
body("/body-too-long/list", lambda: [b"Hello World"], ("Content-Length", "5"))
body("/body-too-long/generator", lambda: blocks(b"Hello", b" World"), ("Content-Length", "5"))
body("/body-too-short/list", lambda: [b"Hello"], ("Content-Length", "50"))
body("/body-on-no-content/204", lambda: [b"Hello"], status="204 No Content")
body("/body-on-no-content/304", lambda: [b"Hello"], status="304 Not Modified")
body("/header-hop-by-hop/connection", lambda: [b"body"], ("Connection", "X-Own"))
body("/header-hop-by-hop/transfer-encoding", lambda: [b"body"], ("transfer-encoding", "chunked"))


@breach("/write-not-bytes/str")
def _write_str(environ: Environ, start_response: StartResponse) -> Any:
    start_octets(start_response)("Hello")
    return []


@breach("/write-not-bytes/none")
def _write_none(environ: Environ, start_response: StartResponse) -> Any:
    start_octets(start_response)(None)
    return []


@breach("/write-after-end/keep")
def _keep_write(environ: Environ, start_response: StartResponse) -> Any:
    KEPT["write"] = start_octets(start_response)
    return [b"body"]


@breach("/write-after-end/use")
def _use_write(environ: Environ, start_response: StartResponse) -> Any:
    start_octets(start_response)
    try:
        KEPT["write"](b"late")
    except AssertionError as error:
        Probe(environ).tell("raised", str(error))
    return [b"body"]


class _Closing:
    def __iter__(self) -> Iterator[bytes]:
        return blocks(b"bo", b"dy")

    def close(self) -> None:
        raise ValueError("in close")


body("/close-raised/value-error", _Closing)


@breach("/app-is-coroutine/async")
async def _coroutine(environ: Environ, start_response: StartResponse) -> Any:
    start_octets(start_response)
    return [b"body"]


@breach("/exception-after-start/generator")
def _after_start(environ: Environ, start_response: StartResponse) -> Any:
    start_octets(start_response)
    yield b"first"
    raise ValueError("after the head was sent")


@breach("/body-not-bytes-later/str")
def _str_later(environ: Environ, start_response: StartResponse) -> Any:
    start_octets(start_response)
    return blocks(b"first", "second")


@breach("/raised-and-caught/status")
def _caught(environ: Environ, start_response: StartResponse) -> Any:
    try:
        start_response(200, OCTETS)
    except AssertionError as error:
        Probe(environ).tell("raised", str(error))
        raise
    return [b"body"]


@breach("/right/answer")
def _right(environ: Environ, start_response: StartResponse) -> Any:
    start_octets(start_response)
    return [b"right"]
