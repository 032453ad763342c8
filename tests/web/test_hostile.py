"""What is sent to do harm: bounded memory and work, a clear refusal, and never a fault of ours."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dragoman.web import App, Request
from tests.middleware.kit import Answered, ask
from tests.web.hostile_forms import CASES, Case, part

MIB = 1 << 20


@dataclasses.dataclass
class Body:
    """Reads JSON that is checked."""

    items: list[Any]


def made_app(**config: Any) -> App:
    app = App(__name__)
    app.config.update(config)

    @app.post("/form")
    def form(request: Request) -> dict[str, Any]:
        return {"fields": request.form.pairs(), "files": [len(file.read()) for file in request.files.values()]}

    @app.post("/json")
    def json_(request: Request) -> dict[str, Any]:
        return {"type": type(request.json).__name__}

    @app.post("/checked")
    def checked(body: Body) -> dict[str, Any]:
        return {"n": len(body.items)}

    @app.get("/cookies")
    def cookies(request: Request) -> dict[str, Any]:
        return {"n": len(request.cookies)}

    @app.get("/args")
    def args(request: Request) -> dict[str, Any]:
        return {"n": len(request.args.pairs())}

    @app.get("/accept")
    def accept(request: Request) -> dict[str, Any]:
        return {"best": request.accept_mimetypes.best_match(["text/html", "application/json"])}

    return app


def posted(case: Case, **config: Any) -> Answered:
    fields = {"Content-Type": case.content_type, "Accept": "application/json"}
    return ask(made_app(**config), "POST", "/form", fields, case.body)


def peak_of(function: Callable[[], Any]) -> tuple[Any, int]:
    """What `function` gives, and the most bytes that it had allocated at once."""
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        result = function()
        return result, tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_hostile_form_is_read_rightly_or_refused(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    answer = posted(case)
    assert answer.status == case.status, answer.text
    if case.fields is not None:
        assert [tuple(one) for one in json.loads(answer.text)["fields"]] == case.fields
    if case.status != 200:
        assert json.loads(answer.text)["detail"].endswith(".")
    assert caplog.records == []


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_hostile_form_takes_no_more_memory_than_the_settings_say(case: Case) -> None:
    # Fields as bytes, as text and as JSON of the answer; the body itself was there before.
    _, peak = peak_of(lambda: posted(case))
    assert peak < 12 * 2 * MIB


SMALL = [case for case in CASES if len(case.body) < 1000]


class Trickle(io.BytesIO):
    """Gives a few bytes at a time, as a slow client does."""

    def __init__(self, content: bytes, most: int) -> None:
        super().__init__(content)
        self.most = most

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self.most if size is None or size < 0 else min(size, self.most))


@pytest.mark.parametrize("most", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("case", SMALL, ids=[case.name for case in SMALL])
def test_a_form_is_read_alike_however_its_bytes_come(case: Case, most: int) -> None:
    whole = posted(case)
    fields = {"Content-Type": case.content_type, "Accept": "application/json"}
    more = {"wsgi.input": Trickle(case.body, most), "CONTENT_LENGTH": str(len(case.body))}
    slow = ask(made_app(), "POST", "/form", fields, **more)
    assert (slow.status, slow.text) == (whole.status, whole.text)


def test_a_large_file_is_on_disk_and_not_in_memory() -> None:
    content = b"x" * (20 * MIB)
    case = Case("", part("f", content, '; filename="x"') + b"--b--\r\n", 200)
    answer, peak = peak_of(lambda: posted(case))
    assert json.loads(answer.text) == {"fields": [], "files": [len(content)]}
    # The handler above reads it as a whole, once.
    assert peak < len(content) + 4 * MIB


def test_a_body_that_is_refused_is_not_read_to_its_end() -> None:
    class Counted(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            block = super().read(size)
            Counted.taken += len(block)
            return block

    body = b"".join(part(f"f{n}") for n in range(200_000))
    fields = {"Content-Type": "multipart/form-data; boundary=b"}
    more = {"wsgi.input": Counted(body), "CONTENT_LENGTH": str(len(body))}
    assert ask(made_app(MAX_FORM_PARTS=100), "POST", "/form", fields, **more).status == 413
    assert Counted.taken < 256 << 10


def test_settings_of_parts_and_memory_hold_to_the_last_one() -> None:
    def form(count: int) -> Case:
        return Case("", b"".join(part(f"f{n}") for n in range(count)) + b"--b--\r\n", 200)

    assert posted(form(5), MAX_FORM_PARTS=5).status == 200
    assert posted(form(6), MAX_FORM_PARTS=5).status == 413
    files = Case("", b"".join(part(f"f{n}", b"x", "; filename=a") for n in range(101)) + b"--b--\r\n", 200)
    assert posted(files).status == 413
    assert posted(files, MAX_FORM_FILES=101).status == 200
    field = Case("", part("a", b"x" * 99) + b"--b--\r\n", 200)
    assert posted(field, MAX_FORM_MEMORY_SIZE=100).status == 200
    assert posted(field, MAX_FORM_MEMORY_SIZE=99).status == 413
    assert posted(form(3000), MAX_FORM_PARTS=None, MAX_FORM_MEMORY_SIZE=None, MAX_CONTENT_LENGTH=None).status == 200


# JSON

BOMBS: list[tuple[str, bytes, int, int]] = [
    ("lists in lists", b"[" * 1_000_000, 400, 422),
    ("lists in lists that end", b"[" * 100_000 + b"]" * 100_000, 400, 422),
    ("objects in objects", b'{"a":' * 200_000, 400, 400),
    ("objects in objects that end", b'{"items":' * 100_000 + b"1" + b"}" * 100_000, 400, 422),
    ("an item of lists in lists", b'{"items":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, 400),
    ("a number of a million digits", b"1" * 1_000_000, 400, 422),
    ("an item of a million digits", b'{"items":[' + b"1" * 1_000_000 + b"]}", 400, 422),
    ("a number too large", b'{"items":[1e999999999]}', 400, 422),
    ("a text without an end", b'{"items":["' + b"a" * 1_000_000, 400, 400),
    ("escapes", b'{"items":["' + b"\\u0041" * 100_000 + b'"]}', 200, 200),
    ("half of a character", b'{"items":["\\ud800"]}', 400, 400),
    ("bytes that are no text", b'{"items":["\xff"]}', 400, 400),
    ("a mark of order of bytes", b'\xef\xbb\xbf{"items":[]}', 400, 400),
    ("a name twice", b'{"items":[],"items":[1]}', 200, 200),
    ("100,000 names", b'{"items":[],' + b",".join(b'"n%d":1' % n for n in range(100_000)) + b"}", 200, 200),
    ("a million items", b'{"items":[' + b"1," * 999_999 + b"1]}", 200, 200),
    ("nothing", b"", 400, 400),
    ("a NUL", b'{"items":["\0"]}', 400, 400),
]


@pytest.mark.parametrize(("name", "body", "status", "of_checked"), BOMBS, ids=[bomb[0] for bomb in BOMBS])
def test_a_bomb_of_json_is_read_or_refused(
    name: str, body: bytes, status: int, of_checked: int, caplog: pytest.LogCaptureFixture
) -> None:
    fields = {"Content-Type": "application/json", "Accept": "application/json"}
    assert ask(made_app(), "POST", "/json", fields, body).status == status
    assert ask(made_app(), "POST", "/checked", fields, body).status == of_checked
    assert caplog.records == []


def test_depth_that_a_thread_can_hold_is_read_in_a_thread_of_a_small_stack() -> None:
    import threading

    body = b"[" * 500 + b"]" * 500
    statuses: list[int] = []

    def asks() -> None:
        fields = {"Content-Type": "application/json"}
        statuses.append(ask(made_app(), "POST", "/json", fields, body).status)
        statuses.append(ask(made_app(), "POST", "/json", fields, b"[" * 1_000_000).status)

    before = threading.stack_size(512 << 10)
    try:
        thread = threading.Thread(target=asks)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join(60)
    assert statuses == [200, 400]


# Fields and queries


class Counting:
    """Counts calls of functions of Python, which stands for work: not for time."""

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self) -> Counting:
        sys.setprofile(self.profile)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def profile(self, frame: Any, event: str, argument: Any) -> None:
        self.calls += event in ("call", "c_call")


def work_of(method: str, target: str, fields: dict[str, str], body: bytes = b"") -> tuple[int, int]:
    app = made_app()
    app.freeze()
    with Counting() as counting:
        answer = ask(app, method, target, fields, body)
    return answer.status, counting.calls


def cookies_of(count: int) -> dict[str, str]:
    return {"Cookie": "; ".join(f"n{n}=v" for n in range(count))}


GROWING: list[tuple[str, Callable[[int], tuple[str, str, dict[str, str], bytes]]]] = [
    ("cookies", lambda n: ("GET", "/cookies", cookies_of(n), b"")),
    ("one cookie", lambda n: ("GET", "/cookies", {"Cookie": "a=" + "b" * 8 * n}, b"")),
    ("the same cookie", lambda n: ("GET", "/cookies", {"Cookie": "a=1; " * n}, b"")),
    ("semicolons", lambda n: ("GET", "/cookies", {"Cookie": ";" * 8 * n}, b"")),
    ("quotes in cookies", lambda n: ("GET", "/cookies", {"Cookie": 'a="' * n}, b"")),
    (
        "types that are taken",
        lambda n: ("GET", "/accept", {"Accept": ",".join(f"a/b{k};q=0.{k % 9}" for k in range(n))}, b""),
    ),
    ("quotes in Accept", lambda n: ("GET", "/accept", {"Accept": 'a/b;c="' * n}, b"")),
    ("a query", lambda n: ("GET", "/args?" + "&".join(f"a{k}=b" for k in range(min(n, 1000))), {}, b"")),
    ("escapes of a query", lambda n: ("GET", "/args?a=" + "%41" * n, {}, b"")),
    ("slashes", lambda n: ("GET", "/" * n, {}, b"")),
    ("segments", lambda n: ("GET", "/a" * n, {}, b"")),
]


@pytest.mark.parametrize(("name", "make"), GROWING, ids=[row[0] for row in GROWING])
def test_work_grows_no_faster_than_what_is_sent(
    name: str, make: Callable[[int], tuple[str, str, dict[str, str], bytes]]
) -> None:
    work_of(*make(10))
    status, small = work_of(*make(500))
    again, large = work_of(*make(4000))
    assert status < 500 and again < 500
    assert large <= 12 * small


@pytest.mark.parametrize("query", ["&".join(f"a{n}=b" for n in range(100_000)), "&" * 100_000, "a&" * 1001])
def test_a_query_of_too_many_fields_is_400(query: str) -> None:
    answer = ask(made_app(), "GET", f"/args?{query}", {"Accept": "application/json"})
    assert answer.status == 400
    assert json.loads(answer.text)["detail"] == "The query has more than 1000 fields."


def test_a_query_that_nobody_asks_for_is_not_read() -> None:
    app = App(__name__)
    app.add_url_rule("/", "here", lambda: "text")
    assert ask(app, "GET", "/?" + "&" * 100_000).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"Authorization": "Basic " + "A" * 100_000},
        {"Authorization": "Digest " + 'a="' * 30_000},
        {"Authorization": "Digest " + "a=b," * 30_000},
        {"If-None-Match": '"a",' * 30_000},
        {"If-Modified-Since": "M" * 100_000},
        {"Accept-Language": "a-" * 50_000},
        {"Accept-Encoding": "a;" * 50_000},
        {"Range": "bytes=" + "0-0," * 30_000},
        {"Content-Type": "a/b;" + "c=d;" * 30_000},
        {"Content-Type": "application/json;" + 'c="' * 30_000},
        {"X-Forwarded-For": "," * 100_000},
        {"Host": "a" * 100_000},
    ],
)
def test_long_fields_are_read_or_ignored(fields: dict[str, str]) -> None:
    app = App(__name__)

    @app.get("/")
    def view(request: Request) -> dict[str, Any]:
        found = [request.authorization, request.accept_languages.best_match(["en"]), "gzip" in request.accept_encodings]
        found += [request.mimetype, request.is_json, request.access_route, request.if_modified_since, request.host]
        return {"n": len(found)}

    assert ask(app, "GET", "/", fields).status == 200


def names_that_collide(count: int) -> Iterator[str]:
    return (f"n{number}" for number in range(count))


def test_many_names_of_one_form_stay_below_the_limit() -> None:
    body = "&".join(f"{name}=" for name in names_that_collide(1000)).encode()
    fields = {"Content-Type": "application/x-www-form-urlencoded"}
    assert ask(made_app(), "POST", "/form", fields, body).status == 200
    assert ask(made_app(), "POST", "/form", fields, body + b"&x=").status == 413
