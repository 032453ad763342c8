"""The control socket: `dragoman reload`, `stop`, `scale`, `reopen`, `status` are heard here."""

import errno
import json
import os
import socket
import stat
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from dragoman.errors import OperatorError
from dragoman.values import Address, cause_of, printable

__all__ = [
    "PREFIX",
    "Commanded",
    "Control",
    "Reply",
    "close_control",
    "control_address",
    "credentials_of",
    "holder_of",
    "open_control",
]

REQUEST_BYTES = 4096
# What abstract names begin with, before the user's id.
PREFIX = "\0dragoman-"
# sockaddr_un.sun_path, the first byte being the NUL of an abstract name (unix(7)).
NAME_BYTES = 107

# Sends one line of the answer; the connection ends after the one that says whether it worked.
Reply = Callable[[Mapping[str, Any]], None]


class Commanded(Protocol):
    """What commands act on."""

    def command(self, words: Sequence[str], reply: Reply) -> None:
        """Carry out a command, of at least one word, and call `reply` once, now or when it is done."""

    def watch(self, sock: socket.socket, callback: Callable[[], None]) -> None:
        """Call `callback` when there is something to read at `sock`."""

    def forget(self, sock: socket.socket) -> None:
        """Watch it no more."""


def control_address(path: str, bind: Sequence[Address]) -> str:
    """The socket's address: `path`, "" for ``none``, for ``auto`` an abstract name of the user and the first address.

    An abstract name (unix(7)) needs no directory and leaves no file: it is there on a read-only disk too.
    """
    if path == "none":
        return ""
    if path != "auto":
        return path
    name = f"{PREFIX}{os.getuid()}-{bind[0] if bind else ''}"
    if len(os.fsencode(name)) > NAME_BYTES:
        # Imported late: few need it, and it loads a library that is larger than all else here.
        import hashlib  # noqa: PLC0415

        name = f"{PREFIX}{os.getuid()}-{hashlib.sha256(os.fsencode(str(bind[0]))).hexdigest()}"
    return name


def open_control(path: str, bind: Sequence[Address]) -> socket.socket | None:
    """The listening socket; None where there is to be none. A file's mode lets nobody but its owner in.

    Raises OperatorError for a path that cannot be had. Without the automatic one a server can do, so that is no error.
    """
    address = control_address(path, bind)
    if not address:
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        if not address.startswith("\0") and os.path.lexists(address):
            remove_stale(address)
        before = os.umask(0o177)
        try:
            sock.bind(address)
        finally:
            os.umask(before)
        sock.listen(8)
    except OSError as error:
        sock.close()
        if path == "auto":
            return None
        reason = "another server listens there" if error.errno == errno.EADDRINUSE else cause_of(error, path)
        raise OperatorError(f'--control-socket "{printable(path)}": {reason}') from None
    return sock


def close_control(sock: socket.socket, *, keep_file: bool) -> None:
    """Hear no more; a file goes, too, unless a successor listens there (`keep_file`)."""
    name = sock.getsockname()
    sock.close()
    # An abstract name is bytes.
    if isinstance(name, str) and name and not keep_file:
        try:
            os.unlink(name)
        except OSError:
            pass  # somebody has removed it


def remove_stale(path: str) -> None:
    """Remove the socket of a server that is gone."""
    if not stat.S_ISSOCK(os.stat(path, follow_symlinks=False).st_mode):
        raise OSError(errno.EEXIST, "there is a file of that name that is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        if probe.connect_ex(path) == errno.ECONNREFUSED:
            os.unlink(path)


class Control:
    """Answers those who connect to `sock`: a JSON list of words in a line, and JSON lines back."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.commanded: Commanded | None = None

    def attend(self, commanded: Commanded) -> None:
        """Hear whoever connects from now on."""
        self.commanded = commanded
        commanded.watch(self.socket, lambda: self.accept(commanded))

    def move(self, path: str, bind: Sequence[Address]) -> None:
        """Be where commands with these settings look, if that is elsewhere now. Raises OperatorError, and stays then.

        Whoever has connected before is answered all the same.
        """
        if os.fsencode(control_address(path, bind)) == os.fsencode(self.socket.getsockname()):
            return
        sock = open_control(path, bind)
        if sock is None:
            raise OperatorError(f"{holder_of(control_address(path, bind))} is commanded there")
        before, self.socket = self.socket, sock
        if self.commanded is not None:
            self.commanded.forget(before)
            self.attend(self.commanded)
        close_control(before, keep_file=False)

    def accept(self, commanded: Commanded) -> None:
        """Take one connection, unless it is another user's."""
        try:
            connection, _ = self.socket.accept()
        except OSError:
            return  # it has gone away already, or there is no descriptor left: the next one may have one
        connection.setblocking(False)
        if credentials_of(connection)[1] not in (0, os.geteuid()):
            connection.close()
            return
        received = bytearray()
        commanded.watch(connection, lambda: self.read(commanded, connection, received))

    def read(self, commanded: Commanded, connection: socket.socket, received: bytearray) -> None:
        """Take what has come; a whole line is a command."""
        try:
            data = connection.recv(REQUEST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        received += data
        if data and b"\n" not in received and len(received) < REQUEST_BYTES:
            return
        commanded.forget(connection)
        words = words_of(bytes(received))
        if not words:
            connection.close()
            return
        # Watched on: a client that leaves is noticed, and a worker that is forked meanwhile closes its copy.
        commanded.watch(connection, lambda: drop(commanded, connection))
        commanded.command(words, lambda answer: say(commanded, connection, answer))


def words_of(line: bytes) -> list[str]:
    try:
        words = json.loads(line)
    except (ValueError, RecursionError):
        return []
    is_list = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return words if is_list else []


def say(commanded: Commanded, connection: socket.socket, answer: Mapping[str, Any]) -> None:
    if connection.fileno() < 0:
        return  # the client has left
    try:
        # Within the socket's buffer; whoever does not read it loses it, and nobody waits.
        connection.send(json.dumps(answer).encode() + b"\n", socket.MSG_DONTWAIT)
    except OSError:
        pass
    drop(commanded, connection)


def drop(commanded: Commanded, connection: socket.socket) -> None:
    if connection.fileno() >= 0:
        commanded.forget(connection)
        connection.close()


def credentials_of(connection: socket.socket) -> tuple[int, int]:
    """The peer's process and user id (unix(7), SO_PEERCRED); process 0 is one that cannot be seen from here."""
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(pid), int(uid)


def holder_of(address: str) -> str:
    """Who listens at `address`, in words."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(address)
            pid, uid = credentials_of(probe)
        except OSError:
            return "another process"
    return f"process {pid} of user {uid}" if pid else f"a process of user {uid}"
