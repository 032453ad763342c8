"""The routes of an application of `dragoman.web`, from the tables that it answers by."""

from __future__ import annotations

from itertools import islice
from typing import Any

from dragoman.check.request import as_path_info
from dragoman.check.routes import Framework, Route, all_methods
from dragoman.check.routes_flask import files_in
from dragoman.check.samples import fitting, marker
from dragoman.check.tables_web import tables_of

__all__ = ["web_routes"]

# A line in it is the doing of the handler.
PACKAGES = frozenset({"dragoman"})


def web_routes(application: Any, prefix: str) -> Framework | None:
    """What `application`, mounted at `prefix`, answers to; None where it is none of dragoman.web's."""
    tables = tables_of(application)
    if tables is None:
        return None
    routes, unfilled = [], []
    for number, (endpoint, target) in enumerate(targets_of(tables)):
        paths = filled(target, number, files_of(application, endpoint))
        if not paths:
            unfilled.append(target.rule.text)
            continue
        whole = [f"{prefix}{as_path_info(path)}" for path in paths]
        methods = all_methods(target.methods) - {"OPTIONS"}
        routes.append(Route(target.rule.text, whole[0], methods, whole[-1] if len(whole) > 1 else ""))

    def view_at(method: str, path: str) -> Any:
        if not path.startswith(prefix):
            return None
        plan, *_ = tables.tree.find(path[len(prefix) :].split("/")[1:], method)
        return getattr(plan, "view", None)

    return Framework(PACKAGES, tuple(routes), view_at, "", tuple(unfilled))


def targets_of(tables: Any) -> list[tuple[str, Any]]:
    """Each rule with its endpoint."""
    return [(endpoint, one) for endpoint, listed in tables.targets.by_endpoint.items() for one in listed]


def files_of(application: Any, endpoint: str) -> tuple[str, ...]:
    """The files that a rule serves, or rather the first of them; none for another rule."""
    folder = application.static_folder if endpoint == "static" else None
    return tuple(islice(files_in(folder), 1)) if folder else ()


def filled(target: Any, number: int, files: tuple[str, ...]) -> list[str]:
    """Up to two paths that match the rule, with different values if it has variables."""
    choices: dict[str, tuple[object, object]] = {}
    for place, variable in enumerate(target.rule.variables):
        converter = target.converters[variable.name]
        own = files or tuple(sorted(map(str, getattr(converter, "items", ()))))
        words = [marker(1000 * (number + 1) + 2 * place + turn) for turn in (0, 1)]
        first, second = (values_for(converter, word, own) for word in words)
        if not first:
            return []
        choices[variable.name] = first[0], next((one for one in second if one != first[0]), first[0])
    paths = [built(target, {name: pair[turn] for name, pair in choices.items()}) for turn in (0, 1)]
    return list(dict.fromkeys(path for path in paths if path))


def values_for(converter: Any, word: str, own: tuple[str, ...]) -> list[object]:
    return [value for _, value in fitting(converter.regex, converter.to_python, word, own)]


def built(target: Any, values: dict[str, object]) -> str:
    try:
        return str(target.path(values))
    except Exception:  # an application's own converter
        return ""
