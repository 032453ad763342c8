"""What proxies say: read from the right, so that a client cannot hide what a proxy has added."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.http.fields import quote
from dragoman.http.forwarded import (
    Hop,
    Node,
    parse_forwarded,
    parse_x_forwarded_for,
    parse_x_forwarded_host,
    parse_x_forwarded_prefix,
    parse_x_forwarded_proto,
)
from dragoman.http.hosts import Host

ADDRESS = Node("192.0.2.1")
NODES = st.builds(
    Node,
    st.ip_addresses().map(str) | st.just("unknown") | st.from_regex(r"_[0-9A-Za-z._-]+", fullmatch=True),
    st.none() | st.integers(1, 65535),
)


def written(node: Node) -> str:
    name = f"[{node.name}]" if ":" in node.name else node.name
    return name if node.port is None else f"{name}:{node.port}"


@pytest.mark.parametrize(
    ("value", "hops"),
    [
        ("", []),
        (" , ;,", []),
        ("for=192.0.2.1", [Hop(ADDRESS)]),
        ("For=192.0.2.1;PROTO=HTTPS", [Hop(ADDRESS, proto="https")]),
        ("for=192.0.2.1 ; by=_a", [Hop(ADDRESS, by=Node("_a"))]),
        (";for=192.0.2.1;;", [Hop(ADDRESS)]),
        ('for="[2001:db8:cafe::17]:4711"', [Hop(Node("2001:db8:cafe::17", 4711))]),
        ('for="192.0.2.1:80";host="example.org:8000"', [Hop(Node("192.0.2.1", 80), host=Host("example.org", 8000))]),
        ("for=192.0.2.1:80", [Hop(Node("192.0.2.1", 80))]),
        (
            "for=unknown, for=_hidden, for=_SEVKISEK",
            [Hop(Node("unknown")), Hop(Node("_hidden")), Hop(Node("_SEVKISEK"))],
        ),
        ("for=UNKNOWN", [Hop(Node("unknown"))]),
        ('for="_a:_b"', [Hop(Node("_a"))]),
        ('for="192.0.2.\\1"', [Hop(ADDRESS)]),
        ('secret="a,b;c=\\"d\\"";for=192.0.2.1', [Hop(ADDRESS)]),
        ("secret=x", [Hop()]),
        ("for=nonsense;proto=https", [Hop(proto="https")]),
        ("proto=1x;host=a/b;by=[", [Hop()]),
    ],
)
def test_forwarded_is_read(value: str, hops: list[Hop]) -> None:
    assert parse_forwarded(value) == hops


@pytest.mark.parametrize(
    "made_up",
    [
        'for="',
        'for="_a',
        'for="\\',
        'for="_a, ',
        "for=\x00",
        "for",
        "=",
        "for=_a;for=_b",
        "for = _a",
        'for="a"b',
        '"',
        "for=_a by=_b",
        'a="\n"',
    ],
)
def test_what_a_client_made_up_does_not_hide_what_a_proxy_added(made_up: str) -> None:
    # Read from the left, a quote that is never closed takes the proxy's element with it.
    assert parse_forwarded(f"{made_up}, for=192.0.2.1") == [Hop(ADDRESS)]
    assert parse_forwarded(f'{made_up},for="192.0.2.1";proto=http') == [Hop(ADDRESS, proto="http")]
    assert parse_forwarded(f'for=_far, {made_up}, for="[::1]", for=192.0.2.1') == [Hop(Node("::1")), Hop(ADDRESS)]
    assert parse_forwarded(f"for=192.0.2.1, {made_up}") == []


def test_members_beyond_fifty_are_not_read() -> None:
    assert parse_forwarded("for=_a," * 5000) == [Hop(Node("_a"))] * 50
    assert parse_x_forwarded_for("unknown," * 5000 + "192.0.2.1") == [Node("unknown")] * 49 + [ADDRESS]


@pytest.mark.parametrize(
    ("value", "nodes"),
    [
        ("", []),
        ("192.0.2.1", [ADDRESS]),
        ("192.0.2.1:4711", [Node("192.0.2.1", 4711)]),
        ("2001:DB8:0::1, [2001:db8::1], [2001:db8::1]:80", [Node("2001:db8::1")] * 2 + [Node("2001:db8::1", 80)]),
        ("unknown, _hidden:1", [Node("unknown"), Node("_hidden", 1)]),
        ("192.0.2.1,,192.0.2.1", [ADDRESS, ADDRESS]),
        ("192.0.2.1, made up, 192.0.2.1", [ADDRESS]),
        ('", 192.0.2.1', [ADDRESS]),
        ("192.0.2.1, localhost", []),
        ("192.0.2.256", []),
        ("192.0.2.1:0", []),
        ("192.0.2.1:65536", []),
        ("192.0.2.1:\u0661", []),
        ("192.0.02.1", []),
        ("127.1", []),
        ("fe80::1%eth0", []),
        ("::1:99999", []),
        ("192.0.2.1\n", []),
        ("<script>", []),
    ],
)
def test_x_forwarded_for_is_read(value: str, nodes: list[Node]) -> None:
    assert parse_x_forwarded_for(value) == nodes


@pytest.mark.parametrize(
    ("value", "prefixes"),
    [
        ("/shop", ["/shop"]),
        ("/shop/", ["/shop"]),
        ("/", [""]),
        ("/a, /b/c", ["/a", "/b/c"]),
        ("", []),
        ("shop", []),
        ("//evil.example", []),
        ("/\\evil.example", []),
        ("/a//b", []),
        ("/a?b", []),
        ("/a#b", []),
        ('/a"b', []),
        ("/<b>", []),
        ("/a b", []),
        ("/a\n", []),
        ("/\xe9", []),
        ("https://evil.example", []),
    ],
)
def test_x_forwarded_prefix_leads_to_no_other_host(value: str, prefixes: list[str]) -> None:
    assert parse_x_forwarded_prefix(value) == prefixes


def test_x_forwarded_proto_and_host_are_read() -> None:
    assert parse_x_forwarded_proto("HTTPS") == ["https"]
    assert parse_x_forwarded_proto("<, https,http") == ["https", "http"]
    assert parse_x_forwarded_proto("https, 1") == []
    assert parse_x_forwarded_host("a@b, Example.org:80") == [Host("example.org", 80)]
    assert parse_x_forwarded_host("example.org, a b") == []


@given(st.text(), st.lists(st.tuples(NODES, st.sampled_from(["http", "https"])), min_size=1, max_size=5))
def test_whatever_comes_before_them_the_proxies_elements_are_read(before: str, chain: list[tuple[Node, str]]) -> None:
    elements = ", ".join(f"for={quote(written(node))};proto={proto}" for node, proto in chain)
    hops = parse_forwarded(f"{before}, {elements}")
    assert hops[-len(chain) :] == [Hop(node, proto=proto) for node, proto in chain]
    nodes = parse_x_forwarded_for(f"{before}, {', '.join(written(node) for node, _ in chain)}")
    assert nodes[-len(chain) :] == [node for node, _ in chain]


@given(st.text())
def test_an_address_is_one(text: str) -> None:
    for node in (*parse_x_forwarded_for(text), *(hop.for_ for hop in parse_forwarded(f"for={text}") if hop.for_)):
        assert parse_x_forwarded_for(written(node)) == [node]
