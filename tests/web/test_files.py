"""`send_file` and `send_from_directory`: conditions, ranges, names, and paths that lead elsewhere."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.web import App, request, send_file, send_from_directory
from dragoman.web.files import safe_join
from tests.middleware.kit import Answered, ask

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "public" / "sub").mkdir(parents=True)
    (tmp_path / "public" / "a.bin").write_bytes(CONTENT)
    (tmp_path / "public" / "sub" / "é.txt").write_text("sub")
    (tmp_path / "public" / "empty").write_bytes(b"")
    (tmp_path / "public-secret").write_text("secret")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "public" / "link-out").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "public" / "link-in").symlink_to(tmp_path / "public" / "a.bin")
    return tmp_path


def answered(make: Callable[[], Any], method: str = "GET", **headers: str) -> Answered:
    app = App(__name__)
    app.add_url_rule("/", "here", make)
    return ask(app, method, "/", {name.replace("_", "-"): value for name, value in headers.items()})


def test_a_file_is_sent_whole_with_what_caches_and_clients_want_to_know(folder: Path) -> None:
    answer = answered(lambda: send_file(folder / "public" / "a.bin"))
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.value("Content-Length") == str(len(CONTENT))
    assert answer.value("Accept-Ranges") == "bytes"
    assert answer.value("Cache-Control") == "no-cache"
    assert answer.value("ETag") is not None
    assert answer.value("Last-Modified") is not None
    assert answer.value("Content-Disposition") is None
    head = answered(lambda: send_file(folder / "public" / "a.bin"), "HEAD")
    assert (head.status, head.body, head.headers) == (200, b"", answer.headers)


RANGES: list[tuple[str, int, bytes | None, str | None]] = [
    ("bytes=0-0", 206, CONTENT[:1], f"bytes 0-0/{len(CONTENT)}"),
    ("bytes=5-9", 206, CONTENT[5:10], f"bytes 5-9/{len(CONTENT)}"),
    ("bytes=-5", 206, CONTENT[-5:], f"bytes {len(CONTENT) - 5}-{len(CONTENT) - 1}/{len(CONTENT)}"),
    ("bytes=10239-", 206, CONTENT[-1:], f"bytes 10239-10239/{len(CONTENT)}"),
    ("bytes=10240-", 416, None, f"bytes */{len(CONTENT)}"),
    ("bytes=0-99999999", 206, CONTENT, f"bytes 0-10239/{len(CONTENT)}"),
    ("bytes=9-5", 200, CONTENT, None),
    ("bytes=a-b", 200, CONTENT, None),
    ("lines=0-1", 200, CONTENT, None),
    ("bytes=", 200, CONTENT, None),
]


@pytest.mark.parametrize(("field", "status", "body", "content_range"), RANGES)
def test_a_range_is_sent_as_it_is_asked_for(
    folder: Path, field: str, status: int, body: bytes | None, content_range: str | None
) -> None:
    answer = answered(lambda: send_file(folder / "public" / "a.bin"), Range=field)
    assert (answer.status, answer.value("Content-Range")) == (status, content_range)
    if body is not None:
        assert answer.body == body
        assert answer.value("Content-Length") == str(len(body))


def test_several_ranges_are_parts_and_together_as_long_as_is_said(folder: Path) -> None:
    answer = answered(lambda: send_file(folder / "public" / "a.bin"), Range="bytes=0-1,1000-1001,-2")
    assert answer.status == 206
    assert (answer.value("Content-Type") or "").startswith("multipart/byteranges; boundary=")
    assert answer.value("Content-Length") == str(len(answer.body))
    for part in (CONTENT[:2], CONTENT[1000:1002], CONTENT[-2:]):
        assert part in answer.body


@pytest.mark.parametrize(
    "field",
    [
        "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 20_000, 100)),
        "bytes=" + ",".join(["0-"] * 1000),
        "bytes=" + ",".join(["0-,-10240"] * 500),
        "bytes=" + "," * 100_000,
        "bytes=0-" + "9" * 100_000,
    ],
)
def test_a_bomb_of_ranges_is_never_longer_than_the_file(folder: Path, field: str) -> None:
    answer = answered(lambda: send_file(folder / "public" / "a.bin"), Range=field)
    assert answer.status in (200, 206)
    assert len(answer.body) <= len(CONTENT) + 100 * 200
    one = answered(lambda: send_file(folder / "public" / "a.bin"), Range="bytes=" + ",".join(["0-"] * 50))
    assert len(one.body) == len(CONTENT)


@pytest.mark.parametrize("kind", ["path", "file", "memory"])
def test_conditions_come_before_ranges(folder: Path, kind: str) -> None:
    path = folder / "public" / "a.bin"

    def make() -> Any:
        source: Any = {"path": lambda: path, "file": lambda: path.open("rb"), "memory": lambda: io.BytesIO(CONTENT)}[
            kind
        ]()
        return send_file(source, mimetype="a/b", etag="x", last_modified=datetime(2025, 1, 1, tzinfo=timezone.utc))

    date, before = "Wed, 01 Jan 2025 00:00:00 GMT", "Tue, 31 Dec 2024 00:00:00 GMT"
    assert answered(make, If_None_Match='"x"').status == 304
    assert answered(make, If_None_Match='"x"', Range="bytes=0-1").status == 304
    assert answered(make, If_Match='"y"', Range="bytes=0-1").status == 412
    assert answered(make, If_Modified_Since=date).status == 304
    assert answered(make, If_Modified_Since=before).status == 200
    assert answered(make, If_Range='"x"', Range="bytes=0-1").status == 206
    assert answered(make, If_Range='"y"', Range="bytes=0-1").status == 200
    assert answered(make, If_Range='W/"x"', Range="bytes=0-1").status == 200
    assert answered(make, If_Range=date, Range="bytes=0-1").status == 206
    assert answered(make, If_Range=before, Range="bytes=0-1").status == 200
    plain = answered(lambda: send_file(path, conditional=False), If_None_Match="*", Range="bytes=0-1")
    assert (plain.status, plain.value("Accept-Ranges")) == (200, None)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("report.pdf", 'attachment; filename="report.pdf"'),
        ("é.pdf", "attachment; filename=\"_.pdf\"; filename*=UTF-8''%C3%A9.pdf"),
        ('a"b\\c.pdf', "attachment; filename=\"a_b_c.pdf\"; filename*=UTF-8''a%22b%5Cc.pdf"),
        ("a\r\nX: y", 'attachment; filename="a  X: y"'),
        ("100%.pdf", "attachment; filename=\"100_.pdf\"; filename*=UTF-8''100%25.pdf"),
    ],
)
def test_a_name_for_saving_injects_nothing(folder: Path, name: str, field: str) -> None:
    answer = answered(lambda: send_file(folder / "public" / "a.bin", as_attachment=True, download_name=name))
    assert answer.value("Content-Disposition") == field


def test_an_attachment_of_a_nameless_file_wants_a_name(caplog: pytest.LogCaptureFixture) -> None:
    assert answered(lambda: send_file(io.BytesIO(b"a"), as_attachment=True)).status == 500
    assert "an attachment wants a name" in caplog.text


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.html", "text/html; charset=utf-8"),
        ("a.png", "image/png"),
        ("a.tar.gz", "application/gzip"),
        ("a", "application/octet-stream"),
    ],
)
def test_the_type_is_guessed_from_the_name(tmp_path: Path, name: str, content_type: str) -> None:
    (tmp_path / name).write_bytes(b"a")
    assert answered(lambda: send_file(tmp_path / name)).value("Content-Type") == content_type
    assert answered(lambda: send_file(tmp_path / name, mimetype="x/y")).value("Content-Type") == "x/y"


@pytest.mark.parametrize("given", ["text/csv", "text/csv; charset=utf-8"])
def test_a_type_that_is_text_is_of_utf_8_as_that_of_any_response(given: str) -> None:
    answer = answered(lambda: send_file(io.BytesIO("ä".encode()), mimetype=given))
    assert answer.value("Content-Type") == "text/csv; charset=utf-8"


def test_ages_for_caches(folder: Path) -> None:
    assert answered(lambda: send_file(folder / "secret.txt", max_age=60)).value("Cache-Control") == "public, max-age=60"
    assert answered(lambda: send_file(folder / "secret.txt", etag=False)).value("ETag") is None


def test_a_file_that_is_not_there_is_a_fault_of_the_application(folder: Path) -> None:
    app = App(__name__)
    app.testing = True
    app.add_url_rule("/", "here", lambda: send_file(folder / "nope"))
    with pytest.raises(FileNotFoundError):
        ask(app)


def test_relative_paths_are_the_applications(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    app = App(__name__, root_path=str(folder))
    app.add_url_rule("/file", "a", lambda: send_file("secret.txt"))
    app.add_url_rule("/path", "b", lambda: Path("secret.txt"))
    app.add_url_rule("/folder/<path:name>", "c", lambda name: send_from_directory("public", name))
    assert ask(app, "GET", "/file").text == ask(app, "GET", "/path").text == "secret"
    assert ask(app, "GET", "/folder/a.bin").body == CONTENT


def test_a_file_that_becomes_shorter_breaks_the_answer_and_is_closed(folder: Path) -> None:
    from tests.middleware.kit import environ_of
    from tests.web.kit import opened

    path = folder / "public" / "a.bin"
    app = App(__name__)
    app.add_url_rule("/", "here", lambda: send_file(path))
    answer = opened(app, environ_of())
    os.truncate(path, 100)
    with pytest.raises(OSError, match="has become shorter while it was sent"):
        list(answer.blocks)
    answer.close()


# Paths of clients


def served(folder: Path, path: str) -> int:
    app = App(__name__)
    app.add_url_rule("/<path:name>", "here", lambda name: send_from_directory(folder / "public", name))
    return ask(app, "GET", path.encode().decode("latin-1")).status


@pytest.mark.parametrize("path", ["/a.bin", "/sub/é.txt", "/link-in", "/empty", "/sub/../a.bin", "/./a.bin"])
def test_what_is_in_the_folder_is_sent(folder: Path, path: str) -> None:
    assert served(folder, path) == 200


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/nope",
            "/sub",
            "/sub/",
            "/a.bin/",
            "/a.bin/x",
            "/../secret.txt",
            "/sub/../../secret.txt",
            "/../public-secret",
        ),
        *(
            "/link-out",
            "/..",
            "/.",
            "/a.bin\0",
            "/\0",
            "/..\\secret.txt",
            "/sub\\é.txt",
            "/" + "a" * 5000,
            "/" + "a/" * 2000,
        ),
        *("/" + "../" * 50 + "etc/passwd", "/sub/..\0/a.bin", "/~root/.profile", "/\xe9".encode().decode("latin-1")),
    ],
)
def test_what_is_elsewhere_or_nowhere_is_not_found(folder: Path, path: str) -> None:
    assert served(folder, path) == 404


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["..", ".", "a", "sub", "", "/", "\\", "\0", "~", "é", "link-out"]), max_size=8))
def test_no_path_is_joined_to_one_that_is_elsewhere(folder: Path, parts: list[str]) -> None:
    root = folder / "public"
    joined = safe_join(root, "/".join(parts))
    if joined is not None:
        assert os.path.realpath(joined).startswith(f"{os.path.realpath(root)}{os.sep}")


def test_an_absolute_path_is_not_found(folder: Path) -> None:
    app = App(__name__)
    app.add_url_rule("/", "here", lambda: send_from_directory(folder / "public", request.args["name"]))
    assert ask(app, "GET", "/?name=/etc/passwd").status == 404
    assert ask(app, "GET", f"/?name={folder}/public/a.bin").status == 404
    assert ask(app, "GET", "/?name=").status == 404


def test_a_pipe_in_a_folder_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "public" / "pipe")
    assert served(folder, "/pipe") == 404


def test_a_file_that_must_not_be_read_is_not_found(folder: Path) -> None:
    path = folder / "public" / "hidden"
    path.write_text("x")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user reads everything")
    assert served(folder, "/hidden") == 404
