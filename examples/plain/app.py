"""The smallest application: a page about the request that asked for it."""

from collections.abc import Iterable
from html import escape

from dragoman.types import Environ, StartResponse


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    who = escape(environ["QUERY_STRING"] or "world")
    page = f"<!doctype html><title>Dragoman</title><h1>Hello, {who}</h1><p>You asked for {escape(environ['PATH_INFO'])}"
    body = page.encode("utf-8")
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]
