"""The routes of a Flask application, from its URL map."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from typing import Any

from dragoman.check.request import as_path_info
from dragoman.check.routes import Framework, Route, all_methods
from dragoman.check.samples import fitting, marker

__all__ = ["flask_routes"]

PACKAGES = frozenset({"flask", "werkzeug"})


def flask_routes(application: Any, prefix: str) -> Framework | None:
    """What `application`, mounted at `prefix`, answers to; None where it is none of Flask's."""
    url_map: Any = getattr(application, "url_map", None)
    views: Any = getattr(application, "view_functions", None)
    if not hasattr(url_map, "iter_rules") or not isinstance(views, dict):
        return None
    routes, unfilled = [], []
    for number, rule in enumerate(url_map.iter_rules()):
        if rule.build_only or rule.websocket or rule.host or rule.subdomain:
            continue
        paths = filled(rule, number, application)
        if not paths:
            unfilled.append(rule.rule)
            continue
        methods = all_methods(rule.methods or {"GET"}) - {"OPTIONS"}
        whole = [f"{prefix}{as_path_info(path)}" for path in paths]
        routes.append(Route(rule.rule, whole[0], methods, whole[-1] if len(whole) > 1 else ""))
    host = str(application.config.get("SERVER_NAME") or "")
    adapter = url_map.bind(host or "localhost")

    def view_at(method: str, path: str) -> Any:
        if not path.startswith(prefix):
            return None
        endpoint, _ = adapter.match(decoded(path[len(prefix) :]), method=method)
        return views.get(endpoint)

    return Framework(PACKAGES, tuple(routes), view_at, host, tuple(unfilled))


def decoded(path: str) -> str:
    return path.encode("latin-1").decode("utf-8", "replace")


def filled(rule: Any, number: int, application: Any) -> list[str]:
    """Up to two paths that match the rule, with different values if it has parameters."""
    if rule.endpoint == "static" and getattr(application, "static_folder", None):
        names = list(islice(files_in(application.static_folder), 1)) or ["missing.txt"]
        return built(rule, {"filename": names[0]})
    names = sorted(rule.arguments - set(rule.defaults or ()))
    choices = {}
    for place, name in enumerate(names):
        converter = rule._converters.get(name)
        if converter is None:
            return []
        own = tuple(map(str, getattr(converter, "items", ())))
        word = marker(1000 * (number + 1) + 2 * place)
        first = [value for _, value in fitting(converter.regex, converter.to_python, word, own)]
        if not first:
            return []
        # The second path has another word, else the next value that fits.
        word = marker(1000 * (number + 1) + 2 * place + 1)
        second = [value for _, value in fitting(converter.regex, converter.to_python, word, own)]
        choices[name] = first[0], next((value for value in second if value != first[0]), first[0])
    paths = [path for turn in (0, 1) for path in built(rule, {name: pair[turn] for name, pair in choices.items()})]
    return list(dict.fromkeys(paths))


def built(rule: Any, values: dict[str, Any]) -> list[str]:
    try:
        found = rule.build({**(rule.defaults or {}), **values})
    except Exception:  # a project's own converter
        return []
    return [found[1]] if found else []


def files_in(directory: str) -> Iterator[str]:
    for root, _, names in os.walk(directory):
        for name in sorted(names):
            yield os.path.relpath(os.path.join(root, name), directory).replace(os.sep, "/")
