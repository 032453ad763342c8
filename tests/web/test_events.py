"""Server-sent events are framed so that a browser reads what was meant; hints go out before the answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.web import App, Event, EventStream, early_hints, preload, request
from tests.middleware.kit import ask

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"))


def read(stream: bytes) -> list[dict[str, Any]]:
    """The events that a browser makes of a stream, as HTML has it in "Interpreting an event stream"."""
    lines = stream.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    events: list[dict[str, Any]] = []
    last_id, name, data, retry = "", "", "", None
    for line in lines[:-1]:
        if not line:
            if data:
                events.append({"event": name or "message", "data": data[:-1], "id": last_id})
            name, data = "", ""
            continue
        field, _, value = line.partition(":")
        if not field:
            continue
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data += value + "\n"
        elif field == "id" and "\0" not in value:
            last_id = value
        elif field == "retry" and value.isdigit():
            retry = int(value)
        else:
            raise AssertionError(line)
    if retry is not None:
        events.append({"retry": retry})
    return events


@given(TEXT, st.none() | LINE.filter(bool), st.none() | LINE, st.none() | TEXT, st.none() | st.integers(0, 10**9))
def test_an_event_is_read_as_it_was_meant(
    data: str, event: str | None, id: str | None, comment: str | None, retry_ms: int | None
) -> None:
    encoded = Event(data, event, id, retry_ms, comment).encoded()
    [first, *others] = read(encoded)
    lines = data.replace("\r\n", "\n").replace("\r", "\n")
    assert first == {"event": event or "message", "data": lines, "id": id or ""}
    assert others == ([] if retry_ms is None else [{"retry": retry_ms}])


@given(st.lists(st.recursive(st.none() | st.booleans() | TEXT, st.lists).filter(lambda one: one is not None)))
def test_what_is_no_text_is_sent_as_json(items: list[Any]) -> None:
    values = [read(Event({"value": one}).encoded())[0]["data"] for one in items]
    assert [json.loads(one)["value"] for one in values] == items


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\0b", "\n\ndata: forged"])
@pytest.mark.parametrize("field", ["event", "id"])
def test_a_name_or_an_id_with_another_line_in_it_is_refused(field: str, text: str) -> None:
    with pytest.raises(ValueError, match="want a text of one line"):
        Event("x", **{field: text}).encoded()


@pytest.mark.parametrize("retry_ms", [-1, 1.5, True, "1\ndata: x"])
def test_a_time_that_is_none_is_refused(retry_ms: Any) -> None:
    with pytest.raises(ValueError, match="whole number of milliseconds"):
        Event("x", retry_ms=retry_ms).encoded()


def test_bytes_are_no_data() -> None:
    with pytest.raises(TypeError, match="data of an event is bytes"):
        Event(b"x").encoded()


def app_of(make: Any) -> App:
    app = App(__name__)
    app.add_url_rule("/", "index", make)
    return app


def test_a_stream_of_events_goes_out_event_by_event_with_the_fields_that_it_wants() -> None:
    def events() -> Iterator[Any]:
        yield "text"
        yield None
        yield {"a": 1}
        yield Event("named", event="news", id=7)

    answer = ask(app_of(lambda: EventStream(events(), retry_ms=500)))
    assert answer.blocks == [
        b"retry: 500\n\n",
        b"data: text\n\n",
        b":\n\n",
        b'data: {"a":1}\n\n',
        b"event: news\nid: 7\ndata: named\n\n",
    ]
    assert [event.get("data") for event in read(answer.body)] == ["text", '{"a":1}', "named", None]
    assert answer.value("Content-Type") == "text/event-stream"
    assert (answer.value("Cache-Control"), answer.value("X-Accel-Buffering")) == ("no-store", "no")
    assert answer.value("Content-Length") is None


def test_fields_and_status_may_be_said() -> None:
    answer = ask(app_of(lambda: EventStream(["x"], 203, {"Cache-Control": "no-cache", "X-Part": "1"})))
    assert (answer.status, answer.value("Cache-Control"), answer.value("X-Part")) == (203, "no-cache", "1")


def test_the_first_block_comes_before_the_first_event_is_made() -> None:
    made: list[int] = []

    def events() -> Iterator[str]:
        made.append(1)
        yield "x"

    blocks = iter(EventStream(events()).stream or ())
    assert next(blocks) == b":\n\n" and made == []


def test_the_generator_is_closed_when_the_client_goes() -> None:
    closed: list[str] = []

    def events() -> Iterator[str]:
        try:
            while True:
                yield request.path
        finally:
            closed.append(request.path)

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SCRIPT_NAME": "", "QUERY_STRING": ""}
    body: Any = app_of(lambda: EventStream(events()))(environ, lambda *arguments: lambda data: None)
    assert [next(body), next(body)] == [b":\n\n", b"data: /\n\n"]
    body.close()
    assert closed == ["/"]


def test_an_asynchronous_generator_will_do() -> None:
    async def events() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    assert ask(app_of(lambda: EventStream(events()))).blocks[1:] == [b"data: a\n\n", b"data: b\n\n"]


@pytest.mark.parametrize("events", ["text", b"bytes", {"a": 1}, 7, None])
def test_what_is_no_stream_is_refused_at_once(events: Any) -> None:
    with pytest.raises(TypeError, match="want a generator of events"):
        EventStream(events)


def test_head_makes_no_event() -> None:
    answer = ask(app_of(lambda: EventStream(iter(["x"]))), "HEAD")
    assert (answer.body, answer.value("Content-Type")) == (b"", "text/event-stream")


@pytest.mark.parametrize(("field", "seen"), [({}, None), ({"Last-Event-ID": "7"}, "7"), ({"Last-Event-ID": "Ã¼"}, "ü")])
def test_a_client_that_comes_back_says_what_it_has_seen(field: dict[str, str], seen: str | None) -> None:
    ids: list[str | None] = []
    ask(app_of(lambda: ids.append(request.last_event_id) or ""), headers=field)
    assert ids == [seen]


STYLE = "</app.css>; rel=preload; as=style"


def test_hints_are_sent_by_the_server_that_can_and_are_in_the_answer_too() -> None:
    sent: list[Any] = []
    given: list[bool] = []

    def view() -> str:
        given.append(early_hints(preload("/app.css", "style"), "<https://cdn.example>; rel=preconnect"))
        return "page"

    app = app_of(view)
    answer = ask(app, **{"wsgi.early_hints": sent.append})
    links = [STYLE, "<https://cdn.example>; rel=preconnect"]
    assert sent == [[("Link", link) for link in links]] and given == [True]
    assert answer.values("Link") == links
    assert ask(app).values("Link") == links and given == [True, False]


def test_an_error_has_no_links_of_the_page_that_it_stands_for() -> None:
    def view() -> tuple[str, int]:
        early_hints(STYLE)
        return "none", 404

    assert ask(app_of(view)).values("Link") == []


@pytest.mark.parametrize("link", ["/app.css", "<a>\r\nX: y", "<a"])
def test_what_is_no_link_is_refused_and_nothing_sent(link: str) -> None:
    sent: list[Any] = []
    with App(__name__).test_request_context(environ_overrides={"wsgi.early_hints": sent.append}):
        with pytest.raises(ValueError):
            early_hints(STYLE, link)
    assert sent == []


def test_fonts_are_fetched_without_cookies() -> None:
    assert preload("/a.woff2", "font") == "</a.woff2>; rel=preload; as=font; crossorigin"
    assert preload("/a.json", "fetch", crossorigin=True).endswith("; crossorigin")
    with pytest.raises(ValueError, match="want one of"):
        preload("/a", "sheet")
    with pytest.raises(ValueError, match="percent-encoded"):
        preload("/a>b", "style")
