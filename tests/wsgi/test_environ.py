"""PEP 3333 "environ Variables": what every application finds in its environ."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.server import Serve, Server
from tests.support.wire import Wire, request_bytes

REQUIRED_STRINGS = [
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "RAW_URI",
    "REQUEST_URI",
    "GATEWAY_INTERFACE",
    "SERVER_SOFTWARE",
]
WSGI_KEYS = [
    "wsgi.version",
    "wsgi.url_scheme",
    "wsgi.input",
    "wsgi.errors",
    "wsgi.multithread",
    "wsgi.multiprocess",
    "wsgi.run_once",
    "wsgi.input_terminated",
    "wsgi.file_wrapper",
    "wsgi.early_hints",
]


@pytest.fixture(scope="module")
def dump(serve: Serve) -> Server:
    return serve("tests.wsgi.apps_environ:dump")


def values(server: Server, target: str = "/", method: str = "GET", version: str = "HTTP/1.1") -> dict[str, Any]:
    """String values of the environ that the request line leads to."""
    with server.connect() as wire:
        wire.send(request_bytes(method, target, version=version))
        return dict(wire.read_response().json()["values"])


def test_environ_is_exactly_a_dict(dump: Server) -> None:
    assert dump.request().json()["type"] == "dict"


def test_all_keys_are_native_strings(dump: Server) -> None:
    assert dump.request().json()["key_types"] == ["str"]


def test_all_values_but_those_of_servers_and_wsgi_are_native_strings(dump: Server) -> None:
    types = dump.request("POST", "/a?b", [("Cookie", "a=b"), ("Content-Type", "text/plain")], b"body").json()["types"]
    assert {name: kind for name, kind in types.items() if "." not in name and kind != "str"} == {}


@pytest.mark.parametrize("key", REQUIRED_STRINGS)
def test_string_key_is_always_present(dump: Server, key: str) -> None:
    assert dump.request().json()["types"].get(key) == "str"


@pytest.mark.parametrize("key", WSGI_KEYS)
def test_wsgi_key_is_always_present(dump: Server, key: str) -> None:
    assert key in dump.request().json()["types"]


@pytest.mark.parametrize(
    "method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "get", "X!#$%&'*+-.^_`|~9"]
)
def test_method_is_passed_as_it_was_sent(dump: Server, method: str) -> None:
    assert values(dump, method=method)["REQUEST_METHOD"] == method


def test_script_name_is_empty_at_the_root(dump: Server) -> None:
    assert values(dump, "/a/b")["SCRIPT_NAME"] == ""


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a%20b", "/a b"),
        ("/%C3%A9", "/\xc3\xa9"),
        ("/%e9", "/\xe9"),
        ("/a%2Fb", "/a/b"),
        ("/a%2fb", "/a/b"),
        ("/%25%32%35", "/%25"),
        ("/a+b", "/a+b"),
        ("/a;b=1", "/a;b=1"),
        ("//", "//"),
        ("//host/path", "//host/path"),
        ("/a//b", "/a//b"),
        ("/a/../b", "/a/../b"),
        ("/./a", "/./a"),
        ("/a%3Fb", "/a?b"),
        ("/a%0D%0Ab", "/a\r\nb"),
        ("/:80", "/:80"),
    ],
)
def test_path_info_holds_the_decoded_bytes_as_latin_1(dump: Server, target: str, path: str) -> None:
    found = values(dump, target)
    assert found["PATH_INFO"] == path
    assert found["SCRIPT_NAME"] == ""


@pytest.mark.parametrize(
    ("target", "query"),
    [("/", ""), ("/?", ""), ("/?a=b", "a=b"), ("/?a%20b+c", "a%20b+c"), ("/?a?b", "a?b"), ("/?%zz%00", "%zz%00")],
)
def test_query_string_is_not_decoded(dump: Server, target: str, query: str) -> None:
    assert values(dump, target)["QUERY_STRING"] == query


@pytest.mark.parametrize("target", ["/", "/a%2Fb?c%2fd", "//x//?", "/%e9?", "http://other:81/a%2Fb?c"])
@pytest.mark.parametrize("key", ["RAW_URI", "REQUEST_URI"])
def test_raw_target_is_kept_exactly(dump: Server, key: str, target: str) -> None:
    assert values(dump, target)[key] == target


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_server_protocol_is_the_version_of_the_client(dump: Server, version: str) -> None:
    assert values(dump, version=version)["SERVER_PROTOCOL"] == version


def test_remote_address_and_port_are_the_peers(dump: Server) -> None:
    with dump.connect() as wire:
        host, port = wire.socket.getsockname()
        found = wire.request().json()["values"]
    assert (found["REMOTE_ADDR"], found["REMOTE_PORT"]) == (host, str(port))


def test_server_name_is_never_empty_and_the_port_is_the_listeners(dump: Server) -> None:
    found = values(dump)
    assert found["SERVER_NAME"] != ""
    assert found["SERVER_PORT"] == str(dump.address[1])


def test_wsgi_values_are_true_to_fact(dump: Server) -> None:
    found = values(dump)
    assert found["wsgi.version"] == [1, 0]
    assert found["wsgi.url_scheme"] == "http"
    assert found["wsgi.multithread"] is True
    assert found["wsgi.multiprocess"] is False
    assert found["wsgi.run_once"] is False
    assert found["wsgi.input_terminated"] is True


def test_wsgi_version_is_a_tuple(dump: Server) -> None:
    assert dump.request().json()["types"]["wsgi.version"] == "tuple"


def test_gateway_interface_and_server_software_are_given(dump: Server) -> None:
    found = values(dump)
    assert found["GATEWAY_INTERFACE"] == "CGI/1.1"
    assert found["SERVER_SOFTWARE"].strip() != ""


def test_absolute_form_gives_path_and_query(dump: Server) -> None:
    found = values(dump, "http://other.example:8080/a%20b?c=d")
    assert (found["PATH_INFO"], found["QUERY_STRING"]) == ("/a b", "c=d")


def test_absolute_form_without_a_path_is_the_root(dump: Server) -> None:
    assert values(dump, "http://other.example")["PATH_INFO"] == "/"
    found = values(dump, "http://other.example?q")
    assert (found["PATH_INFO"], found["QUERY_STRING"]) == ("/", "q")


def test_host_of_an_absolute_form_target_wins_over_the_field(dump: Server) -> None:
    assert values(dump, "http://other.example:8080/")["HTTP_HOST"] == "other.example:8080"


def test_scheme_of_an_absolute_form_target_never_sets_the_url_scheme(dump: Server) -> None:
    assert values(dump, "https://other.example/")["wsgi.url_scheme"] == "http"


def test_asterisk_of_options_is_handled(dump: Server) -> None:
    found = values(dump, "*", method="OPTIONS")
    assert found["PATH_INFO"] == "*"
    assert found["RAW_URI"] == "*"


def test_process_environment_is_not_copied_into_the_environ(dump: Server) -> None:
    assert {"PATH", "HOME", "PYTHONPATH"} & set(values(dump)) == set()


def test_settings_can_add_to_the_environ(serve: Serve) -> None:
    server = serve("tests.wsgi.apps_environ:dump", "--env", "SHOP_REGION=north=east")
    assert values(server)["SHOP_REGION"] == "north=east"


def test_each_request_has_a_dict_of_its_own(serve: Serve) -> None:
    server = serve("tests.wsgi.apps_environ:app")
    with server.connect() as wire:
        answers = [wire.request("GET", f"/kept?{number}").json() for number in range(3)]
    assert [answer["new"] for answer in answers] == [True] * 3
    assert answers[2]["earlier"][-2:] == ["0", "1"]


def test_what_an_application_does_to_its_environ_is_not_seen_by_the_next_request(serve: Serve) -> None:
    server = serve("tests.wsgi.apps_environ:app")
    with server.connect() as wire:
        before = wire.request("GET", "/keys").json()
        wire.request("GET", "/pollute").json()
        assert wire.request("GET", "/keys").json() == before


def test_an_application_that_clears_its_environ_disturbs_nothing(serve: Serve) -> None:
    server = serve("tests.wsgi.apps_environ:app")
    with server.connect() as wire:
        for _ in range(3):
            assert wire.request("POST", "/cleared", body=b"body").text == "cleared body"


@pytest.mark.parametrize("key", ["HTTP_X_FIRST", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_COOKIE"])
def test_nothing_of_a_request_is_seen_by_the_next_on_its_connection(dump: Server, key: str) -> None:
    fields = [("X-First", "1"), ("Content-Type", "text/plain"), ("Cookie", "a=b")]
    with dump.connect() as wire:
        assert key in wire.request("POST", "/", fields, b"x").json()["values"]
        assert key not in wire.request("GET", "/").json()["values"]


class TestRootPath:
    """`--root-path`: a path under it at a segment boundary is stripped, any other is PATH_INFO whole."""

    @pytest.mark.parametrize(
        ("target", "script_name", "path_info"),
        [
            ("/shop", "/shop", ""),
            ("/shop/", "/shop", "/"),
            ("/shop/a/b", "/shop", "/a/b"),
            ("/shop//a", "/shop", "//a"),
            ("/shopping", "", "/shopping"),
            ("/", "", "/"),
            ("/other/shop/a", "", "/other/shop/a"),
        ],
    )
    def test_is_split_off_at_a_segment_boundary(
        self, serve: Serve, target: str, script_name: str, path_info: str
    ) -> None:
        found = values(serve("tests.wsgi.apps_environ:dump", "--root-path", "/shop"), target)
        assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == (script_name, path_info)

    def test_leaves_the_raw_target_alone(self, serve: Serve) -> None:
        assert values(serve("tests.wsgi.apps_environ:dump", "--root-path", "/shop"), "/shop/a")["RAW_URI"] == "/shop/a"


def test_http_1_0_request_without_host_has_no_http_host(dump: Server) -> None:
    with dump.connect() as wire:
        wire.send(b"GET / HTTP/1.0\r\n\r\n")
        found = wire.read_response().json()["values"]
    assert "HTTP_HOST" not in found
    assert found["SERVER_NAME"] != ""


def test_disconnected_is_a_callable_that_is_false_while_the_client_is_there(serve: Serve) -> None:
    server = serve("tests.wsgi.apps_environ:dump")
    with Wire(server.address) as wire:
        assert "dragoman.disconnected" in wire.request().json()["types"]
