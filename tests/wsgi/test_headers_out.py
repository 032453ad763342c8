"""PEP 3333 "The start_response() Callable": the status and fields of the response as the client gets them."""

from __future__ import annotations

import json
import re
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.support.server import Serve, Server
from tests.support.wire import Response, request_bytes

HOP_BY_HOP = [
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
]

INJECTIONS = ["a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\rX-Injected: 1", "a\r\n\r\n<html>", "a\0b", "\r\n", "a\n"]
CONTROLS = ["a\x01b", "\x1f", "a\x7f", "\x0b", "\x0c"]


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve("tests.wsgi.apps_headers:app")


def answer(server: Server, **parts: Any) -> Response:
    """The response to the parts that the application is told to answer with."""
    with server.connect() as wire:
        return wire.request("POST", "/", [], json.dumps(parts).encode())


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("200 OK", "OK"),
        ("200 Fine By Me", "Fine By Me"),
        ("299 Own", "Own"),
        ("404 Nicht gefunden: Möwe", "Nicht gefunden: Möwe"),
        ("599 X", "X"),
        ("999 Highest", "Highest"),
        ("200 ", ""),
        ("200 a\tb", "a\tb"),
    ],
)
def test_code_and_reason_of_the_application_stay(server: Server, status: str, reason: str) -> None:
    response = answer(server, status=status)
    assert (response.status, response.reason) == (int(status[:3]), reason)


def test_order_case_and_duplicates_of_fields_stay(server: Server) -> None:
    fields = [["x-b", "1"], ["X-A", "2"], ["Set-Cookie", "a=1"], ["X-b", "3"], ["set-cookie", "b=2"], ["X-A", "2"]]
    response = answer(server, fields=fields)
    assert [list(field) for field in response.fields if field[0].lower() in ("x-a", "x-b", "set-cookie")] == fields


def test_values_go_out_as_latin_1(server: Server) -> None:
    assert answer(server, fields=[["X-Name", "Möwe \xff"]]).value("X-Name") == "Möwe \xff"


def test_empty_value_and_inner_tab_stay(server: Server) -> None:
    response = answer(server, fields=[["X-Empty", ""], ["X-Tab", "a\tb"]])
    assert (response.value("X-Empty"), response.value("X-Tab")) == ("", "a\tb")


def test_a_hundred_fields_and_a_long_one_go_out(server: Server) -> None:
    fields = [[f"X-{number}", f"value {number}"] for number in range(100)] + [["X-Long", "v" * 30_000]]
    response = answer(server, fields=fields)
    assert [list(field) for field in response.fields if field[0].startswith("X-")] == fields


def test_date_is_added_in_the_form_of_rfc_9110(server: Server) -> None:
    date = answer(server).value("Date")
    assert date is not None
    assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", date)
    parsedate_to_datetime(date)


def test_server_is_added(server: Server) -> None:
    assert answer(server).value("Server")


@pytest.mark.parametrize("name", ["Date", "date", "Server", "SERVER"])
def test_date_and_server_of_the_application_stay_alone(server: Server, name: str) -> None:
    assert answer(server, fields=[[name, "mine"]]).values(name) == ["mine"]


@pytest.mark.parametrize("name", ["Content-Length", "content-length"])
def test_content_length_of_the_application_stays_as_it_is(server: Server, name: str) -> None:
    response = answer(server, fields=[[name, "4"]])
    assert [field for field in response.fields if field[0].lower() == "content-length"] == [(name, "4")]


@pytest.mark.parametrize("name", HOP_BY_HOP)
@pytest.mark.parametrize("spell", [str, str.lower])
def test_hop_by_hop_field_is_dropped(server: Server, name: str, spell: Any) -> None:
    with server.connect() as wire:
        body = json.dumps({"fields": [[spell(name), "chunked" if name == "Transfer-Encoding" else "own-value"]]})
        response = wire.request("POST", "/", [], body.encode())
        assert (response.status, response.body) == (200, b"body")
        assert "own-value" not in response.values(name) and not response.is_chunked
        assert wire.request("POST", "/", [], b"{}").status == 200


def test_dropped_hop_by_hop_field_is_reported(server: Server) -> None:
    answer(server, fields=[["Upgrade", "own"]])
    server.log.wait_for("contract: header-hop-by-hop")


@pytest.mark.parametrize("name", ["Proxy-Status", "Connection-Id", "Trailers", "Keep-Alive-Hint"])
def test_field_that_only_looks_like_hop_by_hop_stays(server: Server, name: str) -> None:
    assert answer(server, fields=[[name, "stays"]]).value(name) == "stays"


def test_connection_close_of_the_application_does_not_reach_the_client(server: Server) -> None:
    with server.connect() as wire:
        for _ in range(2):
            response = wire.request("POST", "/", [], json.dumps({"fields": [["Connection", "close"]]}).encode())
            assert response.values("Connection") == []


@pytest.mark.parametrize("text", INJECTIONS + CONTROLS)
@pytest.mark.parametrize("place", ["status", "name", "value"])
def test_controls_never_reach_the_client(server: Server, place: str, text: str) -> None:
    fields = [[text, "v"]] if place == "name" else [["X-Name", text]] if place == "value" else []
    with server.connect() as wire:
        status = f"200 {text}" if place == "status" else "200 OK"
        wire.send(
            request_bytes(
                "POST", "/", [("Connection", "close")], json.dumps({"status": status, "fields": fields}).encode()
            )
        )
        response = wire.read_response()
        wire.expect_close()
    assert response.status == 500
    assert response.values("X-Injected") + response.values("X-Name") == []


@pytest.mark.parametrize("name", ["", "X Y", "X:", "X\xe9", "X(", "X\tY", " X", "X\u2603"])
def test_name_that_is_no_token_gives_a_500(server: Server, name: str) -> None:
    assert answer(server, fields=[[name, "v"]]).status == 500


@pytest.mark.parametrize(
    "status",
    [
        "200",
        "OK",
        "",
        "20 OK",
        "2000 OK",
        "099 Low",
        "1000 High",
        "２００ OK",
        "200\tOK",
        " 200 OK",
        "-20 OK",
        "2e2 OK",
    ],
)
def test_malformed_status_gives_a_500(server: Server, status: str) -> None:
    assert answer(server, status=status).status == 500


@pytest.mark.parametrize("status", ["100 Continue", "101 Switching Protocols", "103 Early Hints", "199 X"])
def test_informational_status_as_the_final_one_gives_a_500(server: Server, status: str) -> None:
    assert answer(server, status=status).status == 500


@pytest.mark.parametrize(
    "fields",
    [
        [["Content-Length", "4"], ["Content-Length", "4"]],
        [["Content-Length", "4"], ["content-length", "5"]],
        [["Content-Length", "four"]],
        [["Content-Length", "+4"]],
        [["Content-Length", "-1"]],
        [["Content-Length", "4, 4"]],
        [["Content-Length", ""]],
        [["Content-Length", "99999999999999999999"]],
        [["Content-Length", "0x4"]],
    ],
)
def test_ambiguous_content_length_gives_a_500(server: Server, fields: list[list[str]]) -> None:
    assert answer(server, fields=fields).status == 500


def test_character_above_latin_1_gives_a_500(server: Server) -> None:
    assert answer(server, fields=[["X-Snow", "\u2603"]]).status == 500
    assert answer(server, status="200 \u2603").status == 500


class TestEarlyHints:
    """`wsgi.early_hints(headers)` sends a 103 (RFC 8297) before the final response."""

    LINK = ["Link", "</style.css>; rel=preload; as=style"]

    def test_go_out_before_the_final_response(self, serve: Serve) -> None:
        server = serve("tests.wsgi.apps_headers:hints")
        response = server.request("POST", "/", [], json.dumps([[self.LINK], [["Link", "</b.js>"], self.LINK]]).encode())
        assert [head.status for head in response.interim] == [103, 103]
        assert response.interim[0].values("Link") == [self.LINK[1]]
        assert response.interim[1].values("Link") == ["</b.js>", self.LINK[1]]
        assert (response.status, response.body) == (200, b"final")

    def test_have_no_length_and_no_body(self, serve: Serve) -> None:
        server = serve("tests.wsgi.apps_headers:hints")
        with server.connect() as wire:
            for _ in range(2):
                response = wire.request("POST", "/", [], json.dumps([[self.LINK]]).encode())
                names = {name.lower() for name, _ in response.interim[0].fields}
                assert names & {"content-length", "transfer-encoding"} == set()

    @pytest.mark.parametrize(
        "field",
        [["Content-Length", "5"], ["Transfer-Encoding", "chunked"], ["Connection", "X-Own"], ["Keep-Alive", "max=5"]],
    )
    def test_carry_no_framing_and_nothing_of_the_connection(self, serve: Serve, field: list[str]) -> None:
        """RFC 9110 §8.6: no Content-Length in a 1xx response; §7.6.1: the connection is the server's."""
        server = serve("tests.wsgi.apps_headers:hints")
        response = server.request("POST", "/", [], json.dumps([[field, self.LINK]]).encode())
        assert [head.fields for head in response.interim] == [(("Link", self.LINK[1]),)]
        assert (response.status, response.body) == (200, b"final")

    @pytest.mark.parametrize("fields", [[], [["Content-Length", "5"]]], ids=["no field", "none that may be sent"])
    def test_are_not_sent_without_a_field(self, serve: Serve, fields: list[list[str]]) -> None:
        server = serve("tests.wsgi.apps_headers:hints")
        response = server.request("POST", "/", [], json.dumps([fields]).encode())
        assert (response.interim, response.status, response.body) == ((), 200, b"final")

    def test_are_not_sent_to_http_1_0(self, serve: Serve) -> None:
        """RFC 9110 §15.2: a server must not send a 1xx response to an HTTP/1.0 client."""
        server = serve("tests.wsgi.apps_headers:hints")
        with server.connect() as wire:
            wire.send(request_bytes("POST", "/", [], json.dumps([[self.LINK]]).encode(), version="HTTP/1.0"))
            assert wire.read_head().status == 200

    @pytest.mark.parametrize("field", [["Link", "a\r\nX-Injected: 1"], ["X Y", "v"], ["Link", "\u2603"]])
    def test_are_checked_like_any_field(self, serve: Serve, field: list[str]) -> None:
        server = serve("tests.wsgi.apps_headers:hints")
        response = server.request("POST", "/", [], json.dumps([[field]]).encode())
        heads = [*response.interim, response]
        assert [head.values("X-Injected") for head in heads] == [[]] * len(heads)
