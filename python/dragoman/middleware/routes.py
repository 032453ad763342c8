"""The route of a request: the template that its path fits, such as ``/users/<id>``, as its framework knows it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

from dragoman.types import Environ

__all__ = ["ROUTE", "RouteHook", "checked_hook", "route_of"]

log = logging.getLogger("dragoman.middleware")

ROUTE = "dragoman.route"
"""The environ's key where an application may say it."""

RouteHook: TypeAlias = Callable[[Environ], "str | None"]
"""Asked first, when the response has begun."""


def route_of(environ: Environ, hook: RouteHook | None = None) -> str | None:
    """The route of a request whose response has begun; None when nobody knows it.

    Known are what `hook` and ``environ["dragoman.route"]`` say, and the rules of `dragoman.web`, Flask and Bottle;
    Django's by `dragoman.contrib.django.middleware.RouteMiddleware`, which puts them under that key. A path is no
    route: there are as many paths as clients make up.
    """
    route = None
    if hook is not None:
        try:
            route = hook(environ)
        except Exception:
            # Whoever watches does not fail what is watched.
            log.exception("the route of a request is unknown: the function for it has failed")
    if route is None:
        route = environ.get(ROUTE)
    if route is None and (plan := environ.get("dragoman.web.plan")) is not None:
        route = getattr(plan, "route", "") or None
        if route is not None:
            route = str(environ.get("SCRIPT_NAME", "")) + route
    if route is None and (request := environ.get("werkzeug.request")) is not None:
        route = getattr(getattr(request, "url_rule", None), "rule", None)
        if route is not None:
            # Of a mounted application.
            route = str(environ.get("SCRIPT_NAME", "")) + route
    if route is None and (found := environ.get("bottle.route")) is not None:
        route = getattr(found, "rule", None)
    return route if isinstance(route, str) else None


def checked_hook(hook: object) -> None:
    """Raises TypeError for what is no `RouteHook`, and is not None."""
    if hook is not None and not callable(hook):
        raise TypeError(f"route: want a function of the environ, got {hook!r}")
