"""What tests of applications have in common: answers that are not read to their end, heads alone, and hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dragoman.contract import Checked, Finding
from dragoman.web import Response

__all__ = ["Opened", "head_of", "noting", "opened"]


def head_of(app: Any, environ: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The status and the header fields of an answer."""
    heads: list[tuple[str, dict[str, str]]] = []
    result = app(environ, lambda status, headers, exc_info=None: heads.append((status, dict(headers))))
    close = getattr(result, "close", None)
    if close is not None:
        close()
    [head] = heads
    return head


class Opened:
    """An answer whose head is there, and whose blocks are asked for by the test."""

    def __init__(self, app: Any, environ: dict[str, Any]) -> None:
        self.findings: list[Finding] = []
        self.heads: list[tuple[str, list[tuple[str, str]]]] = []
        self.result: Iterable[bytes] = Checked(app, self.findings.append)(environ, self.start_response)
        self.blocks = iter(self.result)

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        self.heads[:] = [(status, headers)]
        return lambda data: None

    def close(self) -> None:
        """End it, as a server does."""
        close = getattr(self.result, "close", None)
        if close is not None:
            close()


def opened(app: Any, environ: dict[str, Any]) -> Opened:
    """The answer of `app`, not yet read."""
    return Opened(app, environ)


def noting(calls: list[str], name: str, result: Any = None) -> Callable[..., Any]:
    """A hook that notes its name; it gives `result`, else the response that it was given."""

    def hook(*args: Any) -> Any:
        calls.append(name)
        return args[0] if result is None and args and isinstance(args[0], Response) else result

    return hook
