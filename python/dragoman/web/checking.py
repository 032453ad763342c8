"""What is wrong in templates and can be seen before the first request: links to nowhere, and what is no template."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from jinja2 import BaseLoader, Environment, TemplateError, TemplateSyntaxError, nodes

from dragoman.web.building import BuildError, Targets
from dragoman.web.jinja import AppLoader

if TYPE_CHECKING:
    from dragoman.web.app import App
    from dragoman.web.compiling import Compiled

__all__ = ["check"]

FUNCTION = "url_for"
# Folders of templates hold other files as well: those that are read as templates if nobody says otherwise.
CHECKED = (".html", ".htm", ".xml", ".xhtml", ".svg", ".txt", ".j2", ".jinja", ".jinja2")
TELLS_AT_MOST = 20
# Reading takes one or two milliseconds for each KiB. Of a site with more than this, templates whose links look right
# are left unread, unless somebody works on it.
READ_BYTES = 256 << 10
CALL = re.compile(rf"""\b{FUNCTION}\s*\(\s*(?:"([^"]*)"|'([^']*)')""")


def check(app: App, tables: Compiled) -> None:
    """Read all templates that can be listed.

    Raises BuildError, which has template and line of each ``url_for('…')`` to an endpoint that there is not, and of
    each template that Jinja cannot read.
    """
    environment = app.jinja_env
    bytes_left = sys.maxsize if app.debug or app.testing else READ_BYTES
    checks_links = environment.globals.get(FUNCTION) == app.url_for
    wrong = []
    for name, source, scopes in sources(app, environment, tables):
        bytes_left -= len(source)
        named = {one[1] or one[2] for one in CALL.finditer(source)}
        if bytes_left < 0 and not any(problem_of(one, tables.targets, scopes) for one in named):
            continue
        try:
            tree = environment.parse(source, name)
        except TemplateSyntaxError as error:
            wrong.append(f"{name}, line {error.lineno}: {error.message}")
            continue
        if checks_links and FUNCTION in source:
            for line, endpoint in links(tree):
                problem = problem_of(endpoint, tables.targets, scopes)
                if problem:
                    wrong.append(f"{name}, line {line}: {problem}")
    if wrong:
        told = wrong[:TELLS_AT_MOST]
        if len(wrong) > len(told):
            told.append(f"and {len(wrong) - len(told)} more")
        raise BuildError(
            "\n  ".join(["templates are wrong (the setting CHECK_TEMPLATES = False keeps them unread):", *told])
        )


def sources(app: App, environment: Environment, tables: Compiled) -> Iterator[tuple[str, str, list[str]]]:
    """Name, text and blueprints of each template, once; of two of one name that which is taken.

    The blueprints are the names under which that of the template, and those in it, were put in; empty for the
    application's.
    """
    loader = environment.loader
    if not isinstance(loader, AppLoader):
        return
    seen: set[str] = set()
    for owner, one in loader.places():
        scopes = [] if owner is app else [part.scopes[0] for part in tables.parts if part.blueprint is owner]
        for name in names_in(one):
            if name not in seen and name.lower().endswith(CHECKED):
                seen.add(name)
                try:
                    source, _, _ = one.get_source(environment, name)
                except (OSError, UnicodeError, TemplateError):
                    continue
                yield name, source, scopes


def names_in(loader: BaseLoader) -> Iterable[str]:
    try:
        return loader.list_templates()
    except (TypeError, OSError):
        return ()


def links(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """Line and endpoint of each call with an endpoint that is a text."""
    for name in tree.find_all(nodes.Name):
        if name.name == FUNCTION and name.ctx != "load":
            # The template calls something else so.
            return
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == FUNCTION and call.args:
            first = call.args[0]
            if isinstance(first, nodes.Const) and isinstance(first.value, str):
                yield first.lineno, first.value


def problem_of(endpoint: str, targets: Targets, scopes: list[str]) -> str:
    """What is wrong with an endpoint; empty where nothing is.

    scopes   the blueprints of the template: its links that begin with a point are those of one of them, or of one in
             them that uses it; without any they may be those of each
    """
    known = targets.by_endpoint.keys()
    if not endpoint.startswith("."):
        return "" if endpoint in known else targets.unknown(endpoint, known)
    if not scopes and endpoint[1:] in known:
        return ""
    prefixes = tuple(f"{scope}." for scope in scopes) if scopes else ("",)
    possible = [one for one in known if one.startswith(prefixes)]
    return "" if any(one.endswith(endpoint) for one in possible) else targets.unknown(endpoint, possible)
