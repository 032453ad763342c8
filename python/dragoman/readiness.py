"""The request that a new worker has to answer well before it serves (--check-path)."""

import os
import re
import signal
import socket
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dragoman.contract.late import LateReporter
from dragoman.loader import Loaded, traceback_of
from dragoman.log import Log
from dragoman.settings import Settings
from dragoman.values import printable
from dragoman.worker import Worker, temporary_directory

__all__ = ["refusal"]

# More of a response is not read: what is judged is its status, and that the application's call ends.
ANSWER_BYTES = 1 << 20
HOST = "localhost"


def refusal(loaded: Loaded, settings: Settings, log: Log) -> str:
    """Why the application is not fit to serve; "" when it answers the request of the settings by 2xx or 3xx.

    An engine of its own asks it, with the limits of the settings and none of its sockets. A request that takes too long
    is a start that does: nothing is bounded here. The access log does not have it.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with listener, client:
        try:
            connect(listener, client, settings.spool_directory or temporary_directory())
        except OSError as error:
            return f"--check-path: no connection can be made by way of --spool-directory: {error.strerror}"
        return Check(loaded, settings, log, listener.fileno()).ask(client)


def connect(listener: socket.socket, client: socket.socket, directory: str) -> None:
    """Let `client` wait at `listener`, where nobody else can: its peers are believed what they say of themselves."""
    own = os.path.join(directory, f"dragoman-{os.urandom(8).hex()}")
    os.mkdir(own, 0o700)
    try:
        # By descriptor: the path itself may be longer than an address can be.
        fd = os.open(own, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            name = f"/proc/self/fd/{fd}/check"
            listener.bind(name)
            listener.listen(1)
            client.connect(name)
            os.unlink(name)
        finally:
            os.close(fd)
    finally:
        os.rmdir(own)
    listener.setblocking(False)


class Check:
    """One such request."""

    def __init__(self, loaded: Loaded, settings: Settings, log: Log, fd: int) -> None:
        self.asked = settings.check_path
        self.errors: list[str] = []
        self.answer = b""
        self.worker = Worker(
            loaded.application,
            [{"fd": fd, "kind": "unix", "server_name": "", "server_port": "80"}],
            replace(settings, ready_path="", max_requests=0),
            log=log,
            report=LateReporter(log.error, loaded.name),
            exception=self.note,
        )

    def note(self, environ: Mapping[str, Any], error: BaseException) -> None:
        """An exception has left the application."""
        self.errors.append(traceback_of(error))

    def ask(self, client: socket.socket) -> str:
        """Send the request, and judge the answer."""
        asking = threading.Thread(target=self.talk, args=(client,), name="check", daemon=True)
        self.worker.start()
        try:
            asking.start()
        except RuntimeError as error:
            return f"no thread can be started ({error})"
        self.worker.mind()
        asking.join()
        return self.judged(self.worker.join())

    def talk(self, client: socket.socket) -> None:
        """In a thread: the request, the answer, and the end of the engine."""
        try:
            client.sendall(request_for(self.asked))
            while len(self.answer) < ANSWER_BYTES and (data := client.recv(65536)):
                self.answer += data
        except OSError:
            pass  # what has come is judged
        finally:
            client.close()
            self.worker.is_stopping = True
            # As the signal would come: whoever waits for events is woken.
            os.write(self.worker.server.signal_fd(), bytes([signal.SIGINT]))

    def judged(self, stuck: list[str]) -> str:
        """What is wrong, in a sentence, and the application's traceback behind it."""
        what = f"--check-path: GET {printable(self.asked)}"
        found = re.match(rb"HTTP/1\.1 ((\d)\d\d[^\r\n]*)", self.answer)
        if found is None:
            sentence = f"{what} was not answered"
        elif found[2] not in (b"2", b"3"):
            sentence = f"{what} was answered {printable(found[1].decode('latin-1'))}; a worker serves after 2xx or 3xx"
        elif self.errors:
            sentence = f"{what} was cut off in the middle of the answer"
        else:
            return f"{what} was answered, but the application's call does not end" if stuck else ""
        return "\n".join([sentence, *self.errors])


def request_for(target: str) -> bytes:
    """The bytes that ask for a path, or for a URL as a proxy would hand it on."""
    scheme, separator, rest = target.partition("://")
    host, slash, path = rest.partition("/") if separator else (HOST, "/", target[1:])
    # A unix socket's peers are believed (--forwarded-allow-ips).
    forwarded = f"X-Forwarded-Proto: {scheme}\r\n" if separator else ""
    head = f"GET {slash or '/'}{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: dragoman-check\r\n{forwarded}"
    return f"{head}Connection: close\r\n\r\n".encode("ascii")
