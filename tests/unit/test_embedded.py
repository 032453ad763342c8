"""Keyword arguments as settings, and what `dragoman.serve` refuses before it serves."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytest

import dragoman
from dragoman.embedded import keyword_settings, signals_put_back
from dragoman.errors import ApplicationError, UsageError
from dragoman.values import TcpAddress, UnixAddress


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"hello"]


def test_python_values_and_the_texts_of_flags_mean_the_same(tmp_path: Path) -> None:
    values = keyword_settings(
        {
            "threads": 3,
            "keep_alive": 0.5,
            "limit_body": 2 << 20,
            "preload": True,
            "umask": 0o027,
            "bind": ["127.0.0.1:0", "unix:/tmp/x"],
            "env": {"A": "1", "B": "x=y"},
            "pythonpath": [tmp_path, "b"],
            "spool_directory": tmp_path,
        },
        {},
    )
    texts = keyword_settings(
        {
            "threads": "3",
            "keep_alive": "0.5",
            "limit_body": "2M",
            "preload": "true",
            "umask": "027",
            "bind": ("127.0.0.1:0", "unix:/tmp/x"),
            "env": ["A=1", "B=x=y"],
            "pythonpath": f"{tmp_path},b",
            "spool_directory": str(tmp_path),
        },
        {},
    )
    assert {**vars(values), "origins": {}} == {**vars(texts), "origins": {}}
    assert values.umask == 0o027
    assert values.bind == (TcpAddress("127.0.0.1", 0), UnixAddress("/tmp/x"))
    assert values.env == (("A", "1"), ("B", "x=y"))


def test_what_is_not_given_comes_from_the_environment_then_from_the_default() -> None:
    environment = {"DRAGOMAN_THREADS": "5", "DRAGOMAN_QUEUE": "7", "PORT": "81"}
    settings = keyword_settings({"threads": 3, "queue": None}, environment)
    assert (settings.threads, settings.queue, settings.backlog) == (3, 7, 2048)
    assert settings.bind == (TcpAddress("0.0.0.0", 81),)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"timeout": 3}, "timeout is gunicorn's, and cannot act here"),
        ({"thread": 3}, "thread is no setting; did you mean threads?"),
        ({"zzz\n": 3}, r"zzz\n is no setting; dragoman --help lists all"),
        ({"threads": 0}, '--threads "0": want a whole number from 1 to 1024'),
        ({"threads": True}, '--threads "true": want a whole number'),
        ({"threads": [1, 2]}, '--threads "1,2": want a whole number'),
        ({"threads": object}, "threads: want a text or a number, this is"),
        ({"env": {"HTTP_X": "1"}}, '--env "HTTP_X=1": want a name that is not the request'),
    ],
)
def test_a_keyword_that_cannot_be_is_refused_in_words(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        keyword_settings(given, {})
    assert message in str(caught.value)


def test_serving_outside_of_the_main_thread_is_refused_and_says_what_serves_there() -> None:
    errors: list[Exception] = []

    def in_thread() -> None:
        try:
            dragoman.serve(app)
        except UsageError as error:
            errors.append(error)

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join(20)
    assert "in the main thread" in str(errors[0]) and "LiveServer" in str(errors[0])


def test_what_is_no_application_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(ApplicationError, match="not a WSGI application"):
        dragoman.serve(b"bytes")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a module's name, not a file"):
        dragoman.serve("app.py")


def test_a_name_that_the_package_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sevre'"):
        dragoman.sevre  # noqa: B018


def test_the_signal_handlers_are_what_they_were() -> None:
    def handler(number: int, frame: object) -> None:
        pass

    before = signal.signal(signal.SIGUSR2, handler)
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        with signals_put_back():
            signal.signal(signal.SIGUSR2, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGUSR2) is handler
        assert signal.getsignal(signal.SIGINT) is interrupt
    finally:
        signal.signal(signal.SIGUSR2, before)
