"""Calls the hello application without a server, behind one checker or none: ``checked_calls.py CHECKER COUNT``."""

from __future__ import annotations

import io
import sys
import wsgiref.validate
from collections.abc import Callable
from typing import Any
from wsgiref.util import setup_testing_defaults

sys.path.insert(0, ".")
from dragoman.contract import Checked

from hello import app

CHECKERS: dict[str, Callable[[Any], Any]] = {
    "none": lambda app: app,
    "dragoman.contract.Checked": Checked,
    "wsgiref.validate": wsgiref.validate.validator,
}


def call(application: Any, template: dict[str, Any]) -> bytes:
    """One request as a server makes it: the call, each block, close()."""
    environ = {**template, "wsgi.input": io.BytesIO()}
    response = application(environ, lambda status, headers, exc_info=None: lambda data: None)
    try:
        return b"".join(iter(response))
    finally:
        if hasattr(response, "close"):
            response.close()


if __name__ == "__main__":
    checker, count = sys.argv[1], int(sys.argv[2])
    # The keys that a browser's request has.
    template: dict[str, Any] = {
        "QUERY_STRING": "",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "50000",
        "HTTP_ACCEPT": "text/html,*/*;q=0.8",
        "HTTP_ACCEPT_ENCODING": "gzip, deflate, br",
        "HTTP_ACCEPT_LANGUAGE": "en",
        "HTTP_CONNECTION": "keep-alive",
        "HTTP_USER_AGENT": "Mozilla/5.0",
    }
    setup_testing_defaults(template)
    template["wsgi.errors"] = io.StringIO()
    application = CHECKERS[checker](app)
    for _ in range(count):
        call(application, template)
