"""`url_for` and `redirect`: the ways from here to other pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dragoman.web.building import BuildError
from dragoman.web.context import APP, CURRENT, current_context, has_request, request_of
from dragoman.web.errors import BadRequest
from dragoman.web.quoting import SAFE_IN_PATH, SAFE_IN_QUERY
from dragoman.web.response import Response

if TYPE_CHECKING:
    from dragoman.web.app import App
    from dragoman.web.request import Request

__all__ = ["redirect", "url_for"]

# A location as a program writes it: what is escaped stays so.
SAFE_IN_LOCATION = SAFE_IN_QUERY + "#%[]"


def url_for(
    endpoint: str,
    *,
    _app: App | None = None,
    _external: bool | None = None,
    _anchor: str | None = None,
    _method: str | None = None,
    _scheme: str | None = None,
    **values: Any,
) -> str:
    """The URL of an endpoint of the application in hand; see `App.url_for`."""
    context = CURRENT.get()
    request: Request | None
    if context is not None and (_app is None or context[APP] is _app) and has_request(context):
        app: App = context[APP]
        request = request_of(context)
        prefix, scope = request.script_root, request.blueprint
    else:
        app = current_context("url_for")[APP] if _app is None else _app
        request = None
        prefix, scope = app.config["APPLICATION_ROOT"].rstrip("/"), None
    if endpoint.startswith("."):
        endpoint = f"{scope}{endpoint}" if scope else endpoint[1:]
    tables = app.freeze()
    for part in tables.parts:
        if not part.scopes or endpoint.startswith(f"{part.scopes[0]}."):
            for hook in part.given.url_defaults:
                hook(endpoint, values)
    path = (quote(prefix, safe=SAFE_IN_PATH) if prefix else "") + tables.targets.path(endpoint, values, _method)
    host = app.config["SERVER_NAME"]
    is_external = request is None and bool(host) if _external is None else _external
    if is_external or _scheme is not None:
        host = host or (request and request.host)
        if not host and request is not None:
            raise BadRequest("Host: want a name or an address, and a port if need be.")
        if not host:
            raise BuildError(f"url_for({endpoint!r}): there is no request that says the host: set SERVER_NAME")
        scheme = app.config["PREFERRED_URL_SCHEME"] if request is None else request.scheme
        path = f"{_scheme or scheme}://{host}{path}"
    return path if _anchor is None else f"{path}#{quote(_anchor, safe=SAFE_IN_PATH)}"


def redirect(location: str, code: int = 302) -> Response:
    """Send the client elsewhere.

    location   a URL or a path; what a client has sent does not belong here unchecked
    code       301, 302, 303, 307 or 308
    Raises ValueError for another code, and for a location that no header field can hold.
    """
    if code not in (300, 301, 302, 303, 305, 307, 308):
        raise ValueError(f"redirect: code {code!r}: want 301, 302, 303, 307 or 308")
    if any(one < " " or one == "\x7f" for one in location):
        raise ValueError(f"redirect: {location!r}: want a URL without control characters")
    return Response(None, code, {"Location": quote(location, safe=SAFE_IN_LOCATION)})
