"""`Static`: no path leads out of the directory, or to what nobody is to see; indexes, redirects and the fallback."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urljoin

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dragoman.middleware import Static
from tests.middleware.kit import Answered, Inner, ask

SECRET = b"nobody is to see this"

# As a client sends them, below /static/; a server decodes once.
HOSTILE = [
    *("../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", "%2e%2e%2fsecret.txt", "%252e%252e%252fsecret.txt"),
    *(
        "..%5csecret.txt",
        "..\\secret.txt",
        "%5c..%5csecret.txt",
        "....//secret.txt",
        "..;/secret.txt",
        ".%00./secret.txt",
    ),
    *(
        "in/../../secret.txt",
        "in/..%2f..%2fsecret.txt",
        "./../secret.txt",
        "in/./../../secret.txt",
        "..",
        "../",
        "%2e%2e",
    ),
    *("%c0%ae%c0%ae/secret.txt", "%c0%ae%c0%ae%c0%afsecret.txt", "%e0%80%ae%e0%80%ae/secret.txt", "..%c0%afsecret.txt"),
    *("%f0%80%80%ae%f0%80%80%ae/secret.txt", "..%ef%bc%8fsecret.txt", "%uff0e%uff0e/secret.txt", "..%c1%9csecret.txt"),
    *("app.css%00.png", "%00", "app.css%00", "app.css%0a", "%0d%0aX: y", "in%00/a.css"),
    *("/etc/passwd", "//etc/passwd", "%2fetc%2fpasswd", "/{outside}/secret.txt", "%2f{outside}/secret.txt", "~root/x"),
    *("C:/secret.txt", "C:%5csecret.txt", "c:secret.txt", "file:///etc/passwd", "%5c%5chost%5cshare", "//host/share"),
    *(
        "CON",
        "nul",
        "aux.txt",
        "COM1",
        "app.css::$DATA",
        "app.css:stream",
        "app.css.",
        "app.css%20",
        "APP.CSS",
        "APP~1.CSS",
    ),
    *("./app.css", "in/../app.css", "in//a.css", "//app.css", "in/", "in", "app.css/", "app.css/."),
    *(
        ".env",
        ".git/config",
        "in/.hidden",
        "%2eenv",
        ".well-known/../.env",
        "link-out.txt",
        "link-up/secret.txt",
        "link-up",
    ),
    *("link-hidden", "loop/loop/app.css", "broken", "fifo", "back\\slash.txt", "back%5cslash.txt"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_bytes(SECRET)
    root = tmp_path / "static"
    for name in ("app.css", "in/a.css", ".well-known/security.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"seen")
    for name in (".env", ".git/config", "in/.hidden", "back\\slash.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(SECRET)
    (root / "link-out.txt").symlink_to(tmp_path / "secret.txt")
    (root / "link-up").symlink_to(tmp_path)
    (root / "link-in.css").symlink_to("app.css")
    (root / "loop").symlink_to(".")
    (root / "broken").symlink_to("nothing")
    (tmp_path / "static-too").mkdir()
    (tmp_path / "static-too/secret.txt").write_bytes(SECRET)
    (root / "sibling").symlink_to("../static-too")
    os.mkfifo(root / "fifo")
    return root


@pytest.fixture(params=[False, True], ids=["once", "live"])
def live(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def got(app: Any, target: str, **environ: Any) -> Answered:
    return ask(app, "GET", "/static/" + unquote_to_bytes(target).decode("latin-1"), **environ)


@pytest.mark.parametrize("target", HOSTILE)
def test_no_path_leads_out(root: Path, live: bool, target: str) -> None:
    inner = Inner()
    answered = got(Static(inner, root, live=live), target.replace("{outside}", str(root.parent)))
    assert (answered.status, answered.text, inner.calls) == (200, "Hello", 1)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Static, Static]:
    top = tmp_path_factory.mktemp("both")
    for name in ("static/a", "static/b/a", "static/b/c.d", "secret"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(name.encode())
    return Static(Inner(), top / "static"), Static(Inner(), top / "static", live=True)


PATHS = st.one_of(
    st.lists(st.sampled_from([*"abcd./\\", "..", "b/", "static", "secret", "\0", "%2e", "\xc0\xae"]), max_size=12).map(
        "".join
    ),
    st.text(st.characters(max_codepoint=0xFF), max_size=30),
)


@given(path=PATHS)
@example(path="b/../a")
@example(path="")
@settings(max_examples=300, deadline=None)
def test_what_is_found_live_is_what_is_found_at_the_start(both: tuple[Static, Static], path: str) -> None:
    once, live = (ask(app, "GET", f"/static/{path}", **{"PATH_INFO": f"/static/{path}"}) for app in both)
    assert (once.status, once.body) == (live.status, live.body)
    assert once.body == b"Hello" or once.body == f"static/{path}".encode()


@given(path=st.text(max_size=20))
def test_a_path_of_any_text_raises_nothing(both: tuple[Static, Static], path: str) -> None:
    for app in both:
        assert app({"REQUEST_METHOD": "GET", "PATH_INFO": f"/static/{path}"}, lambda *_: lambda block: None) is not None  # type: ignore[arg-type]


def test_links_inside_are_followed(root: Path, live: bool) -> None:
    assert got(Static(Inner(), root, live=live), "link-in.css").text == "seen"


def test_no_links_are_followed_where_none_are_wanted(root: Path, live: bool) -> None:
    app = Static(Inner(), root, symlinks="none", live=live)
    assert (got(app, "link-in.css").text, got(app, "app.css").text) == ("Hello", "seen")


def test_all_links_are_followed_where_all_are_wanted(root: Path, live: bool) -> None:
    app = Static(Inner(), root, symlinks="all", live=live)
    assert got(app, "link-out.txt").body == got(app, "sibling/secret.txt").body == SECRET
    assert got(app, "broken").text == got(app, "fifo").text == "Hello"


def test_a_directory_whose_name_only_begins_so_is_outside(root: Path, live: bool) -> None:
    assert got(Static(Inner(), root, live=live), "sibling/secret.txt").text == "Hello"


def test_the_directory_itself_may_be_a_link_and_stays_what_it_was(root: Path, tmp_path: Path) -> None:
    current = tmp_path / "current"
    current.symlink_to(root)
    app = Static(Inner(), current)
    (tmp_path / "next").mkdir()
    current.unlink()
    current.symlink_to(tmp_path / "next")
    assert got(app, "app.css").text == "seen"


def test_a_file_that_became_a_link_outwards_is_not_followed(root: Path, tmp_path: Path, live: bool) -> None:
    app = Static(Inner(), root, live=live)
    (root / "app.css").unlink()
    (root / "app.css").symlink_to(tmp_path / "secret.txt")
    assert got(app, "app.css").text == "Hello"


def test_hidden_files_can_be_wanted_and_well_known_ones_always_are(root: Path, live: bool) -> None:
    assert got(Static(Inner(), root, live=live), ".well-known/security.txt").text == "seen"
    assert got(Static(Inner(), root, hidden=True, live=live), ".env").body == SECRET


# Directories.


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name in ("index.html", "docs/index.html", "docs/a.html", "assets/app.js", "empty/x.txt", "a:b/index.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


@pytest.mark.parametrize(
    ("target", "body"), [("/", "index.html"), ("/docs/", "docs/index.html"), ("/docs/a.html", "docs/a.html")]
)
def test_a_directory_is_answered_with_its_index(site: Path, live: bool, target: str, body: str) -> None:
    assert ask(Static(Inner(), site, prefix="/", index="index.html", live=live), "GET", target).text == body


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("/w/docs", "/w/docs/"),
        ("/w/docs?a=b%20c", "/w/docs/?a=b%20c"),
        ("/w/docs/index.html", "/w/docs/"),
        ("/w/index.html?x=1", "/w/?x=1"),
        ("/w", "/w/"),
        ("/w/a:b", "/w/a%3Ab/"),
    ],
)
def test_the_other_urls_of_a_directory_lead_to_the_one(site: Path, live: bool, target: str, place: str) -> None:
    # WhiteNoise loses the query.
    answered = ask(Static(Inner(), site, prefix="/w/", index="index.html", live=live), "GET", target)
    assert (answered.status, answered.value("Cache-Control")) == (301, "max-age=60, public")
    assert urljoin(f"http://shop.example{target}", answered.value("Location") or "") == f"http://shop.example{place}"


@pytest.mark.parametrize(
    "target", ["/empty", "/empty/", "/empty/index.html", "//docs", "/nothing/", "//evil.example/.."]
)
def test_where_no_index_is_there_is_no_redirect(site: Path, live: bool, target: str) -> None:
    environ = {"PATH_INFO": target}
    assert ask(Static(Inner(), site, prefix="/", index="index.html", live=live), "GET", "/", **environ).text == "Hello"


def test_a_post_is_not_redirected(site: Path) -> None:
    assert ask(Static(Inner(), site, prefix="/", index="index.html"), "POST", "/docs").text == "Hello"


def test_without_index_directories_are_the_applications(site: Path, live: bool) -> None:
    assert ask(Static(Inner(), site, prefix="/", live=live), "GET", "/docs/").text == "Hello"


# The fallback of a single-page application.

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def spa(site: Path, live: bool) -> Static:
    return Static(
        Inner(), site, prefix="/", index="index.html", fallback="index.html", fallback_except=["/api"], live=live
    )


@pytest.mark.parametrize("target", ["/users/7", "/docs/other", "/apis"])
def test_a_page_that_there_is_no_file_for_is_the_fallback(site: Path, live: bool, target: str) -> None:
    answered = ask(spa(site, live), "GET", target, {"Accept": BROWSER})
    assert (answered.status, answered.text, answered.value("Cache-Control")) == (200, "index.html", "no-cache")
    assert answered.value("Content-Type") == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("target", "accept"),
    [
        ("/users/7", "application/json"),
        ("/users/7", "*/*"),
        ("/users/7", "text/html;q=0, */*"),
        ("/assets/missing.js", BROWSER),
        ("/api", BROWSER),
        ("/api/users", BROWSER),
    ],
)
def test_what_is_no_page_is_not_answered_with_one(site: Path, live: bool, target: str, accept: str) -> None:
    assert ask(spa(site, live), "GET", target, {"Accept": accept}).text == "Hello"


def test_a_post_has_no_fallback(site: Path, live: bool) -> None:
    assert ask(spa(site, live), "POST", "/users/7", {"Accept": BROWSER}).text == "Hello"


def test_the_fallback_is_conditional_like_any_file(site: Path, live: bool) -> None:
    app = spa(site, live)
    tag = ask(app, "GET", "/users/7", {"Accept": BROWSER}).value("ETag") or ""
    assert ask(app, "GET", "/users/8", {"Accept": BROWSER, "If-None-Match": tag}).status == 304


def test_the_fallback_costs_no_look_at_its_directory(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # With 100,000 files beside it each page of the application would take a quarter of a second.
    app = spa(site, live=False)
    listed: list[Any] = []
    monkeypatch.setattr(os, "listdir", lambda path: listed.append(path) or [])
    assert ask(app, "GET", "/users/7", {"Accept": BROWSER}).text == "index.html"
    assert listed == []


def test_a_fallback_that_has_changed_is_sent_as_it_is_now(site: Path, live: bool) -> None:
    app = spa(site, live)
    assert ask(app, "GET", "/users/7", {"Accept": BROWSER}).text == "index.html"
    (site / "index.html").write_text("another page")
    assert ask(app, "GET", "/users/7", {"Accept": BROWSER}).text == "another page"
    (site / "index.html").unlink()
    assert ask(app, "GET", "/users/7", {"Accept": BROWSER}).text == "Hello"


def test_what_is_not_there_costs_no_listing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = Static(Inner(), root, live=True)
    listed: list[Any] = []
    listing = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: listed.append(path) or listing(path))
    assert got(app, "none.css").text == "Hello"
    assert listed == []
