"""What a trusted proxy tells of its client (`--forwarded-allow-ips`), and what anybody else cannot tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Serve, Server, run_command
from tests.support.wire import Wire, request_bytes

DUMP = "tests.wsgi.apps_environ:dump"
FIELDS = [("X-Forwarded-For", "6.6.6.6, 192.0.2.1"), ("X-Forwarded-Proto", "https")]


def told(server: Server, fields: list[tuple[str, str]], times: int = 1) -> dict[str, Any]:
    """Values of the environ of the last of some equal requests on one connection."""
    with server.connect() as wire:
        for _ in range(times):
            values: dict[str, Any] = wire.request("GET", "/", fields).json()["values"]
    return values


def seen(values: dict[str, Any]) -> tuple[str, str, str]:
    return values["REMOTE_ADDR"], values["REMOTE_PORT"], values["wsgi.url_scheme"]


@pytest.fixture(scope="module")
def trusting(serve: Serve) -> Server:
    """Trusts the loopback, as by default."""
    return serve(DUMP)


@pytest.fixture(scope="module")
def distrusting(serve: Serve) -> Server:
    return serve(DUMP, "--forwarded-allow-ips", "192.0.2.0/24")


# Three times: later ones come from memos.
@pytest.mark.parametrize("times", [1, 3])
def test_a_trusted_proxy_gives_the_client_and_its_scheme(trusting: Server, times: int) -> None:
    values = told(trusting, FIELDS, times)
    assert seen(values) == ("192.0.2.1", "", "https")
    assert values["HTTP_X_FORWARDED_FOR"] == "6.6.6.6, 192.0.2.1"
    assert "HTTPS" not in values


def test_what_was_told_of_one_request_is_not_there_in_the_next(trusting: Server) -> None:
    with trusting.connect() as wire:
        host, port = wire.socket.getsockname()
        for _ in range(3):
            assert seen(wire.request("GET", "/", FIELDS).json()["values"]) == ("192.0.2.1", "", "https")
            assert seen(wire.request("GET", "/").json()["values"]) == (host, str(port), "http")
            values = wire.request("GET", "/", [("X-Forwarded-For", "2001:db8::9")]).json()["values"]
            assert seen(values) == ("2001:db8::9", "", "http")


@pytest.mark.parametrize("times", [1, 3])
def test_from_anybody_else_the_fields_are_fields_like_others(distrusting: Server, times: int) -> None:
    with distrusting.connect() as wire:
        host, port = wire.socket.getsockname()
        for _ in range(times):
            values = wire.request("GET", "/", [*FIELDS, ("X-Forwarded-Ssl", "off")]).json()["values"]
        assert seen(values) == (host, str(port), "http")
    assert values["HTTP_X_FORWARDED_FOR"] == "6.6.6.6, 192.0.2.1"
    assert (values["HTTP_X_FORWARDED_PROTO"], values["HTTP_X_FORWARDED_SSL"]) == ("https", "off")


@pytest.mark.parametrize(
    "field", [("X-Forwarded-Proto", "https"), ("X-Forwarded-Protocol", "ssl"), ("X-Forwarded-Ssl", "on")]
)
def test_each_of_the_fields_that_gunicorn_knows_gives_the_scheme(trusting: Server, field: tuple[str, str]) -> None:
    values = told(trusting, [field])
    assert values["wsgi.url_scheme"] == "https"
    assert values["REMOTE_ADDR"] == "127.0.0.1" and values["REMOTE_PORT"] != ""


def test_a_contradiction_is_refused_and_nothing_behind_it_is_read(trusting: Server) -> None:
    fields = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Ssl", "off")]
    with trusting.connect() as wire:
        wire.send(request_bytes("GET", "/", fields) + request_bytes())
        response = wire.read_response()
        assert (response.status, response.value("Connection")) == (400, "close")
        assert response.text.startswith("forwarded-contradiction: ")
        wire.expect_close()


def test_a_malformed_value_is_ignored_and_told_once(probe_listener: object) -> None:
    with Server(DUMP) as server:
        for _ in range(3):
            fields = [("X-Forwarded-For", "192.0.2.1, unknown\xff"), ("X-Forwarded-Proto", "https")]
            values = told(server, fields)
            assert (values["REMOTE_ADDR"], values["wsgi.url_scheme"]) == ("127.0.0.1", "https")
        assert server.stop() == 0
        log = server.log.wait_for_end()
    expected = r"forwarded-malformed: X-Forwarded-For: 192.0.2.1, unknown\xff means nothing and was ignored; peer 127"
    assert log.count("forwarded-malformed") == 1 and expected in log


def test_a_name_with_an_underscore_never_stands_for_the_field(trusting: Server) -> None:
    values = told(trusting, [("X_Forwarded_For", "192.0.2.1"), ("X_Forwarded_Proto", "https")])
    assert (values["REMOTE_ADDR"], values["wsgi.url_scheme"]) == ("127.0.0.1", "http")
    assert "HTTP_X_FORWARDED_FOR" not in values


def test_forwarded_of_rfc_7239_is_passed_on_and_not_read(trusting: Server) -> None:
    values = told(trusting, [("Forwarded", "for=192.0.2.1;proto=https")])
    assert (values["REMOTE_ADDR"], values["wsgi.url_scheme"]) == ("127.0.0.1", "http")
    assert values["HTTP_FORWARDED"] == "for=192.0.2.1;proto=https"


def test_an_absolute_target_and_a_streamed_body_change_nothing_of_it(trusting: Server) -> None:
    with trusting.connect() as wire:
        wire.send(request_bytes("GET", "http://test/a", FIELDS))
        assert seen(wire.read_response().json()["values"]) == ("192.0.2.1", "", "https")
        wire.send(request_bytes("POST", "/", FIELDS, b"x" * 200_000))
        assert seen(wire.read_response().json()["values"]) == ("192.0.2.1", "", "https")


def test_proxies_among_the_addresses_are_passed_over(serve: Serve) -> None:
    server = serve(DUMP, "--forwarded-allow-ips", "127.0.0.1,10.0.0.0/8")
    values = told(server, [("X-Forwarded-For", "6.6.6.6, 192.0.2.1"), ("X-Forwarded-For", "10.1.2.3,10.4.5.6")])
    assert values["REMOTE_ADDR"] == "192.0.2.1"


def test_a_star_believes_every_peer_and_its_last_address(serve: Serve) -> None:
    values = told(serve(DUMP, "--forwarded-allow-ips", "*"), FIELDS)
    assert seen(values) == ("192.0.2.1", "", "https")


def test_an_empty_value_trusts_nobody(serve: Serve) -> None:
    assert told(serve(DUMP, "--forwarded-allow-ips", ""), FIELDS)["REMOTE_ADDR"] == "127.0.0.1"


def test_the_variable_that_gunicorn_reads_is_read_too(probe_listener: object) -> None:
    with Server(DUMP, env={"FORWARDED_ALLOW_IPS": "192.0.2.7"}) as server:
        assert told(server, FIELDS)["REMOTE_ADDR"] == "127.0.0.1"


def test_a_unix_socket_is_trusted_whatever_the_setting_says(tmp_path: Path, probe_listener: object) -> None:
    with Server(DUMP, "--forwarded-allow-ips", "", binds=[f"unix:{tmp_path / 'socket'}"]) as server:
        values = told(server, FIELDS)
        assert (values["REMOTE_ADDR"], values["wsgi.url_scheme"]) == ("192.0.2.1", "https")
        assert "REMOTE_PORT" not in values
        assert (values["SERVER_NAME"], values["SERVER_PORT"]) == ("test", "443")
        with server.connect() as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: test:8443\r\nX-Forwarded-Proto: https\r\n\r\n")
            assert wire.read_response().json()["values"]["SERVER_PORT"] == "8443"


def test_the_access_log_has_the_client_where_the_environ_has_it(tmp_path: Path, probe_listener: object) -> None:
    path = tmp_path / "access.log"
    format = "%(h)s|%({REMOTE_ADDR}e)s|%({REMOTE_PORT}e)s"
    with Server(DUMP, "--access-logfile", str(path), "--access-logformat", format) as server:
        told(server, FIELDS)
        assert server.stop() == 0
    assert path.read_text() == "192.0.2.1|192.0.2.1|-\n"


def test_the_access_log_as_json_has_both_ends(tmp_path: Path, probe_listener: object) -> None:
    path = tmp_path / "access.log"
    with Server(DUMP, "--access-logfile", str(path), "--access-logformat", "json") as server:
        told(server, FIELDS)
        server.request()
        assert server.stop() == 0
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(record["peer"], record["client"]) for record in records] == [
        ("127.0.0.1", "192.0.2.1"),
        ("127.0.0.1", "127.0.0.1"),
    ]


def test_ipv4_clients_of_a_socket_for_both_are_known_by_their_ipv4_address(probe_listener: object) -> None:
    with Server(DUMP, "--forwarded-allow-ips", "127.0.0.1", binds=["[::]:0"]) as server:
        assert not isinstance(server.address, str)
        with Wire(("127.0.0.1", server.address[1])) as wire:
            assert seen(wire.request("GET", "/", FIELDS).json()["values"]) == ("192.0.2.1", "", "https")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("proxy.example", "such as 127.0.0.1,10.0.0.0/8, or * for all; proxy.example is neither"),
        ("127.0.0.1,10.0.0.1/8", "want 10.0.0.0/8 for the network, or 10.0.0.1 for the one address"),
        ("10.0.0.0/33", "10.0.0.0/33 is neither"),
        ("fe80::1%eth0", "fe80::1%eth0 is neither"),
    ],
)
def test_a_wrong_value_is_refused_at_the_start(value: str, message: str) -> None:
    status, output = run_command(DUMP, "--forwarded-allow-ips", value)
    assert status == 2
    assert output.startswith(f'dragoman: --forwarded-allow-ips "{value}": want ') and message in output


def test_a_long_list_of_networks_is_searched_to_its_end(serve: Serve) -> None:
    networks = ",".join(f"10.{number}.0.0/16" for number in range(200))
    server = serve(DUMP, "--forwarded-allow-ips", f"127.0.0.1,{networks}")
    assert told(server, [("X-Forwarded-For", "192.0.2.1, 10.199.3.4")])["REMOTE_ADDR"] == "192.0.2.1"
