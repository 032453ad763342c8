"""Hosts: what is one, what is none because it can be read in two ways, and which patterns mean it."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.http.hosts import Host, parse_host

LABELS = st.from_regex(r"[a-z_]([a-z0-9_-]{0,20}[a-z0-9_])?", fullmatch=True)
NAMES = st.one_of(
    st.lists(LABELS, min_size=1, max_size=5).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
HOSTS = st.builds(Host, NAMES, st.none() | st.integers(1, 65535))


@pytest.mark.parametrize(
    ("value", "name", "port"),
    [
        ("example.org", "example.org", None),
        ("EXAMPLE.org:80", "example.org", 80),
        ("example.org:", "example.org", None),
        ("example.org:00080", "example.org", 80),
        ("example.org.", "example.org", None),
        ("localhost:8000", "localhost", 8000),
        ("my_service", "my_service", None),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
        ("127.0.0.1:1", "127.0.0.1", 1),
        ("127.0.0.1.", "127.0.0.1", None),
        ("[::1]:65535", "[::1]", 65535),
        ("[2001:DB8:0:0::1]", "[2001:db8::1]", None),
        ("[::127.0.0.1]", "[::7f00:1]", None),
        ("3com.example", "3com.example", None),
        ("a" * 63 + ".example", "a" * 63 + ".example", None),
        (".".join(["a" * 63] * 3 + ["a" * 61]) + ".", ".".join(["a" * 63] * 3 + ["a" * 61]), None),
    ],
)
def test_a_host_is_read(value: str, name: str, port: int | None) -> None:
    host = parse_host(value)
    assert host is not None
    assert host.port == port
    assert host.name == name


@pytest.mark.parametrize(
    "value",
    [
        "",
        ":80",
        ".",
        "..",
        "a..b",
        ".example.org",
        "example.org..",
        "-a.example",
        "a-.example",
        "a" * 64 + ".example",
        ".".join(["a" * 49] * 6),
        ".".join(["a" * 63] * 3 + ["a" * 62]),
        "example.org:0",
        "example.org:65536",
        "example.org:123456",
        "example.org:-1",
        "example.org:+80",
        "example.org:80:80",
        "example.org:\u0668\u0660",
        "user@example.org",
        "example.org@evil.example",
        "example.org/path",
        "example.org?",
        "example.org#",
        "example.org\\",
        "example.org, evil.example",
        "example.org evil",
        " example.org",
        "example.org\n",
        "example%2eorg",
        "b\xfccher.example",
        "[::1",
        "::1",
        "[::1]a",
        "[fe80::1%25eth0]",
        "[v1.a]",
        "[127.0.0.1]",
        "[::1]]",
        "127.1",
        "127.0.0.01",
        "256.0.0.1",
        "1.2.3.4.5",
        "2130706433",
        "0x7f000001",
        "example.0x7f",
        "*",
        "*.example.org",
    ],
)
def test_what_two_readers_could_read_differently_is_none(value: str) -> None:
    assert parse_host(value) is None


@pytest.mark.parametrize(
    ("host", "pattern", "is_meant"),
    [
        (Host("example.org", 80), "example.org", True),
        (Host("example.org"), "EXAMPLE.org", True),
        (Host("example.org"), "example.org.", True),
        (Host("www.example.org"), "example.org", False),
        (Host("example.org"), ".example.org", True),
        (Host("a.b.example.org"), ".example.org", True),
        (Host("badexample.org"), ".example.org", False),
        (Host("example.org.evil"), ".example.org", False),
        (Host("example.org"), "*.example.org", False),
        (Host("www.example.org"), "*.example.org", True),
        (Host("example.org", 8000), "example.org:8000", True),
        (Host("example.org", 8001), "example.org:8000", False),
        (Host("example.org"), "example.org:8000", False),
        (Host("www.example.org", 8000), ".example.org:8000", True),
        (Host("xn--bcher-kva.example"), "b\xfccher.example", True),
        (Host("xn--bcher-kva.example"), ".B\xfccher.example", True),
        (Host("[::1]", 80), "[::1]", True),
        (Host("127.0.0.1"), "127.0.0.1", True),
        (Host("1.127.0.0.1"), "127.0.0.1", False),
        (Host("anything"), "*", True),
    ],
)
def test_a_pattern_means_hosts(host: Host, pattern: str, is_meant: bool) -> None:
    assert host.matches(pattern) is is_meant


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        ".",
        "*.",
        "**",
        "*example.org",
        "a.*.org",
        "http://example.org",
        "example.org/",
        ".127.0.0.1",
        "*.[::1]",
        "a b",
        "\u2024",
        "a" * 64,
        "\xfc" * 64,
    ],
)
def test_a_pattern_that_means_nothing_is_an_error(pattern: str) -> None:
    with pytest.raises(ValueError, match="want a name"):
        Host("example.org").matches(pattern)


@pytest.mark.parametrize(
    ("host", "scheme", "authority"),
    [
        (Host("a", 80), "http", "a"),
        (Host("a", 80), "https", "a:80"),
        (Host("a", 443), "HTTPS", "a"),
        (Host("a", 443), "wss", "a"),
        (Host("a"), "http", "a"),
        (Host("a", 80), "gopher", "a:80"),
        (Host("a"), "gopher", "a"),
        (Host("[::1]", 8000), "http", "[::1]:8000"),
    ],
)
def test_the_port_of_the_scheme_is_not_written(host: Host, scheme: str, authority: str) -> None:
    assert host.authority(scheme) == authority


@given(HOSTS)
def test_what_is_written_is_read_as_itself(host: Host) -> None:
    assert parse_host(str(host)) == host
    assert parse_host(str(host).upper()) == host
    assert host.matches(str(host))
    assert host.matches(host.name)


@given(st.text(), HOSTS)
def test_a_host_is_ascii_that_is_read_as_itself_again(text: str, host: Host) -> None:
    for value in (text, f"{host}{text}", f"{text}{host}", f"[{text}]"):
        parsed = parse_host(value)
        if parsed is not None:
            assert parse_host(str(parsed)) == parsed
            assert str(parsed).isascii()
            assert not any(char in str(parsed) for char in " @/\\?#,%\r\n")


@given(HOSTS)
def test_addresses_are_told_from_names(host: Host) -> None:
    try:
        (IPv6Address if host.name.startswith("[") else IPv4Address)(host.name.strip("[]"))
    except ValueError:
        assert not host.is_address
    else:
        assert host.is_address
