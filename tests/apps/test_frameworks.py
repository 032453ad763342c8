"""Flask, Django, Falcon, Bottle and Pyramid, with and without wsgiref's validator, asked by httpx and by requests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests

from tests.apps.frameworks import FILE, STREAM, summary
from tests.support.server import Serve, Server

FRAMEWORKS = ["flask", "django", "falcon", "bottle", "pyramid"]


@pytest.fixture(scope="module", params=[f"{name}:{kind}" for name in FRAMEWORKS for kind in ("app", "validated_app")])
def server(serve: Serve, request: pytest.FixtureRequest) -> Server:
    return serve(f"tests.apps.app_{request.param}")


@pytest.fixture(params=["httpx", "requests"])
def client(server: Server, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A session of the client library; both have the calls that are used here, with a redirect not followed."""
    if request.param == "httpx":
        with httpx.Client(base_url=server.url(""), timeout=20) as session:
            yield session
    else:
        with _Requests(server.url("")) as session:
            yield session


class _Requests(requests.Session):
    """A requests session with a base URL."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base
        self.trust_env = False

    def request(self, method: Any, url: Any, *arguments: Any, **options: Any) -> Any:
        options.setdefault("timeout", 20)
        options["allow_redirects"] = False
        return super().request(method, self.base + url, *arguments, **options)


def test_text_and_query_in_utf_8(client: Any) -> None:
    response = client.get("/hello", params={"name": "Möwe ☃"})
    assert response.status_code == 200
    assert response.content.decode() == "Hello, Möwe ☃!"


def test_json_and_path(client: Any, server: Server) -> None:
    assert client.get("/json").json() == {"framework": _name(server), "path": "/json"}


def test_form_post(client: Any) -> None:
    fields = {"name": "Ada Möwe", "text": "a=b&c\r\nd" * 50}
    assert client.post("/form", data=fields).json() == fields


@pytest.mark.parametrize("size", [0, 1000, 200_000, 3_000_000])
def test_file_upload(client: Any, size: int) -> None:
    data = os.urandom(size)
    response = client.post("/upload", files={"file": ("picture.bin", data, "application/octet-stream")})
    assert response.json() == {"name": "picture.bin", **summary(data)}


@pytest.mark.parametrize("size", [0, 10, 65_536, 65_537, 2_000_000])
def test_raw_body_with_a_length(client: Any, size: int) -> None:
    data = os.urandom(size)
    response = client.post("/body", **_content(client, data), headers={"Content-Type": "application/octet-stream"})
    assert response.json() == summary(data)


@pytest.mark.parametrize("pieces", [1, 3, 40])
def test_chunked_upload_arrives_whole(client: Any, pieces: int) -> None:
    data = [os.urandom(50_000) for _ in range(pieces)]
    response = client.post(
        "/body", **_content(client, iter(data)), headers={"Content-Type": "application/octet-stream"}
    )
    assert response.request.headers["Transfer-Encoding"] == "chunked"
    assert response.json() == summary(b"".join(data))


def test_chunked_form_post_arrives_whole(client: Any) -> None:
    response = client.post(
        "/form",
        **_content(client, iter([b"name=Ada&te", b"xt=chun", b"ked"])),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert response.json() == {"name": "Ada", "text": "chunked"}


def test_streamed_response(client: Any) -> None:
    response = client.get("/stream")
    assert response.text == STREAM
    assert "Content-Length" not in response.headers


def test_file_response(client: Any) -> None:
    for _ in range(2):
        response = client.get("/file")
        assert response.content == FILE


def test_head_of_a_file_response(client: Any) -> None:
    # Falcon, Bottle's and the others' routes answer HEAD or refuse it with 405; either way there is no body.
    response = client.head("/file")
    assert response.status_code in (200, 405)
    assert response.content == b""
    assert client.get("/hello").status_code == 200


def test_session_or_cookie_counts_visits(client: Any) -> None:
    assert [client.get("/visits").json() for _ in range(3)] == [1, 2, 3]


def test_redirect(client: Any) -> None:
    response = client.get("/redirect")
    assert response.status_code == 302
    assert response.headers["Location"].endswith("/hello")


def test_page_that_is_not_there(client: Any) -> None:
    assert client.get("/nothing-here").status_code == 404


def test_view_that_raises_gives_a_500_and_the_next_request_is_served(client: Any) -> None:
    assert client.get("/fails").status_code == 500
    assert client.get("/hello").status_code == 200


def test_kept_connection_serves_many_requests(client: Any) -> None:
    for number in range(30):
        assert client.get("/hello", params={"name": str(number)}).text == f"Hello, {number}!"


class TestDjango:
    """What Django has beyond the others."""

    @pytest.fixture(params=["app", "validated_app"])
    def url(self, serve: Serve, request: pytest.FixtureRequest) -> str:
        return serve(f"tests.apps.app_django:{request.param}").url("")

    def test_static_files(self, url: str) -> None:
        style = httpx.get(f"{url}/static/style.css")
        assert (style.status_code, style.text) == (200, "body { color: teal }\n")
        assert style.headers["Content-Type"].startswith("text/css")
        assert httpx.get(f"{url}/static/data.bin").content == FILE
        assert httpx.get(f"{url}/static/none.css").status_code == 404

    def test_static_file_that_is_not_newer_is_304(self, url: str) -> None:
        with httpx.Client(base_url=url) as session:
            modified = session.get("/static/style.css").headers["Last-Modified"]
            again = session.get("/static/style.css", headers={"If-Modified-Since": modified})
            assert (again.status_code, again.content) == (304, b"")
            assert session.get("/hello").status_code == 200

    def test_csrf_protected_form(self, url: str) -> None:
        with httpx.Client(base_url=url) as session:
            assert session.post("/csrf-form", data={"name": "Ada"}).status_code == 403
            token = session.get("/csrf-form").json()["token"]
            response = session.post("/csrf-form", data={"name": "Ada", "csrfmiddlewaretoken": token})
            assert response.json()["name"] == "Ada"

    def test_path_in_utf_8(self, url: str) -> None:
        page = httpx.get(f"{url}/json/M%C3%B6we")
        assert page.status_code == 404 and "Möwe" in page.text


def _name(server: Server) -> str:
    return server.application.partition("app_")[2].partition(":")[0]


def _content(client: Any, data: Any) -> dict[str, Any]:
    return {"content" if isinstance(client, httpx.Client) else "data": data}
