"""`ProxyHeaders`: whose word counts, what it changes, and that nothing else is left."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.middleware.proxy_fix import ProxyFix

from dragoman.middleware import ProxyHeaders
from dragoman.middleware.proxy_headers import REMOVED, Forwarded
from tests.middleware.kit import Inner, ask, environ_of

PROXY = "10.0.0.1"
OUTER = "10.0.0.2"
CLIENT = "192.0.2.99"
ALL = ["for", "proto", "host", "port", "prefix"]


def seen(sent: dict[str, str], environ: dict[str, Any] | None = None, /, **options: Any) -> dict[str, Any]:
    """The environ that the application has."""
    inner = Inner()
    options = options or {"trusted": ["10.0.0.0/8"], "fields": ALL}
    answer = ask(ProxyHeaders(inner, **options), "GET", "/", sent, **{"REMOTE_ADDR": PROXY, **(environ or {})})
    assert answer.status == 200
    inner.settled()
    found = inner.environs[0]
    assert not set(REMOVED) & set(found)
    return found


def client(sent: dict[str, str], environ: dict[str, Any] | None = None, /, **options: Any) -> str:
    return str(seen(sent, environ, **options)["REMOTE_ADDR"])


def test_a_trusted_proxy_is_believed_and_what_was_before_is_kept() -> None:
    found = seen({"X-Forwarded-For": CLIENT, "X-Forwarded-Proto": "https"})
    assert (found["REMOTE_ADDR"], found["REMOTE_PORT"]) == (CLIENT, "")
    assert (found["wsgi.url_scheme"], found["SERVER_PORT"], found["HTTP_HOST"]) == ("https", "443", "shop.example")
    assert found["dragoman.forwarded"] == Forwarded(PROXY, "http", "shop.example", 1)


def test_from_anybody_else_nothing_is_taken_and_all_is_removed() -> None:
    fields = {key.removeprefix("HTTP_").replace("_", "-"): "evil" for key in REMOVED}
    fields["X-Forwarded-Proto"] = "https"
    found = seen(fields, {"REMOTE_ADDR": "198.51.100.1"})
    plain = environ_of(REMOTE_ADDR="198.51.100.1")
    assert {key: found[key] for key in plain if not key.startswith("wsgi.")} == {
        key: value for key, value in plain.items() if not key.startswith("wsgi.")
    }
    assert found["wsgi.url_scheme"] == "http"
    assert found["dragoman.forwarded"].hops == 0


@pytest.mark.parametrize(
    ("chain", "found", "hops"),
    [
        (CLIENT, CLIENT, 1),
        (f"{CLIENT}, {OUTER}", CLIENT, 2),
        # What a client has made up stands in front of what a proxy has seen.
        (f"127.0.0.1, {CLIENT}, {OUTER}", CLIENT, 2),
        (f"10.9.9.9, {CLIENT}", CLIENT, 1),
        (f"evil, <x>, {CLIENT}", CLIENT, 1),
        # All of them are ours: whoever is first has asked.
        (f"{OUTER}, 10.0.0.3", OUTER, 3),
        ("", PROXY, 1),
        ("evil", PROXY, 1),
        ("unknown", PROXY, 1),
        (f"unknown, {OUTER}", OUTER, 2),
        (f"{CLIENT}:4711", CLIENT, 1),
        ("[2001:db8::1]:4711", "2001:db8::1", 1),
        ("2001:DB8:0::1", "2001:db8::1", 1),
        (f"{CLIENT}, ::ffff:10.0.0.2", CLIENT, 2),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxys(chain: str, found: str, hops: int) -> None:
    environ = seen({"X-Forwarded-For": chain})
    assert environ["REMOTE_ADDR"] == found
    # A chain that is used up has as many proxies as it says, and the peer.
    assert environ["dragoman.forwarded"].hops == hops


@pytest.mark.parametrize(
    ("hops", "chain", "found"),
    [
        (1, CLIENT, CLIENT),
        (1, f"127.0.0.1, {CLIENT}", CLIENT),
        (2, f"127.0.0.1, {CLIENT}, 198.51.100.1", CLIENT),
        (3, f"{CLIENT}, 198.51.100.1", CLIENT),
        (2, "", "203.0.113.1"),
    ],
)
def test_proxies_may_be_counted_instead(hops: int, chain: str, found: str) -> None:
    assert client({"X-Forwarded-For": chain}, {"REMOTE_ADDR": "203.0.113.1"}, hops=hops) == found


def test_with_both_a_proxy_has_to_be_one_of_them_and_within_the_number() -> None:
    options: dict[str, Any] = {"trusted": ["10.0.0.0/8"], "hops": 1}
    assert client({"X-Forwarded-For": f"{CLIENT}, {OUTER}"}, **options) == OUTER
    assert client({"X-Forwarded-For": CLIENT}, {"REMOTE_ADDR": "198.51.100.1"}, **options) == "198.51.100.1"


@pytest.mark.parametrize(
    ("trusted", "address", "is_believed"),
    [
        ("*", "198.51.100.1", True),
        (["10.0.0.1"], PROXY, True),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", True),
        (["2001:db8::/32"], "2001:db8::5", True),
        (["10.0.0.0/8"], "", True),
        (["10.0.0.0/8"], "11.0.0.1", False),
        (["10.0.0.0/8"], "localhost", False),
    ],
)
def test_which_peers_are_believed(trusted: Any, address: str, is_believed: bool) -> None:
    found = client({"X-Forwarded-For": CLIENT}, {"REMOTE_ADDR": address}, trusted=trusted, hops=1)
    assert found == (CLIENT if is_believed else address)


@pytest.mark.parametrize(
    ("fields", "host", "name", "port"),
    [
        ({"X-Forwarded-Host": "www.example"}, "www.example", "www.example", "80"),
        ({"X-Forwarded-Host": "www.example:8080"}, "www.example:8080", "www.example", "8080"),
        ({"X-Forwarded-Host": "[::1]:8080"}, "[::1]:8080", "[::1]", "8080"),
        ({"X-Forwarded-Host": "WWW.example", "X-Forwarded-Proto": "https"}, "www.example", "www.example", "443"),
        ({"X-Forwarded-Port": "8443", "X-Forwarded-Proto": "https"}, "shop.example:8443", "shop.example", "8443"),
        ({"X-Forwarded-Host": "a.example:1", "X-Forwarded-Port": "8443"}, "a.example:8443", "a.example", "8443"),
        ({"X-Forwarded-Host": "evil.example, www.example"}, "www.example", "www.example", "80"),
        ({"X-Forwarded-Proto": "wss"}, "shop.example", "shop.example", "443"),
    ],
)
def test_host_and_port_go_where_applications_look(fields: dict[str, str], host: str, name: str, port: str) -> None:
    found = seen({"X-Forwarded-For": CLIENT, **fields})
    assert (found["HTTP_HOST"], found["SERVER_NAME"], found["SERVER_PORT"]) == (host, name, port)


ADDRESSES = st.ip_addresses(v=4).map(str)
NAMES = st.sampled_from(["www.example", "a.b.example:8080", "192.0.2.1", "[2001:db8::1]:8000"])


@given(
    st.lists(ADDRESSES, min_size=1, max_size=4),
    st.lists(st.sampled_from(["http", "https"]), min_size=1, max_size=3),
    st.lists(NAMES, min_size=1, max_size=3),
    st.lists(st.sampled_from(["/shop", "/a/b"]), min_size=1, max_size=3),
)
def test_with_one_proxy_it_comes_to_what_werkzeugs_proxy_fix_comes_to(
    chain: list[str], protos: list[str], hosts: list[str], prefixes: list[str]
) -> None:
    values = {"For": chain, "Proto": protos, "Host": hosts, "Prefix": prefixes}
    fields = {f"X-Forwarded-{name}": ", ".join(value) for name, value in values.items()}
    ours = seen(fields, hops=1, fields=["for", "proto", "host", "prefix"])
    inner = Inner()
    theirs: Any = ProxyFix(inner, x_host=1, x_prefix=1)
    ask(theirs, "GET", "/", fields, REMOTE_ADDR=PROXY)
    for key in ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST", "SERVER_NAME", "SCRIPT_NAME"):
        assert ours[key] == inner.environs[0][key]


def test_werkzeug_the_port_of_a_client_is_no_part_of_its_address() -> None:
    # ProxyFix gives "192.0.2.99:4711" as REMOTE_ADDR; Azure's gateway sends it so.
    found = seen({"X-Forwarded-For": f"{CLIENT}:4711"})
    assert (found["REMOTE_ADDR"], found["REMOTE_PORT"]) == (CLIENT, "4711")


def test_werkzeug_2839_the_port_of_the_scheme_is_not_added_to_the_host() -> None:
    fields = {"X-Forwarded-For": CLIENT, "X-Forwarded-Port": "443", "X-Forwarded-Proto": "https"}
    assert (seen(fields)["HTTP_HOST"], seen(fields)["SERVER_PORT"]) == ("shop.example", "443")


def test_werkzeug_1414_a_prefix_of_more_proxies_than_are_believed_is_not_taken() -> None:
    found = seen({"X-Forwarded-For": CLIENT, "X-Forwarded-Prefix": "/evil, /shop"})
    assert found["SCRIPT_NAME"] == "/shop"


def test_werkzeug_609_what_the_operator_has_not_named_is_not_read() -> None:
    fields = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil", "X-Forwarded-Port": "1"}
    found = seen(fields, trusted=[PROXY])
    assert (found["HTTP_HOST"], found["SCRIPT_NAME"], found["SERVER_PORT"]) == ("shop.example", "", "80")


@pytest.mark.parametrize(
    ("prefix", "script"),
    [
        ("/shop", "/shop"),
        ("/shop/", "/shop"),
        ("/", ""),
        ("", ""),
        ("/a/b", "/a/b"),
        ("/outer, /inner", "/outer/inner"),
    ],
)
def test_a_prefix_goes_in_front_of_the_path(prefix: str, script: str) -> None:
    found = seen({"X-Forwarded-For": f"{CLIENT}, {OUTER}", "X-Forwarded-Prefix": prefix})
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == (script, "/")
    mounted = seen({"X-Forwarded-For": f"{CLIENT}, {OUTER}", "X-Forwarded-Prefix": prefix}, {"SCRIPT_NAME": "/app"})
    assert mounted["SCRIPT_NAME"] == f"{script}/app"


def test_of_several_schemes_that_of_the_outermost_believed_proxy_counts() -> None:
    for chain, proto, scheme in (
        (f"{CLIENT}, {OUTER}", "https, http", "https"),
        (CLIENT, "https, http", "http"),
        (f"{CLIENT}, {OUTER}", "https", "https"),
    ):
        assert seen({"X-Forwarded-For": chain, "X-Forwarded-Proto": proto})["wsgi.url_scheme"] == scheme


@pytest.mark.parametrize(
    "fields",
    [
        {"X-Forwarded-Proto": "gopher"},
        {"X-Forwarded-Proto": "<x>"},
        {"X-Forwarded-Host": "a b"},
        {"X-Forwarded-Host": "www.example@evil.example"},
        {"X-Forwarded-Host": "www.example/evil"},
        {"X-Forwarded-Port": "0"},
        {"X-Forwarded-Port": "65536"},
        {"X-Forwarded-Port": "443a"},
        {"X-Forwarded-Port": "+443"},
        {"X-Forwarded-Prefix": "//evil.example"},
        {"X-Forwarded-Prefix": "/\\evil.example"},
        {"X-Forwarded-Prefix": "shop"},
    ],
    ids=lambda fields: " ".join(next(iter(fields.items()))),
)
def test_a_believed_field_that_means_nothing_is_refused(fields: dict[str, str]) -> None:
    inner = Inner()
    app = ProxyHeaders(inner, trusted=[PROXY], fields=ALL)
    answer = ask(app, "GET", "/", {"X-Forwarded-For": CLIENT, **fields}, REMOTE_ADDR=PROXY)
    assert (answer.status, inner.calls) == (400, 0)
    # From a stranger it is a field like others, and gone.
    assert ask(app, "GET", "/", fields, REMOTE_ADDR="198.51.100.1").status == 200


RFC = {"trusted": ["10.0.0.0/8"], "syntax": "forwarded"}


@pytest.mark.parametrize(
    ("value", "address", "scheme", "host"),
    [
        (f"for={CLIENT};proto=https;host=www.example", CLIENT, "https", "www.example"),
        (
            f'for={CLIENT};proto=https, for={OUTER};proto=http;host="in.example:8000"',
            CLIENT,
            "https",
            "in.example:8000",
        ),
        ('For="[2001:db8::1]:4711"', "2001:db8::1", "http", "shop.example"),
        # The first one is made up by the client: the proxy has appended its own.
        (f"for=127.0.0.1;host=evil.example, for={CLIENT};proto=https", CLIENT, "https", "shop.example"),
        ("for=unknown;proto=https", PROXY, "https", "shop.example"),
        ("for=_hidden", PROXY, "http", "shop.example"),
        ("proto=https", PROXY, "https", "shop.example"),
        (f"for=evil, for={CLIENT}", CLIENT, "http", "shop.example"),
    ],
)
def test_forwarded_is_read_element_by_element(value: str, address: str, scheme: str, host: str) -> None:
    found = seen({"Forwarded": value}, **RFC)
    assert (found["REMOTE_ADDR"], found["wsgi.url_scheme"], found["HTTP_HOST"]) == (address, scheme, host)


def test_the_two_syntaxes_are_never_mixed() -> None:
    fields = {
        "Forwarded": "for=192.0.2.1;proto=https;host=rfc.example",
        "X-Forwarded-For": "192.0.2.2",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "x.example",
        "X-Forwarded-Prefix": "/x",
    }
    one, other = seen(fields, **RFC), seen(fields)
    keys = ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME")
    assert [one[key] for key in keys] == ["192.0.2.1", "https", "rfc.example", ""]
    assert [other[key] for key in keys] == ["192.0.2.2", "http", "x.example", "/x"]


def test_a_forwarded_that_means_nothing_is_refused() -> None:
    assert ask(ProxyHeaders(Inner(), **RFC), headers={"Forwarded": "for"}, REMOTE_ADDR=PROXY).status == 400


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        # The server has believed its peer and put the client into REMOTE_ADDR; the peer is not there any more.
        ({"SERVER_SOFTWARE": "dragoman", "REMOTE_ADDR": CLIENT, "REMOTE_PORT": ""}, CLIENT),
        ({"SERVER_SOFTWARE": "dragoman/1.0", "REMOTE_ADDR": OUTER, "REMOTE_PORT": ""}, CLIENT),
        # Not believed: a client that has connected itself.
        ({"SERVER_SOFTWARE": "dragoman", "REMOTE_ADDR": "198.51.100.1", "REMOTE_PORT": "4711"}, "198.51.100.1"),
        ({"SERVER_SOFTWARE": "other/1.0", "REMOTE_ADDR": "198.51.100.1", "REMOTE_PORT": ""}, "198.51.100.1"),
    ],
)
def test_under_dragoman_a_peer_that_the_server_has_believed_is_believed(environ: dict[str, str], address: str) -> None:
    chain = CLIENT if environ["REMOTE_ADDR"] == CLIENT else f"{CLIENT}, {OUTER}"
    found = seen({"X-Forwarded-For": chain, "X-Forwarded-Prefix": "/shop"}, environ)
    assert found["REMOTE_ADDR"] == address
    assert found["SCRIPT_NAME"] == ("/shop" if address == CLIENT else "")


def test_under_dragoman_only_the_peer_itself_has_been_believed() -> None:
    environ = {"SERVER_SOFTWARE": "dragoman", "REMOTE_ADDR": "198.51.100.1", "REMOTE_PORT": ""}
    assert client({"X-Forwarded-For": f"{CLIENT}, 198.51.100.1"}, environ) == "198.51.100.1"


def test_what_is_remembered_is_bounded_and_the_same_for_all_who_ask_alike() -> None:
    found: list[dict[str, Any]] = []
    app: Any = ProxyHeaders(lambda environ, start_response: found.append(environ) or [], trusted=[PROXY])  # type: ignore[func-returns-value, arg-type, return-value]

    def address_of(chain: str) -> Any:
        app({"REMOTE_ADDR": PROXY, "HTTP_X_FORWARDED_FOR": chain}, print)
        return found[-1]["REMOTE_ADDR"]

    addresses = [f"198.51.{number // 256}.{number % 256}" for number in range(1100)]
    assert [address_of(address) for address in [*addresses, *addresses]] == [*addresses, *addresses]
    assert app.known.cache_info().currsize == 1024
    # What an application does with its environ is seen by nobody else.
    found[-1]["dragoman.forwarded"] = None
    assert address_of(addresses[-1]) == addresses[-1]
    assert found[-1]["dragoman.forwarded"].hops == 1
    # A long chain is read, and not kept.
    looked_up = app.known.cache_info().misses
    assert address_of("x, " * 500 + CLIENT) == CLIENT
    assert app.known.cache_info().misses == looked_up


@pytest.mark.parametrize(
    ("options", "scheme"), [({"trusted": ["10.0.0.0/8"]}, "http"), ({"hops": 1}, "http"), ({"hops": 2}, "https")]
)
def test_without_the_chain_of_addresses_proxies_are_counted(options: dict[str, Any], scheme: str) -> None:
    found = seen({"X-Forwarded-Proto": "https, http", "X-Forwarded-For": CLIENT}, fields=["proto"], **options)
    assert (found["wsgi.url_scheme"], found["REMOTE_ADDR"]) == (scheme, PROXY)


def test_the_name_of_the_peer_goes_with_its_address() -> None:
    assert "REMOTE_HOST" not in seen({"X-Forwarded-For": CLIENT}, {"REMOTE_HOST": "proxy.example"})
    assert seen({}, {"REMOTE_HOST": "proxy.example"})["REMOTE_HOST"] == "proxy.example"


TEXTS = st.text(alphabet='0123456789abcf.:[]",;= /\\_-unkow\t\x00é', max_size=60)


@given(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, st.sampled_from(["x-forwarded", "forwarded"]))
def test_whatever_is_sent_the_environ_stays_one(a: str, b: str, c: str, d: str, e: str, syntax: Any) -> None:
    names = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix", "Forwarded"]
    environ = environ_of(headers=zip(names, (a, b, c, d, e), strict=True), REMOTE_ADDR=PROXY)
    reached = []
    app = ProxyHeaders(
        lambda environ, start_response: reached.append(environ) or [],  # type: ignore[func-returns-value, arg-type, return-value]
        trusted=["10.0.0.0/8"],
        syntax=syntax,
        fields=ALL if syntax == "x-forwarded" else None,
    )
    list(app(environ, lambda *arguments: print))
    for found in reached:
        ip_address(found["REMOTE_ADDR"])
        assert found["wsgi.url_scheme"] in ("http", "https")
        assert 0 < int(found["SERVER_PORT"]) < 65536
        assert found["SCRIPT_NAME"] == "" or (
            found["SCRIPT_NAME"].startswith("/")
            and "//" not in found["SCRIPT_NAME"]
            and found["SCRIPT_NAME"][-1] != "/"
        )
        assert not any(key in found for key in REMOVED)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r'want trusted=\["10.0.0.0/8"\], the addresses of your proxies, or hops=1'),
        ({"trusted": "10.0.0.0/8"}, "trusted: want a list of networks"),
        ({"trusted": ["proxy"]}, "trusted: want addresses or networks"),
        ({"hops": 0}, "hops: want the number of proxies, 1 at least, got 0"),
        ({"hops": True}, "hops: want the number"),
        ({"hops": 1, "syntax": "both"}, 'syntax: want "x-forwarded" or "forwarded"'),
        ({"hops": 1, "fields": "for"}, "fields: want a list of for, proto, host, port, prefix"),
        ({"hops": 1, "fields": []}, "fields: want a list of"),
        ({"hops": 1, "fields": ["for", "scheme"]}, "fields: .* got 'scheme'"),
        ({"hops": 1, "syntax": "forwarded", "fields": ["prefix"]}, "fields: want a list of for, proto, host with forw"),
    ],
)
def test_options_that_believe_nobody_or_too_much_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProxyHeaders(**options)
