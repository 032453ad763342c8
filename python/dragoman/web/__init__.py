"""`dragoman.web`: applications as Flask people write them, typed, and near the speed of bare WSGI.

from dragoman.web import App

app = App(__name__)

@app.get("/user/<int:id>")
def user(id: int) -> dict:
    return {"id": id}
"""

from dragoman.web.app import App
from dragoman.web.blueprint import Blueprint
from dragoman.web.building import BuildError
from dragoman.web.errors import HTTPException, abort
from dragoman.web.files import send_file, send_from_directory
from dragoman.web.globals import current_app, g, has_request_context, request, session
from dragoman.web.headers import Headers
from dragoman.web.multidict import MultiDict
from dragoman.web.request import Request
from dragoman.web.response import Response
from dragoman.web.results import jsonify, make_response
from dragoman.web.uploads import UploadedFile, secure_filename
from dragoman.web.urls import redirect, url_for

__all__ = [
    "App",
    "Blueprint",
    "BuildError",
    "HTTPException",
    "Headers",
    "MultiDict",
    "Request",
    "Response",
    "UploadedFile",
    "abort",
    "current_app",
    "g",
    "has_request_context",
    "jsonify",
    "make_response",
    "redirect",
    "request",
    "secure_filename",
    "send_file",
    "send_from_directory",
    "session",
    "url_for",
]
