"""The page of an error that the application has no handler for: HTML, text or problem details."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dragoman.http import problems
from dragoman.http.negotiation import best_media_type
from dragoman.http.problems import Problem, one_line
from dragoman.types import Environ
from dragoman.web.errors import HTTPException, InternalServerError
from dragoman.web.response import Response

__all__ = ["page_of"]

HTML_TYPE, PLAIN_JSON = "text/html", "application/json"
OFFERS = (HTML_TYPE, problems.JSON, PLAIN_JSON, "text/plain")
# For who takes anything, and has sent JSON or has several things to mend: that is a program.
PROGRAM_OFFERS = (problems.JSON, PLAIN_JSON, HTML_TYPE, "text/plain")


def page_of(error: HTTPException, environ: Environ, is_development: bool = False) -> Response:
    """The answer that an exception stands for: HTML, text or problem details.

    is_development   whether it shows the exception that is behind a 500
    """
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
