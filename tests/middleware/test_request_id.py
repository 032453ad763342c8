"""`RequestId`: whose ids are taken, what a new one looks like, where it is to be found."""

from __future__ import annotations

import contextvars
import io
import logging
import os
import re
import threading
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.middleware import RequestId
from dragoman.middleware.request_id import ID, RequestIdFilter, uuid7
from tests.middleware.kit import Inner, ask, environ_of

PROXY = "10.1.2.3"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def test_each_request_gets_an_id_in_the_environ_and_in_the_response() -> None:
    inner = Inner()
    app = RequestId(inner)
    one, two = ask(app), ask(app)
    assert one.value("X-Request-ID") == one.environ["dragoman.request_id"] != two.value("X-Request-ID")
    assert inner.environs[0]["dragoman.request_id"] == one.value("X-Request-ID")
    inner.settled()


def test_a_child_of_fork_gives_other_ids_than_its_parent() -> None:
    uuid7()
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.write(write, " ".join(uuid7()[14:] for _ in range(5)).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with open(read) as pipe:
        of_child = set(pipe.read().split())
    assert len(of_child) == 5
    assert not of_child & {uuid7()[14:] for _ in range(200)}


def test_by_default_nobodys_id_is_taken() -> None:
    assert ask(RequestId(Inner()), headers={"X-Request-ID": "mine"}).value("X-Request-ID") != "mine"


@pytest.mark.parametrize(
    ("trusted", "address", "is_taken"),
    [
        (["10.0.0.0/8"], PROXY, True),
        (["10.1.2.3"], PROXY, True),
        (["10.1.2.4"], PROXY, False),
        (["10.0.0.0/8"], "192.0.2.7", False),
        (["2001:db8::/32"], "2001:db8::1", True),
        (["10.0.0.0/8"], "2001:db8::1", False),
        ("*", "192.0.2.7", True),
        # A unix socket, where somebody is trusted, and where nobody is.
        (["10.0.0.0/8"], "", True),
        ((), "", False),
        (["10.0.0.0/8"], "unknown", False),
    ],
)
def test_whose_id_is_taken(trusted: Any, address: str, is_taken: bool) -> None:
    answer = ask(RequestId(Inner(), trusted=trusted), headers={"X-Request-ID": "theirs"}, REMOTE_ADDR=address)
    assert (answer.value("X-Request-ID") == "theirs") is is_taken


@pytest.mark.parametrize("given", ["", "a b", "<script>", "a\tb", "x" * 129, "é", 'a"b', "a,b", "a;b", "a%0d"])
def test_an_id_that_might_do_harm_in_a_log_is_not_taken(given: str) -> None:
    answer = ask(RequestId(Inner(), trusted="*"), headers={"X-Request-ID": given})
    assert answer.value("X-Request-ID") != given


@given(st.text(max_size=40))
def test_whatever_is_sent_the_id_is_one_of_a_harmless_form(text: str) -> None:
    environ = environ_of(headers={"X-Request-ID": text}, REMOTE_ADDR="")
    RequestId(lambda environ, start_response: [], trusted="*", respond=False)(environ, lambda *arguments: print)
    assert ID.fullmatch(environ["dragoman.request_id"])


def test_the_field_may_have_another_name_and_the_response_may_be_without() -> None:
    app = RequestId(Inner(), header="X-Amzn-Trace-Id", trusted="*")
    assert ask(app, headers={"X-Amzn-Trace-Id": "Root=1-67"}).value("X-Amzn-Trace-Id") == "Root=1-67"
    silent = ask(RequestId(Inner(), respond=False))
    assert silent.values("X-Request-ID") == []
    assert silent.environ["dragoman.request_id"]


def test_the_applications_own_field_is_replaced_so_that_there_is_one() -> None:
    inner = Inner(headers=[("Content-Type", "text/plain"), ("x-request-id", "own")])
    answer = ask(RequestId(inner))
    assert answer.value("X-Request-ID") == answer.environ["dragoman.request_id"]


@pytest.mark.parametrize(
    ("parent", "trace"),
    [
        (PARENT, TRACE),
        # A later version may have more, and is read as far as it is known.
        (f"01-{TRACE}-00f067aa0ba902b7-01-more", TRACE),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-00f067aa0ba902b7", None),
        ("", None),
    ],
)
def test_the_trace_id_of_a_trusted_peer_is_kept(parent: str, trace: str | None) -> None:
    app = RequestId(Inner(), trusted=[PROXY])
    fields = {"traceparent": parent}
    assert ask(app, headers=fields, REMOTE_ADDR=PROXY).environ.get("dragoman.trace_id") == trace
    assert "dragoman.trace_id" not in ask(app, headers=fields).environ


def test_log_records_have_the_id_of_the_request_of_their_thread() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RequestIdFilter())
    handler.setFormatter(logging.Formatter("%(request_id)s %(message)s"))
    log = logging.Logger("test")
    log.addHandler(handler)
    both = threading.Barrier(2)
    ids: dict[str, str] = {}

    def application(environ: Any, start_response: Any) -> Any:
        both.wait(20)
        log.warning(environ["PATH_INFO"])
        ids[environ["PATH_INFO"]] = environ["dragoman.request_id"]
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b""]

    threads = [threading.Thread(target=ask, args=(RequestId(application), "GET", path)) for path in ("/a", "/b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    contextvars.Context().run(log.warning, "outside")
    lines = set(stream.getvalue().splitlines())
    assert {f"{ids['/a']} /a", f"{ids['/b']} /b"} <= lines
    assert re.search(r"^- outside$", stream.getvalue(), re.MULTILINE)


def test_a_new_id_is_a_uuid_of_version_7_and_sorts_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(range(0, 5_000_000_000, 1_000_000))
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_000_000_000 + next(times))
    made = [uuid7() for _ in range(500)]
    assert made == sorted(made)
    assert {(UUID(one).version, UUID(one).variant) for one in made} == {(7, "specified in RFC 4122")}
    assert UUID(made[0]).int >> 80 == 1_700_000_000_000
    # Both ends of the random part change.
    assert len({one[14:18] for one in made}) > 100
    assert len({one[-4:] for one in made}) > 100


@pytest.mark.parametrize("header", ["", "X Request", "X_Request_ID", "1d", "X-Request-ID\r\n", "é"])
def test_a_field_name_of_another_form_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match="header: want the name of a field, such as X-Request-ID"):
        RequestId(header=header)


@pytest.mark.parametrize("trusted", ["10.0.0.0/8", ["proxy.example"], ["10.0.0.0/33"], [""]])
def test_what_is_no_network_is_refused(trusted: Any) -> None:
    with pytest.raises(ValueError, match="trusted: want"):
        RequestId(trusted=trusted)
