"""`Static`: files that change, what the server sends by itself, and settings."""

from __future__ import annotations

import io
import os
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from dragoman.middleware import Static, stack
from dragoman.middleware.static import entry
from dragoman.middleware.static.respond import EXACT_WRAPPERS
from dragoman.testing import LiveServer
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


# What changes while it serves.


def test_a_file_that_has_changed_is_sent_as_it_is_now(root: Path, live: bool) -> None:
    # WhiteNoise sends the new bytes with the old length, and the client waits for the rest or takes a part for it all.
    app = Static(Inner(), root, live=live)
    before = got(app)
    put(root, "app.css", b"short", A_TIME_S + 5)
    after = got(app)
    assert (after.body, after.value("Content-Length")) == (b"short", "5")
    assert after.value("ETag") != before.value("ETag")
    assert got(app, If_None_Match=before.value("ETag") or "").status == 200


def test_a_file_that_has_gone_is_the_applications(root: Path, live: bool) -> None:
    app = Static(Inner(), root, live=live)
    (root / "app.css").unlink()
    assert got(app).text == "Hello"


def test_a_new_file_is_seen_live_only(root: Path) -> None:
    once, live = Static(Inner(), root), Static(Inner(), root, live=True)
    put(root, "new.css")
    assert got(once, "/static/new.css").text == "Hello"
    assert got(live, "/static/new.css").body == TEXT


@pytest.mark.parametrize(("said", "is_live"), [(None, False), ("1", True), ("true", True), ("0", False), ("", False)])
def test_it_is_live_under_dev(root: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, is_live: bool) -> None:
    monkeypatch.delenv("DRAGOMAN_DEV", raising=False)
    if said is not None:
        monkeypatch.setenv("DRAGOMAN_DEV", said)
    assert Static(Inner(), root).live is is_live
    assert Static(Inner(), root, live=not is_live).live is not is_live


def test_a_pipe_that_takes_the_place_of_a_file_blocks_nobody(root: Path) -> None:
    app = Static(Inner(), root)
    (root / "app.css").unlink()
    os.mkfifo(root / "app.css")
    assert got(app).text == "Hello"


def test_a_directory_that_takes_the_place_of_a_file_costs_no_descriptor(root: Path) -> None:
    app = Static(Inner(), root)
    (root / "app.css").unlink()
    (root / "app.css").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    assert [got(app).text for _ in range(3)] == ["Hello"] * 3
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("swapped", ["in/app.css", "in"])
def test_a_link_that_comes_between_a_look_and_the_opening_leads_nowhere(
    root: Path, tmp_path_factory: pytest.TempPathFactory, live: bool, swapped: str
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    put(outside, "app.css", b"nobody is to see this")
    put(root, "in/app.css")
    app = Static(Inner(), root, live=live)
    # So that a layer that is not live looks again.
    put(root, "in/app.css", b"changed")
    find = app.tree.find

    def find_and_swap(path: str) -> str | None:
        found = find(path)
        place = root / swapped
        if not place.is_symlink():
            place.rename(root / "away")
            place.symlink_to(outside if swapped == "in" else outside / "app.css")
        return found

    app.tree.find = find_and_swap  # type: ignore[method-assign]
    assert got(app, "/static/in/app.css").text == "Hello"
    assert got(app, "/static/in/app.css").text == "Hello"


def test_a_file_that_goes_while_it_is_looked_at_is_none(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = entry.digest

    def gone(*given: Any) -> str:
        (root / "app.css").unlink(missing_ok=True)
        return make(*given)

    monkeypatch.setattr(entry, "digest", gone)
    app = Static(Inner(), root, etags="content")
    assert got(app).text == "Hello"
    assert got(app, "/static/empty.txt").status == 200


# What the server gets.


def wrappers() -> list[Any]:
    import gunicorn.http.wsgi
    import waitress.buffers

    return [gunicorn.http.wsgi.FileWrapper, waitress.buffers.ReadOnlyFileBasedBuffer]


@pytest.mark.parametrize("wrapper", wrappers(), ids=lambda wrapper: wrapper.__module__)
def test_a_part_of_a_file_is_the_servers_to_send_where_it_is_exact(root: Path, wrapper: Any) -> None:
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": "/static/app.css", "HTTP_RANGE": "bytes=5-9"}
    app = Static(Inner(), root)
    result: Any = app({**environ, "wsgi.file_wrapper": wrapper}, lambda *_: lambda block: None)
    file = result.filelike if hasattr(result, "filelike") else result.file
    assert (type(file), file.tell()) == (io.FileIO, 5)
    file.close()


def test_dragoman_sends_parts_by_itself() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        wrapper = environ["wsgi.file_wrapper"]
        body = f"{wrapper.__module__}.{wrapper.__name__}".encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    with LiveServer(application) as server, urllib.request.urlopen(server.url) as answer:
        assert tuple(answer.read().decode().rsplit(".", 1)) in EXACT_WRAPPERS


def test_the_server_gets_the_plain_file_to_send_by_itself(root: Path) -> None:
    given: list[Any] = []

    class FileWrapper:
        def __init__(self, file: Any, size: int = 0) -> None:
            given.append(file)
            self.close = file.close

        def __iter__(self) -> Any:
            return iter([])

    put(root, "large.bin", bytes(64 << 10))
    app = Static(Inner(), root)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/static/large.bin",
        "wsgi.file_wrapper": FileWrapper,
    }
    result = app(environ, lambda status, headers: lambda block: None)  # type: ignore[arg-type]
    assert isinstance(result, FileWrapper)
    assert type(given[0]) is io.FileIO and given[0].tell() == 0
    given[0].close()


def test_a_small_file_is_one_block_and_a_large_one_comes_in_blocks(root: Path) -> None:
    for size, count in ((32 << 10, 1), ((32 << 10) + 1, 1), (200_000, 4)):
        put(root, "some.bin", bytes(size))
        answered = got(Static(Inner(), root), "/static/some.bin")
        assert (len(answered.body), len(answered.blocks)) == (size, count)


@pytest.mark.parametrize(
    "fields",
    [{}, {"Range": "bytes=1-2"}, {"Range": "bytes=0-0,900-901"}, {"Range": "bytes=99999-"}, {"If-None-Match": "*"}],
)
@pytest.mark.parametrize("size", [1_000, 90_000])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_file_stays_open(root: Path, method: str, size: int, fields: dict[str, str]) -> None:
    put(root, "some.bin", bytes(size))
    app = Static(Inner(), root)
    ask(app, method, "/static/some.bin", fields)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        ask(app, method, "/static/some.bin", fields)
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_answer_that_is_not_iterated_closes_its_file(root: Path) -> None:
    put(root, "large.bin", bytes(64 << 10))
    app = Static(Inner(), root)
    before = len(os.listdir("/proc/self/fd"))
    result: Any = app({"REQUEST_METHOD": "GET", "PATH_INFO": "/static/large.bin"}, lambda *_: lambda block: None)
    result.close()
    assert len(os.listdir("/proc/self/fd")) == before


# Settings.


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"prefix": "static"}, 'prefix: want a path that begins with "/"'),
        ({"etags": "hash"}, "etags: want one of mtime, content"),
        ({"symlinks": "some"}, "symlinks: want one of inside, all, none"),
        ({"max_age_s": -1}, "max_age_s: want a number of seconds"),
        ({"max_age_s": "60"}, "max_age_s: want a number of seconds"),
        ({"immutable": "("}, "immutable: want True, False, a pattern or a function"),
        ({"types": {".x": "nonsense"}}, "types"),
        ({"index": "a/b"}, "index: want the name of a file"),
        ({"fallback": "missing.html"}, "fallback: there is no file"),
        ({"headers": {"X": "a\nb"}}, "X"),
        ({"fallback_except": ["api"]}, "fallback_except"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told(root: Path, options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        Static(root, **options)


def test_a_directory_that_is_none_is_told(tmp_path: Path) -> None:
    # WhiteNoise warns, and serves nothing.
    with pytest.raises(ValueError, match="there is no directory"):
        Static(tmp_path / "none")
    for wrong in ((), (Inner(),), (Inner(), 1)):
        with pytest.raises(ValueError, match="want the path of a directory"):
            Static(*wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="want a WSGI application first, got 'a'"):
        Static("a", tmp_path)  # type: ignore[arg-type]


def test_the_directory_can_be_given_by_its_name(root: Path) -> None:
    assert got(Static(directory=str(root)).around(Inner())).body == TEXT
    assert got(stack(Inner(), Static(root))).body == TEXT
    assert got(Static(app=Inner(), directory=root)).body == TEXT


def test_a_directory_may_come_later_where_it_is_live(tmp_path: Path) -> None:
    app = Static(Inner(), tmp_path / "dist", live=True)
    assert got(app).text == "Hello"
    put(tmp_path, "dist/app.css")
    assert got(app).body == TEXT
