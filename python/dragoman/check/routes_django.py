"""The routes of a Django project, from its URL configuration."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any

from dragoman.check.request import as_path_info
from dragoman.check.routes import Framework, Route, all_methods
from dragoman.check.samples import fitting, marker, texts_for

__all__ = ["django_routes"]

PACKAGES = frozenset({"django"})
# Combinations of values that are tried for a route of regular expressions.
TRIES = 400


def django_routes(application: Any, prefix: str) -> Framework | None:
    """What `application` answers to, if it is Django's handler; there is one URL configuration in a process."""
    if "django.core.handlers.wsgi" not in sys.modules:
        return None
    from django.core.handlers.base import BaseHandler  # noqa: PLC0415

    if not isinstance(application, BaseHandler):
        return None
    from django.conf import settings  # noqa: PLC0415
    from django.urls import get_resolver  # noqa: PLC0415

    resolver = get_resolver()
    routes, unfilled = [], []
    for number, (parts, pattern) in enumerate(patterns_of(resolver, ())):
        name = "/" + "".join(str(part) for part in parts)
        paths = list(itertools.islice(filled(parts, number, pattern.callback, resolver), 2))
        if not paths:
            unfilled.append(name)
            continue
        whole = [f"{prefix}{as_path_info(path)}" for path in paths]
        routes.append(Route(name, whole[0], methods_of(pattern.callback), whole[-1] if len(whole) > 1 else ""))

    def view_at(method: str, path: str) -> Any:
        if not path.startswith(prefix):
            return None
        return resolver.resolve(path[len(prefix) :].encode("latin-1").decode("utf-8", "replace")).func

    return Framework(PACKAGES, tuple(routes), view_at, host_of(settings), tuple(unfilled))


def patterns_of(resolver: Any, above: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every pattern with a view, each with the parts that lead to it."""
    for one in resolver.url_patterns:
        parts = (*above, one.pattern)
        if hasattr(one, "url_patterns"):
            yield from patterns_of(one, parts)
        else:
            yield parts, one


def methods_of(view: Any) -> frozenset[str]:
    """What a class of views has methods for; of a function nobody knows, and forms are posted to their own page."""
    kind = getattr(view, "view_class", None) or getattr(view, "cls", None)
    if isinstance(kind, type):
        found = [name for name in getattr(kind, "http_method_names", ()) if hasattr(kind, name)]
        return all_methods(found or ["get"]) - {"OPTIONS", "TRACE"}
    return all_methods(["GET", "POST"])


def filled(parts: tuple[Any, ...], number: int, view: Any, resolver: Any) -> Iterator[str]:
    """Paths that lead to the view, with different values if it has parameters."""
    words = (marker(500_000 + 2 * number), marker(500_001 + 2 * number))
    seen = set()
    # One word after the other, so that the second path has other values than the first.
    for word in words:
        choices = [list(texts_of(part, word)) for part in parts]
        for texts in itertools.islice(itertools.product(*choices), TRIES):
            path = "/" + "".join(texts)
            if path not in seen and leads_to(path, view, resolver):
                seen.add(path)
                yield path
                break


def leads_to(path: str, view: Any, resolver: Any) -> bool:
    try:
        return resolver.resolve(path).func is view
    except Exception:  # Resolver404, or a project's own converter
        return False


def texts_of(pattern: Any, word: str) -> Iterator[str]:
    """What stands for one part of a path."""
    if getattr(pattern, "_route", None) is not None:
        yield from texts_of_route(pattern, word)
    elif getattr(pattern, "_regex", None) is not None:
        yield from texts_of_regex(pattern._regex, word)
    else:
        yield str(pattern)  # a prefix for the language


def texts_of_route(pattern: Any, word: str) -> Iterator[str]:
    """Those of ``path("<int:year>/")``."""
    fixed = str(pattern._route)
    values: list[list[str]] = []
    template: list[str] = []
    while "<" in fixed:
        before, _, rest = fixed.partition("<")
        parameter, _, fixed = rest.partition(">")
        converter = pattern.converters.get(parameter.rpartition(":")[2])
        if converter is None:
            return
        values.append([text for text, _ in fitting(converter.regex, converter.to_python, word)])
        template += [before, ""]
    template.append(fixed)
    for chosen in itertools.product(*values):
        filled_in = list(template)
        filled_in[1::2] = chosen
        yield "".join(filled_in)


def texts_of_regex(regex: str, word: str) -> Iterator[str]:
    """Those of ``re_path(r"^(?P<year>[0-9]{4})/$")``; Django itself knows what a reversed one looks like."""
    from django.utils.regex_helper import normalize  # noqa: PLC0415

    for template, names in normalize(str(regex)):
        for value in texts_for(str(regex), word) if names else ("",):
            yield template % {name: value for name in names}


def host_of(settings: Any) -> str:
    """The first host that is allowed by name."""
    allowed = list(settings.ALLOWED_HOSTS)
    if not allowed or "*" in allowed or "localhost" in allowed:
        # Without any, localhost is allowed in DEBUG, and nothing otherwise.
        return ""
    return next((str(host).lstrip(".") for host in allowed), "")
