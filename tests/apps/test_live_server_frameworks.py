"""`dragoman.testing.LiveServer` in a suite of Flask's and of Django's: in the process that has the framework loaded."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import httpx
import pytest

from dragoman.testing import LiveServer
from tests.apps.frameworks import FILE, STREAM, summary


@pytest.fixture(params=["flask", "django"])
def server(request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    with LiveServer(import_module(f"tests.apps.app_{request.param}").app) as server:
        yield server
    assert server.reports == []


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20, trust_env=False) as session:
        yield session


def test_forms_sessions_streams_and_files_are_answered(client: httpx.Client) -> None:
    assert client.get("/hello", params={"name": "Möwe"}).text == "Hello, Möwe!"
    assert client.post("/form", data={"name": "Ada", "text": "a=b"}).json() == {"name": "Ada", "text": "a=b"}
    assert [client.get("/visits").json() for _ in range(3)] == [1, 2, 3]
    assert client.get("/stream").text == STREAM
    assert client.get("/file").content == FILE
    assert client.post("/body", content=FILE).json() == summary(FILE)


def test_an_exception_that_the_framework_answers_is_no_entry_of_the_log(
    client: httpx.Client, server: LiveServer
) -> None:
    assert client.get("/fails").status_code == 500
    assert server.log == []
