"""The questions of `bench/web.py` answered by Falcon."""

from __future__ import annotations

import falcon


class Hello:
    """Text."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """A constant."""
        response.text = "Hello, world!\n"


class User:
    """Text with a number of the path."""

    def on_get(self, request: falcon.Request, response: falcon.Response, id: int) -> None:
        """The number."""
        response.text = f"user {id}"


class Data:
    """JSON."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """A small object."""
        response.media = {"id": 7, "name": "Ada", "tags": ["a", "b"]}


app = falcon.App()
many = falcon.App()
for one in (app, many):
    one.resp_options.default_media_type = falcon.MEDIA_JSON
    one.add_route("/", Hello())
    one.add_route("/user/{id:int}", User())
    one.add_route("/json", Data())
for number in range(200):
    many.add_route(f"/page-{number}/{{id:int}}", User())
