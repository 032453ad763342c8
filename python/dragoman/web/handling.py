"""What becomes of an exception: the application's own handler for it, or a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any, TypeAlias

from dragoman.http import problems
from dragoman.http.negotiation import best_media_type
from dragoman.http.problems import Problem, one_line
from dragoman.types import Environ
from dragoman.web.errors import HTTPException, InternalServerError, class_for, exception_for
from dragoman.web.response import Response
from dragoman.web.results import response_of

__all__ = ["ErrorHandler", "ErrorTable", "of_werkzeug", "page"]

ErrorHandler: TypeAlias = Callable[[Any], Any]

HTML_TYPE, PLAIN_JSON = "text/html", "application/json"
OFFERS = (HTML_TYPE, problems.JSON, PLAIN_JSON, "text/plain")
# For who takes anything, and has sent JSON or has several things to mend: that is a program.
PROGRAM_OFFERS = (problems.JSON, PLAIN_JSON, HTML_TYPE, "text/plain")
# Some programs make classes of exceptions as they run: these shall not be kept for ever.
MOST_FOUND = 500


class ErrorTable:
    """Handlers of exceptions: by status or by class, for each blueprint and for the application.

    One for the status, or for a class of that status, comes before those for other classes; among these a handler of an
    inner blueprint before those around it; there one for a class before those for its bases.
    """

    def __init__(self) -> None:
        self.by_code: dict[tuple[str, int], ErrorHandler] = {}
        self.by_class: dict[tuple[str, type[BaseException]], ErrorHandler] = {}
        self.found: dict[tuple[tuple[str, ...], type[BaseException]], ErrorHandler | None] = {}

    def add(self, scope: str, key: int | type[BaseException], handler: ErrorHandler) -> None:
        """Set a handler.

        scope   the name of a blueprint; empty for the application
        Raises TypeError for a key that is neither a class of exceptions nor a status, ValueError for a wrong status.
        """
        self.by_class[scope, class_for(key)] = handler
        if isinstance(key, int):
            self.by_code[scope, key] = handler
        self.found.clear()

    def find(self, scopes: tuple[str, ...], error: BaseException) -> ErrorHandler | None:
        """The handler for `error`; `scopes` are the names of the blueprints that it comes from, the innermost first."""
        key = (scopes, type(error))
        try:
            return self.found[key]
        except KeyError:
            handler = self.search((*scopes, ""), type(error))
        if len(self.found) >= MOST_FOUND:
            self.found.clear()
        self.found[key] = handler
        return handler

    def search(self, scopes: tuple[str, ...], kind: type[BaseException]) -> ErrorHandler | None:
        if issubclass(kind, HTTPException):
            of_status = [one for one in kind.__mro__ if is_of_status(one, kind.code)]
            for scope in scopes:
                for base in of_status:
                    if (scope, base) in self.by_class:
                        return self.by_class[scope, base]
                if (scope, kind.code) in self.by_code:
                    return self.by_code[scope, kind.code]
        for scope in scopes:
            for base in kind.__mro__:
                if (scope, base) in self.by_class:
                    return self.by_class[scope, base]
        return None


def is_of_status(kind: type, code: int) -> bool:
    return kind is not HTTPException and issubclass(kind, HTTPException) and kind.code == code


def of_werkzeug(error: Exception, environ: Environ) -> HTTPException | None:
    """The exception here that one of werkzeug's stands for, which libraries for Flask raise; None for any other."""
    if all(kind.__module__ != "werkzeug.exceptions" for kind in type(error).__mro__):
        return None
    foreign: Any = error
    if foreign.response is not None or foreign.code is None or not 400 <= foreign.code <= 599:
        return HTTPException(response=response_of(foreign.get_response(environ), environ, "an exception"))
    made = exception_for(foreign.code)(description=vars(foreign).get("description"))
    fields = [(name, value) for name, value in foreign.get_headers(environ) if name != "Content-Type"]
    made.headers = fields or made.headers
    made.__cause__ = error
    return made


def page(error: HTTPException, environ: Environ, is_development: bool = False) -> Response:
    """The answer that an exception stands for, where the application has no handler: HTML or problem details.

    is_development   whether it shows the exception that is behind a 500
    """
    if error.response is not None:
        return error.response
    is_program = bool(error.lines) or "json" in environ.get("CONTENT_TYPE", "")
    best = best_media_type(environ.get("HTTP_ACCEPT"), PROGRAM_OFFERS if is_program else OFFERS) or HTML_TYPE
    original = error.original_exception if isinstance(error, InternalServerError) and is_development else None
    details = "" if original is None else told(original)
    extensions: dict[str, object] = dict(error.extensions)
    if details:
        extensions["traceback"] = details.splitlines()
    problem = Problem(error.code, detail=error.description, extensions=extensions)
    if best in (problems.JSON, PLAIN_JSON):
        response = Response(problem.to_json(), error.code, content_type=problems.JSON)
    elif best == HTML_TYPE:
        response = Response(
            problem.to_html() + as_list(error.lines) + as_pre(details), error.code, content_type=problems.HTML
        )
    else:
        lines = "".join(f"- {line}\n" for line in map(one_line, error.lines))
        response = Response(
            problem.to_text() + f"{lines}{details}".encode(errors="replace"), error.code, content_type=problems.TEXT
        )
    response.headers.vary_on("Accept")
    for name, value in error.headers:
        response.headers.add(name, value)
    return response


def told(error: BaseException) -> str:
    # Only where somebody works on the application.
    from dragoman.development.failure import failure_text  # noqa: PLC0415

    return failure_text(error)


def as_list(lines: Sequence[str]) -> bytes:
    items = "".join(f"<li>{escape(line)}</li>\n" for line in map(one_line, lines))
    return f"<ul>\n{items}</ul>\n".encode(errors="replace") if items else b""


def as_pre(text: str) -> bytes:
    return f"<pre>{escape(text)}</pre>\n".encode(errors="replace") if text else b""
