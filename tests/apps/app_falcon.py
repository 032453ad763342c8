"""A Falcon application: form, upload, stream, cookie, file, JSON."""

from __future__ import annotations

from typing import Any

import falcon

from tests.apps.frameworks import FILE, file_object, lines, summary, validated


class Hello:
    def on_get(self, request: Any, response: Any) -> None:
        response.content_type = falcon.MEDIA_TEXT
        response.text = f"Hello, {request.get_param('name', default='world')}!"


class Json:
    def on_get(self, request: Any, response: Any) -> None:
        response.media = {"framework": "falcon", "path": request.path}


class Form:
    def on_post(self, request: Any, response: Any) -> None:
        response.media = request.get_media()


class Upload:
    def on_post(self, request: Any, response: Any) -> None:
        for part in request.get_media():
            if part.name == "file":
                response.media = {"name": part.filename, **summary(part.stream.read())}


class Body:
    def on_post(self, request: Any, response: Any) -> None:
        response.media = summary(request.bounded_stream.read())


class Stream:
    def on_get(self, request: Any, response: Any) -> None:
        response.content_type = falcon.MEDIA_TEXT
        response.stream = (line.encode() for line in lines())


class File:
    def on_get(self, request: Any, response: Any) -> None:
        response.content_type = "application/octet-stream"
        response.set_stream(file_object(), len(FILE))


class Visits:
    def on_get(self, request: Any, response: Any) -> None:
        count = int(request.cookies.get("visits", 0)) + 1
        response.set_cookie("visits", str(count), secure=False)
        response.media = count


class Redirect:
    def on_get(self, request: Any, response: Any) -> None:
        raise falcon.HTTPFound("/hello")


class Fails:
    def on_get(self, request: Any, response: Any) -> None:
        raise RuntimeError("the view fails")


app = falcon.App()
for resource in (Hello, Json, Form, Upload, Body, Stream, File, Visits, Redirect, Fails):
    app.add_route(f"/{resource.__name__.lower()}", resource())
validated_app = validated(app)
