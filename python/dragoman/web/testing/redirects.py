"""Where an answer sends the client on to, as the next request."""

from __future__ import annotations

import io
from urllib.parse import quote, urljoin, urlsplit

from dragoman.types import Environ
from dragoman.web.building_environ import environ_of
from dragoman.web.request import Request
from dragoman.web.testing.response import TestResponse

__all__ = ["REDIRECTS", "redirected"]

REDIRECTS = frozenset({301, 302, 303, 307, 308})
# RFC 9110 §15.4.8 and §15.4.9: with the same method and body.
KEEPING = frozenset({307, 308})
OF_TARGET = (
    *("PATH_INFO", "QUERY_STRING", "RAW_URI", "REQUEST_URI", "SCRIPT_NAME"),
    *("SERVER_NAME", "SERVER_PORT", "HTTP_HOST", "wsgi.url_scheme"),
)
OF_BODY = ("CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING")
SAFE_IN_PATH = "/!$&'()*+,:;=@~"


def redirected(environ: Environ, body: bytes, response: TestResponse) -> Environ:
    """The environ of the request that follows.

    environ   of the request that was answered, as it was before the application saw it
    body      of that request
    Raises RuntimeError where it leads to what the client has no application for: another host, or a path that is not
    below the one that the application is mounted at.
    """
    asked = Request(environ)
    target = urlsplit(urljoin(asked.url, response.location or ""))
    root = quote(environ["SCRIPT_NAME"].encode("latin-1"), safe=SAFE_IN_PATH)
    told = f"follow_redirects: {response.status_code} of {asked.path} leads to {response.location}"
    if target.scheme not in ("http", "https") or target.hostname != urlsplit(asked.url).hostname:
        raise RuntimeError(f"{told}, which is another site; look at response.location instead")
    if root and target.path != root and not target.path.startswith(root + "/"):
        raise RuntimeError(f"{told}, which is not below {root}, where the application is mounted")
    made = environ_of(
        target.path[len(root) :] or "/",
        base_url=f"{target.scheme}://{target.netloc.rpartition('@')[2]}{root}/",
        query_string=target.query,
    )
    following = {**environ, **{key: made[key] for key in OF_TARGET}}
    if response.status_code in KEEPING:
        following["wsgi.input"] = io.BytesIO(body)
        return following
    for key in OF_BODY:
        following.pop(key, None)
    following["wsgi.input"] = io.BytesIO()
    # RFC 9110 §15.4.2 to §15.4.4: what browsers do with all but HEAD.
    following["REQUEST_METHOD"] = "HEAD" if environ["REQUEST_METHOD"] == "HEAD" else "GET"
    return following
