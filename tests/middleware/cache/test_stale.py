"""Answers that are no longer good: by time, by a change, by a purge; and what stands in for errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dragoman.http.dates import http_date
from dragoman.middleware.cache import CACHE
from dragoman.middleware.stores import MemoryStore
from tests.middleware.cache.support import DATE, TEXT, cached, inner_of, told
from tests.middleware.kit import ask, environ_of

pytestmark = pytest.mark.usefixtures("clock")


def test_a_client_that_has_it_gets_304_from_the_cache() -> None:
    inner = inner_of("max-age=60", ("ETag", '"v1"'), ("Last-Modified", DATE), ("Content-Security-Policy", "x"))
    app = cached(inner)
    ask(app)
    given = ask(app, headers={"If-None-Match": 'W/"v1"'})
    assert (given.status, given.blocks, inner.calls) == (304, [], 1)
    assert given.value("ETag") == '"v1"' and given.value("Content-Type") is None
    assert given.value("Content-Security-Policy") == "x"
    assert ask(app, headers={"If-Modified-Since": DATE}).status == 304
    assert ask(app, headers={"If-None-Match": '"v0"'}).status == 200
    assert ask(app, headers={"If-Match": '"v0"'}).status == 412


def test_a_client_that_has_what_may_not_be_kept_gets_304_and_no_more_is_made() -> None:
    inner = inner_of("no-store", ("ETag", '"v1"'), blocks=[b"a", b"b", b"c"])
    given = ask(cached(inner), headers={"If-None-Match": '"v1"'})
    assert (given.status, given.body, inner.given) == (304, b"", 1)
    inner.settled()


def test_an_application_is_asked_whether_a_stale_answer_is_still_good(clock: list[float]) -> None:
    inner = inner_of("max-age=60", ("ETag", '"v1"'), ("X-Old", "1"), ("Last-Modified", DATE))
    app = cached(inner)
    ask(app)
    clock[0] += 61
    inner.status, inner.blocks = "304 Not Modified", []
    inner.headers = [("Cache-Control", "max-age=30"), ("ETag", '"v1"'), ("X-New", "2")]
    given = ask(app)
    assert inner.environs[1]["HTTP_IF_NONE_MATCH"] == '"v1"'
    assert inner.environs[1]["HTTP_IF_MODIFIED_SINCE"] == DATE
    assert (given.status, given.body, told(given)) == (200, b"Hello", "fwd=stale; fwd-status=304; stored")
    assert (given.value("X-Old"), given.value("X-New"), given.value("Age")) == ("1", "2", "0")
    clock[0] += 29
    assert told(ask(app)) == "hit; ttl=1"
    inner.settled()


def test_a_client_may_have_what_is_found_good(clock: list[float]) -> None:
    inner = inner_of("max-age=60", ("ETag", '"v1"'))
    app = cached(inner)
    ask(app)
    clock[0] += 61
    inner.status, inner.blocks = "304 Not Modified", []
    assert ask(app, headers={"If-None-Match": '"v1"'}).status == 304
    assert ask(app).body == b"Hello"


def test_a_stale_answer_that_is_no_longer_good_is_replaced(clock: list[float]) -> None:
    inner = inner_of("max-age=60", ("ETag", '"v1"'))
    app = cached(inner)
    ask(app)
    clock[0] += 61
    inner.headers, inner.blocks = [TEXT, ("Cache-Control", "max-age=60"), ("ETag", '"v2"')], [b"New"]
    given = ask(app)
    assert (given.body, told(given)) == (b"New", "fwd=stale; stored")
    assert (ask(app).body, inner.calls) == (b"New", 2)


def test_a_304_about_another_answer_is_not_believed(clock: list[float]) -> None:
    statuses = iter([("200 OK", '"v1"', [b"one"]), ("304 Not Modified", '"v2"', []), ("200 OK", '"v2"', [b"two"])])

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        status, etag, blocks = next(statuses)
        start_response(status, [("Cache-Control", "max-age=60"), ("ETag", etag)] + ([TEXT] if blocks else []))
        return blocks

    app = cached(application)
    ask(app)
    clock[0] += 61
    assert ask(app).body == b"two"
    assert ask(app).body == b"two"


def test_no_cache_means_that_the_application_is_asked_each_time() -> None:
    inner = inner_of("no-cache", ("ETag", '"v1"'))
    app = cached(inner)
    ask(app)
    inner.status, inner.blocks = "304 Not Modified", []
    given = ask(app)
    assert (given.body, told(given)) == (b"Hello", "fwd=stale; fwd-status=304; stored")


@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Service Unavailable"])
def test_a_stale_answer_stands_in_for_an_error(clock: list[float], status: str) -> None:
    inner = inner_of("max-age=60, stale-if-error=600")
    app = cached(inner)
    ask(app)
    clock[0] += 61
    inner.status, inner.blocks, inner.headers = status, [b"broken"], [TEXT]
    given = ask(app)
    assert (given.status, given.body, told(given)) == (200, b"Hello", f"fwd=stale; fwd-status={status[:3]}")
    assert given.value("Age") == "61"
    clock[0] += 600
    assert ask(app).body == b"broken"
    inner.settled()


def test_a_stale_answer_stands_in_for_an_exception(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    inner = inner_of("max-age=60, stale-if-error=600")
    app = cached(inner)
    ask(app)
    clock[0] += 61
    inner.raises = RuntimeError("by plan")
    assert ask(app).body == b"Hello"
    assert "by plan" in caplog.text
    clock[0] += 600
    with pytest.raises(RuntimeError, match="by plan"):
        ask(app)


def test_a_generator_that_raises_before_its_head_is_stood_in_for(clock: list[float]) -> None:
    fails = False

    def late(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        if fails:
            raise RuntimeError("by plan")
        start_response("200 OK", [TEXT, ("Cache-Control", "max-age=60, stale-if-error=600")])
        yield b"Hello"

    app = cached(late)
    ask(app)
    clock[0] += 61
    fails = True
    assert ask(app).body == b"Hello"


def test_what_is_ignored_of_a_query_is_not_given_to_the_application() -> None:
    inner = inner_of()
    app = cached(inner, ignore_query=["utm_*", "fbclid"])
    ask(app, target="/?utm_source=<script>&page=2&fbclid=1", RAW_URI="/?utm_source=<script>&page=2&fbclid=1")
    assert (inner.environs[0]["QUERY_STRING"], inner.environs[0]["RAW_URI"]) == ("page=2", "/?page=2")
    assert told(ask(app, target="/?page=2", RAW_URI="/?page=2")) == "hit; ttl=60"
    app.purge("http://shop.example/?utm_medium=mail&page=2")
    assert told(ask(app, target="/?page=2", RAW_URI="/?page=2")) == "fwd=miss; stored"
    ask(app, "POST", "/?page=2&utm_source=x")
    assert told(ask(app, target="/?page=2", RAW_URI="/?page=2")) == "fwd=miss; stored"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "BREW"])
def test_a_method_that_may_change_something_purges_its_url(method: str) -> None:
    inner = inner_of()
    app = cached(inner)
    ask(app, target="/a?b=1")
    ask(app, target="/other")
    assert told(ask(app, method, target="/a?b=1")) == "fwd=method"
    assert told(ask(app, target="/a?b=1")) == "fwd=miss; stored"
    assert told(ask(app, target="/other")) == "hit; ttl=60"


def test_a_change_that_failed_purges_nothing() -> None:
    inner = inner_of()
    app = cached(inner)
    ask(app)
    inner.status = "403 Forbidden"
    ask(app, "POST")
    assert told(ask(app)) == "hit; ttl=60"


def test_a_change_purges_what_its_answer_names_on_this_host_only() -> None:
    inner = inner_of()
    app = cached(inner)
    for target in ("/new", "/list", "/kept"):
        ask(app, target=target)
    inner.headers = [
        TEXT,
        ("Location", "/new"),
        ("Content-Location", "http://shop.example/list"),
    ]
    ask(app, "POST", target="/form")
    inner.headers = [TEXT, ("Location", "http://other.example/kept"), ("Content-Location", "http://[broken")]
    ask(app, "POST", target="/form")
    inner.headers = [TEXT, ("Cache-Control", "max-age=60")]
    assert [told(ask(app, target=target)) for target in ("/new", "/list", "/kept")] == [
        "fwd=miss; stored",
        "fwd=miss; stored",
        "hit; ttl=60",
    ]


def test_an_answer_that_was_being_made_when_its_url_was_purged_is_not_kept() -> None:
    inner = inner_of(blocks=[b"old", b"!"])
    app = cached(inner)
    blocks = app(environ_of(), lambda *words: lambda block: None)
    taken = iter(blocks)
    assert next(taken) == b"old"
    inner.blocks = [b"new"]
    ask(app, "POST")
    assert list(taken) == [b"!"]
    blocks.close()  # type: ignore[attr-defined]
    assert ask(app).body == b"new"


def test_answers_are_purged_by_their_tags() -> None:
    inner = inner_of("max-age=60", ("Cache-Tag", "product-7, list"))
    app = cached(inner)
    first = ask(app, target="/7")
    assert first.value("Cache-Tag") is None
    assert told(ask(app, target="/7")) == "hit; ttl=60"
    app.purge_tags("product-8")
    assert told(ask(app, target="/7")) == "hit; ttl=60"
    first.environ[CACHE].purge_tags("product-7")
    assert told(ask(app, target="/7")) == "fwd=miss; stored"


def test_an_answer_that_was_being_made_when_its_tag_was_purged_is_not_given(clock: list[float]) -> None:
    inner = inner_of("max-age=60", ("Cache-Tag", "a"), blocks=[b"old", b"!"])
    app = cached(inner)
    blocks = app(environ_of(), lambda *words: lambda block: None)
    taken = iter(blocks)
    next(taken)
    clock[0] += 1
    app.purge_tags("a")
    inner.blocks = [b"new"]
    assert list(taken) == [b"!"]
    clock[0] += 1
    assert ask(app).body == b"new"
    assert told(ask(app)) == "hit; ttl=60"


def test_a_purge_is_remembered_or_what_was_tagged_is_forgotten(clock: list[float]) -> None:
    inner = inner_of("max-age=60", ("Cache-Tag", "a"))
    store = MemoryStore()
    app = cached(inner, store=store)
    ask(app)
    [note] = [key for key in store.entries if ":t:" in key]
    store.delete(note)
    clock[0] += 1
    assert told(ask(app)) == "fwd=miss; stored"


def test_a_304_without_a_date_makes_it_as_young_as_one_with_it(clock: list[float]) -> None:
    # The server that is asked may add the Date itself, behind this cache; the old one says nothing of the 304.
    inner = inner_of("max-age=60", ("ETag", '"v1"'), ("Date", http_date(clock[0])))
    app = cached(inner)
    ask(app)
    clock[0] += 100
    inner.status, inner.blocks, inner.headers = "304 Not Modified", [], [("ETag", '"v1"')]
    assert told(ask(app)) == "fwd=stale; fwd-status=304; stored"
    clock[0] += 10
    given = ask(app)
    assert (told(given), given.value("Age"), inner.calls) == ("hit; ttl=50", "10", 2)
