"""A plugin for the frameworks' own tests: what their test clients call stands between checkers.

It is no part of a package: in the process of a foreign test suite the name `tests` is that suite's.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from dragoman.check.layers import layers_checked
from dragoman.contract import Checked, Finding

FINDINGS = "DRAGOMAN_TEST_FINDINGS"
"""The variable with the name of the file that each finding becomes a line of JSON in."""

CLIENTS = "DRAGOMAN_TEST_CLIENTS"
"""The variable with the names of the clients to stand behind."""

NOW = {"test": ""}
COUNTS = {"tests": 0, "requests": 0}


def note(finding: Finding) -> None:
    """A line for the finding."""
    write(rule=finding.rule, party=finding.party, where=finding.where, text=str(finding), test=NOW["test"])


def write(**fields: Any) -> None:
    line = json.dumps(fields)
    # One write of a line: threads and processes do not mix them up.
    with open(os.environ[FINDINGS], "ab", buffering=0) as stream:
        stream.write(line.encode() + b"\n")


def checked(app: Any) -> Callable[..., Any]:
    """`app` behind a checker, and what it holds likewise while it is called."""

    def call(environ: Any, start_response: Any) -> Any:
        COUNTS["requests"] += 1
        with layers_checked(app, "", on_finding=note) as outermost:
            return outermost(environ, start_response)

    return call


# The clients, each patched where its module is there.


def patch_wsgiref() -> None:
    """Bottle's and Falcon's clients call the standard library's validator; small servers take their application so."""
    import wsgiref.simple_server
    import wsgiref.validate

    validator = wsgiref.validate.validator
    wsgiref.validate.validator = lambda application: validator(checked(application))
    original = wsgiref.simple_server.WSGIServer.set_app

    def set_app(self: Any, application: Any) -> None:
        original(self, application and checked(application))

    wsgiref.simple_server.WSGIServer.set_app = set_app  # type: ignore[method-assign]


def patch_werkzeug() -> None:
    import werkzeug.test

    original = werkzeug.test.run_wsgi_app

    @functools.wraps(original)
    def run_wsgi_app(app: Any, environ: Any, buffered: bool = False) -> Any:
        return original(checked(app), environ, buffered)

    werkzeug.test.run_wsgi_app = run_wsgi_app


def patch_webob() -> None:
    import webob.request

    original = webob.request.BaseRequest.call_application

    @functools.wraps(original)
    def call_application(self: Any, application: Any, catch_exc_info: bool = False) -> Any:
        return original(self, checked(application), catch_exc_info)

    webob.request.BaseRequest.call_application = call_application


def patch_django() -> None:
    """Its client has no WSGI in it: the response that it gets goes through Django's own WSGI handler, and then on."""
    import types

    from django import urls
    from django.core.handlers import wsgi
    from django.test.client import ClientHandler

    silent = types.SimpleNamespace(request_started=types.SimpleNamespace(send=lambda **arguments: None))

    class Carrier(wsgi.WSGIHandler):
        """Gives the response that is there, as often as it is asked."""

        def __init__(self, request: Any, response: Any) -> None:
            self.request_class = lambda environ: request  # type: ignore[assignment]
            self.get_response = lambda request: response

    def carried(request: Any, response: Any) -> Callable[..., Any]:
        def app(environ: Any, start_response: Any) -> Any:
            signals, wsgi.signals = wsgi.signals, silent  # type: ignore[assignment]
            try:
                return Body(Carrier(request, response)(environ, start_response))
            finally:
                wsgi.signals = signals

        return app

    original = ClientHandler.get_response

    @functools.wraps(original)
    def get_response(self: Any, request: Any) -> Any:
        # As it came: what Django keeps in it during the request is its own.
        environ = {**request.environ}
        response = original(self, request)
        if not getattr(response, "is_async", False):
            prefix = urls.get_script_prefix()
            send(environ, request, response)
            urls.set_script_prefix(prefix)
        return response

    def send(environ: Any, request: Any, response: Any) -> None:
        COUNTS["requests"] += 1
        blocks = Checked(carried(request, response), note)(environ, lambda status, headers, exc_info=None: bytes)
        if getattr(response, "streaming", False):
            # The client of the test takes them when it likes, and closes them with the response.
            response.streaming_content = blocks
            return
        try:
            for _ in blocks:
                pass
        finally:
            blocks.close()

    ClientHandler.get_response = get_response


class Body:
    """A response's blocks: the client closes the response itself."""

    def __init__(self, response: Any) -> None:
        self.response = response

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.response)

    def close(self) -> None:
        """Not now."""


PATCHES = {"wsgiref": patch_wsgiref, "werkzeug": patch_werkzeug, "webob": patch_webob, "django": patch_django}


def patch() -> None:
    """The clients of this suite."""
    for name in os.environ[CLIENTS].split():
        PATCHES[name]()


def finish() -> None:
    """What has been done; what was never closed says so as it is collected."""
    gc.collect()
    write(**COUNTS)


# pytest's hooks.


def pytest_configure(config: object) -> None:
    patch()


def pytest_runtest_logstart(nodeid: str, location: object) -> None:
    NOW["test"] = nodeid
    COUNTS["tests"] += 1


def pytest_unconfigure(config: object) -> None:
    finish()


def main() -> None:
    """Django's own runner: ``python -m checked_clients runtests.py LABEL...``."""
    import runpy
    import unittest

    patch()
    original = unittest.TestResult.startTest

    def start_test(self: Any, test: unittest.TestCase) -> None:
        NOW["test"] = test.id()
        COUNTS["tests"] += 1
        original(self, test)

    unittest.TestResult.startTest = start_test  # type: ignore[method-assign]
    sys.argv = sys.argv[1:]
    sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    finally:
        finish()


if __name__ == "__main__":
    main()
