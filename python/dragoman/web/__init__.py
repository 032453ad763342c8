"""`dragoman.web`: applications as Flask people write them, typed, and near the speed of bare WSGI.

from dragoman.web import App

app = App(__name__)

@app.get("/user/<int:id>")
def user(id: int) -> dict:
    return {"id": id}
"""

import importlib
import sys
from typing import TYPE_CHECKING

from dragoman.middleware.extras import lacking

try:
    import msgspec  # noqa: F401 - nothing here goes without it
except ModuleNotFoundError as error:
    raise lacking("dragoman.web", "msgspec", "web") from error

from dragoman.web.app import App
from dragoman.web.blueprint import Blueprint
from dragoman.web.building import BuildError
from dragoman.web.config import Config
from dragoman.web.contexts import after_this_request, copy_current_request_context, stream_with_context
from dragoman.web.errors import HTTPException, abort
from dragoman.web.globals import current_app, g, has_app_context, has_request_context, request, session
from dragoman.web.headers import Headers
from dragoman.web.inputs import Body, HeaderFields, Query
from dragoman.web.json import jsonify
from dragoman.web.multidict import MultiDict
from dragoman.web.request import Request
from dragoman.web.response import Response
from dragoman.web.results import make_response
from dragoman.web.typing import ResponseValue
from dragoman.web.urls import redirect, url_for

if TYPE_CHECKING:
    from dragoman.web.describing import describe
    from dragoman.web.events import Event, EventStream, early_hints, preload
    from dragoman.web.files import send_file, send_from_directory
    from dragoman.web.flashing import flash, get_flashed_messages
    from dragoman.web.templating import (
        get_template_attribute,
        render_template,
        render_template_string,
        stream_template,
        stream_template_string,
    )
    from dragoman.web.uploads import UploadedFile, secure_filename
    from dragoman.web.validation import ValidationFailed, validated
else:
    # What not every application uses is loaded when it is first asked for. What is called as its module is, `request`,
    # cannot be among it.
    MODULE_OF = {
        "Event": "events",
        "EventStream": "events",
        "UploadedFile": "uploads",
        "ValidationFailed": "validation",
        "describe": "describing",
        "early_hints": "events",
        "flash": "flashing",
        "get_flashed_messages": "flashing",
        "get_template_attribute": "templating",
        "preload": "events",
        "render_template": "templating",
        "render_template_string": "templating",
        "secure_filename": "uploads",
        "send_file": "files",
        "send_from_directory": "files",
        "stream_template": "templating",
        "stream_template_string": "templating",
        "validated": "validation",
    }

    def __getattr__(name: str) -> object:
        if name not in MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{MODULE_OF[name]}"), name)
        setattr(sys.modules[__name__], name, value)
        return value


__all__ = [
    "App",
    "Blueprint",
    "Body",
    "BuildError",
    "Config",
    "Event",
    "EventStream",
    "HTTPException",
    "HeaderFields",
    "Headers",
    "MultiDict",
    "Query",
    "Request",
    "Response",
    "ResponseValue",
    "UploadedFile",
    "ValidationFailed",
    "abort",
    "after_this_request",
    "copy_current_request_context",
    "current_app",
    "describe",
    "early_hints",
    "flash",
    "g",
    "get_flashed_messages",
    "get_template_attribute",
    "has_app_context",
    "has_request_context",
    "jsonify",
    "make_response",
    "preload",
    "redirect",
    "render_template",
    "render_template_string",
    "request",
    "secure_filename",
    "send_file",
    "send_from_directory",
    "session",
    "stream_template",
    "stream_template_string",
    "stream_with_context",
    "url_for",
    "validated",
]
