"""`Metrics`: what is counted under which labels, when, and who may read it."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from dragoman.middleware import ErrorPages, Metrics, ProxyHeaders, stack
from dragoman.middleware.metrics.families import format_for
from dragoman.middleware.metrics.table import IN_FLIGHT
from tests.middleware.kit import TEXT, Answered, Inner, ask, environ_of

LOCAL = {"REMOTE_ADDR": "127.0.0.1"}


def counting(inner: Any, **options: Any) -> Metrics:
    return Metrics(inner, **{"storage": "memory://", "registry": False, **options})


def samples(app: Metrics) -> dict[str, float]:
    """Every sample by its text: ``name{label="value"}``."""
    _, body = app.exposition()
    rows = (line.rpartition(" ") for line in body.decode().splitlines() if not line.startswith("#"))
    return {name.removeprefix("http_server_"): float(value) for name, _, value in rows}


def nonzero(app: Metrics) -> dict[str, float]:
    return {
        name: value
        for name, value in samples(app).items()
        if value and "_bucket{" not in name and "seconds_sum" not in name and "_created" not in name
    }


def test_a_request_is_counted_with_its_method_route_and_status() -> None:
    inner = Inner(status="201 Created")
    app = counting(inner, route=lambda environ: "/users/<id>")
    ask(app, "POST", "/users/7", body=b"1234567")
    assert nonzero(app) == {
        'requests_total{method="POST",route="/users/<id>",status="201"}': 1,
        'request_duration_seconds_count{method="POST",route="/users/<id>"}': 1,
        'request_body_bytes_total{method="POST",route="/users/<id>"}': 7,
        'response_body_bytes_total{method="POST",route="/users/<id>"}': 5,
        "processes": 1,
    }
    inner.settled()


def test_paths_methods_and_exceptions_that_clients_make_up_are_one_series() -> None:
    app = counting(Inner())
    for number in range(50):
        ask(app, f"MADE-UP-{number}", f"/nowhere/{number}")
    assert nonzero(app)['requests_total{method="other",route="other",status="200"}'] == 50
    assert len(app.table.totals().names) == 2


def test_prefixes_may_stand_for_routes() -> None:
    app = counting(Inner(), paths=["/static", "/"])
    for path in ("/static/a.css", "/staticx", "/"):
        ask(app, "GET", path)
    counted = nonzero(app)
    assert counted['requests_total{method="GET",route="/static",status="200"}'] == 1
    assert counted['requests_total{method="GET",route="/",status="200"}'] == 2


def test_exempt_paths_are_not_counted() -> None:
    app = counting(Inner(), exempt=["/livez"])
    ask(app, "GET", "/livez")
    ask(app, "GET", "/metrics", **LOCAL)
    assert nonzero(app) == {"processes": 1}


def test_routes_beyond_the_room_are_other_and_cost_no_memory(caplog: pytest.LogCaptureFixture) -> None:
    names = iter(range(10_000))
    app = counting(Inner(), series=100, route=lambda environ: f"/{next(names)}")
    for _ in range(1000):
        ask(app)
    for method in ("POST", "PUT", "MADE-UP"):
        ask(app, method)
    counted = samples(app)
    assert counted["uncounted_total"] == 0
    # Each route takes two of the series, one for its status and one for its times.
    assert counted['requests_total{method="GET",route="other",status="200"}'] == 950
    assert counted['requests_total{method="other",route="other",status="200"}'] == 1
    requests = sum(value for name, value in counted.items() if name.startswith("requests_total{"))
    assert requests == 1003
    assert len(app.table.kept) < 200
    assert len([message for message in caplog.messages if "is full" in message]) == 1


def test_an_exception_for_which_there_is_no_room_is_other() -> None:
    names = iter(range(10_000))
    app = counting(Inner(raises=LookupError("no")), series=100, route=lambda environ: f"/{next(names)}")
    for _ in range(100):
        with pytest.raises(LookupError):
            ask(app)
    counted = samples(app)
    exceptions = sum(value for name, value in counted.items() if name.startswith("exceptions_total{"))
    assert (exceptions, counted["uncounted_total"]) == (100, 0)
    assert counted['exceptions_total{exception="other",method="GET",route="other"}'] > 60


def test_a_route_with_a_nul_in_it_is_one_label() -> None:
    app = counting(Inner(), route=lambda environ: "/a\0b")
    ask(app)
    assert nonzero(app)['requests_total{method="GET",route="/a�b",status="200"}'] == 1


def test_time_and_bytes_are_those_until_close() -> None:
    inner = Inner(blocks=iter([b"one", b"two"]))
    app = counting(inner)
    given: list[Any] = []
    result = app(environ_of(), lambda status, headers, *_: given.append(status) or print)  # type: ignore[arg-type, func-returns-value]
    assert samples(app)["requests_in_flight"] == 1
    assert next(iter(result)) == b"one"
    assert nonzero(app) == {"requests_in_flight": 1, "processes": 1}
    result.close()  # type: ignore[attr-defined]
    assert nonzero(app)['response_body_bytes_total{method="GET",route="other"}'] == 3
    assert samples(app)["requests_in_flight"] == 0
    result.close()  # type: ignore[attr-defined]
    assert nonzero(app)['requests_total{method="GET",route="other",status="200"}'] == 1


def test_durations_are_in_the_bucket_that_they_belong_to(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 0.1, 0.0, 0.1001, 0.0, 3.0])
    monkeypatch.setattr("dragoman.middleware.metrics.part.perf_counter", lambda: next(times))
    app = counting(Inner(), buckets=[0.1, 1])
    for _ in range(3):
        ask(app)
    counted = samples(app)
    label = 'method="GET",route="other"'
    assert [counted[f'request_duration_seconds_bucket{{le="{le}",{label}}}'] for le in ("0.1", "1.0", "+Inf")] == [
        1,
        2,
        3,
    ]
    assert counted[f"request_duration_seconds_sum{{{label}}}"] == pytest.approx(3.2001)


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "304 Not Modified")])
def test_what_is_not_sent_is_not_counted(method: str, status: str) -> None:
    def inner(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, [])
        return [b"of no use"]

    app = counting(inner)
    list(app(environ_of(method), lambda *_: print))  # type: ignore[arg-type]
    assert not [name for name in nonzero(app) if name.startswith("response_body_bytes")]


def test_write_is_counted() -> None:
    def inner(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [TEXT])(b"written")
        return [b"given"]

    app = counting(inner)
    assert ask(app).body == b"writtengiven"
    assert nonzero(app)['response_body_bytes_total{method="GET",route="other"}'] == 12


def test_an_exception_of_the_call_is_a_500_and_counted_by_its_type() -> None:
    app = counting(Inner(raises=LookupError("no")))
    with pytest.raises(LookupError):
        ask(app)
    counted = nonzero(app)
    assert counted['requests_total{method="GET",route="other",status="500"}'] == 1
    assert counted['exceptions_total{exception="LookupError",method="GET",route="other"}'] == 1
    assert samples(app)["requests_in_flight"] == 0


def test_an_exception_on_the_way_keeps_the_status_that_was_sent() -> None:
    def blocks() -> Iterator[bytes]:
        yield b"sent"
        raise LookupError("no")

    app = counting(Inner(blocks=blocks()))
    with pytest.raises(LookupError):
        ask(app)
    counted = nonzero(app)
    assert counted['requests_total{method="GET",route="other",status="200"}'] == 1
    assert counted['exceptions_total{exception="LookupError",method="GET",route="other"}'] == 1


def test_an_exception_that_became_a_page_inside_is_counted_if_it_is_the_servers_fault() -> None:
    def inner(environ: Any, start_response: Any) -> list[bytes]:
        raise PermissionError if environ["PATH_INFO"] == "/closed" else LookupError

    metrics = Metrics(storage="memory://", registry=False)
    app = stack(inner, metrics, ErrorPages(statuses={PermissionError: 403}))
    ask(app)
    ask(app, "GET", "/closed")
    counted = nonzero(metrics)
    assert counted['requests_total{method="GET",route="other",status="500"}'] == 1
    assert counted['requests_total{method="GET",route="other",status="403"}'] == 1
    assert [name for name in counted if name.startswith("exceptions")] == [
        'exceptions_total{exception="LookupError",method="GET",route="other"}'
    ]


def test_a_replaced_head_counts() -> None:
    def inner(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [TEXT])
        try:
            raise LookupError("no")
        except LookupError:
            import sys

            start_response("503 Service Unavailable", [TEXT], sys.exc_info())
        return [b"sorry"]

    app = counting(inner)
    assert ask(app).status == 503
    assert nonzero(app)['requests_total{method="GET",route="other",status="503"}'] == 1


def test_blocks_that_are_no_bytes_reach_the_server_which_says_so() -> None:
    def inner(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        return [None]

    assert list(counting(inner)(environ_of(), lambda *_: print)) == [None]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("accept", "is_open"),
    [
        (None, False),
        ("*/*", False),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1", True),
        # Prometheus 3.
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;"
            "version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,"
            "*/*;q=0.2",
            True,
        ),
        ("application/openmetrics-text;q=0.1, text/plain", False),
        ("application/openmetrics-text;q=0", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
    ],
)
def test_the_format_is_the_one_that_the_scraper_likes(accept: str | None, is_open: bool) -> None:
    assert format_for(accept).content_type.startswith("application/openmetrics-text") is is_open
    app = counting(Inner())
    ask(app)
    content_type, body = app.exposition(accept)
    parse = open_families if is_open else text_families
    assert content_type == format_for(accept).content_type
    assert len(list(parse(body.decode()))) == 8


def test_prometheus_client_a_version_that_is_no_number_is_no_failure() -> None:
    app = counting(Inner())
    for accept in (
        "application/openmetrics-text; version=abc",
        "text/plain; version=x",
        "application/openmetrics-text;version=;;",
    ):
        assert ask(app, "GET", "/metrics", {"Accept": accept}, **LOCAL).status == 200


def test_prometheus_client_the_weights_of_accept_count() -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.1, text/plain;q=0.9"
    assert format_for(accept).content_type.startswith("text/plain")


@given(st.text(alphabet='aption/lx-ems,;q=.*"0123 version', max_size=60))
def test_whatever_accept_says_there_is_a_format(accept: str) -> None:
    assert format_for(accept).content_type


def told(app: Any, **more: Any) -> Answered:
    return ask(app, "GET", "/metrics", **more)


def test_they_are_told_to_this_host_alone_by_default() -> None:
    app = counting(Inner())
    assert told(app, REMOTE_ADDR="127.0.0.1").status == 200
    assert told(app, REMOTE_ADDR="::1").status == 200
    assert told(app, REMOTE_ADDR="192.0.2.7").status == 403
    assert told(app, REMOTE_ADDR="::ffff:127.0.0.1").status == 200


@pytest.mark.parametrize("field", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_a_proxy_on_this_host_does_not_tell_them_to_the_world(field: str) -> None:
    app = counting(Inner())
    assert told(app, REMOTE_ADDR="127.0.0.1", headers={field: "for=203.0.113.9"}).status == 403


def test_behind_a_believed_proxy_the_address_is_the_clients() -> None:
    layers = (ProxyHeaders(trusted=["127.0.0.1"]), Metrics(storage="memory://", registry=False, allow=["10.0.0.0/8"]))
    app = stack(Inner(), *layers)
    assert told(app, REMOTE_ADDR="127.0.0.1", headers={"X-Forwarded-For": "10.1.2.3"}).status == 200
    assert told(app, REMOTE_ADDR="127.0.0.1", headers={"X-Forwarded-For": "203.0.113.9"}).status == 403


def test_a_token_opens_them_from_everywhere() -> None:
    app = counting(Inner(), allow=(), token="s3cret")
    assert told(app).status == 403
    assert told(app, headers={"Authorization": "Bearer s3cret"}).status == 200
    assert told(app, headers={"Authorization": "Bearer s3cre"}).status == 403
    assert told(app, headers={"Authorization": "Bearer \xff"}).status == 403
    assert "s3cret" not in told(app).text


def test_a_function_may_decide() -> None:
    app = counting(Inner(), allow=lambda environ: environ["HTTP_HOST"] == "internal.example")
    assert told(app).status == 403
    assert told(app, headers={"Host": "internal.example"}).status == 200


def test_only_reading_is_possible() -> None:
    app = counting(Inner())
    answer = ask(app, "POST", "/metrics", **LOCAL)
    assert (answer.status, answer.value("Allow")) == (405, "GET, HEAD")
    head = ask(app, "HEAD", "/metrics", **LOCAL)
    assert (head.status, head.body) == (200, b"")
    assert head.value("Cache-Control") == "no-store"


def test_the_path_is_the_whole_one_and_may_be_none() -> None:
    assert ask(counting(Inner()), "GET", "/x/metrics", **LOCAL).text == "Hello"
    assert ask(counting(Inner(), path="/shop/metrics"), "GET", "/metrics", SCRIPT_NAME="/shop", **LOCAL).text != "Hello"
    assert ask(counting(Inner(), path=None), "GET", "/metrics", **LOCAL).text == "Hello"


def test_metrics_of_ones_own_are_shown_beside_them() -> None:
    registry = CollectorRegistry()
    Counter("orders", "Orders.", registry=registry).inc(3)
    assert "orders_total 3.0" in told(counting(Inner(), registry=registry), **LOCAL).text
    assert "python_info" in told(counting(Inner(), registry=True), **LOCAL).text
    assert "python_info" not in told(counting(Inner()), **LOCAL).text


def test_the_directory_of_prometheus_client_is_read_where_it_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert "python_info" not in told(counting(Inner(), registry=True), **LOCAL).text


def test_a_collector_that_fails_leaves_the_others(caplog: pytest.LogCaptureFixture) -> None:
    class Failing:
        def collect(self) -> Any:
            raise OSError("the database is away")

    app = counting(Inner(), registry=Failing())
    with caplog.at_level(logging.ERROR):
        assert "http_server_processes 1.0" in told(app, **LOCAL).text
    assert "a collector failed" in caplog.text


def test_a_scraper_may_ask_for_some() -> None:
    app = counting(Inner())
    ask(app)
    answer = ask(app, "GET", "/metrics?name[]=http_server_requests_total&name[]=none", **LOCAL)
    assert [line for line in answer.text.splitlines() if not line.startswith("#")] == [
        'http_server_requests_total{method="GET",route="other",status="200"} 1.0'
    ]


def test_threads_count_every_request() -> None:
    app = counting(Inner())

    def load() -> None:
        for _ in range(100):
            app(environ_of(), lambda *_: print).close()  # type: ignore[arg-type, attr-defined]

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted = samples(app)
    assert counted['requests_total{method="GET",route="other",status="200"}'] == 800
    assert counted["requests_in_flight"] == 0


def test_a_child_of_fork_that_goes_on_with_a_request_has_none_less_than_none(tmp_path: Path) -> None:
    children: list[int] = []

    def forking(environ: Any, start_response: Any) -> list[bytes]:
        children.append(os.fork())
        start_response("200 OK", [TEXT])
        return [b"Hello"]

    for storage in ("memory://", f"shm://fork?dir={tmp_path}"):
        app = counting(forking, storage=storage)
        result = app(environ_of(), lambda *_: print)  # type: ignore[arg-type]
        result.close()  # type: ignore[attr-defined]
        if children[-1] == 0:
            # Of this process: the parent may have its own request still.
            os._exit(app.table.joined()[IN_FLIGHT] != 0)
        assert os.waitstatus_to_exitcode(os.waitpid(children[-1], 0)[1]) == 0
        assert samples(app)["requests_in_flight"] == 0
        app.table.leave()


def test_labels_of_any_letters_come_out_as_they_are() -> None:
    route = 'a "quoted"\nroute \\ ü ☃'
    app = counting(Inner(), route=lambda environ: route)
    ask(app)
    for accept, parse in ((None, text_families), ("application/openmetrics-text", open_families)):
        found = [
            sample.labels["route"]
            for family in parse(app.exposition(accept)[1].decode())
            for sample in family.samples
            if sample.name == "http_server_requests_total"
        ]
        assert found == [route]


def test_a_long_route_is_cut() -> None:
    app = counting(Inner(), route=lambda environ: "/ü" * 500)
    ask(app)
    assert sum(value for name, value in nonzero(app).items() if name.startswith("requests_total")) == 1


def test_two_layers_of_one_storage_count_together(tmp_path: Path) -> None:
    storage = f"shm://two?dir={tmp_path}"
    one, two = counting(Inner(), storage=storage), counting(Inner(), storage=storage)
    ask(one)
    ask(two)
    assert nonzero(one)['requests_total{method="GET",route="other",status="200"}'] == 2
    one.table.leave()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "metrics"}, 'path: want a path such as "/metrics", or None'),
        ({"allow": "10.0.0.0/8"}, 'allow: want a list of networks or "\\*"'),
        ({"allow": ["10.0.0.0/33"]}, "allow: want addresses or networks"),
        ({"token": ""}, "token: want printable ASCII"),
        ({"token": "a\nb"}, "token: want printable ASCII"),
        ({"paths": "/a"}, "paths: want a list of paths"),
        ({"paths": ["a"]}, 'paths: want paths that begin with "/"'),
        ({"exempt": "/a"}, "exempt: want a list of paths"),
        ({"buckets": []}, "buckets: want at most 100 numbers"),
        ({"buckets": [1, 1]}, "buckets: want at most 100 numbers"),
        ({"buckets": [0, 1]}, "buckets: want at most 100 numbers"),
        ({"buckets": [1, float("inf")]}, "buckets: want at most 100 numbers"),
        ({"buckets": ["a"]}, "buckets: want at most 100 numbers"),
        ({"prefix": "a-b"}, "prefix: want letters, digits and _"),
        ({"storage": "redis://"}, "storage: want shm://NAME"),
        ({"series": 5}, "series: want 100 to 100000"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        counting(Inner(), **options)


def test_a_hook_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="route: want a function"):
        counting(Inner(), route="/users")
