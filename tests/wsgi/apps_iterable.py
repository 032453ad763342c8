"""Applications that return iterables of every kind, and tell when they are asked and closed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.support.probe import Probe
from tests.support.routing import OCTETS, Environ, Routes, StartResponse, answer_json, start_octets

LIST = [b"shared ", b"list"]
TUPLE = (b"shared ", b"tuple")
ONE = [b"one block"]

app = Routes()


class Body:
    """An iterable with a close() that is told, over a generator function or blocks."""

    def __init__(self, probe: Probe, blocks: Iterable[Any] | Callable[[], Iterable[Any]]) -> None:
        self.probe = probe
        self.blocks = blocks

    def __iter__(self) -> Iterator[Any]:
        self.probe.tell("iter")
        for block in self.blocks() if callable(self.blocks) else self.blocks:
            self.probe.tell("next")
            yield block
        self.probe.tell("exhausted")

    def close(self) -> None:
        """Tells that it was called."""
        self.probe.tell("close")


class SizedBody(Body):
    """The same with a length."""

    def __len__(self) -> int:
        return len(list(self.blocks))  # type: ignore[arg-type]


class Iterator_:
    """An iterator without close or length."""

    def __init__(self, blocks: list[bytes]) -> None:
        self.blocks = blocks

    def __iter__(self) -> Iterator_:
        return self

    def __next__(self) -> bytes:
        if not self.blocks:
            raise StopIteration
        return self.blocks.pop(0)


class ListWithClose(list):  # type: ignore[type-arg]
    """A list subclass: its close() and its __iter__ count."""

    probe: Probe

    def __iter__(self) -> Iterator[bytes]:
        yield from [b"from ", b"__iter__"]

    def close(self) -> None:
        """Tells that it was called."""
        self.probe.tell("close")


class Watched:
    """An iterable that records every attribute that is looked up on it."""

    names: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        Watched.names.append(name)
        return object.__getattribute__(self, name)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"watched"])


KINDS: dict[str, Callable[[], Any]] = {
    "list": lambda: [b"a", b"b"],
    "tuple": lambda: (b"a", b"b"),
    "generator": lambda: (block for block in (b"a", b"b")),
    "iterator": lambda: Iterator_([b"a", b"b"]),
    "map": lambda: map(bytes, [[97], [98]]),
    "dict": lambda: {b"a": 1, b"b": 2},
    "set of one": lambda: {b"ab"},
    "bytes io": lambda: __import__("io").BytesIO(b"ab"),
    "list of many empty": lambda: [b"", b"", b"ab", b"", b""],
    "generator of many empty": lambda: (block for block in (b"", b"a", b"", b"b", b"")),
    "list of one": lambda: [b"ab"],
    "tuple of one": lambda: (b"ab",),
    "list of one subclass": lambda: [type("Data", (bytes,), {})(b"ab")],
    "iterator of one": lambda: iter([b"ab"]),
    "getitem": type("Old", (), {"__getitem__": lambda self, index: [b"a", b"b"][index]}),
}


@app.view
def kind(environ: Environ, start_response: StartResponse) -> Any:
    """Returns the kind of iterable that the query names."""
    start_octets(start_response)
    return KINDS[environ["QUERY_STRING"].replace("-", " ")]()


@app.view
def empty(environ: Environ, start_response: StartResponse) -> Any:
    """No block at all."""
    start_octets(start_response)
    return {"list": [], "tuple": (), "iterator": iter([]), "blank": [b""]}[environ["QUERY_STRING"]]


@app.view
def head_after_empty_blocks(environ: Environ, start_response: StartResponse) -> Any:
    """Has nothing to say yet, twice."""
    yield b""
    yield b""
    start_octets(start_response)
    yield b"body"


@app.view
def shared(environ: Environ, start_response: StartResponse) -> Any:
    """The same list or tuple for every request; says first whether it is still what it was."""
    is_intact = LIST == [b"shared ", b"list"] and TUPLE == (b"shared ", b"tuple") and ONE == [b"one block"]
    start_octets(start_response, ("X-Intact", str(is_intact)))
    return {"list": LIST, "tuple": TUPLE, "one": ONE}[environ["QUERY_STRING"]]


@app.view
def steps(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """Produces each block only when the test has read the one before."""
    probe = Probe(environ)
    start_octets(start_response)
    for number in range(4):
        yield b"block %d" % number
        probe.wait(f"read {number}")


@app.view
def steps_with_length(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """The same within a declared length; the last block completes it before the iterator ends."""
    probe = Probe(environ)
    start_octets(start_response, ("Content-Length", "28"))
    for number in range(4):
        yield b"block %d" % number
        probe.wait(f"read {number}")
    probe.tell("end")


@app.view
def steps_of_iterator(environ: Environ, start_response: StartResponse) -> Any:
    """The same by an iterator class, in blocks of 100 kB."""
    probe = Probe(environ)
    start_octets(start_response)

    class Steps:
        number = -1

        def __iter__(self) -> Steps:
            return self

        def __next__(self) -> bytes:
            if self.number >= 0:
                probe.wait(f"read {self.number}")
            self.number += 1
            if self.number == 4:
                raise StopIteration
            return b"%d" % self.number * 100_000

    return Steps()


@app.view
def first_block_in_the_call(environ: Environ, start_response: StartResponse) -> Any:
    """A list of two whose first block waits for nothing; the head is out before the iterable is closed."""
    probe = Probe(environ)
    start_octets(start_response)
    return Body(probe, lambda: iter([b"first ", b"second"]))


@app.view
def no_start_response(environ: Environ, start_response: StartResponse) -> Any:
    """Forgets start_response."""
    return Body(Probe(environ), [b"block"])


@app.view
def sized(environ: Environ, start_response: StartResponse) -> Any:
    """An iterable of its own class with a length of one."""
    start_octets(start_response)
    return SizedBody(Probe(environ), [b"only block"])


@app.view
def watched(environ: Environ, start_response: StartResponse) -> Any:
    """An iterable whose attribute look-ups are recorded."""
    Watched.names.clear()
    start_octets(start_response)
    return Watched()


@app.view
def watched_names(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """What was looked up."""
    return answer_json(start_response, sorted(set(Watched.names)))


@app.view
def subclass_of_list(environ: Environ, start_response: StartResponse) -> Any:
    """A list subclass with its own __iter__ and close."""
    start_octets(start_response)
    body = ListWithClose([b"not ", b"this"])
    body.probe = Probe(environ)
    return body


def _counted(blocks: list[bytes], *fields: tuple[str, str], status: str = "200 OK") -> Callable[..., Any]:
    def view(environ: Environ, start_response: StartResponse) -> Any:
        start_octets(start_response, *fields, status=status)
        return Body(Probe(environ), blocks)

    return view


FIVE = ("Content-Length", "5")
app.views["/success"] = _counted([b"some ", b"blocks"])
app.views["/exact"] = _counted([b"12345"], FIVE)
app.views["/exact-then-empty"] = _counted([b"123", b"45", b"", b""], FIVE)
app.views["/too-long"] = _counted([b"123", b"45", b"", b"67", b"89"], FIVE)
app.views["/too-long-in-one"] = _counted([b"1234567"], FIVE)
app.views["/too-short"] = _counted([b"123"], FIVE)
app.views["/too-short-empty"] = _counted([], FIVE)
app.views["/no-content"] = _counted([b"", b"dropped", b"more"], status="204 No Content")
app.views["/not-modified"] = _counted([b"", b"dropped", b"more"], ("ETag", '"x"'), status="304 Not Modified")
app.views["/not-modified-with-length"] = _counted([], FIVE, status="304 Not Modified")
app.views["/reset-content"] = _counted([b"dropped", b"more"], status="205 Reset Content")
app.views["/two-blocks"] = _counted([b"", b"12", b"345"])
app.views["/two-blocks-with-length"] = _counted([b"", b"12", b"345"], FIVE)
app.views["/str-block"] = _counted([b"bytes", "str"])  # type: ignore[list-item]


@app.view
def raises_first(environ: Environ, start_response: StartResponse) -> Any:
    """The iteration raises before its first block."""
    start_octets(start_response)

    def blocks() -> Iterator[bytes]:
        yield from map(int.to_bytes, [0], ["not a length"])  # type: ignore[arg-type]

    return Body(Probe(environ), blocks)


@app.view
def raises_later(environ: Environ, start_response: StartResponse) -> Any:
    """The iteration raises after a block."""
    start_octets(start_response)

    def blocks() -> Iterator[bytes]:
        yield b"first"
        raise RuntimeError("later")

    return Body(Probe(environ), blocks)


@app.view
def iter_raises(environ: Environ, start_response: StartResponse) -> Any:
    """__iter__ itself raises."""
    start_octets(start_response)

    class Broken(Body):
        def __iter__(self) -> Iterator[bytes]:
            raise RuntimeError("iter")

    return Broken(Probe(environ), [])


@app.view
def exc_info_late(environ: Environ, start_response: StartResponse) -> Any:
    """start_response re-raises in the middle of the iteration."""
    start_octets(start_response)

    def blocks() -> Iterator[bytes]:
        yield b"first"
        try:
            raise RuntimeError("late")
        except RuntimeError:
            start_response("500 Late", OCTETS, sys.exc_info())

    return Body(Probe(environ), blocks)


@app.view
def close_raises(environ: Environ, start_response: StartResponse) -> Any:
    """close() tells and raises."""
    start_octets(start_response)

    class Raising(Body):
        def close(self) -> None:
            super().close()
            raise RuntimeError("close failed")

    return Raising(Probe(environ), [b"whole ", b"body"])


@app.view
def write_then_body(environ: Environ, start_response: StartResponse) -> Any:
    """write() and an iterable with close."""
    start_octets(start_response)(b"written ")
    return Body(Probe(environ), [b"body"])


@app.view
def generator_finally(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """A generator's own close() runs its finally."""
    probe = Probe(environ)
    start_octets(start_response)
    try:
        yield b"first"
        yield b"second"
    finally:
        probe.tell("close")


@app.view
def endless(environ: Environ, start_response: StartResponse) -> Any:
    """Blocks without end: only the client's departure ends it."""
    probe = Probe(environ)
    start_octets(start_response)

    def blocks() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    body = Body(Probe({}), blocks)
    body.close = lambda: probe.tell("close")  # type: ignore[method-assign]
    return body


@app.view
def endless_trickle(environ: Environ, start_response: StartResponse) -> Any:
    """Small blocks, each after the test's gate: the departure is seen at the next send or earlier."""
    probe = Probe(environ)
    start_octets(start_response)
    is_gone = environ.get("dragoman.disconnected", lambda: True)

    def blocks() -> Iterator[bytes]:
        yield b"first"
        probe.wait("client gone")
        while not is_gone():
            yield b""
        for _ in range(1000):
            yield b"more"
        probe.tell("all produced")

    return Body(probe, blocks)
