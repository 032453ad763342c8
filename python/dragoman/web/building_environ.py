"""`environ_of`: the environ of a request that nobody has sent, for tests, shells and contexts."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Mapping
from typing import IO, Any, TypeAlias
from urllib.parse import quote, unquote_to_bytes, urlencode, urlsplit

import msgspec

from dragoman.types import Environ
from dragoman.web.building_form import Form, encoded_form
from dragoman.web.headers import Headers
from dragoman.web.quoting import SAFE_IN_PATH, SAFE_IN_QUERY

__all__ = ["Data", "Fields", "Query", "environ_of"]

Data: TypeAlias = "str | bytes | bytearray | Form | IO[bytes] | None"
Query: TypeAlias = "str | bytes | Mapping[str, Any] | None"
Fields: TypeAlias = "Headers | Mapping[str, str] | Iterable[tuple[str, str]] | None"

# What is escaped stays so.
ESCAPED = "%"
DEFAULT_PORTS = {"http": "80", "https": "443"}


def environ_of(
    path: str = "/",
    *,
    method: str = "GET",
    base_url: str = "http://localhost/",
    query_string: Query = None,
    headers: Fields = None,
    data: Data = None,
    json: Any = None,
    content_type: str | None = None,
    environ_base: Mapping[str, Any] | None = None,
    environ_overrides: Mapping[str, Any] | None = None,
) -> Environ:
    """The environ that a server would make of a request.

    path           with its query, percent-encoded or as a person writes it; a URL stands for `base_url` and path
    base_url       scheme and host; its path is where the application is mounted
    query_string   a text, or names with values, of which lists stand for several
    data           the body: text, bytes, a binary file, or a form: names with values, which may be lists, open files,
                   (file, file name) or (file, file name, content type)
    json           the body as what JSON can say; not beside `data`
    environ_base   further keys, and values for what is not said by the others: an address, a field
    environ_overrides   further keys, or other values
    Raises ValueError for what no server would hand on, TypeError for what is no body.

    >>> environ_of("/user/7?full=1")["QUERY_STRING"]
    'full=1'
    """
    if path.lower().startswith(("http://", "https://")):
        root, path = split_url(path)
        base_url = root + urlsplit(base_url).path
    base = urlsplit(base_url)
    if base.scheme not in DEFAULT_PORTS or not base.hostname or base.query or base.fragment:
        raise ValueError(f"base_url {base_url!r}: want scheme, host and path: 'http://localhost/'")
    target, query = target_of(path, query_string)
    prefix = quote(base.path.rstrip("/"), safe=SAFE_IN_PATH + ESCAPED)
    uri = prefix + target + (f"?{query}" if query else "")
    body, length, of_body = body_of(data, json, content_type)
    environ: Environ = {
        "REQUEST_METHOD": method.upper(),
        "SCRIPT_NAME": unescaped(prefix),
        "PATH_INFO": unescaped(target),
        "QUERY_STRING": query,
        "RAW_URI": uri,
        "REQUEST_URI": uri,
        "SERVER_NAME": base.hostname,
        "SERVER_PORT": str(base.port or DEFAULT_PORTS[base.scheme]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "HTTP_HOST": base.netloc.rpartition("@")[2],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": base.scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if length is not None:
        environ["CONTENT_LENGTH"] = str(length)
    put_fields(environ, headers)
    if of_body:
        environ["CONTENT_TYPE"] = of_body
    for key, value in (environ_base or {}).items():
        if key not in environ or not key.startswith(("HTTP_", "CONTENT_")):
            environ[key] = value
    return {**environ, **(environ_overrides or {})}


def split_url(url: str) -> tuple[str, str]:
    """Scheme and host, and the rest."""
    scheme, _, rest = url.partition("://")
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    return f"{scheme.lower()}://{rest[:end]}", rest[end:] or "/"


def target_of(path: str, query_string: Query) -> tuple[str, str]:
    """Path and query as they stand in a request line."""
    path, question, query = path.partition("#")[0].partition("?")
    if query_string is not None:
        if question:
            raise ValueError(f"the query is in the path, {query!r}, and in query_string: want it once")
        if isinstance(query_string, Mapping):
            query = urlencode({name: value for name, value in query_string.items() if value is not None}, doseq=True)
        else:
            query = query_string.decode("latin-1") if isinstance(query_string, bytes) else query_string
    target = quote(path if path.startswith("/") else "/" + path, safe=SAFE_IN_PATH + ESCAPED)
    return target, quote(query, safe=SAFE_IN_QUERY + ESCAPED)


def unescaped(target: str) -> str:
    return unquote_to_bytes(target).decode("latin-1")


def put_fields(environ: Environ, headers: Fields) -> None:
    """Put header fields in, as PEP 3333 names them; those that come twice are joined."""
    joined: dict[str, list[str]] = {}
    for name, value in [] if headers is None else Headers(headers).pairs:
        if any(not " " <= one <= "ÿ" and one != "\t" for one in value) or "\x7f" in value:
            raise ValueError(f"header {name}: {value!r}: want latin-1 without control characters")
        joined.setdefault(name.upper().replace("-", "_"), []).append(value)
    for name, values in joined.items():
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        environ[key] = ("; " if name == "COOKIE" else ",").join(values)


def body_of(data: Data, json: Any, content_type: str | None) -> tuple[IO[bytes], int | None, str | None]:
    """The body, its length where that is known, and its type."""
    if json is not None:
        if data is not None:
            raise TypeError("a request has one body: want data= or json=")
        data = msgspec.json.encode(json)
        content_type = content_type or "application/json"
    if data is None:
        return io.BytesIO(), None, content_type
    if isinstance(data, Mapping):
        data, content_type = encoded_form(data, content_type)
    if isinstance(data, str | bytes | bytearray):
        body = data.encode() if isinstance(data, str) else bytes(data)
        return io.BytesIO(body), len(body), content_type
    if not hasattr(data, "read"):
        raise TypeError(f"data is {type(data).__name__}: want str, bytes, a dict of a form, or a binary file")
    return data, length_left(data), content_type


def length_left(file: IO[bytes]) -> int | None:
    """Bytes from where a file stands to its end; None where that cannot be known."""
    try:
        start = file.tell()
        end = file.seek(0, io.SEEK_END)
        file.seek(start)
    except (AttributeError, OSError):
        return None
    return end - start
