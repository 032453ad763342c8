"""The blog of examples/flaskr: one suite for both of its forms, under the real server, with the contract's checker."""

from __future__ import annotations

import html
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.site import EXAMPLES, FORMS, Answer, Site, example, served

SETTINGS = {"SECRET_KEY": "a secret of more than sixteen bytes"}


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def make(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes the application, with its instance folder in a directory of the test."""
    monkeypatch.setenv("FLASKR_INSTANCE", str(tmp_path))
    module = example("flaskr.{}", form)

    def made(settings: dict[str, Any] | None = None) -> Any:
        return module.create_app(SETTINGS if settings is None else settings)

    return made


@pytest.fixture
def site(form: str, make: Callable[..., Any]) -> Iterator[Site]:
    app = make()
    answer = app.test_cli_runner().invoke(args=["init-db"])
    assert "There is an empty database" in answer.output
    with served(lambda: app, form) as site:
        yield site


@pytest.fixture
def ada(site: Site) -> Site:
    """An author who is logged in."""
    return logged_in(site, "ada")


def logged_in(site: Site, name: str) -> Site:
    assert post(site, "/auth/register", name=name, password="analytical").status == 200
    assert shown(post(site, "/auth/login", name=name, password="analytical")) == "Posts"
    return site


def post(site: Site, path: str, **form: str) -> Answer:
    """A form that was sent, and the page that it leads to."""
    answer = site.post(path, form=form)
    if answer.status in (302, 303):
        return site.get(answer.headers["Location"])
    return answer


def shown(answer: Answer) -> str:
    """The heading of a page."""
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/html; charset=utf-8", answer.text
    heading = re.search(r"<h1>(.*?)</h1>", answer.text)
    assert heading is not None
    return html.unescape(heading[1])


def messages(answer: Answer) -> list[tuple[str, str]]:
    found = re.findall(r'<p role="status" class="(\w+)">(.*?)</p>', answer.text)
    return [(category, html.unescape(text)) for category, text in found]


def titles(site: Site) -> list[str]:
    return [html.unescape(one) for one in re.findall(r"<h2>(.*?)</h2>", site.get("/").text)]


# The database


def test_the_command_makes_an_empty_database_and_a_secret(make: Callable[..., Any], tmp_path: Path) -> None:
    app = make({})
    assert app.test_cli_runner().invoke(args=["init-db"]).exit_code == 0
    with sqlite3.connect(tmp_path / "flaskr.sqlite") as db:
        assert db.execute("SELECT count(*) FROM post").fetchone() == (0,)
    secret = (tmp_path / "config.py").read_text()
    assert re.fullmatch(r"SECRET_KEY = '[0-9a-f]{64}'\n", secret)
    assert (tmp_path / "config.py").stat().st_mode & 0o077 == 0
    assert make({}).secret_key in secret
    make({}).test_cli_runner().invoke(args=["init-db"])
    assert (tmp_path / "config.py").read_text() == secret


def test_a_connection_is_one_for_a_request_and_is_closed_with_it(make: Callable[..., Any], form: str) -> None:
    app = make()
    db = example("flaskr.{}.db", form)
    with app.app_context():
        opened = db.get_db()
        assert opened is db.get_db()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened.execute("SELECT 1")


# Accounts


def test_who_registers_logs_in_and_out(site: Site) -> None:
    page = post(site, "/auth/register", name="ada", password="analytical")
    assert shown(page) == "Log in" and messages(page) == [("message", "Welcome! Log in with your new account.")]
    assert messages(site.get("/auth/login")) == []
    page = post(site, "/auth/login", name="ada", password="analytical")
    assert "<span>ada</span>" in page.text
    assert "<span>ada</span>" not in post(site, "/auth/logout").text


def test_a_name_is_taken_once_and_shown_as_text(site: Site) -> None:
    name = '<b>&"ada"'
    post(site, "/auth/register", name=name, password="x")
    page = post(site, "/auth/register", name=name, password="y")
    assert messages(page) == [("error", f"The name {name} is taken.")]
    assert "<b>" not in page.text


@pytest.mark.parametrize(("name", "password"), [("", "x"), ("  ", "x"), ("ada", "")])
def test_an_account_wants_a_name_and_a_password(site: Site, name: str, password: str) -> None:
    page = post(site, "/auth/register", name=name, password=password)
    assert messages(page) == [("error", "Both a name and a password are needed.")]


def test_a_field_that_is_missing_is_400(site: Site) -> None:
    assert post(site, "/auth/register", name="ada").status == 400


@pytest.mark.parametrize(("name", "password"), [("ada", "difference"), ("charles", "analytical")])
def test_a_wrong_login_gets_one_answer_whatever_is_wrong(site: Site, name: str, password: str) -> None:
    post(site, "/auth/register", name="ada", password="analytical")
    page = post(site, "/auth/login", name=name, password=password)
    assert messages(page) == [("error", "There is no such name with such a password.")]
    assert f'value="{name}"' in page.text and password not in page.text


@pytest.mark.parametrize("path", ["/create", "/1/update", "/1/delete"])
def test_who_is_not_logged_in_is_sent_to_the_login(site: Site, path: str) -> None:
    answer = site.post(path, form={"title": "x", "text": "y"})
    assert answer.status == 302 and answer.headers["Location"] == "/auth/login"


def test_an_author_who_is_gone_is_nobody(ada: Site, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "flaskr.sqlite") as db:
        db.execute("DELETE FROM author")
    assert "Log in" in ada.get("/").text


# Posts


def test_a_post_is_written_changed_and_deleted(ada: Site) -> None:
    assert "Nothing yet." in ada.get("/").text
    assert shown(post(ada, "/create", title="Ängines & <looms>", text="one\ntwo")) == "Posts"
    assert titles(ada) == ["Ängines & <looms>"]
    page = ada.get("/1/update")
    assert shown(page) == "Change it" and 'value="Ängines &amp; &lt;looms&gt;"' in page.text
    answer = ada.post("/1/update", form={"title": "Looms", "text": ""})
    assert answer.headers["Location"] == "/#post-1"
    assert titles(ada) == ["Looms"]
    post(ada, "/1/delete")
    assert titles(ada) == []


def test_the_newest_post_is_the_first_and_everybody_reads_it(ada: Site) -> None:
    for title in ("first", "second"):
        post(ada, "/create", title=title, text="")
    visitor = ada.visitor()
    assert titles(visitor) == ["second", "first"]
    assert "Change" not in visitor.get("/").text
    assert re.search(r"by ada, \d{4}-\d\d-\d\d</small>", visitor.get("/").text)


@pytest.mark.parametrize("path", ["/create", "/1/update"])
def test_a_post_wants_a_title_and_what_was_written_is_still_there(ada: Site, path: str) -> None:
    post(ada, "/create", title="first", text="")
    page = post(ada, path, title=" ", text="a long text")
    assert messages(page) == [("error", "A post wants a title.")] and ">a long text</textarea>" in page.text
    assert titles(ada) == ["first"]


def test_a_post_of_somebody_else_cannot_be_changed(ada: Site) -> None:
    post(ada, "/create", title="hers", text="")
    charles = logged_in(ada.visitor(), "charles")
    assert charles.get("/1/update").status == 403
    assert post(charles, "/1/update", title="his", text="").status == 403
    assert post(charles, "/1/delete").status == 403
    assert titles(ada) == ["hers"]


def test_a_post_that_is_not_there_is_404_and_says_so(ada: Site) -> None:
    for path in ("/7/update", "/7/delete"):
        answer = post(ada, path, title="x", text="")
        assert answer.status == 404 and "There is no post 7." in html.unescape(answer.text)
    assert ada.get("/7/delete").status == 405


# Files


def test_the_style_sheet_is_where_the_pages_say(site: Site) -> None:
    link = re.search(r'rel="stylesheet" href="(.*?)"', site.get("/").text)
    assert link is not None
    answer = site.get(link[1])
    assert answer.headers["Content-Type"].startswith("text/css")
    assert answer.body == (EXAMPLES / "flaskr" / "static" / "style.css").read_bytes()
    assert site.get(link[1], headers={"If-None-Match": answer.headers["ETag"]}).status == 304
    assert site.get("/static/../schema.sql").status == 404


# What the README says


def test_the_two_forms_differ_in_imports_and_the_name_of_the_application_alone() -> None:
    for path in sorted((EXAMPLES / "flaskr" / "flask").glob("*.py")):
        theirs = path.read_text(encoding="utf-8")
        ours = (EXAMPLES / "flaskr" / "dragoman" / path.name).read_text(encoding="utf-8")
        expected = re.sub(r"\bFlask\b(?!\.\n?\"\"\")", "App", theirs)
        expected = expected.replace("from flask import", "from dragoman.web import")
        expected = expected.replace("flaskr.flask", "flaskr.dragoman").replace("application of Flask", "")
        assert lines(expected) == lines(ours.replace("application of dragoman.web", "")), path.name


def lines(source: str) -> list[str]:
    """The lines without blank ones: of these formatters put some between groups of imports."""
    return [line for line in source.splitlines() if line]
