"""How a plan with hooks answers: they are written out one after the other, in a function for each number of them."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.web.answers import checked, completed, ended, failed
from dragoman.web.context import ENVIRON, REQUEST, VALUES, Context, request_of
from dragoman.web.plan import Answer, Plan, View
from dragoman.web.response import OK, Response, length_field
from dragoman.web.simple import KNOWN, LENGTHS, simple_kinds

if TYPE_CHECKING:
    from dragoman.web.app import App

__all__ = ["hooked"]

# A loop over the hooks, and each function in between, would cost as much as the hooks do. Written out is what happens
# nearly always: text or JSON, and hooks that change little of it.
SOURCE = """
def answer_of(app, plan, view, before, after, teardown, values, simple, response_for):
    {names}

    def answer(context, start_response):
        try:
            {change_values}
            {call_before}
            kind = simple(type(result))
            if kind is None:
                response = response_for(result, context[{environ}], plan.view)
            else:
                # As `simple_response` has it.
                field, encode, fields = kind
                response = new(Response)
                response.line = OK
                response.pairs = fields
                response.body = encode(result)
                response.stream = None
                response.closing = ()
        except BaseException as error:
            return failed(app, plan, context, start_response, error)
        if kind is None or context[{request}] is not None:
            return completed(app, context, response, start_response, after)
        try:
            {change_response}
        except BaseException as error:
            # Another answer takes its place.
            raised = closed_after(response, error)
            return failed(app, plan, context, start_response, raised)
        if (
            {is_headless}
            or response.pairs is not fields
            or response.line is not OK
            or response.stream is not None
            or response.closing
            or context[{request}] is not None
        ):
            return completed(app, context, response, start_response, None)
        body = response.body
        length = len(body)
        try:
            start_response(OK, [field, LENGTHS[length] if length < KNOWN else length_field(length)])
        except BaseException as raised:
            ended(context, teardown, raised)
            raise
        {tear_down}
        if context[{request}] is not None:
            request_of(context).close()
        return [body]

    return answer
"""
# An error of what a hook has given is not the handler's.
BEFORE = """
            {word} (result := {hook}()) is not None:
                result = response_for(result, context[{environ}], {hook})
"""
HANDLER = """
            else:
                result = {result}
"""
AFTER = """
            if (given := {hook}(response)) is not response:
                response = checked(given, {hook})
"""
TEARDOWN = """
        try:
            {hook}(None)
        except BaseException:
            ended(context, teardown[{next}:], None)
            raise
"""


def hooked(app: App, plan: Plan, by_place: View | None = None, *, is_headless: bool = False) -> Answer:
    """How a plan with hooks answers.

    by_place      its handler, where the values of the path are all that it takes
    is_headless   whether it is the plan for HEAD
    """
    before, after, teardown, values = plan.hooks
    if by_place is None:
        view, result = plan.call, "view(context)"
    else:
        view, result = by_place, "view(*context[VALUES])" if plan.names else "view()"
    counts = (len(before), len(after), len(teardown))
    answer_of = written(*counts, changes_values=bool(values), result=result, is_headless=is_headless)
    simple = {type: (field, encode, (field,)) for type, (field, encode) in simple_kinds(app).items()}.get
    response_for = app.json.response_maker()
    return answer_of(app, plan, view, before, after, teardown, values, simple, response_for)


@cache
def written(
    before: int, after: int, teardown: int, *, changes_values: bool, result: str, is_headless: bool
) -> Callable[..., Answer]:
    """`SOURCE` with so many hooks of each kind, compiled."""
    names = {
        kind: [f"{kind}_{number}" for number in range(count)]
        for kind, count in (("before", before), ("after", after), ("teardown", teardown))
    }
    checks = [
        BEFORE.format(word="elif" if number else "if", hook=hook, environ=ENVIRON)
        for number, hook in enumerate(names["before"])
    ]
    source = SOURCE.format(
        names="; ".join(f"[{', '.join(those)}] = {kind}" for kind, those in names.items()),
        change_values="change_values(plan, context, values)" if changes_values else "pass",
        call_before="".join([*checks, HANDLER.format(result=result)]) if checks else f"result = {result}",
        request=REQUEST,
        environ=ENVIRON,
        change_response="".join(AFTER.format(hook=hook) for hook in names["after"]) or "pass",
        is_headless=is_headless,
        tear_down="".join(TEARDOWN.format(hook=hook, next=number) for number, hook in enumerate(names["teardown"], 1)),
    )
    # In the folder of the package, so that whoever reads a traceback knows whose it is.
    path = str(
        Path(__file__).with_name(f"<hooked {before} {after} {teardown} {changes_values} {result} {is_headless}>")
    )
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    namespace = dict(NAMES)
    exec(compile(source, path, "exec"), namespace)
    made: Callable[..., Answer] = namespace["answer_of"]
    return made


def change_values(plan: Plan, context: Context, hooks: tuple[Callable[[str, dict[str, Any]], Any], ...]) -> None:
    """Let the hooks change what has been found in the path."""
    for hook in hooks:
        named = plan.named(context[VALUES])
        hook(plan.endpoint, named)
        context[VALUES] = tuple(named.get(name) for name in plan.names)


def closed_after(response: Response, error: BaseException) -> BaseException:
    """Close what is not sent, and give what is to be answered: `error`, or what that has raised."""
    try:
        response.close()
    except BaseException as second:
        return second
    return error


NAMES: dict[str, Any] = {
    "KNOWN": KNOWN,
    "LENGTHS": LENGTHS,
    "OK": OK,
    "Response": Response,
    "VALUES": VALUES,
    "change_values": change_values,
    "checked": checked,
    "closed_after": closed_after,
    "completed": completed,
    "ended": ended,
    "failed": failed,
    "length_field": length_field,
    "new": Response.__new__,
    "request_of": request_of,
}
