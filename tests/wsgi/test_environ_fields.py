"""PEP 3333 "environ Variables": how the fields of a request become keys, and which never do."""

from __future__ import annotations

import pytest

from tests.support.server import Serve, Server


@pytest.fixture(scope="module")
def dump(serve: Serve) -> Server:
    return serve("tests.wsgi.apps_environ:dump")


def keys_of(server: Server, *fields: tuple[str, str], body: bytes | None = None) -> dict[str, str]:
    """Environ of a POST with these fields."""
    return dict(server.request("POST", "/", fields, body).json()["values"])


def raw_keys(server: Server, fields: bytes) -> dict[str, str]:
    """Environ of a request whose field lines are these bytes."""
    with server.connect() as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: test\r\n" + fields + b"\r\n")
        return dict(wire.read_response().json()["values"])


def test_content_type_and_length_have_no_prefix(dump: Server) -> None:
    found = keys_of(dump, ("Content-Type", "text/plain"), body=b"four")
    assert (found["CONTENT_TYPE"], found["CONTENT_LENGTH"]) == ("text/plain", "4")
    assert "HTTP_CONTENT_TYPE" not in found
    assert "HTTP_CONTENT_LENGTH" not in found


def test_content_type_and_length_are_absent_when_not_sent(dump: Server) -> None:
    found = dump.request().json()["values"]
    assert found.get("CONTENT_TYPE", "") == ""
    assert "CONTENT_TYPE" not in found
    assert "CONTENT_LENGTH" not in found


def test_other_fields_become_http_keys_whatever_their_case(dump: Server) -> None:
    found = keys_of(dump, ("User-Agent", "a"), ("x-lower-case", "b"), ("X-UPPER9", "c"))
    assert (found["HTTP_USER_AGENT"], found["HTTP_X_LOWER_CASE"], found["HTTP_X_UPPER9"]) == ("a", "b", "c")


def test_repeated_fields_are_joined_with_a_comma_in_order(dump: Server) -> None:
    found = keys_of(dump, ("X-Tag", "one"), ("Accept", "x"), ("x-tag", "two"), ("X-TAG", "three"))
    assert found["HTTP_X_TAG"] == "one,two,three"


def test_repeated_cookies_are_joined_with_a_semicolon(dump: Server) -> None:
    assert keys_of(dump, ("Cookie", "a=1"), ("cookie", "b=2; c=3"))["HTTP_COOKIE"] == "a=1; b=2; c=3"


@pytest.mark.parametrize("name", ["X_Real_Ip", "x_real-ip", "Content_Length", "Transfer_Encoding", "_", "Host_"])
def test_field_with_an_underscore_is_dropped(dump: Server, name: str) -> None:
    found = keys_of(dump, (name, "spoofed"), body=b"")
    assert "spoofed" not in found.values()


def test_field_with_an_underscore_never_merges_with_the_dashed_name(dump: Server) -> None:
    assert keys_of(dump, ("X_Real_Ip", "spoofed"), ("X-Real-Ip", "true"))["HTTP_X_REAL_IP"] == "true"


def test_dropped_field_with_an_underscore_is_said_once_in_the_log(probe_listener: object) -> None:
    with Server("tests.wsgi.apps_environ:dump") as server:
        for _ in range(3):
            server.request("GET", "/", [("X_Spoofed_Name", "v")])
        server.log.wait_for("X_Spoofed_Name|x_spoofed_name|underscore")
        server.stop()
        text = server.log.wait_for_end().lower()
    assert text.count("x_spoofed_name") <= 1 and text.count("underscore") <= 1


def test_proxy_is_not_passed_on_as_http_proxy(dump: Server) -> None:
    assert "HTTP_PROXY" not in keys_of(dump, ("Proxy", "http://evil.example"))


def test_values_tunnel_their_bytes_as_latin_1(dump: Server) -> None:
    assert raw_keys(dump, b"X-Utf8: \xc3\xa9\xff\r\n")["HTTP_X_UTF8"] == "\xc3\xa9\xff"


def test_only_blanks_and_tabs_are_trimmed(dump: Server) -> None:
    found = raw_keys(dump, b"X-A: \t a b\t \r\nX-B:\xa0v\xa0\r\nX-C:\x85\r\n")
    assert (found["HTTP_X_A"], found["HTTP_X_B"], found["HTTP_X_C"]) == ("a b", "\xa0v\xa0", "\x85")


def test_inner_blanks_and_tabs_stay(dump: Server) -> None:
    assert raw_keys(dump, b"X-A: a  \t b\r\n")["HTTP_X_A"] == "a  \t b"


def test_empty_value_is_an_empty_string(dump: Server) -> None:
    found = raw_keys(dump, b"X-Empty:\r\nX-Blank:   \r\n")
    assert (found["HTTP_X_EMPTY"], found["HTTP_X_BLANK"]) == ("", "")


def test_host_is_passed_as_it_was_sent(dump: Server) -> None:
    with dump.connect() as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: ExAmple.org:8000\r\n\r\n")
        assert wire.read_response().json()["values"]["HTTP_HOST"] == "ExAmple.org:8000"


def test_hop_by_hop_request_fields_are_not_hidden(dump: Server) -> None:
    found = keys_of(dump, ("Connection", "keep-alive, X-Hop"), ("X-Hop", "1"), ("TE", "trailers"), ("Keep-Alive", "5"))
    assert found["HTTP_CONNECTION"] == "keep-alive, X-Hop"
    assert (found["HTTP_X_HOP"], found["HTTP_TE"], found["HTTP_KEEP_ALIVE"]) == ("1", "trailers", "5")


def test_decoded_chunked_body_shows_its_length_and_no_transfer_encoding(dump: Server) -> None:
    with dump.connect() as wire:
        wire.send(
            b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
        found = wire.read_response().json()["values"]
    assert found["CONTENT_LENGTH"] == "5"
    assert "HTTP_TRANSFER_ENCODING" not in found
    assert found["wsgi.input_terminated"] is True


def test_trailers_are_not_merged_into_the_environ(dump: Server) -> None:
    head = b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n"
    with dump.connect() as wire:
        wire.send(head + b"1\r\na\r\n0\r\nX-Late: trailer\r\n\r\n")
        assert "HTTP_X_LATE" not in wire.read_response().json()["values"]


def test_the_same_fields_in_many_requests_give_each_its_own_values(dump: Server) -> None:
    with dump.connect() as wire:
        for number in range(50):
            fields = [("X-Number", str(number)), ("X-Same", "same")] if number % 3 else [("X-Same", "same")]
            found = wire.request("GET", f"/{number}?{number}", fields).json()["values"]
            assert found["PATH_INFO"] == f"/{number}"
            assert found["QUERY_STRING"] == str(number)
            assert found.get("HTTP_X_NUMBER") == (str(number) if number % 3 else None)


def test_a_hundred_fields_arrive(dump: Server) -> None:
    fields = [(f"X-Field-{number}", f"value {number}") for number in range(98)]
    found = dump.request("GET", "/", fields).json()["values"]
    assert [found[f"HTTP_X_FIELD_{number}"] for number in range(98)] == [value for _, value in fields]
