"""`Maintenance`: on and off by a file or a function, and who is let through."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from dragoman.middleware import Maintenance
from tests.middleware.kit import Inner, ask


def test_a_file_turns_it_on_and_off_while_the_process_runs(tmp_path: Path) -> None:
    inner, flag = Inner(), tmp_path / "maintenance"
    app = Maintenance(inner, when=flag, every_s=0)
    assert ask(app).text == "Hello"
    flag.touch()
    answer = ask(app)
    assert (answer.status, answer.reason) == (503, "Service Unavailable")
    assert answer.headers == [
        ("Retry-After", "300"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("Content-Length", "46"),
    ]
    assert answer.text == "We are working on this and will be back soon.\n"
    flag.unlink()
    assert ask(app).text == "Hello"
    assert inner.calls == 2
    inner.settled()


def test_one_look_at_the_file_holds_for_a_while(tmp_path: Path) -> None:
    app = Maintenance(Inner(), when=str(tmp_path / "flag"), every_s=3600)
    assert ask(app).status == 200
    (tmp_path / "flag").touch()
    assert ask(app).status == 200


def test_a_function_decides_by_the_request() -> None:
    app = Maintenance(Inner(), when=lambda environ: environ["PATH_INFO"].startswith("/shop"), retry_after_s=60)
    assert ask(app, "GET", "/").status == 200
    answer = ask(app, "GET", "/shop/x")
    assert (answer.status, answer.value("Retry-After")) == (503, "60")


def test_a_function_that_fails_lets_requests_through_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    def when(environ: Any) -> bool:
        raise ConnectionError("no redis")

    app = Maintenance(Inner(), when=when)
    with caplog.at_level(logging.DEBUG, "dragoman.middleware"):
        assert [ask(app).status for _ in range(3)] == [200] * 3
    [record] = caplog.records
    assert "the function `when` cannot be reached, requests are answered as usual" in record.getMessage()


@pytest.mark.parametrize(
    ("path", "address", "status"),
    [
        ("/livez", "192.0.2.7", 200),
        ("/livez/deep", "192.0.2.7", 200),
        ("/livezz", "192.0.2.7", 503),
        ("/", "10.1.2.3", 200),
        ("/", "::ffff:10.1.2.3", 200),
        ("/", "2001:db8::1", 200),
        ("/", "192.0.2.7", 503),
        # On a unix socket all are one, and a proxy in front of it says who it is by ProxyHeaders.
        ("/", "", 503),
    ],
)
def test_paths_and_addresses_are_let_through(path: str, address: str, status: int) -> None:
    app = Maintenance(Inner(), when=lambda environ: True, exempt=["/livez"], allow=["10.0.0.0/8", "2001:db8::/32"])
    assert ask(app, "GET", path, REMOTE_ADDR=address).status == status


def test_a_page_of_html_is_said_to_be_one(tmp_path: Path) -> None:
    html = "<!doctype html><title>Soon</title>é"
    (tmp_path / "soon.html").write_text(html, encoding="utf-8")
    for page in (html, str(tmp_path / "soon.html"), tmp_path / "soon.html"):
        answer = ask(Maintenance(Inner(), when=lambda environ: True, page=page))
        assert (answer.text, answer.value("Content-Type")) == (html, "text/html; charset=utf-8")


def test_head_has_no_body() -> None:
    assert ask(Maintenance(Inner(), when=lambda environ: True), "HEAD").blocks == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"when": ""}, "when: want the path of a file or a function"),
        ({"when": True}, "when: want the path of a file or a function, got True"),
        ({"when": "/x", "retry_after_s": "soon"}, "retry_after_s: want seconds, got 'soon'"),
        ({"when": "/x", "page": "/nowhere/page.html"}, "page: want a text, or the path of a file in UTF-8"),
        ({"when": "/x", "exempt": "/livez"}, "exempt: want a list of paths"),
        ({"when": "/x", "allow": ["office"]}, "allow: want addresses or networks"),
        ({"when": "/x", "every_s": -1}, "every_s: want seconds"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Maintenance(**options)
