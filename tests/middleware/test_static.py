"""`Static`: heads, conditions, ranges, codings and caching of files."""

from __future__ import annotations

import gzip
import re
import time
import wsgiref.util
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from dragoman.http.dates import http_date
from dragoman.middleware import Static
from tests.middleware.files import A_TIME_S, TEXT, got, put
from tests.middleware.kit import Inner, ask


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path, "app.css")
    put(tmp_path, "pages/a b.html", b"<p>ae</p>")
    put(tmp_path, "empty.txt", b"")
    return tmp_path


@pytest.fixture(params=[False, True], ids=["once", "live"])
def live(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_a_file_comes_with_its_head(root: Path, live: bool) -> None:
    inner = Inner()
    answered = got(Static(inner, root, live=live))
    assert (answered.status, answered.body) == (200, TEXT)
    assert answered.value("Content-Type") == "text/css; charset=utf-8"
    assert answered.value("Content-Length") == str(len(TEXT))
    assert answered.value("Last-Modified") == http_date(A_TIME_S)
    assert answered.value("Cache-Control") == "max-age=60, public"
    assert answered.value("Accept-Ranges") == "bytes"
    assert re.fullmatch(r'"[0-9a-f]+-[0-9a-f]+"', answered.value("ETag") or "")
    assert answered.value("Vary") is None
    assert inner.calls == 0


def test_head_has_the_head_of_get_and_no_body(root: Path, live: bool) -> None:
    app = Static(Inner(), root, live=live)
    head, get = got(app, method="HEAD"), got(app)
    assert (head.status, head.headers, head.body) == (200, get.headers, b"")


@pytest.mark.parametrize(
    "target", ["/", "/static", "/static/", "/static/nothing.css", "/app.css", "/static/app.css/", "/static/pages"]
)
def test_what_is_no_file_is_the_applications(root: Path, live: bool, target: str) -> None:
    inner = Inner()
    assert got(Static(inner, root, live=live), target).text == "Hello"
    inner.settled()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get"])
def test_another_method_is_told_which_there_are(root: Path, live: bool, method: str) -> None:
    answered = got(Static(Inner(), root, live=live), method=method)
    assert (answered.status, answered.value("Allow")) == (405, "GET, HEAD")


def test_a_post_to_what_is_no_file_is_the_applications(root: Path, live: bool) -> None:
    assert got(Static(Inner(), root, live=live), "/static/x", "POST").text == "Hello"


@pytest.mark.parametrize(
    ("prefix", "url"), [("/", "/app.css"), ("/assets", "/assets/app.css"), ("/a/b/", "/a/b/app.css")]
)
def test_the_prefix_is_where_it_is_said(root: Path, live: bool, prefix: str, url: str) -> None:
    assert got(Static(Inner(), root, prefix=prefix, live=live), url).body == TEXT


def test_a_mounted_application_has_its_files_below_it(root: Path) -> None:
    # WhiteNoise took the prefix from a setting with the script's name in it, and found nothing.
    answered = ask(Static(Inner(), root), "GET", "/static/app.css", SCRIPT_NAME="/shop")
    assert answered.body == TEXT


def test_names_beyond_ascii_are_found_by_their_bytes(tmp_path: Path, live: bool) -> None:
    put(tmp_path, "žluť a.txt", b"x")
    target = "/static/" + "žluť a.txt".encode().decode("latin-1")
    assert got(Static(Inner(), tmp_path, live=live), target).body == b"x"


def test_an_empty_file_is_a_file(root: Path, live: bool) -> None:
    app = Static(Inner(), root, live=live)
    answered = got(app, "/static/empty.txt")
    assert (answered.status, answered.body, answered.value("Content-Length")) == (200, b"", "0")
    assert got(app, "/static/empty.txt", Range="bytes=0-").status == 416
    assert got(app, "/static/empty.txt", Range="bytes=-1").status == 200


# Conditions.


def test_who_has_it_gets_304_with_what_outer_readers_go_by(root: Path) -> None:
    app = Static(Inner(), root, any_origin=True, headers={"X-Tag": "yes"})
    first = got(app)
    again = got(app, If_None_Match=first.value("ETag") or "")
    assert (again.status, again.body) == (304, b"")
    kept = ("ETag", "Cache-Control", "Access-Control-Allow-Origin", "X-Tag", "Last-Modified")
    assert {name: again.value(name) for name in kept} == {name: first.value(name) for name in kept}
    assert again.value("Content-Type") is None and again.value("Content-Length") is None


@pytest.mark.parametrize("form", ["W/{}", '"other", {}', '{}, "other"', "*"])
def test_if_none_match_is_a_list_compared_weakly(root: Path, form: str) -> None:
    # WhiteNoise compares the field as one text.
    app = Static(Inner(), root)
    tag = got(app).value("ETag")
    assert got(app, If_None_Match=form.format(tag)).status == 304
    assert got(app, If_None_Match='"other"').status == 200


def test_if_none_match_goes_before_the_date(root: Path) -> None:
    assert got(Static(Inner(), root), If_None_Match='"other"', If_Modified_Since=http_date(A_TIME_S)).status == 200


@pytest.mark.parametrize(("since_s", "status"), [(A_TIME_S - 1, 200), (A_TIME_S, 304), (A_TIME_S + 1, 304)])
def test_the_date_counts_by_the_second(root: Path, since_s: int, status: int) -> None:
    put(root, "app.css", TEXT, A_TIME_S + 0.75)
    assert got(Static(Inner(), root), If_Modified_Since=http_date(since_s)).status == status


def test_a_date_that_is_none_is_no_condition(root: Path) -> None:
    assert got(Static(Inner(), root), If_Modified_Since="yesterday").status == 200


def test_failed_preconditions_are_412(root: Path) -> None:
    app = Static(Inner(), root)
    assert got(app, If_Match='"other"').status == 412
    assert got(app, If_Unmodified_Since=http_date(A_TIME_S - 1)).status == 412
    assert got(app, If_Match=got(app).value("ETag") or "").status == 200


# Ranges.


@pytest.mark.parametrize(
    ("asked", "start", "count"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-5", 5, 1),
        ("bytes=-1", len(TEXT) - 1, 1),
        ("bytes=0-", 0, len(TEXT)),
        ("bytes=10-19", 10, 10),
        ("bytes=-99999", 0, len(TEXT)),
        ("bytes=10-99999", 10, len(TEXT) - 10),
        ("Bytes=0-1", 0, 2),
        ("bytes=0-3,2-9", 0, 10),
    ],
)
@pytest.mark.parametrize("wrapper", [None, wsgiref.util.FileWrapper])
def test_a_range_is_to_the_byte(root: Path, asked: str, start: int, count: int, wrapper: Any) -> None:
    # WhiteNoise answers 416 to a range of one byte.
    answered = ask(
        Static(Inner(), root),
        "GET",
        "/static/app.css",
        {"Range": asked},
        **{"wsgi.file_wrapper": wrapper} if wrapper else {},
    )
    assert (answered.status, answered.body) == (206, TEXT[start : start + count])
    assert answered.value("Content-Range") == f"bytes {start}-{start + count - 1}/{len(TEXT)}"
    assert answered.value("Content-Length") == str(count)


@pytest.mark.parametrize("asked", ["bytes=99999-", "bytes=1789-1790"])
def test_no_such_range_is_416_and_keeps_what_pages_need(root: Path, asked: str) -> None:
    # WhiteNoise drops Access-Control-Allow-Origin with it, so that a player cannot see why.
    root_size = len(TEXT)
    answered = got(Static(Inner(), root, any_origin=True), Range=asked.replace("1789", str(root_size)))
    assert (answered.status, answered.value("Content-Range")) == (416, f"bytes */{root_size}")
    assert answered.value("Access-Control-Allow-Origin") == "*"


@pytest.mark.parametrize(
    "asked",
    [
        "lines=0-1",
        "bytes",
        "bytes=",
        "bytes=a-b",
        "bytes=5-1",
        "bytes=1",
        "bytes=--1",
        "bytes=" + ",".join(["0-0"] * 200),
    ],
)
def test_what_is_no_range_is_ignored(root: Path, asked: str) -> None:
    assert got(Static(Inner(), root), Range=asked).status == 200


def test_several_ranges_are_parts(root: Path) -> None:
    # WhiteNoise sends the whole file.
    answered = got(Static(Inner(), root), Range="bytes=0-0, 500-509, -3")
    assert answered.status == 206 and answered.value("Content-Range") is None
    assert answered.value("Content-Length") == str(len(answered.body))
    kind = answered.value("Content-Type")
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + answered.body)
    parts: Any = message.get_payload()
    assert [part.get_payload(decode=True) for part in parts] == [TEXT[:1], TEXT[500:510], TEXT[-3:]]
    assert [part["Content-Range"] for part in parts][1] == f"bytes 500-509/{len(TEXT)}"
    assert {part["Content-Type"] for part in parts} == {"text/css; charset=utf-8"}


def test_head_has_no_ranges(root: Path) -> None:
    answered = got(Static(Inner(), root), method="HEAD", Range="bytes=0-0")
    assert (answered.status, answered.value("Content-Length")) == (200, str(len(TEXT)))


def test_if_range_holds_for_the_same_file_only(root: Path) -> None:
    # WhiteNoise does not know If-Range: who resumes a download gets the end of another file.
    app = Static(Inner(), root)
    tag = got(app).value("ETag") or ""
    assert got(app, Range="bytes=0-0", If_Range=tag).status == 206
    assert got(app, Range="bytes=0-0", If_Range=http_date(A_TIME_S)).status == 206
    for other in (f"W/{tag}", '"other"', http_date(A_TIME_S + 1), "rubbish"):
        assert got(app, Range="bytes=0-0", If_Range=other).status == 200


def test_a_date_does_not_hold_for_a_file_of_this_very_second(root: Path) -> None:
    # It may change once more in this second, and its date stay the same.
    now_s = time.time()
    put(root, "app.css", TEXT, now_s - 0.001)
    answered = got(Static(Inner(), root), Range="bytes=0-0", If_Range=http_date(now_s - 0.001))
    assert answered.status == 200 or time.time() - now_s > 0.9


def test_a_condition_goes_before_a_range(root: Path) -> None:
    app = Static(Inner(), root)
    assert got(app, Range="bytes=0-0", If_None_Match=got(app).value("ETag") or "").status == 304


# Codings.


@pytest.fixture
def packed(root: Path) -> Path:
    put(root, "app.css.gz", gzip.compress(TEXT, mtime=0))
    put(root, "app.css.br", b"br" * 40)
    put(root, "app.css.zst", b"zst" * 30)
    return root


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("gzip, br, zstd", "br"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("zstd, br;q=0.9", "zstd"),
        ("gzip;q=0", None),
        ("gzip; q=0.0, br;q=0", None),
        ("gzip;q=0, *", "br"),
        ("x-gzip-really", None),
        ("gzip spam br", None),
        ("GZIP", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.6", "gzip"),
        ("identity;q=0, compress", None),
    ],
)
def test_the_coding_is_that_which_is_wanted_most(
    packed: Path, live: bool, accepted: str | None, coding: str | None
) -> None:
    # WhiteNoise looks for the name anywhere in the field: gzip;q=0 gets gzip.
    app = Static(Inner(), packed, live=live)
    answered = got(app) if accepted is None else got(app, Accept_Encoding=accepted)
    assert answered.value("Content-Encoding") == coding
    assert answered.value("Vary") == "Accept-Encoding"
    assert answered.value("Content-Type") == "text/css; charset=utf-8"
    assert (
        answered.body
        == (packed / f"app.css{ {None: '', 'gzip': '.gz', 'br': '.br', 'zstd': '.zst'}[coding] }").read_bytes()
    )


def test_each_coding_has_an_etag_of_its_own(packed: Path) -> None:
    # WhiteNoise gives all of them one: a range of the one could be joined to a range of another.
    app = Static(Inner(), packed)
    tags = [got(app, Accept_Encoding=accepted).value("ETag") for accepted in ("", "gzip", "br", "zstd")]
    assert len(set(tags)) == 4
    assert got(app, Accept_Encoding="gzip", If_None_Match=tags[1] or "").status == 304
    assert got(app, Accept_Encoding="gzip", If_None_Match=tags[0] or "").status == 200
    assert got(app, Accept_Encoding="gzip", If_None_Match=tags[1] or "").value("Vary") == "Accept-Encoding"


def test_a_range_is_of_the_coding_that_is_sent(packed: Path) -> None:
    answered = got(Static(Inner(), packed), Accept_Encoding="br", Range="bytes=0-1")
    assert (answered.status, answered.body, answered.value("Content-Encoding")) == (206, b"br", "br")


def test_a_compressed_file_has_a_url_of_its_own(packed: Path, live: bool) -> None:
    # WhiteNoise hides data.csv.gz where there is a data.csv.
    answered = got(Static(Inner(), packed, live=live), "/static/app.css.gz")
    assert (answered.status, answered.value("Content-Type")) == (200, "application/gzip")
    assert answered.value("Content-Encoding") is None


def test_a_compressed_file_that_is_older_or_no_smaller_is_not_taken(root: Path, live: bool) -> None:
    put(root, "app.css.gz", b"old", A_TIME_S - 10)
    put(root, "app.css.br", TEXT + b"larger")
    answered = got(Static(Inner(), root, live=live), Accept_Encoding="gzip, br")
    assert (answered.value("Content-Encoding"), answered.body) == (None, TEXT)


# Caching.


@pytest.mark.parametrize(
    "name",
    [
        "css/app.55e7cbb9ba48.css",
        "main.3b5f8a1c.js",
        "main.3b5f8a1c2d4e5f607182.js",
        "app-3b5f8a1c.js",
        "a.3b5f8a1c.js.map",
    ],
)
def test_a_name_with_a_hash_never_changes(tmp_path: Path, name: str) -> None:
    put(tmp_path, name)
    assert (
        got(Static(Inner(), tmp_path), f"/static/{name}").value("Cache-Control")
        == "max-age=31536000, public, immutable"
    )


@pytest.mark.parametrize(
    "name",
    [
        "photo-20240101.jpg",
        "jquery-3.7.1.js",
        "app.deadbee.css",
        "decade.css",
        "report.00000000.pdf",
        "a-3b5f8a1c",
        "defaced-facade.css",
    ],
)
def test_a_name_that_may_be_none_is_not_taken_for_one(tmp_path: Path, name: str) -> None:
    put(tmp_path, name)
    assert got(Static(Inner(), tmp_path), f"/static/{name}").value("Cache-Control") == "max-age=60, public"


@pytest.mark.parametrize(
    ("immutable", "is_immutable"), [(False, False), (r"\.css$", True), (lambda url: url == "/static/app.css", True)]
)
def test_what_never_changes_can_be_said(root: Path, immutable: Any, is_immutable: bool) -> None:
    control = got(Static(Inner(), root, immutable=immutable)).value("Cache-Control") or ""
    assert ("immutable" in control) is is_immutable


def test_nothing_need_be_said_of_caching(root: Path) -> None:
    assert got(Static(Inner(), root, max_age_s=None)).value("Cache-Control") is None
    assert got(Static(Inner(), root, max_age_s=0)).value("Cache-Control") == "max-age=0, public"


def test_the_hook_changes_the_fields_once_for_each_file(root: Path) -> None:
    seen: list[tuple[str, str]] = []

    def change(fields: list[tuple[str, str]], path: str, url: str) -> None:
        seen.append((path, url))
        fields.append(("X-Path", url))

    app = Static(Inner(), root, headers=change)
    assert got(app).value("X-Path") == got(app).value("X-Path") == "/static/app.css"
    assert seen.count((str(root / "app.css"), "/static/app.css")) == 1


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.HTML", "text/html; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.wasm", "application/wasm"),
        ("a.woff2", "font/woff2"),
        ("a.tar.gz", "application/gzip"),
        ("a.unknown", "application/octet-stream"),
        ("none", "application/octet-stream"),
        ("a.foo", "text/x-foo; charset=utf-8"),
        ("CNAME", "text/plain; charset=utf-8"),
    ],
)
def test_types_are_the_same_on_every_machine(tmp_path: Path, name: str, kind: str) -> None:
    put(tmp_path, name)
    app = Static(Inner(), tmp_path, types={".foo": "text/x-foo", "cname": "text/plain"})
    assert got(app, f"/static/{name}").value("Content-Type") == kind


def test_the_charset_can_be_another_one_or_none(root: Path) -> None:
    assert got(Static(Inner(), root, charset="latin-1")).value("Content-Type") == "text/css; charset=latin-1"
    assert got(Static(Inner(), root, charset=None)).value("Content-Type") == "text/css"


@pytest.mark.parametrize("time_s", [0, 1, 315_532_800])
def test_a_time_that_a_repeatable_build_has_made_up_says_nothing(tmp_path: Path, time_s: int) -> None:
    # With WhiteNoise two builds with files of one size have the same ETag, and clients keep the old one.
    path = put(tmp_path, "app.css", b"one", time_s)
    one = got(Static(Inner(), tmp_path))
    put(tmp_path, "app.css", b"two", time_s)
    assert path.stat().st_mtime == time_s
    two = got(Static(Inner(), tmp_path))
    assert one.value("Last-Modified") is None and one.value("ETag") != two.value("ETag")


def test_an_etag_of_the_content_is_the_same_on_all_hosts(tmp_path: Path) -> None:
    tags = []
    for host, time_s in (("a", A_TIME_S), ("b", A_TIME_S + 100)):
        put(tmp_path / host, "app.css", TEXT, time_s)
        tags.append(got(Static(Inner(), tmp_path / host, etags="content")).value("ETag"))
    assert tags[0] == tags[1]


def test_a_time_in_the_future_is_not_told(tmp_path: Path) -> None:
    put(tmp_path, "app.css", TEXT, 4_000_000_000)
    assert got(Static(Inner(), tmp_path)).value("Last-Modified") is None
