"""What the applications of all frameworks here have in common: the paths that they answer, and how."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
Wrap = Callable[[Any], Any]
"""What stands around each layer of an application that has several."""

# Every framework answers these:
#   GET  /hello            text/plain, "Hello, {name}!" of ?name=…, as UTF-8
#   GET  /json             {"framework": …, "path": …}
#   POST /form             form fields `name` and `text` as JSON
#   POST /upload           the file `file` as JSON: name, size, digest
#   POST /body             size and digest of the raw body as JSON
#   GET  /stream           100 numbered lines, streamed
#   GET  /file             FILE, by the framework's own file response
#   GET  /visits           number of visits in a session or cookie
#   GET  /redirect         302 to /hello
#   GET  /fails            raises

FILE = b"".join(b"line %06d of the file\n" % number for number in range(20_000))
"""480,000 bytes that the file responses send."""


def unwrapped(app: Any) -> Any:
    """No layer more."""
    return app


def summary(data: bytes) -> dict[str, Any]:
    """Size and digest of a body."""
    return {"size": len(data), "digest": hashlib.sha256(data).hexdigest()}


def lines() -> Iterator[str]:
    """What /stream sends."""
    for number in range(100):
        yield f"line {number}\n"


STREAM = "".join(lines())


class _PepInput:
    """wsgi.input as the validator knows it: PEP 3333 lets `read` go without a size, wsgiref.validate does not."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int | None = None) -> bytes:
        """Everything that is left, without a size: asked for in pieces."""
        if size is not None and size >= 0:
            return bytes(self._stream.read(size))
        return b"".join(iter(lambda: self._stream.read(65_536), b""))

    def readline(self, *size: int) -> bytes:
        """One line."""
        return bytes(self._stream.readline(*size))

    def readlines(self, *hint: int) -> list[bytes]:
        """All lines."""
        return list(self._stream.readlines(*hint))

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)


def validated(application: Application) -> Application:
    """The application behind wsgiref.validate.validator, which judges the server as well as the application.

    Two of its habits stand against real frameworks and are no breaches of the server: it refuses `read()` without a
    size, and it hides `wsgi.file_wrapper`'s type. The first is mended here.
    """

    def mended(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["wsgi.input"] = _PepInput(environ["wsgi.input"])
        return application(environ, start_response)

    return validator(mended)


def file_object() -> io.BytesIO:
    """FILE as an object with read()."""
    return io.BytesIO(FILE)
