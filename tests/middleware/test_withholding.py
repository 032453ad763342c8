"""A head that waits for its body: every way that an application may begin, replace and write its response."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from dragoman.middleware.passing import Headers
from dragoman.middleware.withholding import Body, Handling, Held
from tests.middleware.kit import TEXT

Event = tuple[str, object]


class Outside:
    """A server that writes down what it is given, in order; as strict as PEP 3333."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.head: str | None = None
        self.is_sent = False

    def start_response(self, status: str, headers: Headers, exc_info: Any = None, /) -> Callable[[bytes], object]:
        if exc_info is None and self.head is not None:
            raise AssertionError("start_response was called twice")
        if exc_info is not None and self.is_sent:
            raise exc_info[1]
        self.head = status
        self.events.append(("head", status))
        return self.write

    def write(self, block: bytes) -> None:
        assert self.head is not None
        self.is_sent = self.is_sent or bool(block)
        self.events.append(("block", block))

    def run(self, app: Any, wants: Any, decide: Any) -> list[Event]:
        held = Held(self.start_response)
        held.wants, held.decide = wants, decide  # type: ignore[method-assign]
        result: Iterable[bytes] = held.answer(app, {})
        try:
            for block in result:
                self.write(block)
        finally:
            close: Any = getattr(result, "close", None)
            if close is not None:
                close()
        return self.events


def hold(status: str, headers: Headers) -> Headers | None:
    return None


def passes(status: str, headers: Headers) -> Headers | None:
    return headers


def hold_200(status: str, headers: Headers) -> Headers | None:
    return None if status.startswith("200") else headers


def shouting(status: str, headers: Headers, body: Body) -> Handling:
    return Handling(f"{status}!", headers, bytes.upper, lambda: b"END")


def told(status: str, headers: Headers, body: Body) -> Handling:
    """Says what it was told of the body."""
    return Handling(f"200 {body.block.decode()} {'whole' if body.is_whole else 'part'}", headers)


def emptied(status: str, headers: Headers, body: Body) -> Handling:
    return Handling("304 Not Modified", headers, instead=b"")


def failing() -> Any:
    try:
        raise LookupError
    except LookupError:
        return sys.exc_info()


def app_of(*blocks: bytes, headers: Headers = [TEXT]) -> Any:  # noqa: B006
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", headers)
        return list(blocks)

    return application


def test_a_head_goes_out_before_its_first_block() -> None:
    events = Outside().run(app_of(b"a", b"", b"b"), hold, shouting)
    assert events == [("head", "200 OK!"), ("block", b"A"), ("block", b""), ("block", b"B"), ("block", b"END")]


@pytest.mark.parametrize(
    ("app", "said"),
    [
        (app_of(b"abc"), "200 abc whole"),
        (app_of(b"abc", b"d"), "200 abc part"),
        (app_of(b"abc", headers=[("content-length", "3")]), "200 abc whole"),
        (app_of(b"abc", b"d", headers=[("Content-Length", "4")]), "200 abc part"),
        (app_of(), "200  whole"),
        (app_of(b"", b"abc"), "200  part"),
    ],
)
def test_what_is_known_of_a_body_is_told(app: Any, said: str) -> None:
    assert Outside().run(app, hold, told)[0] == ("head", said)


def test_a_head_that_comes_with_the_first_block_waits_as_well() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        yield b"a"

    assert Outside().run(application, hold, shouting) == [("head", "200 OK!"), ("block", b"A"), ("block", b"END")]


def test_what_is_written_goes_through_and_comes_first() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        write = start_response("200 OK", [TEXT])
        write(b"a")
        write(b"")
        return [b"b"]

    events = Outside().run(application, hold, shouting)
    assert events == [("head", "200 OK!"), ("block", b"A"), ("block", b"B"), ("block", b"END")]


def test_a_head_that_waits_is_replaced_by_that_of_an_error() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        start_response("500 Sorry", [TEXT], failing())
        return [b"a"]

    assert Outside().run(application, hold, shouting)[0] == ("head", "500 Sorry!")
    assert Outside().run(application, hold_200, shouting) == [("head", "500 Sorry"), ("block", b"a")]


def test_a_head_that_has_gone_is_not() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        yield b"a"
        start_response("500 Sorry", [TEXT], failing())

    for wants in (hold, passes):
        with pytest.raises(LookupError):
            Outside().run(application, wants, shouting)


def test_an_error_after_a_head_that_did_not_wait_reaches_the_server() -> None:
    class Blocks(list[bytes]):
        def __init__(self, start_response: Any) -> None:
            super().__init__([b"a"])
            self.start_response = start_response

        def __iter__(self) -> Any:
            self.start_response("200 Replaced", [TEXT], failing())
            return super().__iter__()

    def application(environ: Any, start_response: Any) -> Any:
        start_response("404 Not Found", [TEXT])
        return Blocks(start_response)

    # Nobody would give out a head that waited now: the result is the server's already.
    events = Outside().run(application, hold_200, shouting)
    assert events == [("head", "404 Not Found"), ("head", "200 Replaced"), ("block", b"a")]


@pytest.mark.parametrize("wants", [hold, passes])
def test_a_second_head_is_refused_by_the_server_where_the_application_calls(wants: Any) -> None:
    refused: list[str] = []

    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        try:
            start_response("200 OK", [TEXT])
        except AssertionError as error:
            refused.append(str(error))
        return []

    Outside().run(application, wants, shouting)
    assert refused == ["start_response was called twice"]


def test_a_head_that_is_none_is_the_servers_to_refuse() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response(200, ())
        return [b"a"]

    assert Outside().run(application, hold, shouting)[0] == ("head", 200)


def test_a_body_is_replaced_and_closed_without_being_asked_for_more() -> None:
    asked: list[str] = []

    class Blocks:
        def __iter__(self) -> Any:
            for block in (b"a", b"b"):
                asked.append(block.decode())
                yield block

        def close(self) -> None:
            asked.append("closed")

    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        return Blocks()

    assert Outside().run(application, hold, emptied) == [("head", "304 Not Modified")]
    assert asked == ["a", "closed"]


def test_a_body_is_replaced_also_where_it_is_written() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        write = start_response("200 OK", [TEXT])
        write(b"a")
        return [b"b"]

    assert Outside().run(application, hold, emptied) == [("head", "304 Not Modified")]


def test_without_a_head_the_server_sees_that_there_is_none() -> None:
    assert Outside().run(lambda environ, start_response: [], hold, shouting) == []
