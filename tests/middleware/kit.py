"""Asks a WSGI application in-process, with a checker around it: each answer comes with what was done on the way."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dragoman.contract import Checked, Finding

TEXT = ("Content-Type", "text/plain")


@dataclass(frozen=True)
class Answered:
    """What came of one request. `blocks` has the blocks as they were given, empty ones too."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    blocks: list[bytes]
    environ: dict[str, Any]

    @property
    def body(self) -> bytes:
        return b"".join(self.blocks)

    @property
    def text(self) -> str:
        return self.body.decode()

    def values(self, name: str) -> list[str]:
        """All values of a field."""
        return [value for field_name, value in self.headers if field_name.lower() == name.lower()]

    def value(self, name: str) -> str | None:
        """The value of a field, None without it; two are a failure."""
        values = self.values(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None


def environ_of(
    method: str = "GET",
    target: str = "/",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    **more: Any,
) -> dict[str, Any]:
    """An environ as PEP 3333 has it; `more` has further keys, or replaces some."""
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "shop.example",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "40000",
        "HTTP_HOST": "shop.example",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    if body:
        environ.setdefault("CONTENT_LENGTH", str(len(body)))
    return {**environ, **more}


def ask(
    app: Callable[..., Any],
    method: str = "GET",
    target: str = "/",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    **more: Any,
) -> Answered:
    """Ask `app` as a server does. Any breach of the contract that is seen from outside fails the test."""
    findings: list[Finding] = []
    environ = environ_of(method, target, headers, body, **more)
    given: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, fields: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        if exc_info and any(written):
            raise exc_info[1]
        given[:] = [(status, fields)]
        return written.append

    result = Checked(app, findings.append)(environ, start_response)
    try:
        for block in result:
            # A head may still be replaced while only empty blocks have come.
            written.append(block)
    finally:
        close = getattr(result, "close", None)
        if close is not None:
            close()
    # The server is this function, and it may hand in an environ that no server would.
    findings = [one for one in findings if one.party != "server"]
    assert findings == [], "\n".join(map(str, findings))
    [(status, fields)] = given
    return Answered(int(status[:3]), status[4:], list(fields), written, environ)


@dataclass
class Inner:
    """An application to wrap, that counts its calls and its closes and keeps the environs it was given.

    answers     what it gives, in turn; the last one again and again: (status, headers, blocks)
    """

    status: str = "200 OK"
    headers: list[tuple[str, str]] = field(default_factory=lambda: [TEXT])
    blocks: Iterable[bytes] = (b"Hello",)
    calls: int = 0
    closes: int = 0
    # Blocks that have been asked of it.
    given: int = 0
    environs: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    raises: BaseException | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return Checked(self.answer, self.findings.append)(environ, start_response)

    def answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.calls += 1
        self.environs.append(dict(environ))
        if self.raises is not None:
            raise self.raises
        start_response(self.status, list(self.headers))
        return Counted(self)

    def settled(self) -> None:
        """Every call was closed, and whoever wraps it kept the contract."""
        assert self.closes == self.calls
        assert self.findings == [], "\n".join(map(str, self.findings))


class Counted:
    """The blocks of `Inner`; close() is counted."""

    def __init__(self, inner: Inner) -> None:
        self.inner = inner
        self.left = iter(inner.blocks)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block = next(self.left)
        self.inner.given += 1
        return block

    def close(self) -> None:
        self.inner.closes += 1
