"""How a plan answers: its handler's result to the server, by the shortest way that its hooks leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from dragoman.types import StartResponse
from dragoman.web.background import called_in_loop
from dragoman.web.calls import Call
from dragoman.web.context import ENVIRON, REQUEST, VALUES, Context, request_of
from dragoman.web.plan import Answer, Hooks, Plan
from dragoman.web.response import HTML, JSON, Response
from dragoman.web.results import response_of

if TYPE_CHECKING:
    from dragoman.web.app import App

__all__ = ["compiled_answer"]

HTML_FIELD = ("Content-Type", HTML)
JSON_FIELD = ("Content-Type", JSON)

encode_json = msgspec.json.Encoder().encode
# What most results are: their type, the field that says so, and how they become bytes.
SIMPLE: dict[type, tuple[tuple[str, str], Callable[[Any], bytes]]] = {
    str: (HTML_FIELD, str.encode),
    dict: (JSON_FIELD, encode_json),
    list: (JSON_FIELD, encode_json),
}


def compiled_answer(app: App, plan: Plan, call: Call) -> Answer:
    """The function that answers requests by `plan`."""
    hooks = plan.hooks
    if any(hooks):
        return hooked(app, plan, call, Hooks(*(tuple(map(called_in_loop, one)) for one in hooks)))
    return direct(app, plan, call)


def direct(app: App, plan: Plan, call: Call) -> Answer:
    """No hook looks at it: text and JSON go out without a `Response`."""
    simple = SIMPLE.get

    def answer(context: Context, start_response: StartResponse) -> Iterable[bytes]:
        try:
            result = call(context)
            kind = simple(type(result))
            if kind is not None:
                field, encode = kind
                body = encode(result)
                request = context[REQUEST]
                if request is None or not request.made:
                    response = None
                else:
                    response = processed(app, context, Response(body, content_type=field[1]), ())
            else:
                response = processed(app, context, response_of(result, context[ENVIRON], plan.endpoint), ())
        except BaseException as error:
            return failed(app, plan, context, start_response, error, NO_HOOKS)
        if response is None:
            start_response("200 OK", [field, ("Content-Length", str(len(body)))])
            return [body]
        return sent(context, response, start_response, ())

    return answer


def hooked(app: App, plan: Plan, call: Call, hooks: Hooks) -> Answer:
    """Hooks look at it."""
    before, after, teardown, values = hooks

    def answer(context: Context, start_response: StartResponse) -> Iterable[bytes]:
        try:
            for hook in values:
                named = plan.named(context[VALUES])
                hook(plan.endpoint, named)
                context[VALUES] = tuple(named.get(name) for name in plan.names)
            for check in before:
                result = check()
                if result is not None:
                    break
            else:
                result = call(context)
            response = processed(app, context, response_of(result, context[ENVIRON], plan.endpoint), after)
        except BaseException as error:
            return failed(app, plan, context, start_response, error, hooks)
        return sent(context, response, start_response, teardown)

    return answer


NO_HOOKS = Hooks()


def processed(
    app: App, context: Context, response: Response, after: Iterable[Callable[[Response], Response]]
) -> Response:
    """The response as it goes out: after the hooks, with the session."""
    request = context[REQUEST]
    made = {} if request is None else request.made
    if "after" in made:
        for function in made["after"]:
            response = function(response) or response
    for hook in after:
        given: object = hook(response)
        if not isinstance(given, Response):
            name = getattr(hook, "__name__", hook)
            raise TypeError(f"after_request hook {name} gave {type(given).__name__}: want the response, or another one")
        response = given
    if "session" in made:
        app.save_session(request, response)
    return response


def failed(
    app: App, plan: Plan, context: Context, start_response: StartResponse, error: BaseException, hooks: Hooks
) -> Iterable[bytes]:
    """The answer to an exception; what is to be raised again is."""
    try:
        if not isinstance(error, Exception):
            raise error
        try:
            response = app.handled(error, plan.scopes, context)
            response = processed(app, context, response, hooks.after)
        except Exception as second:
            response = app.failed(second, plan.scopes, context)
            try:
                response = processed(app, context, response, hooks.after)
            except Exception as third:
                app.log_exception(third, context)
    except BaseException as raised:
        ended(context, hooks.teardown, raised)
        raise
    return sent(context, response, start_response, hooks.teardown, error)


def sent(
    context: Context,
    response: Response,
    start_response: StartResponse,
    teardown: tuple[Callable[[BaseException | None], Any], ...],
    error: BaseException | None = None,
) -> Iterable[bytes]:
    """Send it; what there is to do at the request's end is done now, or with the last block of a stream."""
    environ = context[ENVIRON]
    method = environ["REQUEST_METHOD"]
    if response.stream is None:
        try:
            return response.sent(method, start_response)
        finally:
            if teardown or context[REQUEST] is not None:
                ended(context, teardown, error)
    if teardown or context[REQUEST] is not None:
        response.closing.append(partial(ended, context, teardown, error))
    return response.sent(method, start_response, copy_context())


def ended(
    context: Context, teardown: tuple[Callable[[BaseException | None], Any], ...], error: BaseException | None
) -> None:
    """The request has ended."""
    try:
        for hook in teardown:
            hook(error)
    finally:
        if context[REQUEST] is not None:
            request_of(context).close()
