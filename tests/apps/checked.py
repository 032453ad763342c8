"""Each framework's application with a checker around it, and around each layer where it has several."""

from __future__ import annotations

import importlib
import json
import os
from typing import Any

from dragoman.contract import Checked, Finding

FINDINGS = "DRAGOMAN_TEST_FINDINGS"
"""The variable with the name of the file that each finding becomes a line of JSON in."""


def checked(app: Any) -> Checked:
    return Checked(app, note)


def make(framework: str) -> Any:
    """The application of that framework."""
    module = importlib.import_module(f"tests.apps.app_{framework}")
    if hasattr(module, "make"):
        return module.make(checked)
    return MAKERS.get(framework, lambda module: checked(module.app))(module)


def flask(module: Any) -> Any:
    from werkzeug.middleware.profiler import ProfilerMiddleware
    from werkzeug.middleware.proxy_fix import ProxyFix

    profiled = checked(ProfilerMiddleware(checked(module.app), stream=None))
    return checked(ProxyFix(profiled, x_prefix=1))


def django(module: Any) -> Any:
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.wsgi import get_wsgi_application

    return checked(StaticFilesHandler(checked(get_wsgi_application())))


def bottle(module: Any) -> Any:
    from tests.apps import app_flask

    module.app.mount("/mounted/", checked(app_flask.app.wsgi_app))
    return checked(module.app)


MAKERS = {"flask": flask, "django": django, "bottle": bottle}


def note(finding: Finding) -> None:
    line = json.dumps({"rule": finding.rule, "party": finding.party, "text": str(finding)})
    # One write of a line: threads do not mix them up.
    with open(os.environ[FINDINGS], "ab", buffering=0) as stream:
        stream.write(line.encode() + b"\n")
