"""What each part of `dragoman.middleware` costs around hello: a table; a new part adds a row."""

from __future__ import annotations

import base64
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

from dragoman.middleware import (
    AccessLog,
    ApiKeyAuth,
    BasicAuth,
    BodyLimit,
    Cache,
    Compress,
    Conditional,
    Cors,
    Csrf,
    Deadline,
    Decompress,
    ErrorPages,
    ForceHTTPS,
    Health,
    HostRouter,
    Maintenance,
    MethodOverride,
    Metrics,
    Mount,
    ProxyHeaders,
    RateLimit,
    Redirects,
    RequestId,
    SecurityHeaders,
    ServerTiming,
    Sessions,
    Static,
    Tracing,
    TrustedHosts,
    stack,
)
from dragoman.middleware.auth.api_key import hash_key
from dragoman.middleware.auth.passwords import hash_password
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider

from hello import app as hello

PAGE = b"<p>a paragraph of which there are many</p>\n" * 100


@dataclass(frozen=True)
class Row:
    """One question: what does `make(app)` add to a request with `environ`?

    is_idle   the part has nothing to do for this request: it is held to the bound
    most      the bound, as a share of Flask's hello
    """

    name: str
    question: str
    make: Callable[[Any], Any]
    app: Any = hello
    environ: Mapping[str, str] = field(default_factory=dict)
    is_idle: bool = True
    most: float = 0.03


def page(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """A page that is worth compressing."""
    start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(PAGE)))])
    return [PAGE]


def news(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Hello, which may be kept."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Cache-Control", "max-age=3600")])
    return [b"Hello, World!"]


def visited(environ: dict[str, Any], start_response: Any) -> Any:
    """Hello, which reads the session."""
    session = environ.get("dragoman.session")
    if session is not None:
        session.get("user")
    return hello(environ, start_response)


def six(app: Any) -> Any:
    """What stands in front of many an application, with hardly anything to do."""
    layers = (TrustedHosts(hosts=["127.0.0.1"]), SecurityHeaders(), Compress(), Static(directory()))
    return stack(app, *layers, Sessions(secret=SECRET), Csrf())


def nine(app: Any) -> Any:
    """And what works for every request."""
    return stack(six(app), ProxyHeaders(trusted=["127.0.0.1"]), RequestId(), Metrics(storage="memory://"))


def directory() -> str:
    """A directory with a file, for each process."""
    made = Path(tempfile.mkdtemp(prefix="bench-layers-"))
    (made / "app.css").write_bytes(PAGE)
    os.utime(made / "app.css", (1_700_000_000, 1_700_000_000))
    return str(made)


SECRET = "sixteen letters and more"
USERS = {"anna": hash_password(SECRET)}
BASIC = "Basic " + base64.b64encode(f"anna:{SECRET}".encode()).decode()
PROXIED = {"HTTP_X_FORWARDED_FOR": "203.0.113.9", "HTTP_X_FORWARDED_PROTO": "https"}
POSTED = {"REQUEST_METHOD": "POST", "HTTP_SEC_FETCH_SITE": "same-origin"}
TRACED = {"HTTP_TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}

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
    Row("ProxyHeaders", "A request without the fields?", partial(ProxyHeaders, trusted=["127.0.0.1"])),
    Row(
        "ProxyHeaders, fields",
        "Address and scheme of a believed proxy?",
        partial(ProxyHeaders, trusted=["127.0.0.1"]),
        environ=PROXIED,
        is_idle=False,
    ),
    Row("TrustedHosts", "A host that is one?", partial(TrustedHosts, hosts=["127.0.0.1"])),
    Row("ForceHTTPS", "A request by https?", ForceHTTPS, environ={"wsgi.url_scheme": "https"}),
    Row("SecurityHeaders", "Five fields?", SecurityHeaders, is_idle=False),
    Row(
        "SecurityHeaders, nonce",
        "And a nonce?",
        partial(SecurityHeaders, csp={"script-src": "'self' 'nonce'"}),
        is_idle=False,
    ),
    Row("Cors, elsewhere", "A path that it does not look at?", partial(Cors, origins="*", by_path={"/": None})),
    Row(
        "Cors",
        "A page of an origin that is let in?",
        partial(Cors, origins=["https://shop.example"]),
        environ={"HTTP_ORIGIN": "https://shop.example"},
        is_idle=False,
    ),
    Row("ErrorPages", "An answer that is no error?", ErrorPages),
    Row("AccessLog", "A line, which goes nowhere?", partial(AccessLog, to=lambda line: None), is_idle=False),
    Row("Health", "Another path?", Health),
    Row("Maintenance", "A site that is open?", partial(Maintenance, when="/nowhere/closed")),
    Row("Redirects", "A path that has not moved?", partial(Redirects, exact={"/old": "/new"})),
    Row(
        "RateLimit, exempt",
        "A path without limits?",
        partial(RateLimit, by_path={"/login": "5/minute"}, storage="memory://"),
    ),
    Row(
        "RateLimit",
        "A request that is counted in this process?",
        partial(RateLimit, limits="1000000/second", storage="memory://"),
        is_idle=False,
    ),
    Row(
        "RateLimit, shm",
        "And in shared memory?",
        lambda app: RateLimit(app, limits="1000000/second", storage=f"shm://bench?dir={directory()}"),
        is_idle=False,
    ),
    Row("Cache, POST", "A method that is not kept?", Cache, environ={"REQUEST_METHOD": "POST"}, is_idle=False),
    Row("Cache, nothing to keep", "An answer that says nothing of caches?", Cache, is_idle=False),
    Row("Cache, hit", "An answer from memory, instead of hello?", Cache, app=news, is_idle=False),
    Row("Deadline, elsewhere", "A path without one?", partial(Deadline, by_path={"/reports": 60})),
    Row("Deadline", "A deadline in the environ?", partial(Deadline, budget_s=30), is_idle=False),
    Row("BasicAuth, elsewhere", "A path that wants nobody?", partial(BasicAuth, users=USERS, require={"/": False})),
    Row(
        "BasicAuth",
        "A password that was verified before?",
        partial(BasicAuth, users=USERS),
        environ={"HTTP_AUTHORIZATION": BASIC},
        is_idle=False,
    ),
    Row(
        "ApiKeyAuth",
        "A key?",
        partial(ApiKeyAuth, keys={"ci": hash_key(SECRET)}),
        environ={"HTTP_X_API_KEY": SECRET},
        is_idle=False,
    ),
    Row("Sessions", "A session that nobody asks?", partial(Sessions, secret=SECRET)),
    Row(
        "Sessions, read",
        "One that is read?",
        partial(Sessions, secret=SECRET),
        app=visited,
        is_idle=False,
    ),
    Row("Csrf", "A GET?", Csrf),
    Row("Csrf, POST", "A POST of the same site?", Csrf, environ=POSTED, is_idle=False),
    Row("MethodOverride", "A GET?", MethodOverride),
    Row("Mount", "A path that is not mounted?", partial(Mount, mounts={"/api": hello})),
    Row("HostRouter", "Another host?", partial(HostRouter, hosts={"api.example": hello})),
    Row(
        "Metrics",
        "A count of this process?",
        partial(Metrics, storage="memory://", registry=False),
        is_idle=False,
    ),
    Row(
        "Metrics, shm",
        "And one that workers share?",
        lambda app: Metrics(app, storage=f"shm://bench?dir={directory()}", registry=False),
        is_idle=False,
    ),
    Row("Metrics, exempt", "A path that is not counted?", partial(Metrics, storage="memory://", exempt=["/"])),
    Row("Tracing, no SDK", "A request that nobody traces?", Tracing),
    Row("Tracing, passed on", "Without an SDK, but for a caller's trace?", Tracing, environ=TRACED, is_idle=False),
    Row(
        "Tracing",
        "A span of the SDK, which goes nowhere?",
        partial(Tracing, tracer_provider=TracerProvider()),
        is_idle=False,
    ),
    Row(
        "OpenTelemetryMiddleware, no SDK",
        "What does OpenTelemetry's own cost that nobody listens to?",
        OpenTelemetryMiddleware,
        is_idle=False,
    ),
    Row(
        "OpenTelemetryMiddleware",
        "And with the SDK?",
        lambda app: OpenTelemetryMiddleware(app, tracer_provider=TracerProvider()),
        is_idle=False,
    ),
    Row("ServerTiming, strangers", "A client that may not see them?", partial(ServerTiming, allow=["10.0.0.1"])),
    Row("ServerTiming", "One that may?", partial(ServerTiming, allow="*"), is_idle=False),
    Row("six", "TrustedHosts, SecurityHeaders, Compress, Static, Sessions and Csrf?", six, most=0.15),
    Row("nine", "And ProxyHeaders, RequestId and Metrics?", nine, is_idle=False),
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
