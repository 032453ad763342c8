"""A request's body that may turn out to be refused while the application reads it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import NoReturn

from dragoman.middleware.answer import Answer
from dragoman.middleware.passing import Headers, close_of, is_file_response
from dragoman.middleware.withholding import Body, Handling, Held
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["BodyRefused", "Refusal", "declared_length", "guarded", "has_unknown_length"]


class BodyRefused(Exception):
    """Raised by ``wsgi.input.read()`` when the body is one that is not taken. `answer` is what the client gets.

    Not an OSError: frameworks take one for a client that has gone, and answer in their own way.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body.decode().strip())
        self.answer = answer


class Refusal:
    """Whether the body of one request has been refused, and what is answered then."""

    answer: Answer | None = None

    def refuse(self, answer: Answer) -> NoReturn:
        """Refuse it. Whatever the application answers now, `answer` goes out, unless the head has gone already."""
        self.answer = answer
        raise BodyRefused(answer)


def declared_length(environ: Environ) -> int | None:
    """What Content-Length says; None without it. Raises ValueError where it is no number."""
    text = environ.get("CONTENT_LENGTH") or ""
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def has_unknown_length(environ: Environ) -> bool:
    """Whether a body may come although no length is declared: its end is the stream's."""
    return bool(environ.get("wsgi.input_terminated")) or "HTTP_TRANSFER_ENCODING" in environ


def guarded(app: WSGIApplication, environ: Environ, start_response: StartResponse, refusal: Refusal) -> Iterable[bytes]:
    """The answer of `app`, or that of `refusal` once there is one."""

    try:
        result = Refusable(start_response, refusal).answer(app, environ)
    except Exception:
        if refusal.answer is None:
            raise
        return answered_instead(refusal.answer, start_response)
    # A list has been made, and nothing is read any more.
    if isinstance(result, (list, tuple)) or is_file_response(environ, result):
        return result
    return Guarded(result, start_response, refusal)


class Refusable(Held):
    """A response that another one takes the place of once the body of its request has been refused."""

    def __init__(self, start_response: StartResponse, refusal: Refusal) -> None:
        self.start_response = start_response
        self.refusal = refusal

    def wants(self, status: str, headers: Headers) -> Headers | None:
        return headers if self.refusal.answer is None else None

    def decide(self, status: str, headers: Headers, body: Body) -> Handling:
        answer = self.refusal.answer
        assert answer is not None
        return Handling(answer.status, fields_of(answer), instead=answer.body)


class Guarded:
    """The blocks of an application that may still read its input."""

    def __init__(self, result: Iterable[bytes], start_response: StartResponse, refusal: Refusal) -> None:
        self.result = result
        self.start_response = start_response
        self.refusal = refusal
        self.blocks: Iterator[bytes] | None = None
        self.instead: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.instead is not None:
            return next(self.instead)
        try:
            if self.blocks is None:
                self.blocks = iter(self.result)
            return next(self.blocks)
        except StopIteration:
            raise
        except Exception:
            if self.refusal.answer is None:
                raise
            # Where the head has gone the server raises the exception again.
            self.instead = iter(answered_instead(self.refusal.answer, self.start_response))
            return next(self.instead)

    def close(self) -> None:
        """Close what is inside."""
        close_of(self.result)


def answered_instead(answer: Answer, start_response: StartResponse) -> list[bytes]:
    """`answer` in the place of what the application had begun, within its exception."""
    start_response(answer.status, fields_of(answer), sys.exc_info())
    return [answer.body]


def fields_of(answer: Answer) -> Headers:
    return [*answer.headers, ("Content-Length", str(len(answer.body)))]
