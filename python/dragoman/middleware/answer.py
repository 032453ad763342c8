"""A whole response that a middleware gives in the place of the application's."""

from __future__ import annotations

from typing import NamedTuple

from dragoman.types import Environ, StartResponse

__all__ = ["Answer", "plain"]


class Answer(NamedTuple):
    """A response of one block, and the WSGI application that gives it. To HEAD it gives its head alone."""

    status: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """Answer the request with it."""
        headers = list(self.headers)
        if not self.status.startswith(("1", "204", "304")):
            headers.append(("Content-Length", str(len(self.body))))
        start_response(self.status, headers)
        return [self.body] if self.body and environ.get("REQUEST_METHOD") != "HEAD" else []


def plain(status: str, text: str, *headers: tuple[str, str]) -> Answer:
    """An answer of one line of text, in UTF-8: ``plain("403 Forbidden", "…")``."""
    return Answer(status, (*headers, ("Content-Type", "text/plain; charset=utf-8")), f"{text}\n".encode())
