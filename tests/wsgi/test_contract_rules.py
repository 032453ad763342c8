"""The rules of the contract that are always checked: what the client gets from each breach, and what the log says."""

from __future__ import annotations

import re

import pytest

from tests.support.probe import Channel
from tests.support.server import Serve, Server
from tests.support.wire import ConnectionEnded, Response, request_bytes
from tests.wsgi.apps_contract import app

REFUSED = sorted(
    path
    for path in app.views
    if path.split("/")[1]
    in {
        "start-response-missing",
        "start-response-twice",
        "start-response-arguments",
        "status-not-str",
        "status-malformed",
        "status-informational",
        "headers-not-list",
        "headers-item",
        "header-name-type",
        "header-value-type",
        "header-name-malformed",
        "header-injection",
        "header-not-latin1",
        "header-duplicate-length",
        "exc-info-not-triple",
        "body-not-iterable",
        "body-is-str",
        "body-not-bytes",
        "write-not-bytes",
        "app-is-coroutine",
    }
)
"""Breaches whose response is a 500, since nothing has been sent."""

NOT_RULES = {"right", "raised-and-caught", "body-not-bytes-later"}
RULES = sorted({path.split("/")[1] for path in app.views} - NOT_RULES)


@pytest.fixture(scope="module", params=[(), ("--dev", "--no-reload")], ids=["", "dev"])
def server(serve: Serve, request: pytest.FixtureRequest) -> Server:
    """Under --dev a checker sees each breach first, and client and log are to get the same."""
    return serve("tests.wsgi.apps_contract:app", *request.param)


def get(server: Server, path: str, method: str = "GET") -> Response:
    """Response to one request on a connection that is closed after it."""
    with server.connect() as wire:
        wire.send(request_bytes(method, path, [("Connection", "close")]))
        response = wire.read_response(method)
        wire.expect_close()
        return response


@pytest.mark.parametrize("path", REFUSED)
def test_breach_before_the_head_gives_a_plain_500(server: Server, path: str) -> None:
    response = get(server, path)
    assert response.status == 500
    assert (response.value("Content-Type") or "").startswith("text/plain")
    assert response.values("X-Injected") + response.values("X-Name") == []
    assert b"apps_contract" not in response.body and b"Traceback" not in response.body


@pytest.mark.parametrize("path", REFUSED)
def test_breach_leaves_the_worker_sound(server: Server, path: str) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", path) + request_bytes("GET", "/right/answer", [("Connection", "close")]))
        assert wire.read_response().status == 500
        # The connection may close after an error answer; if it does not, the next answer is the right one.
        rest = wire.expect_end()
        assert rest == b"" or (rest.startswith(b"HTTP/1.1 200 ") and rest.endswith(b"right"))
    assert get(server, "/right/answer").body == b"right"


@pytest.mark.parametrize("rule", RULES)
def test_breach_is_reported_with_its_rule_method_and_path(server: Server, channel: Channel, rule: str) -> None:
    for path in sorted(app.views):
        if path.split("/")[1] == rule:
            with server.connect() as wire:
                wire.send(request_bytes("GET", channel.target(path), [("Connection", "close")]))
                wire.expect_end()
    report = server.log.wait_for(rf"contract: {rule}$(?:\n(?!\[).*)+")[0]
    if rule != "write-after-end":  # its request has ended, and with it what can be said of it
        assert re.search(rf"GET /{rule}/", report), report
    assert f"dragoman explain {rule}" in report
    assert "Why: " in report and "Fix: " in report


def test_first_lines_of_a_report_name_the_breach_the_place_and_the_value(server: Server) -> None:
    get(server, "/body-not-bytes/str")
    report = server.log.wait_for(r"contract: body-not-bytes$(?:\n(?!\[).*)+")[0]
    assert "PEP 3333" in report


def test_raising_rules_raise_an_assertion_error_that_begins_with_the_rule(server: Server, channel: Channel) -> None:
    get(server, channel.target("/raised-and-caught/status"))
    assert channel.expect("raised").startswith("contract: status-not-str")


@pytest.mark.parametrize("path", ["/header-hop-by-hop/connection", "/header-hop-by-hop/transfer-encoding"])
def test_hop_by_hop_field_is_dropped_and_the_response_stands(server: Server, path: str) -> None:
    response = get(server, path)
    assert (response.status, response.body, response.is_chunked) == (200, b"body", False)
    assert response.values("Connection") == ["close"]


@pytest.mark.parametrize("path", ["/body-too-long/list", "/body-too-long/generator"])
def test_surplus_of_a_body_is_cut(server: Server, path: str) -> None:
    assert get(server, path).body == b"Hello"


def test_body_that_is_too_short_is_cut(server: Server) -> None:
    with pytest.raises(ConnectionEnded) as ended:
        get(server, "/body-too-short/list")
    assert ended.value.received == b"Hello"


@pytest.mark.parametrize("status", [204, 304])
def test_body_on_a_status_without_one_is_dropped(server: Server, status: int) -> None:
    with server.connect() as wire:
        assert wire.request("GET", f"/body-on-no-content/{status}").status == status
        assert wire.request("GET", "/right/answer").body == b"right"


@pytest.mark.parametrize(
    "path", ["/start-response-late/in-generator", "/exception-after-start/generator", "/body-not-bytes-later/str"]
)
def test_breach_after_the_first_block_cuts_the_response(server: Server, path: str) -> None:
    with pytest.raises(ConnectionEnded) as ended:
        get(server, path)
    assert ended.value.received == b"first"


def test_close_that_raises_leaves_the_response_whole(server: Server) -> None:
    assert get(server, "/close-raised/value-error").body == b"body"


def test_write_after_the_end_raises_and_sends_nothing(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        assert wire.request("GET", "/write-after-end/keep").body == b"body"
        assert wire.request("GET", channel.target("/write-after-end/use")).body == b"body"
    assert "write-after-end" in channel.expect("raised")


def test_breach_of_one_place_is_reported_once(probe_listener: object) -> None:
    with Server("tests.wsgi.apps_contract:app") as server:
        for _ in range(5):
            assert get(server, "/status-not-str/int").status == 500
        assert server.stop() == 0
        assert server.log.wait_for_end().count("contract: status-not-str\n") == 1


def test_every_rule_that_the_native_path_checks_has_its_breach_here() -> None:
    from dragoman import _native

    always = set(_native.contract_rules()) - {"app-not-callable", "app-signature"}
    assert sorted(always) == RULES
