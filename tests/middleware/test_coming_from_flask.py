"""The page for those who come from Flask's extensions: all code of after runs, and does what the section is about."""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dragoman.middleware.auth.passwords import hash_password
from tests.middleware.kit import Answered, ask
from tests.support.backends import Backend

PAGE = Path(__file__).resolve().parents[2] / "docs" / "middleware" / "coming-from-flask.md"
SECTION = re.compile(r"^## (.+?) → (.+?)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
SECTIONS = {name: text for name, _, text in SECTION.findall(PAGE.read_text(encoding="utf-8"))}
MOST_LINES = 20
PASSWORD = "correct horse"


class Site:
    """The application of a section."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def add(self, path: str, view: Callable[[], Any]) -> None:
        self.app.add_url_rule(path, view_func=view, endpoint=path)

    def get(self, target: str, headers: dict[str, str] | None = None, **more: Any) -> Answered:
        return ask(self.app, "GET", target, headers or {}, **more)

    def post(self, target: str, headers: dict[str, str] | None = None, **more: Any) -> Answered:
        return ask(self.app, "POST", target, headers or {}, **more)


def compresses(site: Site) -> None:
    site.add("/long", lambda: "word " * 1000)
    site.add("/short", lambda: "word")
    assert site.get("/long", {"Accept-Encoding": "gzip"}).value("Content-Encoding") == "gzip"
    assert site.get("/short", {"Accept-Encoding": "gzip"}).value("Content-Encoding") is None


def lets_pages_read(site: Site) -> None:
    site.add("/api/x", lambda: "x")
    site.add("/x", lambda: "x")
    allowed = site.get("/api/x", {"Origin": "https://shop.example"})
    assert allowed.value("Access-Control-Allow-Origin") == "https://shop.example"
    assert allowed.value("Access-Control-Allow-Credentials") == "true"
    assert site.get("/api/x", {"Origin": "https://evil.example"}).value("Access-Control-Allow-Origin") is None
    assert site.get("/x", {"Origin": "https://shop.example"}).value("Access-Control-Allow-Origin") is None


def remembers(site: Site) -> None:
    first = site.post("/visits")
    cookie = (first.value("Set-Cookie") or "").partition(";")[0]
    assert (first.text, site.post("/visits", {"Cookie": cookie}).text) == ("1", "2")


def is_https_with_fields(site: Site) -> None:
    site.add("/x", lambda: "x")
    assert site.get("/x").value("Location") == "https://shop.example/x"
    answer = site.get("/x", **{"wsgi.url_scheme": "https"})
    assert re.search(r"script-src 'self' 'nonce-[^']+'", answer.value("Content-Security-Policy") or "")
    assert answer.value("Strict-Transport-Security")


def limits(site: Site) -> None:
    assert [site.post("/login").status for _ in range(6)] == [200] * 5 + [429]
    assert site.get("/other").status == 404


def caches(site: Site) -> None:
    assert [site.get("/news").text for _ in range(2)] == ["news"] * 2
    assert "hit" in (site.get("/news").value("Cache-Status") or "")


def asks_for_a_password(site: Site) -> None:
    credentials = base64.b64encode(f"anna:{PASSWORD}".encode()).decode()
    assert site.get("/admin").status == 401
    assert site.get("/none").status == 404
    assert site.get("/admin", {"Authorization": f"Basic {credentials}"}).text == "Hello, anna"


def refuses_other_sites(site: Site) -> None:
    assert site.post("/buy", {"Sec-Fetch-Site": "same-origin"}).text == "bought"
    assert site.post("/buy", {"Sec-Fetch-Site": "cross-site"}).status == 403


def serves_files(site: Site) -> None:
    answer = site.get("/static/app.css")
    assert (answer.status, answer.text) == (200, "body {}")
    assert answer.value("ETag")


def believes_the_proxy(site: Site) -> None:
    fields = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "shop.example",
        "X-Forwarded-Prefix": "/shop",
    }
    told = site.get("/whoami", fields, REMOTE_ADDR="10.0.0.1").text
    assert told == "203.0.113.9 https://shop.example/shop/whoami"
    assert site.get("/whoami", fields).text == "192.0.2.7 http://shop.example/whoami"


def mounts(site: Site) -> None:
    assert site.get("/api/items").text == "items"
    assert site.get("/items").status == 404


def counts(site: Site) -> None:
    site.get("/users/7")
    told = site.get("/metrics", REMOTE_ADDR="127.0.0.1").text
    assert 'http_server_requests_total{method="GET",route="/users/<int:number>",status="200"} 1.0' in told
    assert site.get("/metrics").status == 403


PROBES: dict[str, Callable[[Site], None]] = {
    "Flask-Compress": compresses,
    "Flask-CORS": lets_pages_read,
    "Flask-Session": remembers,
    "Flask-Talisman": is_https_with_fields,
    "Flask-Limiter": limits,
    "Flask-Caching": caches,
    "Flask-HTTPAuth": asks_for_a_password,
    "Flask-WTF's CSRFProtect": refuses_other_sites,
    "WhiteNoise": serves_files,
    "ProxyFix": believes_the_proxy,
    "DispatcherMiddleware": mounts,
    "prometheus-flask-exporter": counts,
}


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", SECTIONS[name], re.DOTALL)


def test_every_section_has_a_probe() -> None:
    assert list(SECTIONS) == list(PROBES)


@pytest.mark.parametrize("name", SECTIONS)
def test_code_of_before_and_after_is_short_and_whole(name: str) -> None:
    [before], [after] = blocks(name, "py"), blocks(name, "python")
    compile(before, name, "exec")
    assert len(after.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("name", PROBES)
def test_the_code_of_after_does_its_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    [source] = blocks(name, "python")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "app.css").write_text("body {}")
    if "redis://" in source:
        redis: Backend = request.getfixturevalue("redis_server")
        source = source.replace("redis://127.0.0.1:6379/0", redis.url)
    # What an example shares with other processes is shared with no real ones here.
    monkeypatch.setattr("dragoman.middleware.shared_file.default_directory", lambda: str(tmp_path))
    source = re.sub(r"\$argon2id\$[^\"]+", lambda _: hash_password(PASSWORD), source)
    # Flask looks for the module of its name.
    module = ModuleType("shop_of_the_page")
    module.__file__ = str(tmp_path / "shop.py")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source, str(PAGE), "exec"), module.__dict__)
    PROBES[name](Site(module.__dict__["app"]))
