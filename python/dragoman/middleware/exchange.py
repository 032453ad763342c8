"""One request under way, watched: its status, its fields and how many bytes of its body have gone out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dragoman.middleware.passing import Followed, Headers, SizedFollowed, following, is_file_response
from dragoman.middleware.routes import ROUTE, RouteHook, route_of
from dragoman.types import Environ, StartResponse, Write

__all__ = ["EXCEPTION", "Exchange", "size_of"]

EXCEPTION = "dragoman.exception"
"""The environ's key for an exception that somebody inside has answered with a page."""


class Exchange:
    """What is known of a response so far. `started` is the start_response for the inside.

    The head goes out as it is, so nothing is copied, unlike with `passing.editing`. Of a response whose blocks are all
    there already it is the iterable, too: then nobody stands in between when they are sent.
    """

    # Most are never set, and setting them costs.
    status: str | None = None
    headers: Sequence[tuple[str, str]] = ()
    body_bytes = 0
    write: Write | None = None
    blocks: Sequence[bytes] = ()
    has_ended = False
    route: str | None = None

    def __init__(self, environ: Environ, start_response: StartResponse, route_hook: RouteHook | None = None) -> None:
        self.environ = environ
        self.route_hook = route_hook
        self.start_response = start_response
        # Noted now: applications and layers may change it.
        self.method = environ.get("REQUEST_METHOD", "")

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.blocks)

    def __len__(self) -> int:
        return len(self.blocks)

    def close(self) -> None:
        """The blocks are sent, or never will be."""
        if not self.has_ended:
            self.has_ended = True
            self.ended(None)

    def ended(self, error: BaseException | None) -> None:
        """What there is to do when the response has ended, by what was raised or by close()."""
        raise NotImplementedError

    def follow(self, result: Iterable[bytes]) -> Iterable[bytes]:
        """`result`, block for block, counted; `ended` is called once."""
        if type(result) is list or type(result) is tuple:
            try:
                self.body_bytes += len(result[0]) if len(result) == 1 else sum(map(len, result))
            except TypeError:
                # Something else than bytes: the server says what is wrong with it.
                return following(self.environ, result, None, self.ended)
            self.blocks = result
            return self
        if is_file_response(self.environ, result):
            self.body_bytes += self.declared_bytes()
            self.close()
            return result
        kind = SizedBlocks if hasattr(result, "__len__") else Blocks
        made = kind(result, None, self.ended)
        made.exchange = self
        return made

    def started(self, status: str, headers: Headers, exc_info: Any = None, /) -> Any:
        """The head goes out, perhaps in place of one before."""
        # PEP 3333: the third argument is an optional one, and there are servers that tell None from none.
        if exc_info is None:
            self.write = self.start_response(status, headers)
        else:
            self.write = self.start_response(status, headers, exc_info)
        self.status = status
        self.headers = headers
        # Flask forgets it when the call has ended.
        self.route = route_of(self.environ, self.route_hook)
        return self.written

    def written(self, block: bytes, /) -> object:
        """The application writes a block."""
        assert self.write is not None
        self.body_bytes += size_of(block)
        return self.write(block)

    def known_route(self) -> str | None:
        """The route of the request, also where no head was sent, or the application said it later."""
        if self.route is None and self.write is None:
            self.route = route_of(self.environ, self.route_hook)
        if self.route is None and ROUTE in self.environ:
            self.route = route_of(self.environ)
        return self.route

    def failure(self, error: BaseException | None) -> BaseException | None:
        """What was raised, or what somebody inside has answered in its place with a status of 5xx."""
        if error is None and type(self.status) is str and self.status[:1] == "5":
            found = self.environ.get(EXCEPTION)
            return found if isinstance(found, BaseException) else None
        return error

    def declared_bytes(self) -> int:
        """The Content-Length that was sent; 0 without one."""
        value = next((value for name, value in self.headers if name.lower() == "content-length"), "")
        return int(value) if value.isascii() and value.isdigit() else 0

    @property
    def status_code(self) -> int | None:
        """The status as a number; None before there is one."""
        code = self.status[:3] if type(self.status) is str else ""
        return int(code) if code.isascii() and code.isdigit() else None


class Blocks(Followed):
    """The blocks of an answer, counted."""

    exchange: Exchange

    def __next__(self) -> bytes:
        block = super().__next__()
        self.exchange.body_bytes += len(block) if type(block) is bytes else size_of(block)
        return block


class SizedBlocks(Blocks, SizedFollowed):
    """The same, with the number of blocks."""


def size_of(block: object) -> int:
    """0 for what is no bytes: the server says what is wrong with it."""
    return len(block) if isinstance(block, bytes) else 0
