"""`Tracing`: a span of OpenTelemetry for each request, which ends with the last byte."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from dragoman import __version__
from dragoman.middleware.exchange import Exchange
from dragoman.middleware.extras import lacking
from dragoman.middleware.layer import Layer
from dragoman.middleware.passing import Followed, SizedFollowed, is_file_response
from dragoman.middleware.paths import PathTable, path_of
from dragoman.middleware.peers import Peers
from dragoman.middleware.request_id import TRACE_ID
from dragoman.middleware.routes import RouteHook, checked_hook
from dragoman.middleware.tracing.attributes import (
    REDACTED,
    checked_fields,
    field_attributes,
    request_attributes,
    response_fields,
)
from dragoman.types import Environ, StartResponse, WSGIApplication

try:
    from opentelemetry import propagate, trace
    from opentelemetry.context import Context, attach, detach, get_current
    from opentelemetry.environment_variables import OTEL_PYTHON_TRACER_PROVIDER
    from opentelemetry.propagators.textmap import Getter
except ImportError as error:
    raise lacking("Tracing", "opentelemetry-api", "otel") from error

__all__ = ["SPAN_ID", "TRACE_ID", "Tracing"]

SPAN_ID = "dragoman.span_id"
"""The environ's key for the id of the request's span, 16 hexadecimal digits; beside it is "dragoman.trace_id"."""

NAME = "dragoman.middleware.tracing"
SCHEMA = "https://opentelemetry.io/schemas/1.37.0"
# Providers that make spans for nobody.
IDLE = (trace.ProxyTracerProvider, trace.NoOpTracerProvider)
# The public function asks the environment each time, which takes longer than all else that is done where there is none.
IS_ASKED_ALWAYS = OTEL_PYTHON_TRACER_PROVIDER in os.environ or not hasattr(trace, "_TRACER_PROVIDER")


class Tracing(Layer):
    """Makes a server span for each request, around the call, the iteration and close().

    route             a function of the environ that gives the route of a request, or None; it is asked when the
                      response has begun. Known without it are the rules of Flask and Bottle, and
                      ``environ["dragoman.route"]``
    exempt            paths without spans
    trusted           peers whose ``traceparent`` the span continues: addresses and networks, or ``"*"`` for everybody.
                      For others a trace begins, which is linked to theirs
    request_fields    fields of the request that the span has, too
    response_fields   and of the response
    redact            parameters of the query whose values are not told
    tracer_provider   in place of the one that is set for the process

    Nothing is done while nobody has set a provider and the request has no ``traceparent``. Raises ValueError for what
    is no network, path or field.
    Source: OpenTelemetry semantic conventions 1.37, HTTP server spans; W3C Trace Context.

        app = Tracing(app, exempt=["/livez"])
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        route: RouteHook | None = None,
        exempt: Iterable[str] = (),
        trusted: Sequence[str] | str = "*",
        request_fields: Iterable[str] = (),
        response_fields: Iterable[str] = (),
        redact: Iterable[str] = REDACTED,
        tracer_provider: trace.TracerProvider | None = None,
    ) -> None:
        super().__init__(app)
        checked_hook(route)
        if isinstance(redact, str):
            raise ValueError(f"redact: want a list of parameters, got the text {redact!r}")
        self.route = route
        self.exempt = PathTable.of(exempt, "exempt")
        self.trusted = Peers(trusted, "trusted")
        self.request_fields = {
            name.upper().replace("-", "_")
            if name in ("content-type", "content-length")
            else f"HTTP_{name.upper().replace('-', '_')}": name
            for name in checked_fields(request_fields, "request_fields")
        }
        self.response_fields = checked_fields(response_fields, "response_fields")
        self.redacted = frozenset(name.lower() for name in redact)
        self.provider = None if isinstance(tracer_provider, IDLE) else tracer_provider
        # The API's own waits for the provider that somebody sets later.
        self.tracer = trace.get_tracer(NAME, __version__, tracer_provider, SCHEMA)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request within a span."""
        is_idle = (self.provider or provider_of_process()) is None
        if is_idle and "HTTP_TRACEPARENT" not in environ:
            return self.app(environ, start_response)
        if self.exempt and self.exempt.has(path_of(environ)):
            return self.app(environ, start_response)
        traced = Traced(self, environ, start_response, is_idle)
        token = attach(traced.context)
        try:
            result = self.app(environ, traced.started)
        except BaseException as error:
            traced.ended(error)
            raise
        finally:
            detach(token)
        if is_file_response(environ, result):
            traced.ended(None)
            return result
        # Blocks that are there already are made by nobody.
        is_made = type(result) is list or type(result) is tuple
        kind = (SizedFollowed if is_made else SizedWithin) if hasattr(result, "__len__") else Within
        followed = kind(result, None, traced.ended)
        if isinstance(followed, Within):
            followed.context = traced.context
        return followed


class Traced(Exchange):
    """One request under way, its span, and the context in which the span is the current one."""

    def __init__(self, layer: Tracing, environ: Environ, start_response: StartResponse, is_idle: bool) -> None:
        super().__init__(environ, start_response, layer.route)
        self.layer = layer
        # Without an SDK nobody asks for them: what comes is passed on, and that is all.
        attributes = {} if is_idle else request_attributes(environ, layer.redacted)
        if layer.request_fields:
            attributes.update(field_attributes(environ, layer.request_fields))
        parent: Context = propagate.extract(environ, getter=GETTER)
        links: list[trace.Link] = []
        if not layer.trusted.have_sent(environ):
            theirs = trace.get_current_span(parent).get_span_context()
            links = [trace.Link(theirs)] if theirs.is_valid and theirs.is_remote else []
            parent = get_current()
        # Of a method that nobody knows there may be any number.
        self.name = "HTTP" if "http.request.method_original" in attributes else str(self.method)
        self.span = layer.tracer.start_span(self.name, parent, trace.SpanKind.SERVER, attributes, links)
        self.context = trace.set_span_in_context(self.span, parent)
        ids = self.span.get_span_context()
        if ids.is_valid:
            environ[TRACE_ID] = trace.format_trace_id(ids.trace_id)
            environ[SPAN_ID] = trace.format_span_id(ids.span_id)

    def ended(self, error: BaseException | None) -> None:
        """The last byte is out, or will never come."""
        span = self.span
        if not span.is_recording():
            span.end()
            return
        route = self.known_route()
        if route is not None:
            span.update_name(f"{self.name} {route}")
            span.set_attribute("http.route", route)
        status = self.status_code
        if status is not None:
            span.set_attribute("http.response.status_code", status)
        if self.layer.response_fields:
            span.set_attributes(response_fields(self.headers, self.layer.response_fields))
        failure = self.failure(error)
        if isinstance(failure, Exception):
            span.record_exception(failure)
            span.set_attribute("error.type", name_of(type(failure)))
            span.set_status(trace.StatusCode.ERROR, f"{type(failure).__name__}: {failure}")
        elif status is not None and status >= 500:
            # A server's span is none the worse for a client's mistake.
            span.set_attribute("error.type", str(status))
            span.set_status(trace.StatusCode.ERROR)
        span.end()


class Within(Followed):
    """Blocks that are made within a context."""

    context: Context

    def __next__(self) -> bytes:
        token = attach(self.context)
        try:
            return super().__next__()
        finally:
            detach(token)

    def close(self) -> None:
        """Close what is inside, within the context, and tell the end."""
        token = attach(self.context)
        try:
            super().close()
        finally:
            detach(token)


class SizedWithin(Within, SizedFollowed):
    """The same, with the number of blocks."""


class EnvironGetter(Getter[Environ]):
    """Reads fields for propagators."""

    def get(self, carrier: Environ, key: str) -> list[str] | None:
        """The field's value, in a list."""
        value = carrier.get(f"HTTP_{key.upper().replace('-', '_')}")
        return None if value is None else [value]

    def keys(self, carrier: Environ) -> list[str]:
        """The names of all fields."""
        return [key[5:].lower().replace("_", "-") for key in carrier if key.startswith("HTTP_")]


GETTER = EnvironGetter()


def provider_of_process() -> trace.TracerProvider | None:
    """The provider that somebody has set; None as long as nobody has."""
    if not IS_ASKED_ALWAYS and trace._TRACER_PROVIDER is None:
        return None
    found = trace.get_tracer_provider()
    return None if isinstance(found, IDLE) else found


def name_of(kind: type[Any]) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
