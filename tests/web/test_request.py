"""`Request`: what a client has sent, compared with werkzeug's reading of the same environ."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Request as WerkzeugRequest

from dragoman.web import App, Request
from dragoman.web.errors import BadRequest, ContentTooLarge, UnsupportedMediaType
from tests.middleware.kit import ask, environ_of

BYTES = st.binary(max_size=8).map(lambda raw: raw.decode("latin-1"))
PATHS = st.lists(st.text(st.sampled_from("aé/%;=?#&+ \\.~:@")) | BYTES, max_size=4).map(
    lambda parts: "/" + "/".join(part.encode().decode("latin-1") if not part.isascii() else part for part in parts)
)
QUERIES = st.text(st.sampled_from("ab=&+%20é;/?~[]|"), max_size=12).map(lambda text: text.encode().decode("latin-1"))
HOSTS = st.sampled_from(
    ["a.example", "a.example:80", "a.example:443", "a.example:8080", "[::1]", "[::1]:80", "127.0.0.1"]
)


def pair(**environ: Any) -> tuple[Request, WerkzeugRequest]:
    made = environ_of(**environ)
    return Request(made), WerkzeugRequest(dict(made))


@given(
    PATHS,
    st.sampled_from(["", "/m", "/m é".encode().decode("latin-1"), "/a/b/"]),
    QUERIES,
    HOSTS,
    st.sampled_from(["http", "https"]),
)
@example("/\xff", "", "", "a.example", "http")
@example("//a//b/", "", "a=\xff", "a.example", "http")
def test_a_request_is_read_as_werkzeug_reads_it(path: str, script: str, query: str, host: str, scheme: str) -> None:
    ours, theirs = pair(
        PATH_INFO=path, SCRIPT_NAME=script, QUERY_STRING=query, HTTP_HOST=host, **{"wsgi.url_scheme": scheme}
    )
    assert ours.path == theirs.path
    assert ours.script_root == ours.root_path == theirs.root_path
    assert ours.query_string == theirs.query_string
    assert ours.scheme == theirs.scheme
    assert ours.is_secure == theirs.is_secure
    assert ours.host == theirs.host
    assert ours.host_url == theirs.host_url
    assert ours.method == theirs.method
    assert ours.args is not None
    # They decode what they can of a URL (an IRI), we escape what there is to escape (a URI): the same place.
    assert comparable(ours.base_url) == comparable(theirs.base_url)
    assert comparable(ours.url_root) == comparable(theirs.url_root)
    assert ours.url.isascii()
    with contextlib.suppress(UnicodeDecodeError):
        # Theirs raises for a query that is no UTF-8.
        # Escapes that are no UTF-8 stay escapes in theirs, and become U+FFFD in ours.
        if "\ufffd" not in str(ours.args):
            assert ours.args.pairs() == list(MultiDict(theirs.args.items(multi=True)).items(multi=True))
        assert ours.full_path == theirs.full_path
        assert comparable(ours.url) == comparable(theirs.url)


def comparable(url: str) -> str:
    """The URL with nothing escaped that can be read."""
    from urllib.parse import unquote

    return unquote(unquote(url)).replace("\ufffd", "?")


@given(st.text(st.sampled_from("aé/ %?#"), max_size=6), st.text(st.sampled_from("aé=& %?#"), max_size=6))
def test_a_url_that_was_asked_is_the_url_that_is_told(path: str, query: str) -> None:
    from urllib.parse import quote, unquote_to_bytes

    raw_path, raw_query = "/" + quote(path, safe="/").lstrip("/"), quote(query, safe="=&")
    environ = environ_of(PATH_INFO=unquote_to_bytes(raw_path).decode("latin-1"), QUERY_STRING=raw_query)
    assert Request(environ).url == f"http://shop.example{raw_path}" + (f"?{raw_query}" if raw_query else "")


def test_without_a_host_the_servers_name_is_told() -> None:
    for name, port, scheme, host in [
        ("srv", "80", "http", "srv"),
        ("srv", "8080", "http", "srv:8080"),
        ("srv", "80", "https", "srv:80"),
        ("::1", "443", "https", "[::1]"),
        ("::1", "8000", "http", "[::1]:8000"),
    ]:
        ours, theirs = pair(SERVER_NAME=name, SERVER_PORT=port, **{"wsgi.url_scheme": scheme})
        for request in (ours, theirs):
            del request.environ["HTTP_HOST"]
        assert ours.host == host
        if ":" not in name:
            assert theirs.host == host


@pytest.mark.parametrize(
    "host", ["a b", "a/b", "a@b", "<x>", 'a"', "a:b", "a:99999", "[::1", "a\\b", "é", "a,b", "a" * 1000]
)
def test_what_is_no_host_is_in_no_url(host: str) -> None:
    made = Request(environ_of(headers={"Host": host}))
    assert (made.host, made.url) == ("", "http:///")
    app = App(__name__)
    app.add_url_rule("/", "here", lambda: app.url_for("here", _external=True))
    assert ask(app, "GET", "/", {"Host": host}).status == 400


FIELDS: list[tuple[str, Callable[[Request], Any], dict[str, str], Any]] = [
    ("user_agent", lambda r: r.user_agent, {"User-Agent": "curl/8"}, "curl/8"),
    ("user_agent", lambda r: r.user_agent, {}, ""),
    ("referrer", lambda r: r.referrer, {"Referer": "http://a/"}, "http://a/"),
    ("origin", lambda r: r.origin, {}, None),
    ("origin", lambda r: r.origin, {"Origin": "null"}, "null"),
    ("date", lambda r: r.date, {"Date": "Wed, 01 Jan 2025 00:00:00 GMT"}, datetime(2025, 1, 1, tzinfo=timezone.utc)),
    ("date", lambda r: r.date, {"Date": "yesterday"}, None),
    ("mimetype", lambda r: r.mimetype, {"Content-Type": "Text/HTML; Charset=utf-8"}, "text/html"),
    ("params", lambda r: r.mimetype_params, {"Content-Type": 'a/b; C="d;e"'}, {"c": "d;e"}),
    ("mimetype", lambda r: r.mimetype, {"Content-Type": "nonsense"}, ""),
    ("mimetype", lambda r: r.mimetype, {}, ""),
    ("is_json", lambda r: r.is_json, {"Content-Type": "application/ld+json"}, True),
    ("is_json", lambda r: r.is_json, {"Content-Type": "text/json"}, False),
    ("route", lambda r: r.access_route, {"X-Forwarded-For": "1.1.1.1, , 2.2.2.2"}, ["1.1.1.1", "2.2.2.2"]),
    ("route", lambda r: r.access_route, {}, ["192.0.2.7"]),
    ("accept", lambda r: r.accept_mimetypes.best_match(["a/b", "c/d"]), {"Accept": "c/d, a/b;q=0.5"}, "c/d"),
    ("accept", lambda r: r.accept_mimetypes.best_match(["a/b"], "none"), {"Accept": "c/d"}, "none"),
    ("accept", lambda r: r.accept_mimetypes.accept_json, {}, True),
    ("quality", lambda r: r.accept_mimetypes["a/b"], {"Accept": "c/d, a/*;q=0.5"}, 0.5),
    ("quality", lambda r: r.accept_mimetypes["a/b"] >= r.accept_mimetypes["c/d"], {"Accept": "c/d, a/b;q=0.5"}, False),
    ("quality", lambda r: (r.accept_mimetypes["a/b"], r.accept_languages["en"]), {}, (1.0, 1.0)),
    ("quality", lambda r: r.accept_languages.quality("de-AT"), {"Accept-Language": "en, de;q=0.4, *;q=0.1"}, 0.4),
    ("quality", lambda r: r.accept_languages["fr"], {"Accept-Language": "en, *;q=0.1, fr-CA"}, 0.1),
    ("quality", lambda r: (r.accept_encodings["gzip"], r.accept_encodings["br"]), {"Accept-Encoding": "GZIP"}, (1, 0)),
    ("language", lambda r: r.accept_languages.best_match(["en", "de"]), {"Accept-Language": "de-AT, en;q=0.1"}, "de"),
    ("encoding", lambda r: "gzip" in r.accept_encodings, {"Accept-Encoding": "gzip;q=0"}, False),
    ("values", lambda r: r.accept_mimetypes.values(), {"Accept": "a/b;q=0.1, c/d, e/f;q=0"}, ["c/d", "a/b"]),
    ("auth", lambda r: r.authorization and r.authorization.username, {"Authorization": "Basic w6k6eA=="}, "é"),
    ("auth", lambda r: r.authorization and r.authorization.token, {"Authorization": "bearer abc="}, "abc="),
    (
        "auth",
        lambda r: r.authorization and r.authorization.parameters,
        {"Authorization": 'Digest a="b,c", d=e'},
        {"a": "b,c", "d": "e"},
    ),
    ("auth", lambda r: r.authorization, {"Authorization": "Basic !!!"}, None),
    ("auth", lambda r: r.authorization, {"Authorization": "Basic"}, None),
    ("auth", lambda r: r.authorization, {"Authorization": ""}, None),
    ("cookies", lambda r: dict(r.cookies), {"Cookie": "a=1; b=2; a=3"}, {"a": "1", "b": "2"}),
    ("cookies", lambda r: dict(r.cookies), {"Cookie": ";;=x; y; z=;"}, None),
    ("since", lambda r: r.if_modified_since, {"If-Modified-Since": "nonsense"}, None),
]


@pytest.mark.parametrize(("name", "get", "fields", "value"), FIELDS)
def test_header_fields_are_read(name: str, get: Callable[[Request], Any], fields: dict[str, str], value: Any) -> None:
    found = get(Request(environ_of(headers=fields)))
    if name != "cookies" or value is not None:
        assert found == value


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "Accept",
                "Accept-Language",
                "Authorization",
                "Cookie",
                "Range",
                "Date",
                "If-Modified-Since",
                "X-Forwarded-For",
                "Content-Type",
                "Host",
            ]
        ),
        BYTES | st.text(st.sampled_from('a,;="\\/ *q0.1:-')),
        max_size=4,
    )
)
def test_no_header_field_of_a_client_raises(fields: dict[str, str]) -> None:
    made = Request(environ_of(headers=fields))
    for name in dir(Request):
        if name.startswith("_") or name in (
            "app",
            "session",
            "flashes",
            "form_limits",
            "close",
            "limit",
            "get_data",
            "get_json",
        ):
            continue
        with contextlib.suppress(BadRequest, ContentTooLarge, UnsupportedMediaType):
            getattr(made, name)


def test_nothing_of_a_request_is_set() -> None:
    made = Request(environ_of())
    for name in ("path", "args", "form", "json", "method", "headers"):
        with pytest.raises(AttributeError):
            setattr(made, name, "x")


def test_nothing_is_worked_out_twice() -> None:
    made = Request(environ_of("GET", "/?a=b", {"Cookie": "a=b"}))
    for name in ("args", "cookies", "headers", "form", "files", "data", "stream", "accept_mimetypes"):
        assert getattr(made, name) is getattr(made, name)


# The body


def body_of(body: bytes, length: str | None = "", **more: Any) -> Request:
    environ = environ_of("POST", "/", (), b"", **{"wsgi.input": io.BytesIO(body + b"NEXT"), **more})
    environ["CONTENT_LENGTH"] = str(len(body)) if length == "" else length
    if length is None:
        del environ["CONTENT_LENGTH"]
    return Request(environ)


def limited(most: int | None, body: bytes, read: Callable[[Request], Any], **headers: str) -> Any:
    app = App(__name__)
    app.config["MAX_CONTENT_LENGTH"] = most
    app.config["PROPAGATE_EXCEPTIONS"] = True
    results: list[Any] = []

    @app.post("/")
    def handler(request: Request) -> str:
        results.append(read(request))
        return ""

    status = ask(app, "POST", "/", {name.replace("_", "-"): value for name, value in headers.items()}, body).status
    return results[0] if status == 200 else status


def test_the_body_ends_where_its_length_says() -> None:
    assert body_of(b"abc").data == b"abc"
    assert body_of(b"abc").stream.read() == b"abc"
    assert body_of(b"abc").stream.read(100) == b"abc"
    made = body_of(b"ab\ncd\ne")
    assert made.stream.readline() == b"ab\n"
    assert made.stream.readline(1) == b"c"
    assert made.stream.readlines() == [b"d\n", b"e"]
    assert made.stream.read() == made.stream.read(5) == made.stream.readline() == b""
    assert list(body_of(b"a\nb").stream) == [b"a\n", b"b"]
    assert body_of(b"a\nb\nc").stream.readlines(3) == [b"a\n", b"b\n"]


def test_without_a_length_there_is_no_body_unless_the_server_says_where_it_ends() -> None:
    assert body_of(b"abc", None).data == b""
    assert body_of(b"abc", None, **{"wsgi.input_terminated": True}).data == b"abcNEXT"


@pytest.mark.parametrize("length", ["-1", "+1", "1_0", "1.0", "0x1", "١", "a", " 1", "1" * 30])
def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    for read in (lambda r: r.data, lambda r: r.content_length, lambda r: r.form, lambda r: r.stream):
        with pytest.raises(BadRequest, match="want a number"):
            read(body_of(b"abc", length, CONTENT_TYPE="application/x-www-form-urlencoded"))


def test_a_body_that_ends_too_early_is_the_clients_fault() -> None:
    for read in (lambda r: r.data, lambda r: r.stream.read(), lambda r: r.stream.readlines()):
        made = body_of(b"abc", "10")
        made.environ["wsgi.input"] = io.BytesIO(b"abc")
        with pytest.raises(BadRequest, match="ended before its Content-Length"):
            read(made)


READS: list[Callable[[Request], Any]] = [
    lambda r: r.data,
    lambda r: r.stream.read(),
    lambda r: r.stream.read(5),
    lambda r: r.stream.readline(),
    lambda r: list(r.stream),
    lambda r: r.get_json(force=True),
    lambda r: r.form,
    lambda r: r.files,
]


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
def test_a_body_that_is_declared_too_long_is_413_before_it_is_read(read: Callable[[Request], Any], kind: str) -> None:
    assert limited(10, b"a" * 11, read, Content_Type=kind) == 413


@pytest.mark.parametrize("read", READS)
def test_a_body_that_becomes_too_long_is_413_where_it_does(read: Callable[[Request], Any]) -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1, /) -> bytes:
            assert size >= 0
            Endless.given += size
            return b"a" * size

        def readline(self, size: int | None = -1, /) -> bytes:
            return self.read(-1 if size is None else size)

    Endless.given = 0
    made = Request(environ_of("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}))
    made.environ.update({"wsgi.input": Endless(), "wsgi.input_terminated": True})
    if read is READS[2]:
        assert read(made) == b"aaaaa"
        return
    with pytest.raises(ContentTooLarge):
        read(made)
    assert Endless.given <= made.max_content_length + (1 << 17)


def test_none_is_no_limit() -> None:
    assert limited(None, b"a" * 100_000, lambda r: len(r.data)) == 100_000


def test_json_is_read_where_the_type_says_json() -> None:
    json = {"Content_Type": "application/json; charset=utf-8"}
    assert limited(100, b'{"a": [1]}', lambda r: r.json, **json) == {"a": [1]}
    assert limited(100, b'{"a": [1]}', lambda r: r.get_json(), Content_Type="text/plain") == 415
    assert limited(100, b'{"a": [1]}', lambda r: r.get_json(), Content_Type="") == 415
    assert limited(100, b'{"a": [1]}', lambda r: r.get_json(force=True), Content_Type="text/plain") == {"a": [1]}
    assert limited(100, b'{"a": [1]}', lambda r: r.get_json(silent=True), Content_Type="text/plain") is None
    assert limited(100, b"{", lambda r: r.get_json(silent=True), **json) is None
    for body in (b"", b"{", b"\xff", b'"\xff"', b"{'a': 1}", b"nan", b"[1,]", b"[" * 100, b'{"a":1}x'):
        assert limited(1000, body or b" ", lambda r: r.json, **json) == 400


def test_what_is_no_form_has_no_fields_and_keeps_its_body() -> None:
    assert limited(100, b"a=1", lambda r: (len(r.form), len(r.files)), Content_Type="text/plain") == (0, 0)
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert limited(100, b"a=1&b=2&a=3", lambda r: r.form.pairs(), **form) == [("a", "1"), ("a", "3"), ("b", "2")]
    # In whatever order they are asked for, as in Flask.
    assert limited(100, b"a=1", lambda r: (r.data, dict(r.form)), **form) == (b"", {"a": "1"})
    assert limited(100, b"a=1", lambda r: (r.get_data(), r.data, dict(r.form)), **form) == (b"a=1", b"", {"a": "1"})
    assert limited(100, b'{"a":1}', lambda r: r.get_json(force=True), **form) == {"a": 1}
    assert limited(100, b"a=1", lambda r: (dict(r.form), r.data), **form) == ({"a": "1"}, b"")
    assert limited(100, b"a=1&b=%FF", lambda r: r.values.pairs(), **form) == [("a", "1"), ("b", "\ufffd")]


def test_settings_bound_what_a_form_may_have() -> None:
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    app = App(__name__)
    app.config.update(MAX_FORM_PARTS=2, MAX_FORM_MEMORY_SIZE=10)
    app.add_url_rule("/", "a", lambda: dict(request_now().form), methods=["POST"])
    fields = {"Content-Type": form["Content_Type"]}
    assert ask(app, "POST", "/", fields, b"a=1&b=2").text == '{"a":"1","b":"2"}'
    assert ask(app, "POST", "/", fields, b"a&b&c").status == 413
    assert ask(app, "POST", "/", fields, b"a=12345678901").status == 413


def request_now() -> Request:
    from dragoman.web import request

    return request


def test_a_wrong_type_says_which_is_wanted() -> None:
    with pytest.raises(UnsupportedMediaType, match="Want Content-Type: application/json, not text/plain"):
        _ = Request(environ_of("POST", "/", {"Content-Type": "text/plain"}, b"{}")).json


BROKEN_THEN_WHOLE = [
    (
        "multipart/form-data; boundary=b",
        b"--b\r\nno field\r\n\r\n".ljust(1 << 16, b"x")
        + b'--b\r\nContent-Disposition: form-data; name="is_admin"\r\n\r\n1\r\n--b--\r\n',
    ),
    ("application/x-www-form-urlencoded", b"a=".ljust(1 << 17, b"x") + b"&is_admin=1"),
]


@pytest.mark.parametrize(("kind", "body"), BROKEN_THEN_WHOLE, ids=["multipart", "urlencoded"])
def test_a_form_that_was_refused_is_not_read_on_from_where_it_was_broken(kind: str, body: bytes) -> None:
    made = Request(environ_of("POST", "/", {"Content-Type": kind}, body))
    made.max_form_memory_size = 1 << 16
    refusals = []
    for read in (lambda: made.form, lambda: made.files, lambda: made.values, lambda: made.form):
        with pytest.raises((BadRequest, ContentTooLarge)) as raised:
            read()
        refusals.append(str(raised.value))
    assert len(set(refusals)) == 1
    assert made.data == b""


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
def test_a_form_is_among_the_values_where_the_method_sends_one(method: str) -> None:
    made = environ_of(method, "/?a=1", {"Content-Type": "application/x-www-form-urlencoded"}, b"a=2&b=3")
    named = {"a": "1"} if method in ("GET", "HEAD") else {"a": "1", "b": "3"}
    assert Request(made).values.to_dict() == named
