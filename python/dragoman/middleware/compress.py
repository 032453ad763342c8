"""`Compress`: responses in the coding that the client likes best, streams block for block."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from dragoman.http.fields import add_token, get, has, put, remove, split_list
from dragoman.http.negotiation import best_encoding
from dragoman.middleware.codings import CODINGS, is_installed, refuse_missing
from dragoman.middleware.layer import Layer
from dragoman.middleware.passing import Headers
from dragoman.middleware.paths import PathTable, path_of
from dragoman.middleware.unmodified import NOT_MODIFIED, not_modified
from dragoman.middleware.withholding import Body, Handling, Held
from dragoman.types import Environ, StartResponse, Write, WSGIApplication

__all__ = ["TYPES", "Compress"]

TYPES = frozenset(
    f"{kind}/{subtype}"
    for kind, subtypes in {
        "application": (
            "atom+xml",
            "geo+json",
            "graphql-response+json",
            "javascript",
            "json",
            "ld+json",
            "manifest+json",
            "problem+json",
            "rss+xml",
            "vnd.api+json",
            "vnd.ms-fontobject",
            "wasm",
            "x-javascript",
            "x-ndjson",
            "xhtml+xml",
            "xml",
            "yaml",
        ),
        "font": ("otf", "ttf"),
        "image": ("bmp", "svg+xml", "vnd.microsoft.icon", "x-icon"),
        "text": (
            "cache-manifest",
            "calendar",
            "css",
            "csv",
            "html",
            "javascript",
            "markdown",
            "plain",
            "vcard",
            "vtt",
            "x-component",
            "xml",
            "yaml",
        ),
    }.items()
    for subtype in subtypes
)
"""What is worth compressing. Not text/event-stream: see the page of this part."""

# A body in pieces, or one whose bytes are vouched for, cannot be replaced by other bytes. RFC 9110, section 14.4;
# RFC 9530, sections 2 and 3: also the digest of a representation is of its coded bytes.
BOUND_TO_BYTES = frozenset(
    {"content-encoding", "content-range", "content-digest", "repr-digest", "digest", "content-md5"}
)
# RFC 9110, section 6.4.1: what has no body. 205 has none either; 206 is a piece.
WITHOUT_BODY = ("1", "204", "205", "206", "304")


class Compress(Layer):
    """Compresses responses as Accept-Encoding asks.

    codings     which, the favourite first; by default br, zstd and gzip, as far as their packages are installed
    levels      a level for a coding instead of its default (br 4, zstd 3, gzip 6): ``{"br": 5}``
    types       media types that are compressed; ``TYPES`` has the default
    min_bytes   bodies of a known length below it are left alone
    streams     whether bodies of unknown length are compressed, each block by itself
    files       whether also files are compressed that the server could send by itself
    exempt      paths (with all below them) whose responses are left alone

    Left alone are also responses that have a Content-Encoding, a Content-Range or a digest, that say
    ``Cache-Control: no-transform``, or that have no body. The ETag of what is compressed is made weak.
    Raises ValueError for settings that make no sense, ImportError for a coding whose package is missing.
    Source: RFC 9110, sections 8.4, 8.8.3 and 12.5.3.

        app = Compress(app, exempt=["/login"])
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        codings: Sequence[str] | None = None,
        levels: Mapping[str, int] | None = None,
        types: Collection[str] = TYPES,
        min_bytes: int = 512,
        streams: bool = True,
        files: bool = False,
        exempt: Iterable[str] = (),
    ) -> None:
        super().__init__(app)
        self.codings = chosen_codings(codings)
        self.levels = {name: CODINGS[name].level for name in self.codings} | checked_levels(levels or {})
        if isinstance(types, str):
            raise ValueError(f"types: want a list of media types, got the text {types!r}")
        self.types = frozenset(one.lower() for one in types)
        if min_bytes < 0:
            raise ValueError(f"min_bytes: want a number of bytes, 0 or more, got {min_bytes!r}")
        self.min_bytes = min_bytes
        self.streams = streams
        self.files = files
        self.exempt = PathTable.of(exempt, "exempt")
        # Clients send few different values, and applications few types: each is looked at once.
        self.best = lru_cache(maxsize=256)(self.best_of)
        self.is_of_type = lru_cache(maxsize=256)(self.is_type_of)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request, compressed if that may be."""
        if self.exempt.rows:
            is_exempt = self.exempt.find(path_of(environ), False)
            if is_exempt:
                return self.app(environ, start_response)
        accepted = environ.get("HTTP_ACCEPT_ENCODING")
        coding = "identity" if accepted is None else self.best(accepted)
        if coding == "identity":
            return self.app(environ, self.varying(start_response))
        held: Compressing | None = None
        is_left_alone = False

        def started(status: str, headers: Headers, exc_info: Any = None, /) -> Write:
            nonlocal held, is_left_alone
            if held is None:
                # Most responses are none to compress: for them nothing is made that could hold their head.
                is_first = exc_info is None and not is_left_alone and type(headers) is list and type(status) is str
                if is_left_alone or (is_first and not status.startswith("304") and not self.is_fit(status, headers)):
                    is_left_alone = True
                    return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)
                held = Compressing(start_response, self, environ, coding)
            return held.started(status, headers, exc_info)

        result = self.app(environ, started)
        if is_left_alone:
            return result
        if held is None:
            # A generator, that has not begun.
            held = Compressing(start_response, self, environ, coding)
        return held.deliver(environ, result)

    def varying(self, start_response: StartResponse) -> Any:
        """The start_response for a client that gets no coding: a cache has to know that others get one."""

        def started(status: str, headers: Headers, exc_info: Any = None, /) -> Write:
            if type(status) is str and isinstance(headers, list) and self.is_fit(status, headers):
                headers = headers[:]
                add_token(headers, "Vary", "Accept-Encoding")
            # PEP 3333: the third argument is an optional one, and there are servers that tell None from none.
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        return started

    def best_of(self, accepted: str) -> str:
        """The coding for an Accept-Encoding; where nothing is acceptable, none: section 12.5.3 advises it."""
        return best_encoding(accepted, self.codings) or "identity"

    def is_type_of(self, content_type: str) -> bool:
        """Whether a Content-Type is one that is compressed, whatever its parameters."""
        return content_type.partition(";")[0].strip().lower() in self.types

    def is_fit(self, status: str, headers: Headers) -> bool:
        """Whether such a response is compressed for somebody."""
        is_of_a_type = False
        try:
            for given, value in headers:
                name = given.lower()
                if name == "content-type":
                    if not self.is_of_type(value):
                        return False
                    is_of_a_type = True
                elif name == "content-length":
                    if int(value) < self.min_bytes:
                        return False
                elif name in BOUND_TO_BYTES or (name == "cache-control" and "no-transform" in value.lower()):
                    return False
        except (AttributeError, TypeError, ValueError):
            # No field, and the server says so.
            return False
        return is_of_a_type and not status.startswith(WITHOUT_BODY)


class Compressing(Held):
    """A response to a client that takes `coding`."""

    def __init__(self, start_response: StartResponse, layer: Compress, environ: Environ, coding: str) -> None:
        self.start_response = start_response
        self.layer = layer
        self.environ = environ
        self.coding = coding

    @property
    def known(self) -> str:
        """The tags that the client has, where it asks whether one of them is good still."""
        return str(self.environ.get("HTTP_IF_NONE_MATCH", ""))

    def wants(self, status: str, headers: Headers) -> Headers | None:
        if self.layer.is_fit(status, headers):
            return with_coding(headers, self.coding) if self.environ.get("REQUEST_METHOD") == "HEAD" else None
        return as_cached(headers, self.known) if status.startswith("304") else headers

    def decide(self, status: str, headers: Headers, body: Body) -> Handling:
        layer, coding = self.layer, self.coding
        if body.is_file and not layer.files:
            return Handling(status, headers)
        if body.is_whole and len(body.block) < layer.min_bytes:
            with_length(headers, body.block)
            return Handling(status, headers)
        add_token(headers, "Vary", "Accept-Encoding")
        tag = get(headers, "ETag")
        is_asked_for = status.startswith("200") and self.environ.get("REQUEST_METHOD") == "GET"
        if tag is not None and is_asked_for and is_known_as_weak(tag, self.known):
            recode(headers, coding)
            return Handling(NOT_MODIFIED, not_modified(headers), instead=b"")
        making, level = CODINGS[coding], layer.levels[coding]
        if body.is_whole:
            made = making.whole(body.block, level)
            if len(made) >= len(body.block):
                with_length(headers, body.block)
                return Handling(status, headers)
            recode(headers, coding)
            put(headers, "Content-Length", str(len(made)))
            left = [made]
            # A surplus block breaks the length that the application has declared: it is the server's to refuse.
            return Handling(status, headers, block=lambda block: left.pop() if left else block)
        if not layer.streams and not has(headers, "Content-Length"):
            return Handling(status, headers)
        recode(headers, coding)
        compressor = making.compressor(level)
        return Handling(status, headers, compressor.block, compressor.end)


def as_cached(headers: Headers, known: str) -> Headers:
    """The head of a 304, with the ETag that the client has: weak, where it has got a compressed response."""
    tag = get(headers, "ETag")
    if tag is None or not is_known_as_weak(tag, known):
        return headers
    made = headers[:]
    put(made, "ETag", f"W/{tag}")
    add_token(made, "Vary", "Accept-Encoding")
    return made


def recode(headers: Headers, coding: str) -> None:
    """Make the fields those of compressed bytes."""
    remove(headers, "Content-Length")
    # Pieces of what is compressed anew each time fit together with nothing.
    remove(headers, "Accept-Ranges")
    put(headers, "Content-Encoding", coding)
    tag = get(headers, "ETag")
    if tag is not None and tag.startswith('"'):
        put(headers, "ETag", f"W/{tag}")


def with_coding(headers: Headers, coding: str) -> Headers:
    """The head of a response that is compressed, without its body."""
    made = headers[:]
    add_token(made, "Vary", "Accept-Encoding")
    recode(made, coding)
    return made


def with_length(headers: Headers, block: bytes) -> None:
    """Say the length of a whole body: behind this layer nobody sees any more that it is of one block."""
    if not has(headers, "Content-Length"):
        headers.append(("Content-Length", str(len(block))))


def is_known_as_weak(tag: str, known: str) -> bool:
    """Whether If-None-Match has the weak form of a strong `tag`: it was made here, so it is recognised here."""
    return tag.startswith('"') and f"W/{tag}" in known and f"W/{tag}" in split_list(known)


def chosen_codings(names: Sequence[str] | None) -> tuple[str, ...]:
    if names is None:
        return tuple(name for name in CODINGS if is_installed(name))
    if isinstance(names, str) or not names:
        raise ValueError(f"codings: want a list of {', '.join(CODINGS)}, got {names!r}")
    for name in names:
        if name not in CODINGS:
            raise ValueError(f"codings: want some of {', '.join(CODINGS)}, got {name!r}")
        refuse_missing(name, "Compress")
    return tuple(names)


def checked_levels(levels: Mapping[str, int]) -> dict[str, int]:
    for name, level in levels.items():
        if name not in CODINGS:
            raise ValueError(f"levels: want levels of {', '.join(CODINGS)}, got one of {name!r}")
        allowed = CODINGS[name].levels
        if level not in allowed:
            raise ValueError(f"levels: {name} has levels from {allowed[0]} to {allowed[-1]}, got {level!r}")
    return dict(levels)
