"""One hostile client: raw bytes over a socket of its own, under asyncio, so that thousands fit into a process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

SOURCES = 32
"""Loopback addresses that clients come from: each has ports of its own, so that a storm does not use them up."""

# linux/in.h; the name is in Python's socket module only from 3.12 on.
IP_BIND_ADDRESS_NO_PORT = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)


class Ended(Exception):
    """The server has ended the connection."""


@dataclass
class Account:
    """What happened to all clients of a process."""

    wanted: int = 0
    in_place: int = 0
    """Clients that have done at least once what the attack is about."""
    connections: int = 0
    refused: int = 0
    """Connections that were not accepted."""
    ended: int = 0
    """Connections that the server ended, in good order or by a reset."""
    sent_bytes: int = 0
    received_bytes: int = 0


class Client:
    """A connection from `number`'s source address. An asynchronous context manager; leaving it sends FIN."""

    def __init__(
        self, address: tuple[str, int], number: int, account: Account, receive_buffer: int | None = None
    ) -> None:
        self.address = address
        self.number = number
        self.round = 0
        self._account = account
        self._receive_buffer = receive_buffer
        self._is_in_place = False
        self._socket = socket.socket()

    async def __aenter__(self) -> Client:
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._receive_buffer is not None:
            # Before connect: the window that the handshake announces comes from it.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        # The port is chosen at connect, when the other end is known: otherwise each is used once for all servers.
        self._socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        self._socket.bind((f"127.0.1.{1 + self.number % SOURCES}", 0))
        try:
            await asyncio.get_running_loop().sock_connect(self._socket, self.address)
        except OSError:
            self._account.refused += 1
            self._socket.close()
            raise
        self._account.connections += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.round += 1
        self._socket.close()

    def in_place(self) -> None:
        """Tells that this client now does what the attack is about."""
        self._account.in_place += not self._is_in_place
        self._is_in_place = True

    async def send(self, data: bytes) -> None:
        """Sends all of it; waits while the server does not read. Raises Ended."""
        with self._ended_by_server():
            await asyncio.get_running_loop().sock_sendall(self._socket, data)
        self._account.sent_bytes += len(data)
        # A send that the kernel takes at once gives the others no turn by itself.
        await asyncio.sleep(0)

    async def send_without_end(self, data: bytes) -> None:
        """Sends it again and again until the server ends the connection."""
        while True:
            await self.send(data)

    async def receive(self, size: int = 1 << 16) -> bytes:
        """Some bytes. Raises Ended."""
        with self._ended_by_server():
            data = await asyncio.get_running_loop().sock_recv(self._socket, size)
        self._account.received_bytes += len(data)
        if not data:
            self._account.ended += 1
            raise Ended
        return data

    async def receive_to_end(self) -> None:
        """Reads all that comes, as fast as it comes. Raises Ended at the end."""
        while True:
            await self.receive()

    def finish(self) -> None:
        """FIN: nothing more will be sent."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """RST: the connection is gone for both sides at once (SO_LINGER with 0 seconds)."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    @contextlib.contextmanager
    def _ended_by_server(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            self._account.ended += 1
            raise Ended from None


async def every(seconds: float) -> AsyncIterator[None]:
    """A turn now and each `seconds` after; a turn that comes late does not move the next ones."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        yield
        due += seconds
        await asyncio.sleep(max(0.0, due - loop.time()))
