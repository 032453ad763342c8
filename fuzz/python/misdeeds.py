"""Applications that break the contract in every way that their choices say: arguments, iterables, files, exceptions."""

import io
import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from harness import Choices

OCTETS = [("Content-Type", "application/octet-stream")]
STATUSES = [
    "200 OK",
    "200 OK",
    "404 Not Found",
    "204 No Content",
    "304 Not Modified",
    "205 Reset Content",
    "200 ",
    "999 x",
]
BAD_STATUSES = [
    "",
    "200",
    "100 Continue",
    "200 OK\r\nX-Injected: 1",
    "200\tOK",
    " 200 OK",
    "2000 OK",
    "20\u0660 OK",
    "200 \xe9",
]
NAMES = [
    "X-A",
    "Content-Type",
    "Content-Length",
    "content-length",
    "Date",
    "Server",
    "Set-Cookie",
    "Connection",
    "Upgrade",
]
NAMES += ["Transfer-Encoding", "", "X A", "X:A", "X\r\nX-Injected", "\xe9", "\u0141", "X\0"]
VALUES = ["a", "", "0", "5", "100000", "-1", "5, 5", "99999999999999999999", "close", "chunked", "a\r\nX-Injected: 1"]
VALUES += ["\xe9", "\u0141", "\ud800", "a\nb", "a\0", " a ", "\t", "\x7f"]
# Most of an answer that never ends: what a client reads before it gives up, many times over.
ENDLESS_BLOCKS = 2000


class OddText(str):
    """A str whose own methods may not be trusted."""

    __slots__ = ()

    def __len__(self) -> int:
        return 1 << 40

    def encode(self, *_: Any) -> bytes:  # type: ignore[override]
        """Not the text that it is."""
        return b"a\r\nX-Injected: 1"

    def __hash__(self) -> int:
        raise ValueError("no hash")

    def __eq__(self, _: object) -> bool:
        raise ValueError("no comparison")


class OddBytes(bytes):
    """Bytes whose length is a lie, and which nobody may show."""

    def __len__(self) -> int:
        return 1 << 40

    def __repr__(self) -> str:
        raise ValueError("no repr")


class Unshowable:
    """Nothing can be learnt of it without an exception."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class UnshowableError(Exception):
    """An exception that raises when it is told."""

    def __str__(self) -> str:
        raise RuntimeError("no str")

    __repr__ = __str__


class ExitingError(Exception):
    """An exception that ends the process where somebody lets it."""

    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__


EXCEPTIONS: list[Callable[[], BaseException]] = [
    lambda: ValueError("asked for"),
    lambda: ValueError("\ud800\r\n\x1b[2J"),
    UnshowableError,
    ExitingError,
    StopIteration,
    GeneratorExit,
    KeyboardInterrupt,
    MemoryError,
    RecursionError,
    BaseException,
    lambda: SystemExit(3),
    lambda: ConnectionResetError("not ours"),
]


def anything(choices: Choices) -> Any:
    """A value of any kind."""
    kinds: list[Callable[[], Any]] = [
        lambda: None, lambda: 0, lambda: -1, lambda: 1 << 70, lambda: 1.5, lambda: True, lambda: b"bytes",
        lambda: "text",
        lambda: OddText("200 OK"), lambda: OddBytes(b"odd"), Unshowable, list, dict, lambda: (), lambda: ("a",),
        lambda: [("a", "b", "c")], lambda: bytearray(b"x"), lambda: memoryview(b"x"), lambda: iter([]), object,
        lambda: type, lambda: (None, None, None), lambda: "\ud800", lambda: range(3), lambda: choices.text(8),
    ]  # fmt: skip
    return choices.one_of(kinds)()


def item(choices: Choices) -> Any:
    """A block of a body."""
    if choices.often():
        return choices.one_of([b"", b"a", b"hello", b"x" * 1000, b"y" * 70_000])
    return anything(choices)


def headers(choices: Choices) -> Any:
    """The second argument of `start_response`."""
    if choices.rarely():
        return anything(choices)
    fields: list[Any] = []
    for _ in range(choices.below(4)):
        name = choices.one_of(NAMES) if choices.often() else choices.text(6)
        value = choices.one_of(VALUES) if choices.often() else choices.text(6)
        pair: Any = (name, value)
        if choices.rarely():
            pair = choices.one_of([[name, value], (name,), (name, value, 1), (OddText(name), OddText(value)), None])
        elif choices.rarely():
            pair = (anything(choices), anything(choices))
        fields.append(pair)
    return choices.one_of([fields, fields, tuple(fields), iter(fields)])


def status(choices: Choices) -> Any:
    """The first argument of `start_response`."""
    if choices.often():
        return choices.one_of(STATUSES)
    return choices.one_of(BAD_STATUSES) if choices.often() else anything(choices)


class Record:
    """What became of one request's application; it outlives it and holds nothing of it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.closes = 0
        self.owes_close = False
        self.closed = threading.Event()
        self.bodies: list[weakref.ref[Any]] = []

    def close(self) -> None:
        """Counts a call of close()."""
        with self.lock:
            self.closes += 1
        self.closed.set()


class Body:
    """An iterable and its own iterator, with every method as the choices have it."""

    def __init__(self, choices: Choices, record: Record, act: Callable[[], None]) -> None:
        self.choices = choices
        self.record = record
        self.act = act
        self.left = choices.below(5)
        self.iter_result = choices.one_of([self.own, self.own, self.own, iter_of_list, anything_else])

    def own(self) -> Any:
        """The iterator that it should be."""
        return self

    def __iter__(self) -> Any:
        self.act()
        return self.iter_result() if self.iter_result != anything_else else anything(self.choices)

    def __next__(self) -> Any:
        self.act()
        if self.left == 0:
            raise StopIteration
        self.left -= 1
        return item(self.choices)

    def close(self) -> Any:
        """Counted, then perhaps it fails."""
        self.record.close()
        self.act()


def iter_of_list() -> Any:
    """An iterator of somebody else."""
    return iter([b"of ", b"a list"])


def anything_else() -> Any:
    """A mark: the iterator is whatever the choices say."""


class SizedBody(Body):
    """One with a length, which may be any."""

    def __len__(self) -> Any:
        return self.choices.one_of([1, 1, 0, -1, 1 << 70, None, "1"])


class ListBody(list):  # type: ignore[type-arg]
    """A list with a close() and an iterator of its own."""

    record: Record

    def __iter__(self) -> Iterator[Any]:
        yield from [b"its ", b"own"]

    def close(self) -> None:
        """Counted."""
        self.record.close()


class OddFile:
    """A file whose read() and fileno() may be anything."""

    def __init__(self, choices: Choices, act: Callable[[], None]) -> None:
        self.choices = choices
        self.act = act
        self.left = choices.below(5)

    def read(self, *_: Any) -> Any:
        """A few blocks, some of them none."""
        self.act()
        self.left -= 1
        return item(self.choices) if self.left > 0 else b""

    def fileno(self) -> Any:
        """A number without a file, or no number."""
        return self.choices.one_of([-1, 1 << 20, 1 << 70, None, "0", 2.5])


def body(choices: Choices, environ: dict[str, Any], record: Record, act: Callable[[], None]) -> Any:
    """What the application returns."""
    kind = choices.below(12)
    if kind <= 3:
        made: Any = choices.one_of([Body, SizedBody])(choices, record, act)
        record.owes_close = True
    elif kind == 4:
        made = ListBody(item(choices) for _ in range(choices.below(4)))
        made.record = record
        record.owes_close = True
    elif kind == 5:
        return [item(choices) for _ in range(choices.below(4))]
    elif kind == 6:
        return tuple(item(choices) for _ in range(choices.below(4)))
    elif kind == 7:
        return generator(choices, act)
    elif kind == 8:
        return endless()
    elif kind <= 10:
        return file_body(choices, environ, act)
    else:
        return anything(choices)
    record.bodies.append(weakref.ref(made))
    return made


def generator(choices: Choices, act: Callable[[], None]) -> Iterator[Any]:
    """Blocks with misdeeds between them."""
    for _ in range(choices.below(5)):
        act()
        yield item(choices)
    act()


def endless() -> Iterator[bytes]:
    """More than any client takes."""
    for _ in range(ENDLESS_BLOCKS):
        yield b"z" * 1000


def file_body(choices: Choices, environ: dict[str, Any], act: Callable[[], None]) -> Any:
    """Something in a `wsgi.file_wrapper`, or a file as it is."""
    kind = choices.below(5)
    if kind == 0:
        made: Any = io.BytesIO(b"in memory")
    elif kind == 1:
        made = tempfile.TemporaryFile()  # noqa: SIM115 (the server has to close it)
        made.write(b"f" * choices.one_of([0, 10, 70_000, 300_000]))
        made.seek(choices.one_of([0, 5, 1 << 30]))
    elif kind == 2:
        reader, writer = os.pipe()
        os.write(writer, b"from a pipe")
        os.close(writer)
        made = open(reader, "rb", buffering=0)  # noqa: SIM115 (likewise)
    elif kind == 3:
        made = OddFile(choices, act)
    else:
        made = anything(choices)
    wrapper = environ.get("wsgi.file_wrapper")
    if wrapper is None or choices.rarely():
        return made
    arguments = [] if choices.often() else [choices.one_of([1, 8192, 0, -1, None, "1", 1 << 70])]
    wrapped = wrapper(made, *arguments)
    if choices.rarely() and hasattr(made, "close"):
        made.close()
    return wrapped
