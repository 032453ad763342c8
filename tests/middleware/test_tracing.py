"""`Tracing`: what a span says, what it is part of, when it ends, and where it is the current one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler, SamplingResult

from dragoman.middleware import ErrorPages, ProxyHeaders, Tracing, stack
from dragoman.middleware.tracing.attributes import REDACTED, without_secrets
from tests.middleware.kit import TEXT, Inner, ask, environ_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


class Traces:
    """A provider of the SDK, and the spans that have ended."""

    def __init__(self, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(**options)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def around(self, inner: Any, **options: Any) -> Tracing:
        return Tracing(inner, tracer_provider=self.provider, **options)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    @property
    def span(self) -> ReadableSpan:
        [span] = self.spans
        return span


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_span_says_what_the_conventions_want() -> None:
    traces = Traces()
    inner = Inner(status="201 Created")
    app = traces.around(inner, route=lambda environ: "/users/{id}")
    ask(app, "POST", "/users/a b?q=1", {"User-Agent": "test/1", "Host": "shop.example:8080"}, b"x")
    span = traces.span
    assert (span.name, span.kind) == ("POST /users/{id}", trace.SpanKind.SERVER)
    assert attributes_of(span) == {
        "http.request.method": "POST",
        "http.response.status_code": 201,
        "http.route": "/users/{id}",
        "url.scheme": "http",
        "url.path": "/users/a%20b",
        "url.query": "q=1",
        "server.address": "shop.example",
        "server.port": 8080,
        "client.address": "192.0.2.7",
        "network.peer.address": "192.0.2.7",
        "network.peer.port": 40000,
        "network.protocol.version": "1.1",
        "user_agent.original": "test/1",
    }
    assert span.status.status_code is trace.StatusCode.UNSET
    inner.settled()


def test_a_sampler_sees_the_attributes_at_the_start() -> None:
    seen: list[dict[str, Any]] = []

    class Looking(Sampler):
        def should_sample(self, parent_context: Any, trace_id: int, name: str, kind: Any = None, attributes: Any = None, links: Any = None, trace_state: Any = None) -> SamplingResult:  # fmt: skip # noqa: E501
            seen.append({"name": name, **attributes})
            return ALWAYS_OFF.should_sample(parent_context, trace_id, name, kind, attributes, links)

        def get_description(self) -> str:
            return "looks"

    ask(Traces(sampler=Looking()).around(Inner()), "GET", "/livez")
    assert (seen[0]["name"], seen[0]["url.path"]) == ("GET", "/livez")


def test_a_method_that_somebody_made_up_gives_no_name() -> None:
    traces = Traces()
    ask(traces.around(Inner()), "MADE-UP")
    found = attributes_of(traces.span)
    assert traces.span.name == "HTTP"
    assert (found["http.request.method"], found["http.request.method_original"]) == ("_OTHER", "MADE-UP")


def test_the_caller_s_trace_goes_on() -> None:
    traces = Traces()
    answered = ask(traces.around(Inner()), headers=TRACEPARENT)
    span = traces.span
    assert span.context is not None and span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    assert answered.environ["dragoman.trace_id"] == TRACE
    assert answered.environ["dragoman.span_id"] == f"{span.context.span_id:016x}"


def test_a_stranger_s_trace_is_linked_to_only() -> None:
    traces = Traces()
    app = traces.around(Inner(), trusted=["10.0.0.0/8"])
    ask(app, headers=TRACEPARENT)
    ask(app, headers=TRACEPARENT, REMOTE_ADDR="10.1.2.3")
    strange, trusted = traces.spans
    assert strange.parent is None and [f"{link.context.trace_id:032x}" for link in strange.links] == [TRACE]
    assert strange.context is not None and f"{strange.context.trace_id:032x}" != TRACE
    assert trusted.parent is not None and trusted.links == ()


def test_behind_a_proxy_the_client_and_the_peer_are_two() -> None:
    traces = Traces()
    app = stack(Inner(), ProxyHeaders(trusted=["192.0.2.7"]), Tracing(tracer_provider=traces.provider))
    ask(app, headers={"X-Forwarded-For": "203.0.113.9"})
    found = attributes_of(traces.span)
    assert (found["client.address"], found["network.peer.address"]) == ("203.0.113.9", "192.0.2.7")
    assert "network.peer.port" not in found


def test_the_span_ends_with_the_last_byte_not_with_the_call() -> None:
    traces = Traces()
    inner = Inner(blocks=iter([b"one", b"two"]))
    result = traces.around(inner)(environ_of(), lambda *_: print)  # type: ignore[arg-type]
    assert [next(iter(result)), traces.spans] == [b"one", ()]
    result.close()  # type: ignore[attr-defined]
    assert traces.span.name == "GET"
    assert (inner.given, inner.closes) == (1, 1)
    result.close()  # type: ignore[attr-defined]
    assert len(traces.spans) == 1


class Seeing:
    """An application that notes at each step which span is the current one."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def see(self) -> None:
        self.seen.append(trace.get_current_span().get_span_context().span_id)

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.see()
        start_response("200 OK", [TEXT])
        return self

    def __iter__(self) -> Iterator[bytes]:
        for block in (b"one", b"two"):
            self.see()
            yield block

    def close(self) -> None:
        self.see()


def test_the_span_is_the_current_one_in_the_call_in_each_block_and_in_close() -> None:
    traces = Traces()
    inner = Seeing()
    ask(traces.around(inner))
    span = traces.span
    assert span.context is not None
    assert inner.seen == [span.context.span_id] * 4
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert context_api.get_current() == {}


def test_between_blocks_it_is_not() -> None:
    traces = Traces()
    result = traces.around(Seeing())(environ_of(), lambda *_: print)  # type: ignore[arg-type]
    for _ in result:
        assert trace.get_current_span() is trace.INVALID_SPAN
    result.close()  # type: ignore[attr-defined]


def test_two_requests_whose_blocks_alternate_in_one_thread_do_not_mix() -> None:
    traces = Traces()
    app_one, app_two = Seeing(), Seeing()
    one = iter(traces.around(app_one)(environ_of(), lambda *_: print))  # type: ignore[arg-type]
    two = iter(traces.around(app_two)(environ_of(), lambda *_: print))  # type: ignore[arg-type]
    for _ in range(2):
        next(one)
        next(two)
    for result in (one, two):
        result.close()  # type: ignore[attr-defined]
    assert len(set(app_one.seen)) == len(set(app_two.seen)) == 1
    assert set(app_one.seen) != set(app_two.seen)


def failing(place: str) -> Any:
    def application(environ: Any, start_response: Any) -> Any:
        if place == "call":
            raise LookupError("by plan")
        start_response("200 OK", [TEXT])
        return Failing(place)

    return application


class Failing:
    def __init__(self, place: str) -> None:
        self.place = place

    def __iter__(self) -> Iterator[bytes]:
        yield b"one"
        if self.place == "iteration":
            raise LookupError("by plan")

    def close(self) -> None:
        if self.place == "close":
            raise LookupError("by plan")


def exhaust(app: Any) -> None:
    result = app(environ_of(), lambda *_: print)
    try:
        list(result)
    finally:
        result.close()


@pytest.mark.parametrize("place", ["call", "iteration", "close"])
def test_an_exception_is_recorded_wherever_it_is_raised(place: str) -> None:
    traces = Traces()
    with pytest.raises(LookupError):
        exhaust(traces.around(failing(place)))
    span = traces.span
    assert attributes_of(span)["error.type"] == "LookupError"
    assert (span.status.status_code, span.status.description) == (trace.StatusCode.ERROR, "LookupError: by plan")
    [event] = span.events
    assert event.name == "exception" and (event.attributes or {})["exception.type"] == "LookupError"
    assert context_api.get_current() == {}


def test_an_exception_that_became_a_page_inside_is_recorded() -> None:
    traces = Traces()
    ask(stack(failing("call"), Tracing(tracer_provider=traces.provider), ErrorPages()))
    found = attributes_of(traces.span)
    assert (found["http.response.status_code"], found["error.type"]) == (500, "LookupError")
    assert len(traces.span.events) == 1


@pytest.mark.parametrize(("status", "is_error"), [("404 Not Found", False), ("500 No", True), ("503 No", True)])
def test_what_the_server_fails_in_is_an_error_and_what_the_client_does_is_none(status: str, is_error: bool) -> None:
    traces = Traces()
    ask(traces.around(Inner(status=status)))
    assert (traces.span.status.status_code is trace.StatusCode.ERROR) is is_error
    assert attributes_of(traces.span).get("error.type") == (status[:3] if is_error else None)


def test_a_client_that_leaves_is_no_error() -> None:
    traces = Traces()
    result = traces.around(Inner(blocks=iter([b"1", b"2"])))(environ_of(), lambda *_: print)  # type: ignore[arg-type]
    next(iter(result))
    result.close()  # type: ignore[attr-defined]
    assert traces.span.status.status_code is trace.StatusCode.UNSET


def test_a_request_that_is_not_sampled_is_passed_on_with_its_context() -> None:
    traces = Traces(sampler=ParentBased(ALWAYS_OFF))
    inner = Seeing()
    answered = ask(traces.around(inner), headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    assert answered.environ["dragoman.trace_id"] == TRACE
    assert len(set(inner.seen)) == 1 and inner.seen[0] != 0
    assert traces.spans == ()


def test_without_a_provider_nothing_is_done() -> None:
    inner = Inner()
    blocks = iter([b"one"])
    inner.blocks = blocks
    app = Tracing(lambda environ, start_response: blocks)
    assert app(environ_of(), lambda *_: print) is blocks  # type: ignore[arg-type]


def test_without_a_provider_a_caller_s_context_is_passed_on() -> None:
    inner = Seeing()
    answered = ask(Tracing(inner), headers=TRACEPARENT)
    assert {f"{one:016x}" for one in inner.seen} == {PARENT}
    assert answered.environ["dragoman.trace_id"] == TRACE
    assert context_api.get_current() == {}


def test_a_provider_that_is_set_later_is_found_and_the_way_to_look_is_there() -> None:
    # In a process of its own: a provider can be set once only.
    program = """
from opentelemetry import trace
from dragoman.middleware import Tracing
from tests.middleware.kit import Inner, ask
assert hasattr(trace, "_TRACER_PROVIDER"), "the short way is gone: Tracing asks the environment each time"
app = Tracing(Inner())
ask(app)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
provider, exporter = TracerProvider(), InMemorySpanExporter()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
ask(app)
print(len(exporter.get_finished_spans()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.stdout == "1\n", done.stderr


def test_the_sdk_is_not_needed() -> None:
    program = (
        "import sys; sys.modules['opentelemetry.sdk'] = None; from dragoman.middleware import Tracing;"
        " Tracing(lambda environ, start_response: [])({}, print); print('ok')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "ok\n", done.stderr


def test_exempt_paths_have_no_span() -> None:
    traces = Traces()
    ask(traces.around(Inner(), exempt=["/livez"]), "GET", "/livez")
    assert traces.spans == ()


def test_fields_that_are_asked_for_are_told() -> None:
    traces = Traces()
    inner = Inner(headers=[TEXT, ("X-Part", "1"), ("X-Part", "2")])
    app = traces.around(inner, request_fields=["Content-Type", "X-Client"], response_fields=["X-Part", "X-None"])
    ask(app, "POST", "/", {"Content-Type": "text/plain", "X-Client": "a"}, b"x")
    found = attributes_of(traces.span)
    assert found["http.request.header.content-type"] == ("text/plain",)
    assert found["http.request.header.x-client"] == ("a",)
    assert found["http.response.header.x-part"] == ("1", "2")
    assert "http.response.header.x-none" not in found


def test_keys_in_the_query_are_not_told() -> None:
    traces = Traces()
    ask(traces.around(Inner(), redact=[*REDACTED, "token"]), "GET", "/?a=1&Signature=abc&TOKEN=x&sig=&b")
    assert attributes_of(traces.span)["url.query"] == "a=1&Signature=REDACTED&TOKEN=REDACTED&sig=REDACTED&b"
    secrets = frozenset({"sig"})
    assert without_secrets("%73ig=secret", secrets) == "%73ig=REDACTED"


@given(st.text(alphabet="sig=&%73+ab;", max_size=40))
def test_no_value_of_a_key_stays_in_a_query(query: str) -> None:
    told = without_secrets(query, frozenset({"sig"}))
    assert "sig=" not in [part[:4] for part in told.split("&") if not part.endswith("=REDACTED")]
    assert [part.partition("=")[0] for part in told.split("&")] == [part.partition("=")[0] for part in query.split("&")]


@pytest.mark.parametrize(
    ("environ", "address", "port"),
    [
        ({"HTTP_HOST": "[2001:db8::1]:8443"}, "2001:db8::1", 8443),
        ({"HTTP_HOST": "shop.example", "wsgi.url_scheme": "https"}, "shop.example", 443),
        ({"HTTP_HOST": "not a host"}, "shop.example", 80),
        ({"HTTP_HOST": ""}, "shop.example", 80),
    ],
)
def test_the_server_s_address_is_what_the_client_has_asked(environ: dict[str, str], address: str, port: int) -> None:
    traces = Traces()
    ask(traces.around(Inner()), **environ)
    found = attributes_of(traces.span)
    assert (found["server.address"], found["server.port"]) == (address, port)


# What opentelemetry-instrumentation-wsgi 0.66b2 does otherwise.


def test_otel_wsgi_a_response_that_nobody_iterates_is_closed_and_its_span_ends() -> None:
    traces = Traces()
    inner = Seeing()
    traces.around(inner)(environ_of(), lambda *_: print).close()  # type: ignore[arg-type, attr-defined]
    assert len(inner.seen) == 2
    assert len(traces.spans) == 1


def test_otel_wsgi_the_span_is_the_current_one_in_close() -> None:
    inner = Seeing()
    ask(Traces().around(inner))
    assert inner.seen[-1] == inner.seen[0] != 0


def test_otel_wsgi_a_close_that_raises_ends_the_span() -> None:
    traces = Traces()
    result = traces.around(failing("close"))(environ_of(), lambda *_: print)  # type: ignore[arg-type]
    with pytest.raises(LookupError):
        result.close()  # type: ignore[attr-defined]
    assert len(traces.spans) == 1


def test_otel_wsgi_one_block_stays_one_so_that_the_server_knows_its_length() -> None:
    assert len(Traces().around(lambda *_: [b"1"])(environ_of(), print)) == 1  # type: ignore[arg-type]


def test_otel_wsgi_a_file_is_still_sent_by_the_server() -> None:
    class Wrapper:
        def __init__(self, file: Any) -> None:
            self.file = file

    def inner(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        return environ["wsgi.file_wrapper"](None)

    traces = Traces()
    environ = {**environ_of(), "wsgi.file_wrapper": Wrapper}
    assert isinstance(traces.around(inner)(environ, lambda *_: print), Wrapper)  # type: ignore[arg-type]
    assert len(traces.spans) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exempt": "/a"}, "exempt: want a list of paths"),
        ({"trusted": "10.0.0.0/8"}, "trusted: want a list of networks"),
        ({"request_fields": "Accept"}, "request_fields: want a list of fields"),
        ({"response_fields": ["a b"]}, "response_fields: want names of fields"),
        ({"redact": "sig"}, "redact: want a list of parameters"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Tracing(Inner(), **options)
