"""``dragoman routes``: every rule of an application with its methods, its endpoint, and where its handler stands."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from dragoman.check.layers import inner_applications
from dragoman.check.routes import place_of_view
from dragoman.contract.report import application_name
from dragoman.errors import ApplicationError
from dragoman.loader import Loaded, application_frames, traceback_of
from dragoman.values import printable

__all__ = ["Listed", "as_json", "as_text", "routes_of"]

# They come with GET, or are answered by the library.
IMPLIED = frozenset({"HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Listed:
    """One rule.

    rule       with the prefix that its application is mounted at; ``/prefix/*`` for an application of another kind
    methods    in their order, without HEAD and OPTIONS that come by themselves; empty where nobody knows them
    endpoint   its name for `url_for` or `reverse`; empty where it has none
    handler    its name; `file` and `line` say where it begins
    """

    rule: str
    methods: tuple[str, ...]
    endpoint: str
    handler: str
    file: str | None = None
    line: int | None = None

    @property
    def place(self) -> str:
        """File and line, as editors open them."""
        return "" if self.file is None else f"{shortened(self.file)}:{self.line}"


def routes_of(loaded: Loaded) -> list[Listed]:
    """The routes of all applications in what is loaded, by rule. Raises ApplicationError where none can be listed."""
    found = list(dict.fromkeys(within(loaded.application, "")))
    if not found and any(read(loaded.application, "") is not None for read in (of_web, of_flask)):
        raise ApplicationError(f"{loaded.name} has no routes yet")
    if not any(one.handler for one in found):
        raise ApplicationError(
            f"the routes of {loaded.name} cannot be listed: it is no application of dragoman.web, Flask or Django, nor"
            " around one"
        )
    return sorted(found, key=lambda one: (one.rule, one.methods))


def within(application: Any, prefix: str) -> Iterator[Listed]:
    """The routes of an application that is mounted at `prefix`, and of those inside of it."""
    is_known = False
    for one, inner in inner_applications(application):
        holder = getattr(one, "__self__", one)
        for read in (of_web, of_flask, of_django):
            listed = read(holder, prefix + inner)
            if listed is not None:
                is_known = True
                yield from listed
    if prefix and not is_known:
        yield listed_of(f"{prefix}/*", (), "", application)


def of_web(holder: Any, prefix: str) -> Iterable[Listed] | None:
    """Those of an `App` of dragoman.web, and of what is mounted in it."""
    if not hasattr(type(holder), "own_wsgi_app") or not callable(getattr(holder, "freeze", None)):
        return None
    try:
        rows = holder.routes()
    except (TypeError, ValueError, LookupError) as error:
        # A rule, a handler or a template that cannot be had; the text says which, and where it stands.
        details = traceback_of(error) if application_frames(error) else ""
        raise ApplicationError(f"the application cannot be had: {error}", details) from None
    listed = [listed_of(prefix + row["rule"], row["methods"], row["endpoint"], row["view"]) for row in rows]
    for mounted in holder.freeze().mounts:
        listed += within(mounted.app, prefix + mounted.prefix)
    return listed


def of_flask(holder: Any, prefix: str) -> Iterable[Listed] | None:
    """Those of a Flask application."""
    url_map: Any = getattr(holder, "url_map", None)
    views: Any = getattr(holder, "view_functions", None)
    if not hasattr(url_map, "iter_rules") or not isinstance(views, dict):
        return None
    return [
        listed_of(f"{host_of(rule)}{prefix}{rule.rule}", rule.methods or (), rule.endpoint, views.get(rule.endpoint))
        for rule in url_map.iter_rules()
        if not rule.build_only
    ]


def host_of(rule: Any) -> str:
    return rule.host or (f"{rule.subdomain}." if rule.subdomain else "")


def of_django(holder: Any, prefix: str) -> Iterable[Listed] | None:
    """Those of a Django project; there is one URL configuration in a process."""
    if "django.core.handlers.wsgi" not in sys.modules:
        return None
    from django.core.handlers.base import BaseHandler  # noqa: PLC0415
    from django.urls import get_resolver  # noqa: PLC0415

    if not isinstance(holder, BaseHandler):
        return None
    return list(patterns_of(get_resolver(), f"{prefix}/", ""))


def patterns_of(resolver: Any, rule: str, namespace: str) -> Iterator[Listed]:
    for one in resolver.url_patterns:
        text = f"{rule}{one.pattern}"
        if hasattr(one, "url_patterns"):
            inner = f"{namespace}{one.namespace}:" if one.namespace else namespace
            yield from patterns_of(one, text, inner)
        else:
            kind = getattr(one.callback, "view_class", None) or getattr(one.callback, "cls", None)
            names = getattr(kind, "http_method_names", ())
            methods = [name.upper() for name in names if hasattr(kind, name)]
            yield listed_of(text, methods, f"{namespace}{one.name}" if one.name else "", one.callback)


def listed_of(rule: str, methods: Iterable[str], endpoint: str, view: Any) -> Listed:
    named = sorted(set(methods) - IMPLIED) or sorted(methods)
    place = None if view is None else place_of_view(view, named[0] if named else "GET")
    if place is None:
        return Listed(rule, tuple(named), endpoint, "" if view is None else application_name(view))
    file, line, name = place
    return Listed(rule, tuple(named), endpoint, name, os.path.abspath(file), line)


def as_text(routes: list[Listed]) -> str:
    """A table, for people."""
    rows = [("METHODS", "RULE", "ENDPOINT", "HANDLER")]
    for one in routes:
        handler = f"{one.handler}  ({one.place})" if one.place else one.handler
        rows.append((", ".join(one.methods) or "any", one.rule, one.endpoint, handler))
    widths = [max(len(printable(row[column])) for row in rows) for column in range(3)]
    lines = []
    for row in rows:
        cells = [printable(cell).ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def as_json(routes: list[Listed]) -> str:
    """A list of objects, for programs."""
    return json.dumps([{**asdict(one), "methods": list(one.methods)} for one in routes], indent=2)


def shortened(file: str) -> str:
    relative = os.path.relpath(file)
    return file if relative.startswith("..") else relative
