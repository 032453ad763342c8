"""A middleware of Django's that tells the layers outside which route a request has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dragoman.middleware.routes import ROUTE

__all__ = ["RouteMiddleware"]


class RouteMiddleware:
    """Puts the route of a request, such as ``/users/<int:pk>``, under ``environ["dragoman.route"]``.

    In the settings: ``MIDDLEWARE = ["dragoman.contrib.django.middleware.RouteMiddleware", …]``.
    """

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        """Pass the request on."""
        return self.get_response(request)

    def process_view(self, request: Any, view: object, args: object, kwargs: object) -> None:
        """Django has found the route."""
        match = getattr(request, "resolver_match", None)
        environ = getattr(request, "environ", None)
        if environ is not None and match is not None:
            # Django's own has no slash at its beginning, and a regular expression has its anchors.
            route = str(match.route).removeprefix("^").removesuffix("$").removesuffix(r"\Z")
            environ[ROUTE] = f"{environ.get('SCRIPT_NAME', '')}/{route}"
