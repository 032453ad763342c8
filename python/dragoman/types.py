"""The types of PEP 3333, for annotations in applications, middleware and in this package."""

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypedDict

if TYPE_CHECKING:
    from _typeshed import wsgi

__all__ = [
    "Environ",
    "ErrorStream",
    "ExcInfo",
    "InputStream",
    "ListenerInfo",
    "LogLevel",
    "StartResponse",
    "WSGIApplication",
    "Write",
]

Environ: TypeAlias = dict[str, Any]
"""PEP 3333, "environ Variables": CGI variables as native strings, and the ``wsgi.*`` values."""

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType]
"""What ``sys.exc_info()`` returns inside an ``except`` block, as the standard library's stubs have it."""

Write: TypeAlias = Callable[[bytes], object]
"""The callable that ``start_response`` returns."""

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]


class StartResponse(Protocol):
    """PEP 3333, "The start_response() Callable". All arguments are positional."""

    def __call__(
        self,
        status: str,
        headers: list[tuple[str, str]],
        # Outside of an except block sys.exc_info() has three times None, and frameworks declare that they may pass it.
        exc_info: ExcInfo | tuple[None, None, None] | None = None,
        /,
    ) -> Write: ...


class WSGIApplication(Protocol):
    """PEP 3333, "The Application/Framework Side": called once per request, gives the body as an iterable of bytes."""

    def __call__(self, environ: Environ, start_response: StartResponse, /) -> Iterable[bytes]: ...


if TYPE_CHECKING:

    def fits(application: WSGIApplication) -> "wsgi.WSGIApplication":
        """What `wsgiref` and Flask take for an application: every one of ours has to be one."""
        return application


class InputStream(Protocol):
    """``environ["wsgi.input"]``: the request body, never past its end."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, all that is left by default; ``b""`` at the end."""

    def readline(self, size: int = -1, /) -> bytes:
        """Up to and with the next line end, at most `size` bytes of it; ``b""`` at the end."""

    def readlines(self, hint: int = -1, /) -> list[bytes]:
        """The lines that are left; no further one once `hint` bytes have come."""

    def __iter__(self) -> Iterator[bytes]:
        """The lines that are left, one by one."""


class ErrorStream(Protocol):
    """``environ["wsgi.errors"]``: text for the error log."""

    def write(self, text: str, /) -> object:
        """Append `text`."""

    def writelines(self, lines: Iterable[str], /) -> object:
        """Append each of `lines`, without line ends between them."""

    def flush(self) -> object:
        """Let what was written be seen now."""


class ListenerInfo(TypedDict):
    """One bound, listening socket as the engine takes it. The descriptor stays its owner's."""

    fd: int
    kind: Literal["tcp", "unix"]
    server_name: str
    server_port: str
