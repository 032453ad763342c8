"""`Compress`: responses in the coding that the client likes best, streams block for block."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Literal, TypeVar

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


Value = TypeVar("Value")
MOST_KNOWN = 256
LONGEST_KNOWN = 255


class Role(Enum):
    """What a field has to do with compressing. BINDING: the body is bound to its bytes. CONTROL: it may be so."""

    NONE = 0
    TYPE = 1
    LENGTH = 2
    CONTROL = 3
    BINDING = 4


ROLES = {"content-type": Role.TYPE, "content-length": Role.LENGTH, "cache-control": Role.CONTROL}


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
        self.best = Known(self.best_of)
        self.is_fit = fitness(self.types, min_bytes)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request, compressed if that may be."""
        if self.exempt.rows:
            is_exempt = self.exempt.find(path_of(environ), False)
            if is_exempt:
                return self.app(environ, start_response)
        accepted = environ.get("HTTP_ACCEPT_ENCODING")
        coding = "identity" if accepted is None else self.best[accepted]
        if coding == "identity":
            return self.app(environ, self.varying(start_response))
        if "HTTP_IF_NONE_MATCH" in environ:
            # Also a 304 may need another ETag.
            return Compressing(start_response, self, environ, coding).answer(self.app, environ)
        is_fit = self.is_fit
        # False: the response is left alone.
        held: Compressing | Literal[False] | None = None

        def started(status: str, headers: Headers, exc_info: Any = None, /) -> Write:
            nonlocal held
            if held is None:
                # Most responses are none to compress: for them nothing is made that could hold their head.
                if exc_info is None and not is_fit(status, headers):
                    held = False
                    return start_response(status, headers)
                held = Compressing(start_response, self, environ, coding)
            if held is False:
                return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)
            return held.started(status, headers, exc_info)

        result = self.app(environ, started)
        if held is False:
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


class Known(dict[str, Value]):
    """What a function gives for texts of which there are few: `known[text]` asks it once, and is no call."""

    def __init__(self, function: Callable[[str], Value]) -> None:
        self.function = function

    def __missing__(self, text: str) -> Value:
        made = self.function(text)
        if len(self) >= MOST_KNOWN:
            self.clear()
        if len(text) <= LONGEST_KNOWN:
            self[text] = made
        return made


def role_of(name: str) -> Role:
    """What a field of that name has to do with compressing."""
    name = name.lower()
    return Role.BINDING if name in BOUND_TO_BYTES else ROLES.get(name, Role.NONE)


def fitness(types: Collection[str], min_bytes: int) -> Callable[[str, Headers], bool]:
    """The function that says whether a response is compressed for somebody. Every response is looked at by it."""
    roles = Known(role_of)
    is_of_type = Known(lambda content_type: content_type.partition(";")[0].strip().lower() in types)
    digits = len(str(min_bytes))
    none, kind, length, binding = Role.NONE, Role.TYPE, Role.LENGTH, Role.BINDING

    def is_fit(status: str, headers: Headers) -> bool:
        is_of_a_type = False
        try:
            for name, value in headers:
                role = roles[name]
                if role is none:
                    continue
                if role is kind:
                    if not is_of_type[value]:
                        return False
                    is_of_a_type = True
                elif role is length:
                    # A number of fewer digits is the smaller one; int() would be a tenth of what this layer costs.
                    if len(value) < digits or int(value) < min_bytes:
                        return False
                elif role is binding or "no-transform" in value.lower():
                    return False
            return is_of_a_type and not status.startswith(WITHOUT_BODY)
        except (AttributeError, TypeError, ValueError):
            # No field or no status, and the server says so.
            return False

    return is_fit


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
