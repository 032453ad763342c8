"""One request of the check, how its client behaves, and what it looks like in an environ."""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlsplit
from wsgiref.util import FileWrapper

from dragoman.errors import UsageError
from dragoman.values import printable

__all__ = ["SAFE", "Client", "ClientDisconnected", "Origin", "Request", "Site", "as_path_info", "make_environ", "named"]

# RFC 9110, section 9.2.1: what a client may ask for without meaning to change anything.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# RFC 9110, section 9.1: a method is a token.
NAMED = re.compile(r"(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+) +)?(/\S*)(?: +(.+))?", re.DOTALL)
FORM = "application/x-www-form-urlencoded"


class Client(Enum):
    """What becomes of the request's body."""

    WHOLE = "sends its body"
    GONE = "is gone in the middle of its body"
    SHORT = "sends less than its Content-Length"


class Origin(Enum):
    """Where a request comes from."""

    CATALOGUE = "catalogue"
    ROUTE = "route"
    NAMED = "--request"
    OPENAPI = "--openapi"


@dataclass(frozen=True)
class Request:
    """One request.

    name, why     what it is called in reports, and what it is good for
    path          PATH_INFO: bytes as latin-1, not percent-encoded
    query         QUERY_STRING, as it is sent
    headers       fields as they are sent; a Content-Length stands for itself
    blocks        the client leaves when it has so many blocks of the response; None: it reads all
    is_chunked    the body comes without a Content-Length, with ``wsgi.input_terminated``
    environ       what is otherwise in the environ; None takes a key away
    marker        a word that is in no other request
    """

    name: str
    method: str = "GET"
    path: str = "/"
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    why: str = ""
    blocks: int | None = None
    client: Client = Client.WHOLE
    is_chunked: bool = False
    environ: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin = Origin.CATALOGUE
    marker: str = ""

    @property
    def target(self) -> str:
        """Path and query as the request line has them."""
        path = quote(self.path.encode("latin-1"), safe="/!$&'()*+,;=:@~%") or "/"
        return f"{path}?{self.query}" if self.query else path

    @property
    def is_repeatable(self) -> bool:
        """Whether the same answer may be expected of it each time."""
        is_plain = self.blocks is None and self.client is Client.WHOLE and not self.body
        return self.method == "GET" and is_plain

    def __str__(self) -> str:
        return f"{self.method} {printable(self.target)}"


@dataclass(frozen=True)
class Site:
    """What all requests have in common.

    root_path   SCRIPT_NAME
    headers     fields that each of them has besides its own
    env         additions to the environ, as the server's --env
    """

    scheme: str = "http"
    host: str = "localhost"
    port: str = "80"
    root_path: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    is_multithread: bool = True

    @classmethod
    def of(cls, url: str) -> "Site":
        """That of a URL, ``https://shop.example:8443/mount``. Raises UsageError."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise UsageError(f'--url "{printable(url)}": want http://HOST or https://HOST:PORT/MOUNT')
        default = "443" if parts.scheme == "https" else "80"
        return cls(parts.scheme, parts.hostname, str(port or default), as_path_info(parts.path).rstrip("/"))

    @property
    def authority(self) -> str:
        """The Host field."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == ("443" if self.scheme == "https" else "80") else f"{host}:{self.port}"


def named(text: str) -> Request:
    """The request that ``--request`` asks for: ``/path``, ``GET /path?a=b`` or ``POST /path BODY``. Raises UsageError.

    The body is JSON if it begins as an object or a list does, a form if there is ``=`` in it, else text.
    """
    found = NAMED.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"--request \"{printable(text)}\": want 'METHOD /path', or 'METHOD /path BODY'")
    method, target, body = found[1] or ("POST" if found[3] else "GET"), found[2], found[3] or ""
    path, _, query = target.partition("?")
    headers = (("Content-Type", type_of(body)),) if body else ()
    return Request(
        text.strip(), method, as_path_info(path), quoted_query(query), headers, body.encode(), origin=Origin.NAMED
    )


def type_of(body: str) -> str:
    if body[:1] in ("{", "["):
        return "application/json"
    return FORM if "=" in body else "text/plain; charset=utf-8"


def quoted_query(text: str) -> str:
    """What a client would send of it: blanks and letters outside of ASCII are escaped, escapes stay."""
    return quote(text, safe="%/?:@!$&'()*+,;=~-._")


def as_path_info(path: str) -> str:
    """A path of a URL as PATH_INFO has it (PEP 3333, "Unicode Issues")."""
    return unquote_to_bytes(path).decode("latin-1")


def with_headers(request: Request, more: Iterable[tuple[str, str]]) -> Request:
    """The same with more fields; those that it has itself win."""
    own = {name.lower() for name, _ in request.headers}
    return replace(request, headers=(*request.headers, *(item for item in more if item[0].lower() not in own)))


class ClientDisconnected(OSError):
    """Reading the body broke off: what the server's ``wsgi.input`` raises then (an OSError, as PEP 3333 leaves it)."""


class BrokenBody(io.RawIOBase):
    """wsgi.input of a client that goes away in the middle: the first half, then the exception."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self._stream = io.BytesIO(body[: len(body) // 2])

    def read(self, size: int | None = -1, /) -> bytes:
        """What has come of so many bytes; raises where more is asked for than there is."""
        found = self._stream.read(size)
        if size is None or size < 0 or (size and not found):
            raise ClientDisconnected("the client is gone")
        return found

    def readline(self, size: int | None = -1, /) -> bytes:
        """A line, if all of it has come."""
        found = self._stream.readline(-1 if size is None else size)
        if not found and size != 0:
            raise ClientDisconnected("the client is gone")
        return found

    def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """Raises: the last line never comes."""
        raise ClientDisconnected("the client is gone")

    def __next__(self) -> bytes:
        return self.readline()


def make_environ(request: Request, site: Site) -> dict[str, Any]:
    """The environ of a request: what PEP 3333 asks for, and what servers add."""
    target = request.target
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": site.root_path,
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query,
        "REQUEST_URI": target,
        "RAW_URI": target,
        "SERVER_NAME": site.host,
        "SERVER_PORT": site.port,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "dragoman",
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "50000",
        "HTTP_HOST": site.authority,
        "HTTP_USER_AGENT": f"dragoman-check {request.marker}".rstrip(),
        "HTTP_ACCEPT": "*/*",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": site.scheme,
        "wsgi.input": body_stream(request),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": site.is_multithread,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
    }
    if request.body and not request.is_chunked:
        environ["CONTENT_LENGTH"] = str(len(request.body))
    environ |= fields_of(with_headers(request, site.headers).headers)
    environ |= {**site.env, **request.environ}
    return {name: value for name, value in environ.items() if value is not None}


def fields_of(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Header fields as CGI variables; repeated ones are joined."""
    found: dict[str, str] = {}
    for name, value in headers:
        variable = name.upper().replace("-", "_")
        if variable not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            variable = f"HTTP_{variable}"
        separator = "; " if variable == "HTTP_COOKIE" else ","
        found[variable] = f"{found[variable]}{separator}{value}" if variable in found else value
    return found


def body_stream(request: Request) -> Any:
    match request.client:
        case Client.WHOLE:
            return io.BytesIO(request.body)
        case Client.SHORT:
            return io.BytesIO(request.body[: len(request.body) // 2])
        case Client.GONE:
            return BrokenBody(request.body)
