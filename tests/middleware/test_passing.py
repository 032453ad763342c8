"""How a response is passed on: the head edited, the blocks one for one, the end told once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from dragoman.middleware.passing import editing, following
from tests.middleware.kit import environ_of


class Head:
    """A server's start_response that keeps what it is given."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.written: list[bytes] = []

    def __call__(self, *arguments: Any) -> Any:
        self.calls.append(arguments)
        return self.written.append


def shout(status: str, headers: list[tuple[str, str]]) -> tuple[str, list[tuple[str, str]]]:
    headers.append(("X-Edited", "yes"))
    return status.upper(), headers


def test_a_head_goes_out_as_it_is_edited_and_the_list_of_the_application_stays() -> None:
    head, own = Head(), [("A", "b")]
    editing(head, shout)("200 ok", own)
    assert head.calls == [("200 OK", [("A", "b"), ("X-Edited", "yes")])]
    assert own == [("A", "b")]


def test_exc_info_is_passed_on_only_where_it_was_given() -> None:
    head = Head()
    started = editing(head, shout)
    started("200 ok", [])
    try:
        raise RuntimeError
    except RuntimeError:
        info = sys.exc_info()
        started("500 no", [], info)
    assert [len(call) for call in head.calls] == [2, 3]
    assert head.calls[1][2] is info


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (b"200 OK", []),
        (None, []),
        ("200 OK", (("A", "b"),)),
        ("200 OK", None),
        ("200 OK", [("A",)]),
        ("200 OK", ["A: b"]),
    ],
)
def test_a_head_that_is_none_goes_to_the_server_as_it_is(status: Any, headers: Any) -> None:
    def edit(status: str, headers: list[tuple[str, str]]) -> tuple[str, list[tuple[str, str]]]:
        return status.upper() + "", [(name.title(), value) for name, value in headers]

    head = Head()
    editing(head, edit)(status, headers)
    # An edit that does not look at what is wrong has no trouble with it, and what it gives is wrong as well.
    assert head.calls in ([(status, headers)], [(b"200 OK", [])], [("200 OK", [("A", "b")])])


def test_a_mistake_of_the_edit_itself_is_raised() -> None:
    def edit(status: str, headers: list[tuple[str, str]]) -> tuple[str, list[tuple[str, str]]]:
        raise KeyError("mine")

    with pytest.raises(KeyError):
        editing(Head(), edit)("200 OK", [("A", "b")])


def test_written_blocks_are_told_before_they_are_sent() -> None:
    head, order = Head(), []
    write = editing(head, shout, lambda block: order.append((block, list(head.written))))("200 ok", [])
    write(b"one")
    write(b"two")
    assert order == [(b"one", []), (b"two", [b"one"])]
    assert head.written == [b"one", b"two"]


class Blocks:
    """An iterable whose calls are counted."""

    def __init__(self, *blocks: bytes, raises: BaseException | None = None) -> None:
        self.blocks, self.raises, self.closed, self.given = blocks, raises, 0, 0

    def __iter__(self) -> Iterator[bytes]:
        for block in self.blocks:
            self.given += 1
            yield block
        if self.raises:
            raise self.raises

    def close(self) -> None:
        self.closed += 1


def test_blocks_are_passed_one_for_one() -> None:
    inner, seen, ends = Blocks(b"a", b"", b"b"), [], []
    result: Any = following(environ_of(), inner, seen.append, ends.append)
    blocks = iter(result)
    assert inner.given == 0
    assert (next(blocks), inner.given) == (b"a", 1)
    assert (next(blocks), inner.given) == (b"", 2)
    assert list(blocks) == [b"b"]
    assert ends == []
    result.close()
    assert (seen, ends, inner.closed) == ([b"a", b"", b"b"], [None], 1)


def test_the_end_is_told_once_and_with_what_was_raised() -> None:
    error = RuntimeError("by plan")
    inner, ends = Blocks(b"a", raises=error), []
    result: Any = following(environ_of(), inner, None, ends.append)
    with pytest.raises(RuntimeError):
        list(result)
    assert ends == [error]
    result.close()
    assert (ends, inner.closed) == ([error], 1)


def test_a_response_that_is_never_asked_for_a_block_is_closed_and_told() -> None:
    inner, ends = Blocks(b"a"), []
    result: Any = following(environ_of(), inner, None, ends.append)
    result.close()
    assert (inner.given, inner.closed, ends) == (0, 1, [None])


def test_a_close_that_raises_is_told_as_the_end() -> None:
    class Failing(Blocks):
        def close(self) -> None:
            raise OSError("close")

    ends: list[Any] = []
    result: Any = following(environ_of(), Failing(b"a"), None, ends.append)
    with pytest.raises(OSError, match="close"):
        result.close()
    assert [str(end) for end in ends] == ["close"]


def test_the_number_of_blocks_is_kept_where_it_is_known() -> None:
    sized: Any = following(environ_of(), [b"a"], None, lambda error: None)
    assert len(sized) == 1
    assert not hasattr(following(environ_of(), Blocks(b"a"), None, lambda error: None), "__len__")


def test_a_file_of_the_server_goes_out_as_it_is() -> None:
    class Wrapper:
        def __iter__(self) -> Iterator[bytes]:
            yield b"file"

    ends: list[Any] = []
    wrapped, other = Wrapper(), Blocks(b"a")
    environ = environ_of(**{"wsgi.file_wrapper": Wrapper})
    assert following(environ, wrapped, None, ends.append) is wrapped
    assert ends == [None]
    assert following(environ, other, None, ends.append) is not other
