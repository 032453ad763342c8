"""The attacks: what one client of each does on one connection; when it ends, the client comes again."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.hostile.client import Client, every

Script = Callable[[Client], Awaitable[None]]

BLOCK = 16 << 10
UPLOAD_BYTES = 100_000
HOARD_BYTES = 1_250_000
"""More than is held in memory of a chunked body."""
TRICKLE_S = 0.5
"""Between the single bytes of a slow client: often enough that no idle time runs out."""
RATE_BYTES = 167
RATE_S = 1 / 3
"""Together 501 bytes a second: just above the least rate that is asked of an honest client."""


@dataclass(frozen=True)
class Attack:
    """One way to attack."""

    name: str
    kind: str
    """Attacks of one kind are of one nature, so that they can honestly run at the same time."""
    does: str
    script: Script
    clients: int
    pause_s: float
    """Before a client whose connection has ended comes again."""
    receive_buffer: int | None
    held_kib: int
    """The most that one client may make a server with default settings hold, its socket aside."""


ATTACKS: dict[str, Attack] = {}


def attack(
    kind: str, clients: int, held_kib: int = 4, pause_s: float = 0.05, receive_buffer: int | None = None
) -> Callable[[Script], Script]:
    """Decorator: the function's name is the attack's, its docstring says what each client does."""

    def enter(script: Script) -> Script:
        name = script.__name__.replace("_", "-")
        does = " ".join((script.__doc__ or "").split())
        ATTACKS[name] = Attack(name, kind, does, script, clients, pause_s, receive_buffer, held_kib)
        return script

    return enter


def head(method: str, target: str, *fields: str) -> bytes:
    """A request head."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: test", *fields, "", ""]).encode()


# Crowds: many connections, no work.


@attack("crowds", clients=2000)
async def silent_crowd(client: Client) -> None:
    """Connects and says nothing."""
    client.in_place()
    await client.receive_to_end()


@attack("crowds", clients=2000)
async def idle_crowd(client: Client) -> None:
    """Is answered once and keeps the connection."""
    await client.send(head("GET", "/"))
    await client.receive()
    client.in_place()
    await client.receive_to_end()


# Slow senders.


@attack("slow senders", clients=500)
async def slow_heads(client: Client) -> None:
    """Sends a head of one byte each half second, which never ends."""
    await client.send(head("GET", "/")[:-2] + b"X-Slow: ")
    client.in_place()
    async for _ in every(TRICKLE_S):
        await client.send(b"a")


@attack("slow senders", clients=500, held_kib=64)
async def slow_bodies(client: Client) -> None:
    """Sends a short body of a byte each half second."""
    await client.send(head("POST", "/read", "Content-Length: 50000"))
    client.in_place()
    async for _ in every(TRICKLE_S):
        await client.send(b"a")


@attack("slow senders", clients=500, held_kib=64)
async def slow_chunks(client: Client) -> None:
    """Sends a chunked body of a one-byte chunk each half second."""
    await client.send(head("POST", "/read", "Transfer-Encoding: chunked"))
    client.in_place()
    async for _ in every(TRICKLE_S):
        await client.send(b"1\r\na\r\n")


@attack("slow senders", clients=64, held_kib=1100)
async def spool_hoards(client: Client) -> None:
    """Sends 1.25 MB of a chunked body, which go to a file, and then a one-byte chunk each half second."""
    await client.send(head("POST", "/read", "Transfer-Encoding: chunked"))
    for _ in range(HOARD_BYTES // BLOCK):
        await client.send(b"%x\r\n%b\r\n" % (BLOCK, bytes(BLOCK)))
    client.in_place()
    async for _ in every(TRICKLE_S):
        await client.send(b"1\r\na\r\n")


@attack("slow senders", clients=64, held_kib=64)
async def slow_uploads(client: Client) -> None:
    """Uploads 100 kB, which the application reads as they come, at 501 bytes a second."""
    await client.send(head("POST", "/read", f"Content-Length: {UPLOAD_BYTES}"))
    client.in_place()
    left = UPLOAD_BYTES
    async for _ in every(RATE_S):
        await client.send(bytes(min(RATE_BYTES, left)))
        left -= RATE_BYTES
        if left <= 0:
            await client.receive()
            return


# Slow readers.


@attack("slow readers", clients=200, held_kib=1024, receive_buffer=4096)
async def slow_readers(client: Client) -> None:
    """Takes 501 bytes a second of a body of 8 MiB."""
    await read_slowly(client, "/large")


@attack("slow readers", clients=64, held_kib=1024, receive_buffer=4096)
async def slow_stream_readers(client: Client) -> None:
    """Takes 501 bytes a second of a stream of 2 MiB that the application generates."""
    await read_slowly(client, "/stream")


@attack("slow readers", clients=128, held_kib=1024, receive_buffer=4096)
async def zero_windows(client: Client) -> None:
    """Asks for the large body, or for a stream of 16 MiB, and never reads: the window closes."""
    await client.send(head("GET", "/large" if client.number % 2 else "/long-stream"))
    client.in_place()
    async for _ in every(60):
        pass


@attack("slow readers", clients=24, held_kib=1024, receive_buffer=4096)
async def tiny_blocks(client: Client) -> None:
    """Asks for a stream of one-byte blocks, which the application makes without end, and never reads."""
    await client.send(head("GET", "/endless"))
    client.in_place()
    async for _ in every(60):
        pass


# Floods over one connection.


@attack("floods", clients=16, held_kib=1024)
async def pipelining_flood(client: Client) -> None:
    """Sends a thousand requests at a time and reads the answers."""
    await client.send(head("GET", "/") * 1000)
    client.in_place()
    answers = b""
    count = 0
    while count < 1000:
        answers = answers[-4:] + await client.receive()
        count += answers.count(b"hello")


@attack("floods", clients=64, held_kib=1024, receive_buffer=4096)
async def deaf_pipelining(client: Client) -> None:
    """Sends requests without end and reads no answer."""
    client.in_place()
    await client.send_without_end(head("GET", "/") * 100)


@attack("floods", clients=16, held_kib=2048)
async def tiny_chunks(client: Client) -> None:
    """Sends chunks of one byte as fast as they are taken."""
    await client.send(head("POST", "/read", "Transfer-Encoding: chunked"))
    client.in_place()
    await client.send_without_end(b"1\r\na\r\n" * 2000)


@attack("floods", clients=32, held_kib=64)
async def unread_uploads(client: Client) -> None:
    """Uploads a megabyte to a page that does not read it."""
    await client.send(head("POST", "/", f"Content-Length: {1 << 20}"))
    client.in_place()
    for _ in range((1 << 20) // BLOCK):
        await client.send(bytes(BLOCK))
    await client.receive_to_end()


# Storms of connections.


@attack("storms", clients=50, pause_s=0)
async def connection_storm(client: Client) -> None:
    """Connects, and closes or resets at once."""
    client.in_place()
    if client.round % 2:
        client.reset()


@attack("storms", clients=50, pause_s=0)
async def impatient_clients(client: Client) -> None:
    """Asks and is gone before the answer."""
    await client.send(head("GET", "/"))
    client.in_place()
    client.reset()


@attack("storms", clients=100, held_kib=1024)
async def vanishing_clients(client: Client) -> None:
    """Resets in the middle of a head, of a body, of a streamed body, or of the response, in turn."""
    stage = (client.number + client.round) % 4
    if stage == 0:
        await client.send(head("GET", "/")[:-3])
    elif stage == 1:
        await client.send(head("POST", "/read", "Content-Length: 1000") + bytes(500))
    elif stage == 2:
        await client.send(head("POST", "/read", f"Content-Length: {UPLOAD_BYTES}") + bytes(500))
    else:
        await client.send(head("GET", "/stream"))
        await client.receive()
    client.in_place()
    client.reset()


@attack("storms", clients=100, held_kib=64)
async def half_closers(client: Client) -> None:
    """Ends its half in the middle of a head, of a body, of a streamed body or of a chunk, and waits for the rest."""
    stage = (client.number + client.round) % 4
    if stage == 0:
        await client.send(head("GET", "/")[:-3])
    elif stage == 3:
        await client.send(head("POST", "/read", "Transfer-Encoding: chunked") + b"ff\r\nabc")
    else:
        length = 1000 if stage == 1 else UPLOAD_BYTES
        await client.send(head("POST", "/read", f"Content-Length: {length}") + bytes(500))
    client.finish()
    client.in_place()
    await client.receive_to_end()


# What is refused.


@attack("refusals", clients=50)
async def nonsense(client: Client) -> None:
    """Sends no HTTP at all: lines of text, binary, or the beginning of a TLS connection, in turn."""
    texts = (b"hello there\r\n\r\n", b"\x00\xff" * 500, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    await client.send(texts[(client.number + client.round) % 3])
    client.in_place()
    await client.receive_to_end()


@attack("refusals", clients=50)
async def long_request_lines(client: Client) -> None:
    """Sends a request line that never ends."""
    await client.send(b"GET /")
    client.in_place()
    await client.send_without_end(b"a" * BLOCK)


@attack("refusals", clients=50, held_kib=64)
async def huge_fields(client: Client) -> None:
    """Sends a field that never ends."""
    await client.send(head("GET", "/")[:-2] + b"X-Huge: ")
    client.in_place()
    await client.send_without_end(b"a" * BLOCK)


@attack("refusals", clients=50, held_kib=64)
async def many_fields(client: Client) -> None:
    """Sends fields without end."""
    await client.send(head("GET", "/")[:-2])
    client.in_place()
    for number in itertools.count():
        await client.send(b"".join(b"X-%d-%d: 1\r\n" % (number, index) for index in range(500)))


@attack("refusals", clients=50, held_kib=64)
async def extension_flood(client: Client) -> None:
    """Sends a chunk extension that never ends."""
    await client.send(head("POST", "/read", "Transfer-Encoding: chunked") + b"1;x=")
    client.in_place()
    await client.send_without_end(b"a" * BLOCK)


@attack("refusals", clients=50, held_kib=64)
async def trailer_flood(client: Client) -> None:
    """Sends trailer fields without end."""
    await client.send(head("POST", "/read", "Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\n")
    client.in_place()
    await client.send_without_end(b"X-Trailer: 1\r\n" * 500)


async def read_slowly(client: Client, target: str) -> None:
    """Asks for the target and takes 501 bytes a second of the answer."""
    await client.send(head("GET", target))
    client.in_place()
    async for _ in every(RATE_S):
        await client.receive(RATE_BYTES)
