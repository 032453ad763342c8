"""Clients that keep a server under constant load: they check each answer to the byte, and retry nothing.

Plain sockets under asyncio, because what happens to a connection is what is asked. Runs on Python 3.10: a test uses it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import socket
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType

from harness.tally import Failure, Tally, failure_of

ANSWER_S = 10.0
"""How long a client waits, from the beginning of its connection or of its sending to the last byte."""
LINES = 40
"""How often `apps/rolling.py` repeats the name of a request."""
HEAD_MOST = 16_384
UPLOAD_BYTES = 200_000
UPLOAD_PIECES = 10
UPLOAD_PAUSE_S = 0.01
STATUSES = {b"HTTP/1.1 200": True, b"HTTP/1.0 200": False}
"""The beginnings of a right answer, and whether its connection is kept unless it says something else."""


@dataclass(frozen=True)
class Request:
    """One request, and the only right answer to it."""

    target: str
    pieces: tuple[bytes, ...]
    """Sent one after the other, with a pause between them."""
    body: bytes
    """Of the answer."""


@dataclass(frozen=True)
class Kind:
    """One kind of client."""

    name: str
    count: int
    think_s: float
    """The longest pause before the next request; the pauses are spread evenly from 0."""
    make: Callable[[str], Request]
    batch: int = 1
    """Requests that are sent in one go."""
    is_kept: bool = True
    """Uses its connection as long as the server keeps it; else for one request, and every second one says so."""
    is_timed: bool = False


def page(name: str) -> Request:
    """A short request."""
    return _get("page", name)


def page_or_stream(name: str) -> Request:
    """A short request, or one whose answer comes in pieces without a length: every fourth."""
    return _get("page" if zlib.crc32(name.encode()) % 4 else "stream", name)


def slow(name: str) -> Request:
    """A request of 300 ms."""
    return _get("slow", name)


def upload(name: str) -> Request:
    """A body of 200 kB that takes 100 ms."""
    data = hashlib.sha256(name.encode()).digest() * (UPLOAD_BYTES // 32)
    size = len(data) // UPLOAD_PIECES
    head = f"POST /upload/{name} HTTP/1.1\r\nHost: load\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    pieces = tuple(data[start : start + size] for start in range(0, len(data), size))
    account = f"{name} {len(data)} {hashlib.sha256(data).hexdigest()}\n".encode()
    return Request(f"/upload/{name}", (head, *pieces), account)


KINDS = (
    Kind("keep-alive", 16, 0.04, page, is_timed=True),
    # Longer than servers let an idle connection wait while they drain.
    Kind("patient", 8, 4.0, page),
    Kind("new connection", 8, 0.04, page, is_kept=False, is_timed=True),
    Kind("streaming", 4, 0.04, page_or_stream),
    Kind("slow", 4, 0.1, slow),
    Kind("upload", 4, 0.1, upload),
    Kind("pipelining", 2, 0.1, page, batch=8),
)


class Then(Enum):
    """What a client does after a request."""

    KEEP = auto()
    """It uses the connection again."""
    CONNECT = auto()
    LEAVE = auto()
    """The server is gone on purpose."""


class Load:
    """The clients of all kinds, from the beginning of the ``async with`` block to its end."""

    def __init__(self, address: tuple[str, int], tally: Tally, seed: int, kinds: Iterable[Kind] = KINDS) -> None:
        self.address = address
        self.tally = tally
        self.is_closing = False
        """Whether the server has been told to end: who is refused from then on goes home."""
        self._seed = seed
        self._kinds = tuple(kinds)
        self._connections: set[Connection] = set()
        self._callers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Load:
        for kind in self._kinds:
            for number in range(kind.count):
                self._callers.append(asyncio.create_task(self._call(kind, number)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for caller in self._callers:
            caller.cancel()
        ends = await asyncio.gather(*self._callers, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception) and error is None:
                raise end

    async def ended(self, seconds: float) -> bool:
        """Whether all clients have gone home within that time. Only after `is_closing`."""
        _, waiting = await asyncio.wait(self._callers, timeout=seconds)
        return not waiting

    def mark_killed(self, ports: frozenset[int]) -> int:
        """The connections from these ports are in the hands of a worker that is being killed; how many are ours."""
        ours = [connection for connection in self._connections if connection.port() in ports]
        for connection in ours:
            connection.is_killed = True
        return len(ours)

    async def _call(self, kind: Kind, number: int) -> None:
        """The life of one client."""
        pauses = random.Random(f"{self._seed} {kind.name} {number}")
        connection: Connection | None = None
        serial = 0
        try:
            while True:
                await asyncio.sleep(pauses.uniform(0, kind.think_s))
                names = [f"{kind.name[:3]}-{number}-{serial + offset}" for offset in range(kind.batch)]
                batch = [kind.make(name) for name in names]
                serial += kind.batch
                if connection is not None and connection.has_ended():
                    self._close(connection)
                    connection = None
                if connection is None:
                    connection = Connection(is_late_comer=self.is_closing)
                    self._connections.add(connection)
                asks_close = not kind.is_kept and serial % 2 == 0
                then = await self._exchange(connection, batch, kind, asks_close)
                if then is Then.LEAVE:
                    return
                if then is Then.CONNECT or not kind.is_kept:
                    self._close(connection)
                    connection = None
        finally:
            if connection is not None:
                self._close(connection)

    def _close(self, connection: Connection) -> None:
        connection.socket.close()
        self._connections.discard(connection)

    async def _exchange(self, connection: Connection, batch: list[Request], kind: Kind, asks_close: bool) -> Then:
        """Send the requests, and account for each of them."""
        loop = asyncio.get_running_loop()
        row, is_first, began = self.tally.row, connection.is_new, loop.time()
        patience = loop.call_later(ANSWER_S, connection.give_up)
        index = 0
        try:
            if is_first:
                await connection.connect(self.address)
            await connection.send(batch, asks_close)
            for index, request in enumerate(batch):
                answer = await connection.receive()
                answer.check(request)
                seconds = loop.time() - began if kind.is_timed else None
                self.tally.answered(answer.number("x-worker"), answer.number("x-supervisor"), seconds)
                if not answer.is_kept:
                    self.tally.row.left_behind += len(batch) - index - 1
                    return Then.CONNECT
            return Then.KEEP
        except (OSError, Ended, WrongAnswer) as error:
            if self._is_turned_away(connection, index):
                if connection.is_connected:
                    self.tally.row.reset_at_door += len(batch)
                else:
                    self.tally.row.turned_away += len(batch)
                return Then.LEAVE
            failure = Failure.WRONG
            if not isinstance(error, WrongAnswer):
                failure = failure_of(
                    is_late=connection.is_late,
                    is_connected=connection.is_connected,
                    is_first=is_first,
                    is_pipelined=index > 0,
                    received=connection.received,
                )
            lost = [failure] + [Failure.NO_BYTE if connection.is_connected else failure] * (len(batch) - index - 1)
            for request, how in zip(batch[index:], lost, strict=True):
                self.tally.failed(how, f"{request.target}: {error!r}", row, is_killed=connection.is_killed)
            return Then.CONNECT
        finally:
            patience.cancel()

    def _is_turned_away(self, connection: Connection, index: int) -> bool:
        """Whether the request has met a door that was being closed, and not a server that had let it in.

        The kernel completes connections until the listener is closed, and resets those that nobody has accepted by
        then: for who comes after TERM that is a refusal.
        """
        is_unanswered = connection.is_new and index == 0 and connection.received == 0
        return connection.is_late_comer and is_unanswered and not connection.is_late


class Ended(Exception):
    """The server has ended the connection in good order."""


class WrongAnswer(Exception):
    """Another answer than the request's, or no HTTP; the connection is of no more use."""


@dataclass(frozen=True)
class Answer:
    """A whole response."""

    line: bytes
    fields: dict[str, str]
    body: bytes
    is_kept: bool

    def check(self, request: Request) -> None:
        """Raises WrongAnswer when it is not the one to `request`."""
        if self.line[:12] not in STATUSES:
            raise WrongAnswer(f"{self.line[:60]!r}")
        if self.body != request.body:
            raise WrongAnswer(
                f"{len(self.body)} bytes {self.body[:60]!r} for {len(request.body)} {request.body[:60]!r}"
            )

    def number(self, name: str) -> int:
        """The field's value; 0 without one."""
        return int(self.fields.get(name, "0"))


class Connection:
    """A client's end of one connection.

    is_late_comer   it was begun after TERM
    """

    def __init__(self, is_late_comer: bool) -> None:
        self.is_late_comer = is_late_comer
        self.is_connected = False
        self.is_new = True
        """No answer has come over it yet."""
        self.is_late = False
        self.is_killed = False
        self.received = 0
        """Bytes of the answer that is being waited for."""
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()

    def port(self) -> int:
        """Our own; 0 before it is connected."""
        port: int = self.socket.getsockname()[1]
        return port

    def has_ended(self) -> bool:
        """Whether the server has closed it meanwhile: client libraries look before they send."""
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def give_up(self) -> None:
        """The patience is over: whoever waits for this connection sees its end."""
        self.is_late = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    async def connect(self, address: tuple[str, int]) -> None:
        """Raises OSError."""
        await asyncio.get_running_loop().sock_connect(self.socket, address)
        self.is_connected = True

    async def send(self, batch: list[Request], asks_close: bool) -> None:
        """All of the batch in one go, but for the pieces of a body. Raises OSError."""
        loop = asyncio.get_running_loop()
        self.received = 0
        if len(batch) > 1:
            await loop.sock_sendall(self.socket, b"".join(piece for request in batch for piece in request.pieces))
            return
        head, *rest = batch[0].pieces
        if asks_close:
            head = head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
        await loop.sock_sendall(self.socket, head)
        for piece in rest:
            await asyncio.sleep(UPLOAD_PAUSE_S)
            await loop.sock_sendall(self.socket, piece)

    async def receive(self) -> Answer:
        """The next answer, by its framing (RFC 9112 §6.3). Raises Ended, WrongAnswer and OSError."""
        self.received = len(self._buffer)
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > HEAD_MOST:
                raise WrongAnswer(f"a head without end: {bytes(self._buffer[:60])!r}")
            await self._fill()
        line, *rows = self._take(self._buffer.index(b"\r\n\r\n") + 4)[:-4].split(b"\r\n")
        pairs = (row.decode("latin-1").partition(":") for row in rows)
        fields = {name.lower(): value.strip() for name, _, value in pairs}
        option = fields.get("connection", "").lower()
        is_kept = option != "close" and (STATUSES.get(line[:12], False) or option == "keep-alive")
        if fields.get("transfer-encoding", "").lower() == "chunked":
            body = await self._chunks()
        elif fields.get("content-length", "").isdecimal():
            body = await self._exactly(int(fields["content-length"]))
        else:
            raise WrongAnswer(f"an answer whose end nobody can tell: {fields}")
        self.is_new = False
        self.received = 0
        return Answer(line, fields, body, is_kept)

    async def _chunks(self) -> bytes:
        body = b""
        while True:
            size = await self._line()
            try:
                count = int(size, 16)
            except ValueError:
                raise WrongAnswer(f"no chunk size: {size[:60]!r}") from None
            body += await self._exactly(count)
            if await self._line() != b"":
                raise WrongAnswer("a chunk, or the last one, has no end")
            if count == 0:
                return body

    async def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            await self._fill()
        return self._take(self._buffer.index(b"\r\n") + 2)[:-2]

    async def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            await self._fill()
        return self._take(count)

    async def _fill(self) -> None:
        data = await asyncio.get_running_loop().sock_recv(self.socket, 1 << 16)
        if not data:
            raise Ended
        self._buffer += data
        self.received += len(data)

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data


def _get(kind: str, name: str) -> Request:
    head = f"GET /{kind}/{name} HTTP/1.1\r\nHost: load\r\n\r\n".encode()
    return Request(f"/{kind}/{name}", (head,), f"{name}\n".encode() * LINES)
