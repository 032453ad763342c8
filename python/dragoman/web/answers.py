"""From what a handler gives, or raises, to the server: hooks, sessions, pages of errors, the end of a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from dragoman.types import StartResponse
from dragoman.web.background import called_in_loop
from dragoman.web.context import ENVIRON, PLAN, REQUEST, Context, request_of
from dragoman.web.errors import InternalServerError
from dragoman.web.handling import page
from dragoman.web.places import place_of
from dragoman.web.plan import Plan, View
from dragoman.web.response import Response

if TYPE_CHECKING:
    from dragoman.web.app import App

__all__ = ["checked", "completed", "ended", "failed"]


def completed(
    app: App,
    context: Context,
    response: Response,
    start_response: StartResponse,
    after: Iterable[Callable[[Response], Response]] | None,
) -> Iterable[bytes]:
    """The answer of a handler where it is not sent as it is, once `after` has been called; None: that has been done."""
    plan: Plan = context[PLAN]
    try:
        response = processed(app, context, response, after)
    except BaseException as error:
        return failed(app, plan, context, start_response, error)
    return sent(context, response, start_response, plan.hooks.teardown)


def processed(
    app: App, context: Context, response: Response, after: Iterable[Callable[[Response], Response]] | None
) -> Response:
    """The response as it goes out: after what the request has been given for it, and the hooks; with the session."""
    request = context[REQUEST]
    try:
        if after is not None and request is not None and "after" in request.made:
            for function in request.after:
                response = called_in_loop(function)(response) or response
        for hook in after or ():
            given = hook(response)
            if given is not response:
                response = checked(given, hook)
        # A hook may have been the first to ask for the request.
        request = context[REQUEST]
        if request is not None and "session" in request.made:
            app.save_session(request, response)
    except BaseException:
        # Another answer takes its place.
        response.close()
        raise
    return response


def checked(given: object, hook: View) -> Response:
    """What an after_request hook gives, if it is a response."""
    if isinstance(given, Response):
        return given
    gave = type(given).__name__
    raise TypeError(f"the after_request hook {place_of(hook)} gave {gave}: want the response, or another one")


def failed(
    app: App, plan: Plan, context: Context, start_response: StartResponse, error: BaseException
) -> Iterable[bytes]:
    """The answer to an exception; what is to be raised again is. Teardown is told of what nobody has handled."""
    hooks = plan.hooks
    unhandled: Exception | None = None
    try:
        if not isinstance(error, Exception):
            raise error
        try:
            response = app.handled(error, plan.scopes, context)
            response = processed(app, context, response, hooks.after)
        except Exception as second:
            unhandled = second
            response = app.failed(second, plan.scopes, context)
            try:
                response = processed(app, context, response, hooks.after)
            except Exception as third:
                app.log_exception(third, context)
                if response.stream is not None:
                    response = page(InternalServerError(), context[ENVIRON])
    except BaseException as raised:
        ended(context, hooks.teardown, raised)
        raise
    return sent(context, response, start_response, hooks.teardown, unhandled)


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
    if response.stream is None or (response.is_passthrough and not response.closing):
        # Nothing of the application's runs while the server sends it.
        try:
            blocks = response.sent(method, start_response)
        except BaseException as raised:
            ended(context, teardown, raised)
            raise
        if teardown or context[REQUEST] is not None:
            ended(context, teardown, error)
        return blocks
    context.append(True)
    at_end = partial(stream_ended, context, teardown, error)
    return response.sent(method, start_response, copy_context(), at_end)


def stream_ended(
    context: Context,
    teardown: tuple[Callable[[BaseException | None], Any], ...],
    error: BaseException | None,
    raised: BaseException | None,
) -> None:
    """The stream has ended, by what was raised meanwhile if anything was."""
    ended(context, teardown, raised or error)


def ended(
    context: Context, teardown: tuple[Callable[[BaseException | None], Any], ...], error: BaseException | None
) -> None:
    """The request has ended."""
    left = iter(teardown)
    try:
        for hook in left:
            hook(error)
    except BaseException:
        ended(context, tuple(left), error)
        raise
    if context[REQUEST] is not None:
        request_of(context).close()
