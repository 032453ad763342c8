"""Types of the native module: the engine and the WSGI gateway."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypedDict

class ListenerInfo(TypedDict):
    """One listening socket, already bound and listening. The server takes a copy; the caller may close its own."""

    fd: int
    kind: Literal["tcp", "unix"]
    server_name: str  # SERVER_NAME when the listener is TCP ('' on unix: taken from Host)
    server_port: str  # SERVER_PORT, e.g. "8000"; "80" on unix

class Options(TypedDict):
    """Everything the engine and the gateway are told. Milliseconds and bytes."""

    threads: int
    root_path: str
    multiprocess: bool
    environ: dict[str, str]  # --env: additions to every environ
    server: str  # Server field, '' for none; also SERVER_SOFTWARE
    keep_alive_ms: int
    head_ms: int
    first_byte_ms: int
    body_idle_ms: int
    body_rate: int
    write_idle_ms: int
    write_rate: int
    rate_grace_ms: int
    linger_ms: int
    discard_bytes: int
    drain_delay_ms: int  # after TERM everything is served for so long, only ready_path says 503
    drain_linger_ms: int
    forwarded_allow_ips: list[str]  # addresses and networks of proxies; "*" for every peer
    ready_path: str  # '' = none
    max_requests: int  # answered requests until the event "limit"; 0 = never
    limit_request_line: int
    limit_request_fields: int
    limit_request_field_size: int
    limit_head: int
    limit_body: int  # 0 = none
    limit_trailer_fields: int
    limit_trailers: int
    body_buffer: int  # bodies with a length up to this are complete before the call
    chunked_memory: int  # decoded chunked bodies are kept in memory up to this, then spooled to a file
    spool_directory: str
    spool_quota: int
    held_memory: int  # for all connections together
    output_buffer: int  # high-water mark of output held per connection
    queue: int  # requests waiting for a thread
    queue_ms: int  # and how long one waits
    connections: int  # 0 = 80 % of RLIMIT_NOFILE
    waiting_threads: int  # that wait for a client in the middle of a call, beside `threads`
    vanished_ms: int  # after which the kernel gives up a client that acknowledges nothing, and asks a silent one
    access_log_fd: int  # -1 = off
    access_log_format: str  # "common", "combined", "json" or a string of %-atoms

class Event(TypedDict):
    """Something the main thread must do. `kind`:

    "thread"   start one more threading.Thread(target=server.serve)
    "log"      write `text` to the error log at `level` ("info", "warning", "error")
    "signal"   a signal handler may be pending (just return to Python bytecode)
    "limit"    `max_requests` have been answered; serving goes on. Comes once
    "drained"  the drain is complete; `text` is that of the account, "warning" its level where requests were lost
    """

    kind: Literal["thread", "log", "signal", "limit", "drained"]
    level: str
    text: str

class Account(TypedDict):
    """What became of the requests since TERM. Those in the application count as cut while they are there."""

    answered: int
    duration_ms: int
    dropped: int  # connections that ended with bytes of a request and without an answer
    cut: int  # connections that ended while their request was in the application, or its answer on the way
    cut_requests: list[str]  # "GET /sse" of the first five
    closed_idle: int  # idle connections that were closed: a request may have been on its way to each
    level: str  # "info", or "warning" where requests were lost
    text: str  # "drained 412 requests in 3.1 s, 0 dropped, 2 cut (GET /sse, GET /x); 7 idle connections closed"

class Server:
    """The engine of one process, around one application."""

    def __init__(
        self,
        application: Callable[..., Any],
        listeners: Sequence[ListenerInfo],
        options: Options,
        *,
        report: Callable[[str, dict[str, Any]], None],
        exception: Callable[[dict[str, Any], BaseException], None],
        errors: Any,
    ) -> None: ...
    def serve(self) -> None:
        """Body of one serving thread: returns when the thread retires or the server has stopped."""

    def wait(self, timeout_s: float | None) -> list[Event]:
        """Main thread: waits without the GIL for events. Empty list at the timeout. Runs pending signal handlers."""

    def signal_fd(self) -> int:
        """Descriptor for ``signal.set_wakeup_fd``: TERM (15) starts the drain, INT (2) and QUIT (3) stop, without the GIL."""

    def drain(self, *, is_replaced: bool = False) -> None:
        """After the drain delay stop accepting, answer what is under way, close idle connections after the linger. Idempotent.

        is_replaced   another process serves already: no delay, and the readiness probe goes on saying 200
        """

    def account(self) -> Account | None:
        """What became of the requests since TERM; None where none came. Final once the serving threads have left."""

    def stop(self) -> None:
        """Stop at once: connections are closed, serving threads return as soon as their application call ends."""

    def reopen_access_log(self, fd: int) -> None:
        """The access log goes on in the file behind ``fd``, of which a copy is taken. Without an access log: nothing."""

    def close_access_log(self) -> None:
        """Write out what the access log still holds, within a second. Idempotent; the last serving thread does it too."""

    def note_fork(self) -> None:
        """In the parent after a fork: connections are shut down before they are closed from now on."""

    def forget_in_child(self) -> None:
        """In a forked child: lets go of every descriptor that serves; a call that returns into the engine ends it."""

    def thread_failed(self) -> None:
        """The thread that was asked for could not be started; the engine asks again."""

    def threads(self) -> int:
        """Serving threads that have entered and not left."""

    def stuck(self) -> list[str]:
        """'GET /path' of each request still inside the application."""

    def stats(self) -> dict[str, int]:
        """Counters since start, by the names in docs/limits.md, and accepted, requests, open, depositions, handoffs, aborted.

        Refused messages are counted by the codes of docs/refusals.md, too; a code without one is not there.
        """

class ClientDisconnected(OSError):
    """The client closed or reset the connection before the request body was complete."""

def contract_rules() -> list[str]:
    """The ids of the rules that the native path reports."""
