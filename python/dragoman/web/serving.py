"""The loop of a frozen application: find the plan, make it known, let it answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dragoman.types import Environ, StartResponse, WSGIApplication
from dragoman.web.answers import completed, failed
from dragoman.web.context import CURRENT, REQUEST, VALUES, Context
from dragoman.web.errors import HTTPException, MethodNotAllowed, NotFound
from dragoman.web.hooked import hooked
from dragoman.web.plan import Plan
from dragoman.web.quoting import SAFE_IN_PATH, SAFE_IN_SEGMENT
from dragoman.web.response import Response, length_field
from dragoman.web.routing import Missed, segments_of, taken_way
from dragoman.web.rules import Rule
from dragoman.web.simple import KNOWN, LENGTHS, simple_kinds, simple_response

if TYPE_CHECKING:
    from dragoman.web.app import App
    from dragoman.web.compiling import Compiled
    from dragoman.web.registrations import Mounted

__all__ = ["compiled_serving"]

MATCHED = "dragoman.web.plan"
"""The environ's key for the `Plan` of a request: its `route` is for those who count."""

# A query stays as it came, but for what no header field can hold.
VISIBLE = "".join(map(chr, range(0x21, 0x7F)))


def compiled_serving(app: App, tables: Compiled) -> WSGIApplication:
    """The WSGI application that answers by `tables`."""
    simple = simple_kinds(app).get
    response_for = app.json.response_maker()
    static, last, several = tables.tree.static.get, tables.tree.last.get, tables.tree.several_last.get
    enter, leave = CURRENT.set, CURRENT.reset
    search = Lookup(app, tables).search

    def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            raw = environ["RAW_URI"]
            path = environ["PATH_INFO"]
        except KeyError:
            # PEP 3333 does not know the one, and the other may be missing where it is empty.
            raw, path = environ.get("RAW_URI", ""), environ.setdefault("PATH_INFO", "")
        plan = None
        values: tuple[object, ...] = ()
        # Where something is escaped, a slash may be, and the path alone does not say so.
        if "%" not in raw:
            plans = static(path)
            if plans is not None:
                plan = plans.get(environ["REQUEST_METHOD"])
            else:
                beginning, _, segment = path.rpartition("/")
                way = last(beginning)
                if way is not None:
                    match, plans = way
                    try:
                        values = match(segment)
                        plan = plans.get(environ["REQUEST_METHOD"])
                    except ValueError:
                        pass
                elif (ways := several(beginning)) is not None:
                    taken = taken_way(ways, segment, environ["REQUEST_METHOD"])
                    plan, values = taken
        if plan is None:
            mounted, plan, values = search(environ)
            if mounted is not None:
                return passed_on(mounted, environ, start_response)
        environ[MATCHED] = plan
        context: Context = [app, environ, None, plan, values]
        token = enter(context)
        try:
            view = plan.by_place
            if view is None and plan.answer is not None:
                return plan.answer(context, start_response)
            try:
                if view is None:
                    result = plan.call(context)
                elif values:
                    result = view(*values)
                else:
                    # Without a star the interpreter goes on where it is, and need not begin anew.
                    result = view()
                kind = simple(type(result))
                if kind is None:
                    response = response_for(result, environ, plan.view)
                elif context[REQUEST] is None or not context[REQUEST].made:
                    field, encode = kind
                    body = encode(result)
                else:
                    response = simple_response(kind, result)
                    kind = None
            except BaseException as error:
                return failed(app, plan, context, start_response, error)
            if kind is None:
                return completed(app, context, response, start_response, ())
            length = len(body)
            start_response("200 OK", [field, LENGTHS[length] if length < KNOWN else length_field(length)])
            return [body]
        finally:
            leave(token)

    return serve


class Lookup:
    """What a path comes to that no whole path of the rules is equal to."""

    def __init__(self, app: App, tables: Compiled) -> None:
        self.tree = tables.tree
        self.mounts = tables.mounts
        self.merges_slashes = app.config["MERGE_SLASHES"]
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
        instead = instead_of(found, environ, segments)
        if instead is None and self.merges_slashes and "" in segments[:-1]:
            merged = [one for one in segments[:-1] if one] + segments[-1:]
            of_merged = self.tree.find(merged, method)
            if isinstance(of_merged, Missed):
                instead = instead_of(of_merged, environ, merged)
            else:
                instead = redirected(environ, merged)
        return None, self.missed, (NotFound() if instead is None else instead,)


def instead_of(missed: Missed, environ: Environ, segments: list[str]) -> Response | HTTPException | None:
    """The answer for a path without a plan: where to go, or what methods there are; None where there is nothing."""
    if missed.wants_slash:
        return redirected(environ, [*segments, ""])
    if missed.allowed:
        return MethodNotAllowed(sorted(missed.allowed))
    return None


def missed_plan(app: App, tables: Compiled) -> Plan:
    """Answers what no rule is for: its value is what is raised or sent."""

    def missed() -> None:
        """Never called: the plan below is."""

    plan = Plan(Rule("", ()), "", missed, hooks=tables.hooks._replace(values=()))

    def call(context: Context) -> Any:
        [what] = context[VALUES]
        if isinstance(what, HTTPException):
            raise what
        return what

    plan.call = call
    if any(plan.hooks):
        plan.answer = hooked(app, plan)
    return plan


def redirected(environ: Environ, segments: list[str]) -> Response:
    """308 to the path of `segments`, with the same query and the same method."""
    path = "/".join(quote(one.encode("latin-1"), safe=SAFE_IN_SEGMENT) for one in segments)
    prefix = quote(environ.get("SCRIPT_NAME", "").encode("latin-1"), safe=SAFE_IN_PATH)
    query = quote(environ.get("QUERY_STRING", "").encode("latin-1"), safe=VISIBLE)
    # With two slashes at its beginning it would be another host's.
    location = "/" + f"{prefix}/{path}".lstrip("/") + (f"?{query}" if query else "")
    return Response(None, 308, {"Location": location})


def passed_on(mounted: Mounted, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The answer of an application at a prefix, which becomes part of its SCRIPT_NAME."""
    # In place, as middleware does it: layers around see what the application there says of the request, its route.
    environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + mounted.prefix
    environ["PATH_INFO"] = environ["PATH_INFO"][len(mounted.prefix) :]
    return mounted.app(environ, start_response)
