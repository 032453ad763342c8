"""From what was registered to the tables that requests are answered by: once, before the first of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from dragoman.web.background import called_in_loop
from dragoman.web.blueprint import Blueprint
from dragoman.web.building import Target, Targets
from dragoman.web.calls import HandlerError, annotated_converters, check_takes, compiled_call, takes_values
from dragoman.web.context import ENVIRON, Context
from dragoman.web.converters import Converter
from dragoman.web.handling import ErrorTable
from dragoman.web.hooked import hooked
from dragoman.web.places import place_of
from dragoman.web.plan import Hooks, Plan
from dragoman.web.registrations import Given, Mounted, RuleOf
from dragoman.web.response import Response
from dragoman.web.routing import Missed, Tree, as_native, matcher_of, segments_of
from dragoman.web.rules import Rule, RuleError, parse_rule
from dragoman.web.static import ENDPOINT as STATIC
from dragoman.web.static import absent_folder, static_rules

if TYPE_CHECKING:
    from dragoman.web.app import App

__all__ = ["Compiled", "Part", "compiled", "parts_of"]


# Kinds of hooks in `Given`, the decorators that register them, and what they are called with.
CALLED_WITH = (
    ("before", "before_request", ()),
    ("after", "after_request", ("response",)),
    ("teardown", "teardown_request", ("error",)),
    ("values", "url_value_preprocessor", ("endpoint", "values")),
    ("url_defaults", "url_defaults", ("endpoint", "values")),
    ("context", "context_processor", ()),
)


class Part(NamedTuple):
    """The application, or a blueprint as it was put into it.

    scopes   its name and those around it, the innermost first; empty for the application
    """

    given: Given
    prefix: str
    scopes: tuple[str, ...]
    hooks: Hooks
    blueprint: Blueprint | None


class Compiled(NamedTuple):
    """What requests are answered by.

    rules    in the order of registration, for those who want to see them
    mounts   the longest prefix first
    """

    tree: Tree[Plan]
    targets: Targets
    errors: ErrorTable
    hooks: Hooks
    rules: list[tuple[RuleOf, Plan]]
    mounts: list[Mounted]
    parts: list[Part]


class Loose(NamedTuple):
    """The other form of a rule that is not strict about the slash at its end; a rule that says it comes before."""

    rule: Rule
    converters: Mapping[str, Converter]
    methods: tuple[str, ...]
    plan: Plan


def compiled(app: App) -> Compiled:
    """The tables of `app`.

    Raises RuleError and HandlerError, which name the rule and the handler.
    """
    parts = list(parts_of(app))
    tree: Tree[Plan] = Tree()
    targets = Targets()
    errors = ErrorTable()
    rules = []
    loose: list[Loose] = []
    mounts = []
    for one_hook in app.context_teardown:
        check_takes("teardown_appcontext", one_hook, ("error",))
    for part in parts:
        check_hooks(part.given, is_refusing_async=not app.config["ASYNC_HANDLERS"])
        scope = part.scopes[0] if part.scopes else ""
        for key, handler in part.given.errors:
            errors.add(scope, key, called_in_loop(handler))
        mounts += [mounted(part.prefix, one) for one in part.given.mounts]
        if folder := absent_folder(part.blueprint or app):
            targets.absent[f"{scope}.{STATIC}" if scope else STATIC] = f"there is no folder {folder!r}"
        for of in (*static_rules(part.blueprint or app), *part.given.rules):
            rules.append((of, add_rule(app, part, of, tree, targets, loose)))
    for one in loose:
        for method in one.methods:
            tree.add(one.rule, one.converters, method, headless(app, one.plan) if method == "HEAD" else one.plan)
    for plans in tree.walk():
        if "GET" in plans and "HEAD" not in plans:
            plans["HEAD"] = headless(app, plans["GET"])
        if "OPTIONS" not in plans:
            plans["OPTIONS"] = options_plan(app, tree, next(iter(plans.values())))
    mounts.sort(key=lambda one: -len(one.prefix))
    return Compiled(tree, targets, errors, parts[0].hooks, rules, mounts, parts)


def check_hooks(given: Given, *, is_refusing_async: bool) -> None:
    """Raises HandlerError for one that cannot be called; one for errors would be found out by the first error."""
    for kind, what, values in CALLED_WITH:
        for hook in getattr(given, kind):
            check_takes(what, hook, values)
            called_in_loop(hook, is_refusing_async)
    for hook in given.url_defaults:
        if called_in_loop(hook) is not hook:
            raise HandlerError(f"{place_of(hook)}: url_for calls it, and awaits nothing: want def, not async def")
    for _, handler in given.errors:
        check_takes("errorhandler", handler, ("error",))
        called_in_loop(handler, is_refusing_async)


def mounted(prefix: str, one: Mounted) -> Mounted:
    """As it is asked for: at its prefix within that of its blueprint, in the form of WSGI."""
    rule = parse_rule(prefix + one.prefix)
    if rule.variables:
        raise RuleError(f"mount({rule.text!r}): a prefix with variables: want one path; dispatch in a handler instead")
    return Mounted(as_native(rule.text), one.app)


def parts_of(app: App) -> Iterable[Part]:
    """The application, and then its blueprints with those in them."""
    own = hooks_of(app.given)
    hooks = own._replace(teardown=(*own.teardown, *map(called_in_loop, app.context_teardown[::-1])))
    yield Part(app.given, "", (), hooks, None)
    for nested in app.blueprints_given:
        yield from parts_within(nested.blueprint, nested.url_prefix, nested.name, (), hooks)


def parts_within(blueprint: Blueprint, prefix: str, name: str, around: tuple[str, ...], outer: Hooks) -> Iterable[Part]:
    given, own = blueprint.given, hooks_of(blueprint.given)
    full_name = f"{around[0]}.{name}" if around else name
    hooks = Hooks(
        before=(*outer.before, *own.before),
        after=(*own.after, *outer.after),
        teardown=(*own.teardown, *outer.teardown),
        values=(*outer.values, *own.values),
    )
    scopes = (full_name, *around)
    yield Part(given, prefix, scopes, hooks, blueprint)
    for nested in blueprint.nested:
        yield from parts_within(nested.blueprint, prefix + nested.url_prefix, nested.name, scopes, hooks)


def hooks_of(given: Given) -> Hooks:
    """The hooks of one part, each kind in the order of calling."""
    kinds = (given.before, given.after[::-1], given.teardown[::-1], given.values)
    return Hooks(*(tuple(map(called_in_loop, one)) for one in kinds))


def add_rule(app: App, part: Part, of: RuleOf, tree: Tree[Plan], targets: Targets, loose: list[Loose]) -> Plan:
    text = part.prefix + of.rule if of.rule else part.prefix
    where = place_of(of.view)
    try:
        rule = parse_rule(text)
        converters = converters_of(app, rule, of)
        matchers = [
            matcher_of(one, converters) if any(piece in rule.variables for piece in one) else None
            for one in rule.segments
        ]
    except RuleError as error:
        raise RuleError(f"{where}: {error}") from error
    endpoint = f"{part.scopes[0]}.{of.endpoint}" if part.scopes else of.endpoint
    plan = Plan(rule, endpoint, of.view, defaults=of.defaults, scopes=part.scopes, hooks=part.hooks)
    may_lack_names = bool(part.hooks.values)
    plan.call = compiled_call(
        of.view, plan.names, plan.defaults, not app.config["ASYNC_HANDLERS"], may_lack_names=may_lack_names
    )
    by_place = called_in_loop(of.view) if takes_values(of.view, plan.names) else None
    if any(plan.hooks):
        plan.answer = hooked(app, plan, by_place)
    else:
        plan.by_place = by_place
    other = next((one for one in targets.by_endpoint.get(endpoint, ()) if one.view is not of.view), None)
    if other is not None:
        raise RuleError(
            f"{where}: the endpoint {endpoint!r} is that of {place_of(other.view)} already; give one of them a name:"
            f" endpoint='…'"
        )
    targets.add(endpoint, Target(rule, matchers, converters, of.methods, plan.defaults, of.view))
    strict = app.config["STRICT_SLASHES"] if of.strict_slashes is None else of.strict_slashes
    for method in of.methods:
        add_plan(tree, rule, converters, method, headless(app, plan) if method == "HEAD" else plan)
    if not strict and rule.text != "/":
        loose.append(Loose(parse_rule(with_other_end(rule.text)), converters, of.methods, plan))
    return plan


def with_other_end(rule: str) -> str:
    return rule[:-1] if rule.endswith("/") else rule + "/"


def converters_of(app: App, rule: Rule, of: RuleOf) -> dict[str, Converter]:
    """The converters of a rule's variables; an annotation says which where the rule does not."""
    annotated = annotated_converters(of.view)
    found = {}
    for variable in rule.variables:
        converter = variable.made(app.converters, annotated.get(variable.name))
        wanted = annotated.get(variable.name)
        if wanted is not None and variable.converter in app.converters and wanted in app.converters:
            kind, of_annotation = converter.python_type, app.converters[wanted].python_type
            if kind is not of_annotation and type(converter) in set(app.builtin_converters):
                raise RuleError(
                    f"rule {rule.text!r}: {variable.name!r} is {kind.__name__} by the rule, and"
                    f" {of_annotation.__name__} by the annotation of the handler"
                )
        found[variable.name] = converter
    return found


def add_plan(tree: Tree[Plan], rule: Rule, converters: Mapping[str, Converter], method: str, plan: Plan) -> None:
    other = tree.add(rule, converters, method, plan)
    if other is None or other.view is plan.view:
        return
    raise RuleError(
        f"{place_of(plan.view)}: {method} {rule.text} is answered by {place_of(other.view)} already, by its rule"
        f" {other.rule.text}"
    )


def headless(app: App, plan: Plan) -> Plan:
    """The plan for HEAD: the same without a body, whose length is told all the same."""
    made = Plan(plan.rule, plan.endpoint, plan.view, defaults=plan.defaults, scopes=plan.scopes, hooks=plan.hooks)
    made.call = plan.call
    # With hooks or without: what they make is a `Response`, and that knows HEAD.
    made.answer = hooked(app, made, is_headless=True)
    return made


def options_plan(app: App, tree: Tree[Plan], plan: Plan) -> Plan:
    """The plan that says what a path can be asked by: all its rules count, not only that of `plan`, which has it."""

    def call(context: Context) -> Response:
        # No rule is for the method of no name.
        missed = tree.find(segments_of(context[ENVIRON]), "")
        assert isinstance(missed, Missed)
        response = Response(b"", headers={"Allow": ", ".join(sorted(missed.allowed))})
        del response.headers["Content-Type"]
        return response

    made = Plan(plan.rule, plan.endpoint, plan.view, defaults=plan.defaults, scopes=plan.scopes, hooks=plan.hooks)
    made.call = call
    if any(made.hooks):
        made.answer = hooked(app, made)
    return made
