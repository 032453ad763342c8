"""`Redirects`: where old paths lead, and that nobody is sent to a host that is not in the table."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.middleware import Redirects
from dragoman.middleware.targets import target_of
from tests.middleware.kit import Inner, ask, environ_of


def led(app: Any, target: str, **more: Any) -> str | None:
    return ask(app, "GET", target, **more).value("Location")


def test_an_old_path_leads_to_the_new_one_and_others_are_the_applications() -> None:
    inner = Inner()
    app = Redirects(inner, exact={"/old": "/new"})
    answer = ask(app, "POST", "/old?a=1", body=b"x")
    assert (answer.status, answer.value("Location"), answer.text) == (308, "/new?a=1", "See /new?a=1\n")
    assert inner.calls == 0
    for path in ("/", "/old/", "/older", "/x/old"):
        assert ask(app, "GET", path).text == "Hello"
    inner.settled()


@pytest.mark.parametrize(
    ("options", "status"), [({}, 308), ({"permanent": False}, 307), ({"status": 301}, 301), ({"status": 303}, 303)]
)
def test_which_status_it_has(options: dict[str, Any], status: int) -> None:
    assert ask(Redirects(Inner(), exact={"/old": "/new"}, **options), "GET", "/old").status == status


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/blog", "https://blog.example/"),
        ("/blog/", "https://blog.example/"),
        ("/blog/2024/a b", "https://blog.example/2024/a%20b"),
        ("/blogs", None),
        ("/docs/v1/x?y=z", "/v1/x?y=z"),
        ("/docs/x", "/manual/x"),
    ],
)
def test_a_prefix_takes_the_rest_along_and_the_longest_wins(target: str, location: str | None) -> None:
    table = {"/docs": "/manual", "/blog": "https://blog.example/", "/docs/v1": "/v1"}
    assert led(Redirects(Inner(), prefixes=table), target) == location


def test_a_pattern_is_for_the_whole_path_and_fills_its_groups_in() -> None:
    app = Redirects(
        Inner(), patterns={r"/post/(?P<id>\d+)(?P<rest>/.*)?": "/articles/{id}{rest}", r"/(?P<u>\w+)\.php": "/{u}"}
    )
    assert led(app, "/post/12") == "/articles/12"
    assert led(app, "/post/12/é?x=1".encode().decode("latin-1")) == "/articles/12/%C3%A9?x=1"
    assert led(app, "/index.php") == "/index"
    assert led(app, "/post/twelve") is None


def test_the_rest_of_a_path_is_added_to_the_path_of_the_target() -> None:
    app = Redirects(
        Inner(), prefixes={"/old": "/new?from=old#part", "/blog/": "https://blog.example/?a=1", "/x": "/y/#z"}
    )
    assert led(app, "/old/a/b") == "/new/a/b?from=old#part"
    assert led(app, "/old") == "/new?from=old#part"
    assert led(app, "/blog/a") == "https://blog.example/a?a=1"
    assert led(app, "/x/a?b=2") == "/y/a?b=2#z"


def test_a_group_is_one_value_of_the_query_whatever_is_in_it() -> None:
    app = Redirects(Inner(), patterns={r"/find/(?P<text>.*)": "/search/{text}?q={text}&page=1#{text}"})
    assert led(app, "/find/a&admin=1") == "/search/a&admin=1?q=a%26admin%3D1&page=1#a%26admin%3D1"
    assert led(app, "/find/1+1;/#%") == "/search/1+1;/%23%25?q=1%2B1%3B/%23%25&page=1#1%2B1%3B/%23%25"


def test_exact_rows_come_first_then_prefixes_then_patterns() -> None:
    app = Redirects(Inner(), exact={"/a/b": "/1"}, prefixes={"/a": "/2"}, patterns={"/.*": "/3"})
    assert [led(app, path) for path in ("/a/b", "/a/c", "/c")] == ["/1", "/2/c", "/3"]


@pytest.mark.parametrize(
    ("to", "location"),
    [
        ("/new?b=2", "/new?b=2"),
        ("/new#part", "/new?a=1#part"),
        ("https://new.example", "https://new.example?a=1"),
        ("/über", "/%C3%BCber?a=1"),
    ],
)
def test_the_query_goes_along_unless_the_target_has_one(to: str, location: str) -> None:
    assert led(Redirects(Inner(), exact={"/old": to}), "/old?a=1") == location


def test_the_query_may_stay_behind() -> None:
    assert led(Redirects(Inner(), exact={"/old": "/new"}, keep_query=False), "/old?a=1") == "/new"


def test_where_it_is_mounted_counts() -> None:
    app = Redirects(Inner(), exact={"/shop/old": "/shop/new"})
    assert led(app, "/old", SCRIPT_NAME="/shop") == "/shop/new"


HOSTILE = [
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/%2Fevil.example", "/\t/evil.example",
    "@evil.example", "https://evil.example", "/..//evil.example", "\r\nLocation: https://evil.example",
]  # fmt: skip


@pytest.mark.parametrize("rest", HOSTILE)
def test_no_path_leads_to_a_host_that_is_not_in_the_table(rest: str) -> None:
    table = Redirects(
        Inner(),
        prefixes={"/go": "/", "/out": "https://blog.example", "/plain": "/x"},
        patterns={r"/to(?P<rest>.*)(?s:.)*": "{rest}".join(["/", ""]), r"/s/(?P<rest>(?s:.*))": "/{rest}"},
    )
    for front in ("/go", "/out", "/plain", "/to", "/s/"):
        location = led(table, front + rest)
        if location is not None:
            assert location.isascii() and location.isprintable()
            assert urlsplit(urljoin("https://shop.example/", location)).hostname in ("shop.example", "blog.example")
            # As browsers read it, for which a backslash is a slash.
            assert not re.match(r"[/\\]{2}", location)


@given(st.text(alphabet="/\\.@:%2Fe ?#\n\t\x00é", max_size=20))
def test_whatever_the_path_is_the_host_is_ours(rest: str) -> None:
    app = Redirects(lambda *_: [], prefixes={"/go": "/"}, patterns={r"(?s:/p(?P<rest>.*))": "/{rest}"})
    for front in ("/go/", "/p"):
        location = app.new_place(front + rest.encode().decode("latin-1"))
        assert location is not None
        assert location.isascii() and location.isprintable() and not re.match(r"/[/\\]", location)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exact": {"old": "/new"}}, "want a path that begins with \"/\", got 'old'"),
        ({"exact": {"/old": "new"}}, '/old: want a path such as "/new" or a URL'),
        ({"exact": {"/old": "//evil.example"}}, "/old: want a path such as"),
        ({"exact": {"/old": "javascript:alert(1)"}}, "/old: want a path such as"),
        ({"exact": {"/old": "https:///x"}}, "/old: want a path such as"),
        ({"exact": {"/old": "/a b"}}, "/old: want a path or a URL without blanks"),
        ({"exact": {"/old": "/\\evil.example"}}, "without blanks"),
        ({"exact": {"/old": "/old"}}, "/old: leads to itself"),
        ({"exact": {"/old": "/old?x=1"}}, "/old: leads to itself"),
        ({"prefixes": {"/a": "/a/b"}}, "/a: leads below itself, again and again: /a/b"),
        ({"prefixes": {"/": "/new"}}, "/: leads below itself"),
        ({"patterns": {"/(": "/x"}}, "want a regular expression: "),
        ({"patterns": {"/(?P<a>.)": "/{b}"}}, r"want a group \(\?P<b>…\) for \{b\}"),
        ({"patterns": {"/(?P<a>.)": "/{0}"}}, r"want groups as \{name\}"),
        ({"patterns": {"/(?P<host>.*)": "https://{host}/"}}, "want the host as it is, without a group"),
        ({"patterns": {"/(?P<host>.*)": "https://a.example{host}"}}, "want the host as it is, without a group"),
        ({"status": 200}, "status: want one of 301, 302, 303, 307, 308, got 200"),
    ],
)
def test_a_row_that_cannot_be_meant_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Redirects(**options)


@pytest.mark.parametrize(
    ("environ", "target"),
    [
        ({"PATH_INFO": "/a b", "QUERY_STRING": "x=1"}, "/a%20b?x=1"),
        ({"PATH_INFO": "/a/b", "REQUEST_URI": "/a%2Fb?y=2"}, "/a%2Fb"),
        ({"PATH_INFO": "/a/b", "RAW_URI": "/a%2Fb"}, "/a%2Fb"),
        # The path has been changed meanwhile: what was sent is another one.
        ({"PATH_INFO": "/b", "SCRIPT_NAME": "/p", "REQUEST_URI": "/b"}, "/p/b"),
        ({"PATH_INFO": "/b", "REQUEST_URI": "http://evil.example/b"}, "/b"),
        ({"PATH_INFO": "", "SCRIPT_NAME": "/p"}, "/p"),
        ({"PATH_INFO": "/ü".encode().decode("latin-1")}, "/%C3%BC"),
        ({"PATH_INFO": "/50%"}, "/50%25"),
        ({"PATH_INFO": "/a\r\nb", "QUERY_STRING": "q=\r\n"}, "/a%0D%0Ab?q=%0D%0A"),
        ({"PATH_INFO": "/", "QUERY_STRING": "q=%C3%BC&r=é"}, "/?q=%C3%BC&r=%E9"),
    ],
)
def test_a_target_can_be_asked_for_again(environ: dict[str, Any], target: str) -> None:
    assert target_of({**environ_of(), **environ}) == target
