"""What each part of `dragoman.middleware` costs around hello: a table; a new part adds a row."""

from __future__ import annotations

import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

from dragoman.middleware import BodyLimit, Compress, Conditional, Decompress, RequestId, Static

from hello import app as hello

PAGE = b"<p>a paragraph of which there are many</p>\n" * 100


@dataclass(frozen=True)
class Row:
    """One question: what does `make(app)` add to a request with `environ`?

    is_idle   the part has nothing to do for this request: it is held to the bound
    """

    name: str
    question: str
    make: Callable[[Any], Any]
    app: Any = hello
    environ: Mapping[str, str] = field(default_factory=dict)
    is_idle: bool = True


def page(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """A page that is worth compressing."""
    start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(PAGE)))])
    return [PAGE]


def directory() -> str:
    """A directory with a file, for each process."""
    made = Path(tempfile.mkdtemp(prefix="bench-layers-"))
    (made / "app.css").write_bytes(PAGE)
    os.utime(made / "app.css", (1_700_000_000, 1_700_000_000))
    return str(made)


ROWS: tuple[Row, ...] = (
    Row("nothing", "What does the measuring itself add?", lambda app: app),
    Row("RequestId", "An id in the environ, the log and the response?", RequestId, is_idle=False),
    Row("Static", "A request for no file?", lambda app: Static(app, directory())),
    Row("Static, live", "The same, looking at the directory?", lambda app: Static(app, directory(), live=True)),
    Row(
        "Static, a file",
        "A file, instead of hello?",
        lambda app: Static(app, directory()),
        environ={"PATH_INFO": "/static/app.css"},
        is_idle=False,
    ),
    Row(
        "Static, 304",
        "A file that the client has, instead of hello?",
        lambda app: Static(app, directory()),
        environ={"PATH_INFO": "/static/app.css", "HTTP_IF_NONE_MATCH": "*"},
        is_idle=False,
    ),
    Row("Compress", "A body that is too small?", Compress),
    Row(
        "Compress, no coding", "A client that takes no coding?", Compress, environ={"HTTP_ACCEPT_ENCODING": "identity"}
    ),
    Row("Compress, gzip", "4 KiB of HTML by gzip?", partial(Compress, codings=["gzip"]), app=page, is_idle=False),
    Row("Compress, br", "And by brotli?", partial(Compress, codings=["br"]), app=page, is_idle=False),
    Row("Compress, zstd", "And by Zstandard?", partial(Compress, codings=["zstd"]), app=page, is_idle=False),
    Row("Conditional, no ETag", "A method that it does not look at?", Conditional, environ={"REQUEST_METHOD": "POST"}),
    Row("Conditional", "An ETag of hello?", Conditional, is_idle=False),
    Row("BodyLimit", "A request without a body?", BodyLimit),
    Row(
        "BodyLimit, a body", "One with a length?", BodyLimit, environ={"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "9"}
    ),
    Row("Decompress", "A request without a coding?", Decompress),
)

# The keys that a browser's request has.
BROWSER = {
    "QUERY_STRING": "",
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_PORT": "50000",
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate, br, zstd",
    "HTTP_ACCEPT_LANGUAGE": "en",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
}


@dataclass(frozen=True)
class Cost:
    """What a row came to, in µs for each request: the median of the rounds, and the least and the most."""

    added_us: float
    least_us: float
    most_us: float
    share: float
    """Of a request to Flask's hello in the same round."""


def measure(rows: tuple[Row, ...], rounds: int, calls: int) -> tuple[dict[str, Cost], float]:
    """The cost of each row, and of a request to Flask's hello in µs.

    In each round every row is called with its layer and without, and Flask's hello beside them, beginning at another
    row. What the machine does meanwhile meets all of them alike.
    """
    import flask_hello  # noqa: PLC0415 - Flask is loaded when it is measured

    made = [(row, row.make(row.app), environ_of(row.environ)) for row in rows]
    plain = environ_of({})
    added: dict[str, list[float]] = {row.name: [] for row in rows}
    shares: dict[str, list[float]] = {row.name: [] for row in rows}
    flasks: list[float] = []
    for number in range(rounds + 1):
        flask_us = timed(flask_hello.app, plain, max(1, calls // 10))
        turn = number % len(made)
        for row, app, environ in made[turn:] + made[:turn]:
            with_us, without_us = timed(app, environ, calls), timed(row.app, environ, calls)
            # The first round warms up.
            if number > 0:
                added[row.name].append(with_us - without_us)
                shares[row.name].append((with_us - without_us) / flask_us)
        if number > 0:
            flasks.append(flask_us)
    costs = {
        name: Cost(statistics.median(times), min(times), max(times), statistics.median(shares[name]))
        for name, times in added.items()
    }
    return costs, statistics.median(flasks)


def environ_of(changes: Mapping[str, str]) -> dict[str, Any]:
    """A request as a server hands it over."""
    environ: dict[str, Any] = dict(BROWSER)
    setup_testing_defaults(environ)
    return {**environ, "wsgi.errors": io.StringIO(), "wsgi.input": io.BytesIO(b"123456789"), **changes}


def timed(app: Any, template: Mapping[str, Any], calls: int) -> float:
    """CPU time of this thread for one request, in µs."""
    began = time.thread_time_ns()
    for _ in range(calls):
        response = app(dict(template), start_response)
        for _block in response:
            pass
        close = getattr(response, "close", None)
        if close is not None:
            close()
    return (time.thread_time_ns() - began) / calls / 1000


def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
    """Takes the head."""
    return written


def written(block: bytes) -> None:
    """Takes a block."""
