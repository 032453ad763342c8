"""`Cache` around an application: what is asked of it, what is given without it, and what clients are told."""

from __future__ import annotations

import contextlib
import re
import sys
import wsgiref.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.middleware import Cache
from dragoman.middleware.cache import CACHE
from dragoman.middleware.cache.entry import Entry
from dragoman.middleware.cache.shelf import MOST_DECODED
from dragoman.middleware.stores import MemoryStore
from tests.middleware.cache.support import TEXT, cached, inner_of, told
from tests.middleware.kit import Inner, ask, environ_of

pytestmark = pytest.mark.usefixtures("clock")


def test_what_may_be_kept_is_asked_for_once(clock: list[float]) -> None:
    inner = inner_of(blocks=[b"Hel", b"", b"lo"])
    app = cached(inner)
    first = ask(app)
    assert (first.blocks, told(first), first.value("Age")) == ([b"Hel", b"", b"lo"], "fwd=uri-miss; stored", None)
    clock[0] += 7.9
    second = ask(app)
    assert (second.status, second.body, inner.calls) == (200, b"Hello", 1)
    assert (told(second), second.value("Age"), second.value("Content-Length")) == ("hit; ttl=52", "7", "5")
    assert second.value("Cache-Control") == "max-age=60" and second.value("Content-Type") == "text/plain"
    inner.settled()


def test_after_its_time_it_is_asked_for_again(clock: list[float]) -> None:
    inner = inner_of()
    app = cached(inner)
    ask(app)
    clock[0] += 60
    assert (told(ask(app)), inner.calls) == ("fwd=stale; stored", 2)
    assert told(ask(app)) == "hit; ttl=60"


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        (inner_of(None), "no-lifetime"),
        (inner_of("no-store"), "no-store"),
        (inner_of("private, max-age=60"), "private"),
        (inner_of("max-age=60", ("Set-Cookie", "a=1")), "set-cookie"),
        (inner_of("max-age=60", status="500 Internal Server Error"), "status"),
    ],
)
def test_what_may_not_be_kept_is_asked_for_each_time_and_says_why(inner: Inner, reason: str) -> None:
    app = cached(inner)
    assert [told(ask(app)) for _ in range(2)] == [f"fwd=uri-miss; detail={reason}"] * 2
    assert inner.calls == 2
    inner.settled()


def test_a_page_of_one_visitor_is_not_given_to_another() -> None:
    inner = inner_of()
    app = cached(inner)
    assert told(ask(app, headers={"Cookie": "session=anna"})) == "fwd=uri-miss; detail=cookie"
    assert told(ask(app, headers={"Authorization": "Basic x"})) == "fwd=uri-miss; detail=authorization"
    assert told(ask(app)) == "fwd=uri-miss; stored"
    # What was made for nobody in particular is for everybody.
    assert told(ask(app, headers={"Cookie": "session=anna"})) == "hit; ttl=60"


def test_head_and_get_are_one_answer() -> None:
    inner = inner_of()
    app = cached(inner)
    assert told(ask(app, "HEAD")) == "fwd=uri-miss"
    ask(app)
    head = ask(app, "HEAD")
    assert (told(head), head.blocks, head.value("Content-Length")) == ("hit; ttl=60", [], "5")


def test_a_client_that_has_it_still_lets_the_cache_be_filled() -> None:
    inner = inner_of("max-age=60", ("ETag", '"v1"'), blocks=[b"Hel", b"lo"])
    app = cached(inner)
    given = ask(app, headers={"If-None-Match": '"v1"'})
    assert (given.status, given.body) == (304, b"")
    assert "HTTP_IF_NONE_MATCH" not in inner.environs[0]
    assert (ask(app).body, inner.calls) == (b"Hello", 1)
    inner.settled()


def test_a_generator_application_that_starts_late_is_reduced_as_well() -> None:
    def late(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [TEXT, ("Cache-Control", "max-age=60"), ("ETag", '"v1"')])
        yield b"Hel"
        yield b"lo"

    app = cached(late)
    assert ask(app, headers={"If-None-Match": '"v1"'}).status == 304
    assert (ask(app).body, told(ask(app))) == (b"Hello", "hit; ttl=60")


def test_parts_are_cut_out_of_what_is_kept() -> None:
    inner = inner_of("max-age=60", ("ETag", '"v1"'), blocks=[b"0123456789" * 100])
    app = cached(inner)
    assert told(ask(app, headers={"Range": "bytes=0-0"})) == "fwd=uri-miss"
    assert inner.environs[0]["HTTP_RANGE"] == "bytes=0-0"
    ask(app)
    part = ask(app, headers={"Range": "bytes=0-0"})
    assert (part.status, part.body, part.value("Content-Range")) == (206, b"0", "bytes 0-0/1000")
    several = ask(app, headers={"Range": "bytes=0-1,500-501"})
    assert several.status == 206 and (several.value("Content-Type") or "").startswith("multipart/byteranges")
    assert b"Content-Range: bytes 500-501/1000" in several.body
    assert several.value("Content-Length") == str(len(several.body))
    assert ask(app, headers={"Range": "bytes=1000-"}).status == 416
    assert ask(app, headers={"Range": "bytes=0-0", "If-Range": '"v0"'}).status == 200
    assert ask(app, headers={"Range": "bytes=0-0", "If-Range": '"v1"'}).status == 206
    assert ask(app, headers={"Range": "bytes=0-0", "If-None-Match": '"v1"'}).status == 304
    assert ask(app, "HEAD", headers={"Range": "bytes=0-0"}).status == 200
    assert inner.calls == 2


def test_answers_vary_by_the_fields_that_they_name() -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [TEXT, ("Cache-Control", "max-age=60"), ("Vary", "Accept-Language")])
        return [environ.get("HTTP_ACCEPT_LANGUAGE", "none").encode()]

    app = cached(application)
    for language in ("de", "en", "de"):
        assert ask(app, headers={"Accept-Language": language}).body == language.encode()
    assert told(ask(app, headers={"Accept-Language": "de"})) == "hit; ttl=60"
    assert told(ask(app, headers={"Accept-Language": "fr"})) == "fwd=miss; stored"
    assert ask(app).body == b"none"


def test_what_answers_of_a_url_vary_by_adds_up() -> None:
    names = iter(["Accept", "Accept-Language", "Accept"])

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [TEXT, ("Cache-Control", "max-age=60"), ("Vary", next(names))])
        return [repr((environ.get("HTTP_ACCEPT"), environ.get("HTTP_ACCEPT_LANGUAGE"))).encode()]

    app = cached(application)
    ask(app, headers={"Accept": "a", "Accept-Language": "de"})
    ask(app, headers={"Accept": "b", "Accept-Language": "de"})
    assert ask(app, headers={"Accept": "b", "Accept-Language": "de"}).text == "('b', 'de')"
    assert ask(app, headers={"Accept": "b", "Accept-Language": "en"}).text == "('b', 'en')"


@pytest.mark.parametrize(
    "poison",
    [
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Proto": "https"},
        {"X-Original-URL": "/admin"},
        {"X-Rewrite-URL": "/admin"},
        {"X-HTTP-Method-Override": "POST"},
        {"Forwarded": "host=evil.example"},
    ],
)
def test_a_page_made_with_a_field_that_no_key_has_is_not_given_to_others(poison: dict[str, str]) -> None:
    [key] = [f"HTTP_{name.upper().replace('-', '_')}" for name in poison]

    def reflecting(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [TEXT, ("Cache-Control", "public, max-age=60")])
        return [environ.get(key, "clean").encode()]

    app = cached(reflecting)
    assert ask(app, headers=poison).text != "clean"
    assert ask(app).text == "clean"
    assert ask(app, headers=poison).text != "clean"
    # They lie under one URL, so that one purge is for all of them.
    app.purge("http://shop.example/")
    assert [told(ask(app, headers=headers)) for headers in ({}, poison)] == ["fwd=miss; stored"] * 2


def test_a_body_of_a_get_goes_by_the_cache() -> None:
    inner = inner_of()
    app = cached(inner)
    assert told(ask(app, body=b"name=evil")) == "fwd=bypass"
    assert told(ask(app, headers={"Transfer-Encoding": "chunked"})) == "fwd=bypass"
    assert told(ask(app)) == "fwd=uri-miss; stored"


def test_a_host_that_cannot_be_read_goes_by_the_cache() -> None:
    assert told(ask(cached(inner_of()), HTTP_HOST="a b")) == "fwd=bypass; detail=host"


def test_only_whole_answers_are_kept() -> None:
    inner = inner_of(blocks=[b"a", b"b"])
    app = cached(inner)
    result = app(environ_of(), lambda *words: lambda block: None)
    assert next(iter(result)) == b"a"
    result.close()  # type: ignore[attr-defined]
    assert told(ask(app)) == "fwd=uri-miss; stored"
    inner.settled()


def test_an_answer_that_breaks_off_is_not_kept() -> None:
    def breaking(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [TEXT, ("Cache-Control", "max-age=60")])
        yield b"a"
        raise RuntimeError("by plan")

    app = cached(breaking)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="by plan"):
            ask(app)


def test_an_answer_of_another_length_than_it_says_is_not_kept() -> None:
    inner = inner_of("max-age=60", ("Content-Length", "6"))
    app = cached(inner)
    for _ in range(2):
        result = app(environ_of(), lambda *words: lambda block: None)
        assert list(result) == [b"Hello"]
        result.close()  # type: ignore[attr-defined]
    assert inner.calls == 2


def test_a_server_that_has_all_bytes_need_not_ask_for_the_end() -> None:
    inner = inner_of("max-age=60", ("Content-Length", "5"))
    app = cached(inner)
    result = app(environ_of(), lambda *words: lambda block: None)
    assert next(iter(result)) == b"Hello"
    result.close()  # type: ignore[attr-defined]
    assert told(ask(app)) == "hit; ttl=60"


def test_what_is_too_large_streams_through_and_is_not_kept() -> None:
    inner = inner_of(blocks=[b"12345", b"67890", b"x"])
    app = cached(inner, max_bytes=10)
    assert ask(app).blocks == [b"12345", b"67890", b"x"]
    assert (ask(app).body, inner.calls) == (b"1234567890x", 2)
    inner.headers.append(("Content-Length", "11"))
    assert told(ask(app)) == "fwd=uri-miss; detail=size"


def test_blocks_come_one_for_one_while_they_are_kept() -> None:
    inner = inner_of(blocks=[b"a", b"", b"b"])
    taken = iter(cached(inner)(environ_of(), lambda *words: lambda block: None))
    assert (next(taken), inner.given) == (b"a", 1)
    assert (next(taken), inner.given) == (b"", 2)


def test_what_is_written_is_kept_as_well() -> None:
    def writing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", [TEXT, ("Cache-Control", "max-age=60")])
        write(b"Hel")
        return [b"lo"]

    app = cached(writing)
    assert [ask(app).body for _ in range(2)] == [b"Hello"] * 2
    assert told(ask(app)) == "hit; ttl=60"


def test_an_error_after_a_head_is_passed_on_and_not_kept() -> None:
    import sys

    def failing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [TEXT, ("Cache-Control", "max-age=60"), ("ETag", '"a"')])
        try:
            raise RuntimeError("by plan")
        except RuntimeError:
            start_response("500 Internal Server Error", [TEXT], sys.exc_info())
        return [b"broken"]

    app = cached(failing)
    assert (ask(app).status, ask(app, headers={"If-None-Match": '"a"'}).body) == (500, b"broken")


@pytest.mark.parametrize(
    ("value", "length", "detail"),
    [(None, 4, "no-lifetime"), ("no-store", 4, "no-store"), ("max-age=60", 2 << 20, "size")],
)
def test_a_file_that_may_not_be_kept_stays_with_the_server(value: str | None, length: int, detail: str) -> None:
    class Wrapper:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __iter__(self) -> Iterator[bytes]:
            raise AssertionError("the server sends it by itself")

        def close(self) -> None:
            closes.append(self)

    closes: list[Wrapper] = []
    made = Wrapper(None)
    heads: list[Any] = []

    def sending(environ: dict[str, Any], start_response: Any) -> Any:
        said = [] if value is None else [("Cache-Control", value)]
        start_response("200 OK", [TEXT, ("ETag", '"a"'), ("Content-Length", str(length)), *said])
        return made

    def ask_for(**more: Any) -> Any:
        environ = environ_of(**{"wsgi.file_wrapper": Wrapper}, **more)
        return cached(sending)(environ, lambda *head: heads.append(head))  # type: ignore[arg-type, return-value]

    assert ask_for() is made
    assert ("Cache-Status", f"dragoman; fwd=uri-miss; detail={detail}") in heads[0][1]
    # Who has it already gets a head, and the file is closed here.
    assert list(ask_for(HTTP_IF_NONE_MATCH='"a"')) == []
    assert ([status for status, _ in heads], closes) == (["200 OK", "304 Not Modified"], [made])


def wrappers() -> list[Any]:
    import gunicorn.http.wsgi
    import waitress.buffers

    return [wsgiref.util.FileWrapper, gunicorn.http.wsgi.FileWrapper, waitress.buffers.ReadOnlyFileBasedBuffer]


@pytest.mark.parametrize("wrapper", wrappers(), ids=lambda wrapper: wrapper.__module__)
@pytest.mark.parametrize("is_declared", [True, False])
def test_a_file_that_may_be_kept_is_kept_as_it_says(tmp_path: Path, wrapper: Any, is_declared: bool) -> None:
    path = tmp_path / "report.csv"
    path.write_bytes(b"a;b\n" * 20_000)
    opened: list[Any] = []

    def sending(environ: dict[str, Any], start_response: Any) -> Any:
        length = [("Content-Length", "80000")] if is_declared else []
        start_response("200 OK", [TEXT, ("Cache-Control", "max-age=60"), *length])
        opened.append(path.open("rb"))
        return environ["wsgi.file_wrapper"](opened[0], 8192)

    app = cached(sending)
    for said in ("fwd=uri-miss; stored", "hit; ttl=60"):
        given = ask(app, **{"wsgi.file_wrapper": wrapper})
        assert (given.body, told(given)) == (path.read_bytes(), said)
    assert [file.closed for file in opened] == [True]


def test_a_body_whose_beginning_went_out_before_a_second_head_is_not_kept() -> None:
    # The server raises the exception again, since a head is out; an application may swallow that and go on.
    def stubborn(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [TEXT, ("Cache-Control", "max-age=60")])
        yield b"one "
        try:
            raise KeyError("x")
        except KeyError:
            with contextlib.suppress(KeyError):
                start_response("200 OK", [TEXT, ("Cache-Control", "max-age=60")], sys.exc_info())
        yield b"two"

    app = cached(stubborn)

    def body() -> bytes:
        sent: list[bytes] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
            if exc_info is not None and sent:
                raise exc_info[1]
            return sent.append

        result: Any = app(environ_of(), start_response)
        for block in result:
            sent.append(block)
        if hasattr(result, "close"):
            result.close()
        return b"".join(sent)

    assert [body(), body()] == [b"one two"] * 2


def test_paths_have_lifetimes_of_their_own_and_others_go_by_the_cache() -> None:
    inner = inner_of(None)
    app = cached(inner, default="max-age=10", by_path={"/blog": "max-age=60", "/admin": None})
    for target, kept in (("/", "hit; ttl=10"), ("/blog/1", "hit; ttl=60")):
        ask(app, target=target)
        given = ask(app, target=target)
        assert told(given) == kept
        # It is the cache's own matter: a browser is told what the application says.
        assert given.value("Cache-Control") is None
    assert ask(app, target="/admin").value("Cache-Status") is None
    assert CACHE not in ask(app, target="/admin/x").environ


def test_with_paths_alone_other_answers_still_say_themselves() -> None:
    app = cached(inner_of(), by_path={"/blog": "max-age=5"})
    ask(app)
    assert told(ask(app)) == "hit; ttl=60"


def test_a_function_sends_requests_by_the_cache_or_keeps_them_apart() -> None:
    inner = inner_of()
    app = cached(
        inner, bypass=lambda environ: "HTTP_PREVIEW" in environ, vary_by=lambda environ: environ["REMOTE_ADDR"]
    )
    assert told(ask(app, headers={"Preview": "1"})) == "fwd=bypass"
    ask(app)
    assert told(ask(app)) == "hit; ttl=60"
    assert told(ask(app, REMOTE_ADDR="192.0.2.8")) == "fwd=miss; stored"


def test_a_client_cannot_make_us_ask_the_application_unless_that_is_granted() -> None:
    inner = inner_of()
    for reloads, expected in ((False, "hit; ttl=60"), (True, "fwd=request; stored")):
        app = cached(inner, client_reloads=reloads)
        ask(app)
        assert told(ask(app, headers={"Cache-Control": "no-cache"})) == expected
        assert told(ask(app, headers={"Cache-Control": "max-age=0"})) == expected


def test_who_wants_only_what_is_kept_gets_504_where_nothing_is() -> None:
    inner = inner_of()
    app = cached(inner)
    assert (ask(app, headers={"Cache-Control": "only-if-cached"}).status, inner.calls) == (504, 0)
    ask(app)
    assert ask(app, headers={"Cache-Control": "only-if-cached"}).status == 200


def test_cache_status_is_the_last_member_and_may_be_left_out() -> None:
    inner = inner_of("max-age=60", ("Cache-Status", "inner; hit"))
    assert ask(cached(inner, status_name="edge")).values("Cache-Status") == ["inner; hit", "edge; fwd=uri-miss; stored"]
    assert ask(cached(inner_of(), status_name=None)).values("Cache-Status") == []


def test_options_and_trace_pass() -> None:
    assert told(ask(cached(inner_of()), "OPTIONS")) == "fwd=method"


def test_an_empty_answer_is_kept_as_well() -> None:
    inner = Inner(status="204 No Content", headers=[("Cache-Control", "max-age=60")], blocks=[])
    app = cached(inner)
    ask(app)
    given = ask(app)
    assert (given.status, given.blocks, told(given), given.value("Content-Length")) == (204, [], "hit; ttl=60", None)


def test_nothing_in_a_store_is_run_and_what_cannot_be_read_is_nothing() -> None:
    store = MemoryStore()
    app = cached(inner_of("max-age=60", ("Cache-Tag", "a")), store=store)
    ask(app)
    for key in list(store.entries):
        kept = store.get(key)
        assert kept is not None
        store.put(key, b"\x80\x04cos\nsystem\n.", 60)
        assert told(ask(app)) in ("fwd=uri-miss; stored", "fwd=miss; stored")
        app.purge_tags("a")
        ask(app)


def test_what_is_asked_for_often_is_read_once_and_a_new_answer_is_seen_at_once(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []
    from_bytes = Entry.from_bytes
    monkeypatch.setattr(Entry, "from_bytes", lambda data: read.append(data) or from_bytes(data))
    inner = inner_of()
    app = cached(inner)
    ask(app)
    assert [ask(app).body for _ in range(3)] == [b"Hello"] * 3
    assert len(read) == 1
    clock[0] += 60
    inner.blocks = [b"new"]
    ask(app)
    assert [ask(app).body for _ in range(3)] == [b"new"] * 3
    app.purge("http://shop.example/")
    inner.blocks = [b"newer"]
    assert [ask(app).body for _ in range(3)] == [b"newer"] * 3


def test_what_was_read_takes_no_more_than_its_room() -> None:
    app = cached(inner_of(blocks=[b"x" * 15_000]))
    for number in range(2 * MOST_DECODED):
        for _ in range(2):
            ask(app, target=f"/{number}")
    assert 0 < len(app.shelf.entries.by_version) <= MOST_DECODED
    app = cached(inner_of(blocks=[b"x" * 20_000]))
    assert [told(ask(app)) for _ in range(2)] == ["fwd=uri-miss; stored", "hit; ttl=60"]
    assert app.shelf.entries.by_version == {}


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"default": "60"}, "default: want Cache-Control with a max-age"),
        ({"default": 60}, "default: want Cache-Control with a max-age"),
        ({"default": "max-age=60, stale-while-revalidating=5"}, "no directive is called stale-while-revalidating"),
        ({"by_path": {"/a": "no-store"}}, "by_path: /a: want Cache-Control with a max-age"),
        ({"by_path": {"a": None}}, 'want paths that begin with "/"'),
        ({"ignore_query": "utm_*"}, "ignore_query: want a list of names"),
        ({"max_bytes": -1}, "max_bytes: want a whole number"),
        ({"max_waiting": 1.5}, "max_waiting: want a whole number"),
        ({"max_refreshing": -1}, "max_refreshing: want a whole number"),
        ({"wait_s": -1}, "wait_s: want seconds"),
        ({"tag_field": "a b"}, "tag_field: want the name of a field"),
        ({"status_name": "a b"}, "status_name: want a token"),
    ],
)
def test_options_that_cannot_be_are_refused_with_what_is_wanted(options: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wanted)):
        Cache(Inner(), **options)
