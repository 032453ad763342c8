"""`ServerTiming`: which times are told, of what, and to whom."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.http.fields import is_field_value, is_token
from dragoman.middleware import RequestId, ServerTiming, stack, timed
from dragoman.middleware.layer import Layer
from tests.middleware.kit import TEXT, Answered, Inner, ask

ENTRY = re.compile(r'([^;,\s]+);dur=([\d.]+)(?:;desc="((?:[^"\\]|\\.)*)")?')


def times(answered: Answered, index: int = 0) -> dict[str, float]:
    """Milliseconds by name."""
    return {name: float(value) for name, value, _ in ENTRY.findall(answered.values("Server-Timing")[index])}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock's time in its only element; it stands still unless somebody moves it."""
    now = [100.0]
    monkeypatch.setattr("dragoman.middleware.server_timing.time.perf_counter", lambda: now[0])
    return now


def test_what_was_measured_is_told_and_what_has_one_name_is_added_up(clock: list[float]) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        for seconds in (0.25, 0.125):
            with timed(environ, "db", "two queries"):
                clock[0] += seconds
        environ["dragoman.timing"].add("cache", 0.5)
        clock[0] += 1
        start_response("200 OK", [TEXT])
        return [b"x"]

    answered = ask(ServerTiming(app, allow="*"))
    assert answered.value("Server-Timing") == (
        'db;dur=375.000;desc="two queries", cache;dur=500.000, total;dur=1375.000'
    )


def test_the_time_of_what_fails_is_told_too(clock: list[float]) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        try:
            with environ["dragoman.timing"].timed("db"):
                clock[0] += 0.5
                raise LookupError("no")
        except LookupError:
            start_response("500 No", [TEXT])
        return [b"x"]

    assert times(ask(ServerTiming(app, allow="*")))["db"] == 500


def slow(clock: list[float], name: str, before_s: float, after_s: float) -> Layer:
    """A layer that takes so long before the call, and so long when the head comes."""

    def call(self: Any, environ: Any, start_response: Any) -> Any:
        clock[0] += before_s

        def started(*head: Any) -> Any:
            clock[0] += after_s
            return start_response(*head)

        return self.app(environ, started)

    return type(name, (Layer,), {"__call__": call})()


def test_each_layer_of_a_stack_has_its_own_time_without_what_is_inside(clock: list[float]) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        clock[0] += 0.5
        start_response("200 OK", [TEXT])
        return [b"x"]

    outside = slow(clock, "Outside", 7, 0)
    one, two = slow(clock, "One", 0.125, 0.25), slow(clock, "Two", 1, 2)
    answered = ask(stack(app, outside, ServerTiming(allow="*"), one, two))
    assert times(answered) == {"app": 500, "Two": 3000, "One": 375, "total": 3875}


def test_a_layer_that_answers_by_itself_has_its_time_and_what_is_inside_none(clock: list[float]) -> None:
    class Refusing(Layer):
        def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
            clock[0] += 1
            start_response("403 Forbidden", [TEXT])
            return [b"no"]

    assert times(ask(stack(Inner(), ServerTiming(allow="*"), Refusing()))) == {"Refusing": 1000, "total": 1000}


def test_a_head_that_comes_with_the_first_block_counts_until_then(clock: list[float]) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        clock[0] += 1
        start_response("200 OK", [TEXT])
        yield b"x"

    assert times(ask(stack(app, ServerTiming(allow="*"), slow(clock, "One", 0.5, 0.5))))["app"] == 1000


def test_somebody_else_s_layer_has_a_name_that_a_field_can_hold(clock: list[float]) -> None:
    answered = ask(stack(Inner(), ServerTiming(allow="*"), lambda app: app))
    assert list(times(answered)) == ["app", "-lambda-", "total"]


def test_layers_can_be_left_out() -> None:
    assert list(times(ask(stack(Inner(), ServerTiming(allow="*", layers=False), RequestId())))) == ["total"]


def test_without_server_timing_a_stack_wraps_nothing_more() -> None:
    inner = Inner()
    app = stack(inner, RequestId())
    assert isinstance(app, RequestId) and app.app is inner


def test_strangers_learn_nothing_and_nothing_is_measured_for_them() -> None:
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        with timed(environ, "db"), environ["dragoman.timing"].timed("other"):
            environ["dragoman.timing"].add("third", 1)
        seen.append(environ["dragoman.timing"])
        start_response("200 OK", [TEXT])
        return [b"x"]

    layer = ServerTiming(app)
    assert ask(layer).values("Server-Timing") == []
    assert ask(layer, REMOTE_ADDR="127.0.0.1", headers={"X-Forwarded-For": "1.2.3.4"}).values("Server-Timing") == []
    assert seen[0] is seen[1]
    assert ask(layer, REMOTE_ADDR="127.0.0.1").values("Server-Timing") != []


def test_a_function_decides_and_one_that_fails_lets_nobody_in(caplog: pytest.LogCaptureFixture) -> None:
    def failing(environ: Any) -> bool:
        raise LookupError("by plan")

    wanted = ServerTiming(Inner(), allow=lambda environ: environ["QUERY_STRING"] == "timing")
    assert ask(wanted, "GET", "/?timing").values("Server-Timing") != []
    assert ask(wanted, "GET", "/").values("Server-Timing") == []
    assert ask(ServerTiming(Inner(), allow=failing)).values("Server-Timing") == []
    assert "nobody is let in" in caplog.text


def test_without_the_layer_an_application_measures_nothing() -> None:
    with timed({}, "db"):
        pass


def test_a_field_of_the_application_stays() -> None:
    inner = Inner(headers=[TEXT, ("Server-Timing", "mine;dur=1")])
    answered = ask(ServerTiming(inner, allow="*"))
    assert times(answered) == {"mine": 1}
    assert list(times(answered, 1)) == ["total"]
    inner.settled()


def test_a_replaced_head_has_one_field() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [TEXT])
        try:
            raise LookupError("no")
        except LookupError:
            import sys

            start_response("500 No", [TEXT], sys.exc_info())
        return [b"x"]

    assert len(ask(stack(app, ServerTiming(allow="*"), RequestId())).values("Server-Timing")) == 1


def test_pages_of_other_origins_may_read_them_where_that_is_said() -> None:
    layer = ServerTiming(Inner(), allow="*", origins=["https://a.example", "https://b.example:8443"])
    assert ask(layer).value("Timing-Allow-Origin") == "https://a.example, https://b.example:8443"
    assert ask(ServerTiming(Inner(), allow="*", origins="*")).value("Timing-Allow-Origin") == "*"
    assert ask(ServerTiming(Inner(), allow="*")).values("Timing-Allow-Origin") == []
    assert ask(ServerTiming(Inner(), origins="*")).values("Timing-Allow-Origin") == []


def test_there_are_no_more_entries_than_a_field_should_hold() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        for number in range(1000):
            environ["dragoman.timing"].add(f"n{number}", 0.001)
        start_response("200 OK", [TEXT])
        return [b"x"]

    assert len(times(ask(ServerTiming(app, allow="*")))) == 101


def test_the_total_is_ours() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["dragoman.timing"].add("total", 1000)
        start_response("200 OK", [TEXT])
        return [b"x"]

    assert times(ask(ServerTiming(app, allow="*")))["total"] < 1_000_000


numbers = itertools.count()


@given(st.text(max_size=20), st.text(max_size=20))
def test_whatever_name_and_description_there_are_the_field_is_one(name: str, description: str) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["dragoman.timing"].add(name, 0.001, description)
        start_response("200 OK", [TEXT])
        return [b"x"]

    value = ask(ServerTiming(app, allow="*")).value("Server-Timing") or ""
    assert is_field_value(value)
    assert all(is_token(found) for found, _, _ in ENTRY.findall(value))
    assert re.fullmatch(rf"(?:{ENTRY.pattern}(?:, )?)+", value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"allow": "10.0.0.0/8"}, "allow: want a list of networks"),
        ({"origins": "https://a.example"}, "origins: want a list of origins"),
        ({"origins": ["a.example"]}, "origins: want origins such as"),
        ({"origins": ["https://a.example/"]}, "origins: want origins such as"),
        ({"origins": ["https://a.example, b"]}, "origins: want origins such as"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ServerTiming(Inner(), **options)
