"""What becomes of an exception: the application's own handler for it, or a page."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from dragoman.web.errors import HTTPException, class_for, exception_for
from dragoman.web.late import Late
from dragoman.web.results import response_of

if TYPE_CHECKING:
    from dragoman.types import Environ
    from dragoman.web import pages
    from dragoman.web.response import Response
else:
    pages = Late("dragoman.web.pages")

__all__ = ["ErrorHandler", "ErrorTable", "is_of_sessions", "of_werkzeug", "page"]

ErrorHandler: TypeAlias = Callable[[Any], Any]

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
    """The answer that an exception stands for, where the application has no handler; see `dragoman.web.pages`."""
    if error.response is not None:
        return error.response
    return pages.page_of(error, environ, is_development)


def is_of_sessions(error: BaseException) -> bool:
    """Whether an exception says that the store of sessions cannot be had."""
    # There is none before their module is loaded, which applications without sessions need not.
    sessions = sys.modules.get("dragoman.middleware.sessions")
    return sessions is not None and isinstance(error, sessions.SessionUnavailable)
