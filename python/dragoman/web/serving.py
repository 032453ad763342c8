"""The loop of a frozen application: find the plan, make it known, let it answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dragoman.types import Environ, StartResponse, WSGIApplication
from dragoman.web.answers import compiled_answer
from dragoman.web.context import CURRENT, VALUES, Context
from dragoman.web.errors import HTTPException, MethodNotAllowed, NotFound
from dragoman.web.plan import Plan
from dragoman.web.response import Response
from dragoman.web.routing import Missed, segments_of
from dragoman.web.rules import Rule

if TYPE_CHECKING:
    from dragoman.web.app import App
    from dragoman.web.compiling import Compiled
    from dragoman.web.registrations import Mounted

__all__ = ["compiled_serving"]

ROUTE = "dragoman.route"
SAFE_IN_PATH = "/!$&'()*+,:;=@"


def compiled_serving(app: App, tables: Compiled) -> WSGIApplication:
    """The WSGI application that answers by `tables`."""
    static = tables.tree.static.get
    enter, leave = CURRENT.set, CURRENT.reset
    search = Lookup(app, tables).search

    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        raw = environ.get("RAW_URI")
        # Where something is escaped, a slash may be, and the path alone does not say so.
        plans = static(environ["PATH_INFO"]) if raw is None or "%" not in raw else None
        plan = None if plans is None else plans.get(environ["REQUEST_METHOD"])
        values: tuple[object, ...] = ()
        if plan is None:
            mounted, plan, values = search(environ)
            if mounted is not None:
                return passed_on(mounted, environ, start_response)
        prefix = environ.get("SCRIPT_NAME")
        environ[ROUTE] = prefix + plan.rule.text if prefix else plan.rule.text
        context = [app, environ, None, plan, values]
        token = enter(context)
        try:
            return plan.answer(context, start_response)
        finally:
            leave(token)

    return serve


class Lookup:
    """What a path comes to that no whole path of the rules is equal to."""

    def __init__(self, app: App, tables: Compiled) -> None:
        self.tree = tables.tree
        self.mounts = tables.mounts
        self.merges_slashes = app.config.get("MERGE_SLASHES", True)
        self.missed = missed_plan(app, tables)

    def search(self, environ: Environ) -> tuple[Mounted | None, Plan, tuple[object, ...]]:
        """The plan and its values; that of all paths that there is nothing for where nothing is found."""
        method = environ["REQUEST_METHOD"]
        segments = segments_of(environ)
        found = self.tree.find(segments, method)
        if not isinstance(found, Missed):
            return None, *found
        if not found.allowed:
            path = environ.get("PATH_INFO", "")
            for mounted in self.mounts:
                if path == mounted.prefix or path.startswith(mounted.prefix + "/"):
                    return mounted, self.missed, ()
        if found.wants_slash:
            return None, self.missed, (redirected(environ, [*segments, ""]),)
        if found.allowed:
            return None, self.missed, (MethodNotAllowed(sorted(found.allowed)),)
        if self.merges_slashes and "" in segments[:-1]:
            merged = [one for one in segments[:-1] if one] + segments[-1:]
            if not isinstance(self.tree.find(merged, method), Missed):
                return None, self.missed, (redirected(environ, merged),)
        return None, self.missed, (NotFound(),)


def missed_plan(app: App, tables: Compiled) -> Plan:
    """Answers what no rule is for: its value is what is raised or sent."""

    def missed() -> None:
        """Never called: the plan below is."""

    plan = Plan(Rule("", ()), "", missed, hooks=tables.hooks)

    def call(context: Context) -> Any:
        [what] = context[VALUES]
        if isinstance(what, HTTPException):
            raise what
        return what

    plan.answer = compiled_answer(app, plan, call)
    return plan


def redirected(environ: Environ, segments: list[str]) -> Response:
    """308 to the path of `segments`, with the same query and the same method."""
    path = "/".join(quote(one.encode("latin-1"), safe=SAFE_IN_PATH.replace("/", "")) for one in segments)
    prefix = quote(environ.get("SCRIPT_NAME", "").encode("latin-1"), safe=SAFE_IN_PATH)
    query = environ.get("QUERY_STRING", "")
    # With two slashes at its beginning it would be another host's.
    location = "/" + f"{prefix}/{path}".lstrip("/") + (f"?{query}" if query else "")
    return Response(None, 308, {"Location": location})


def passed_on(mounted: Mounted, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The answer of an application at a prefix, which becomes part of its SCRIPT_NAME."""
    inner = dict(environ)
    inner["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + mounted.prefix
    inner["PATH_INFO"] = environ["PATH_INFO"][len(mounted.prefix) :]
    return mounted.app(inner, start_response)
