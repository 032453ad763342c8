"""What is looked for: URLs that are the same have one key, and nothing that an answer depends on is left out."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from dragoman.middleware.cache import key as module
from dragoman.middleware.cache.key import KEYED, Target, key_of_url, target_of, variant_of
from tests.middleware.kit import environ_of


def of(target: str = "/list?page=2", headers: dict[str, str] | None = None, **more: Any) -> Target:
    found = target_of(environ_of("GET", target, headers or {}, **more))
    assert found is not None
    return found


def test_the_examples_are_true() -> None:
    assert doctest.testmod(module).failed == 0


def test_a_url_has_the_key_of_its_requests() -> None:
    assert key_of_url("http://shop.example/list?page=2") == of().key
    assert key_of_url("http://SHOP.example:80/list?page=2#top") == of().key
    assert key_of_url("http://shop.example") == of("/").key
    assert key_of_url("http://shop.example/a%20b/%C3%BC") == of("/a b/\xc3\xbc").key
    assert key_of_url("http://shop.example/app/x") == of("/x", SCRIPT_NAME="/app").key


@pytest.mark.parametrize("url", ["/list", "shop.example", "ftp://shop.example/", "http:///x", "http://a b/"])
def test_what_is_no_url_cannot_be_purged(url: str) -> None:
    with pytest.raises(ValueError, match="want an absolute URL"):
        key_of_url(url)


def test_each_part_of_the_url_counts() -> None:
    urls = [
        of(),
        of("/list?page=3"),
        of("/list"),
        of("/List?page=2"),
        of("/list/?page=2"),
        of(HTTP_HOST="other.example"),
        of(HTTP_HOST="shop.example:8000"),
        of(**{"wsgi.url_scheme": "https"}),
        of("/list?page=2&page=2"),
    ]
    assert len({one.key for one in urls}) == len(urls)


def test_a_host_that_cannot_be_read_has_no_key() -> None:
    assert target_of(environ_of(HTTP_HOST="a b")) is None
    assert target_of(environ_of(HTTP_HOST="good.example@evil.example")) is None


def test_without_a_host_field_the_server_says_who_it_is() -> None:
    environ = environ_of("GET", "/list?page=2")
    del environ["HTTP_HOST"]
    found = target_of(environ)
    assert found is not None and found.key == of().key


def test_the_field_that_a_well_known_snippet_takes_the_prefix_from_is_one_of_them() -> None:
    # Of Flask's old page on deployment: whoever sent it would have all links of a kept page begin with it.
    assert {"HTTP_X_SCRIPT_NAME", "HTTP_X_SCHEME"} <= set(KEYED)


@pytest.mark.parametrize("name", KEYED)
def test_fields_that_pages_are_made_with_are_part_of_what_is_looked_for(name: str) -> None:
    assert of(**{name: "evil.example"}).beside != of().beside
    assert of(**{name: "evil.example"}).key == of().key


def test_of_forwarded_host_and_proto_count_and_the_client_does_not() -> None:
    assert of(HTTP_FORWARDED="for=192.0.2.1;host=evil.example").beside != of(HTTP_FORWARDED="for=192.0.2.1").beside
    assert of(HTTP_FORWARDED="for=192.0.2.1;proto=https") == of(HTTP_FORWARDED="for=192.0.2.2;proto=https")


def test_a_path_that_was_written_otherwise_is_kept_apart() -> None:
    assert of(RAW_URI="/list?page=2").beside != of(RAW_URI="/%6cist?page=2").beside


def test_fields_do_not_run_into_each_other() -> None:
    assert of(HTTP_X_HOST="a", HTTP_X_SCHEME="b").beside != of(HTTP_X_HOST="aHTTP_X_SCHEME=b").beside


@pytest.mark.parametrize(
    ("name", "one", "other", "is_same"),
    [
        ("accept-encoding", "gzip, br", "br,gzip", True),
        ("accept-encoding", "gzip", "br", False),
        ("accept", "text/html, */*", "text/html,*/*", True),
        ("accept", "text/html, */*", "*/*, text/html", False),
        ("accept-language", "de", "en", False),
        ("accept", 'text/html;title="a b"', 'text/html;title="ab"', False),
        # What only begins like a list of HTTP's is somebody's own field.
        ("accept-tenant", "a b", "ab", False),
        ("accept-tenant", "a", "a,", False),
        ("x-tenant", " a ", "a", True),
        ("x-tenant", "a", "A", False),
        ("x-tenant", "", None, False),
    ],
)
def test_values_that_mean_the_same_are_one_variant(name: str, one: str, other: str | None, is_same: bool) -> None:
    key = f"HTTP_{name.upper().replace('-', '_')}"
    variants = [
        variant_of(of(), "g", [name], environ_of() if value is None else environ_of(**{key: value}))
        for value in (one, other)
    ]
    assert (variants[0] == variants[1]) is is_same


def test_after_a_purge_every_variant_lies_elsewhere() -> None:
    assert variant_of(of(), "g1", [], environ_of()) != variant_of(of(), "g2", [], environ_of())
