"""Hello by Falcon."""

from __future__ import annotations

import falcon


class Hello:
    """One resource with one responder."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """The same text as the plain application's."""
        response.text = "Hello, world!\n"


app = falcon.App(media_type=falcon.MEDIA_TEXT)
app.add_route("/", Hello())
