"""An example application under a real server: checkers on all its sides, and a list of what there is to ask."""

from __future__ import annotations

import base64
import json
import os
from contextlib import ExitStack
from typing import Any

import checked_clients
import foreign_apps

from dragoman.check.layers import layers_checked
from dragoman.check.plan import make_plan
from dragoman.check.routes import find_routes

PLAN = "DRAGOMAN_TEST_PLAN"
"""The variable with the name of the file that gets a line of JSON for each request."""

KEPT = ExitStack()


def make(name: str) -> Any:
    """The example of that name."""
    app = getattr(foreign_apps, name)()
    routes = find_routes(app)
    with open(os.environ[PLAN], "w", encoding="utf-8") as file:
        for one in make_plan(routes, [], is_unsafe=True).once:
            request = {
                "method": one.method,
                "target": one.target,
                "fields": one.headers,
                "body": base64.b64encode(one.body).decode(),
                "is_chunked": one.is_chunked,
                "is_left": one.blocks is not None,
                "is_gone": one.client.name != "WHOLE",
            }
            file.write(json.dumps(request) + "\n")
    # Never taken out: it is served until the process ends.
    return KEPT.enter_context(layers_checked(app, name, on_finding=checked_clients.note))
