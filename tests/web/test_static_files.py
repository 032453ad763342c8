"""Static folders: their files have URLs, and are served with conditions and ranges; nothing else is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dragoman.web import App, Blueprint, BuildError, send_file, url_for
from dragoman.web.rules import RuleError
from tests.middleware.kit import ask


@pytest.fixture
def site(tmp_path: Path) -> App:
    """An application with ``app.css`` in its static folder, and a blueprint with another one in its own."""
    for folder in ("static", "part/files"):
        (tmp_path / folder / "css").mkdir(parents=True)
        (tmp_path / folder / "css" / "app.css").write_text(f"/* {folder} */")
    (tmp_path / "secret.txt").write_text("secret")
    app = App(__name__, root_path=tmp_path)
    part = Blueprint("part", url_prefix="/part", static_folder="files", root_path=tmp_path / "part")
    app.register_blueprint(part)
    return app


def test_a_file_of_the_folder_is_served_with_its_type(site: App) -> None:
    answer = ask(site, target="/static/css/app.css")
    assert (answer.status, answer.text) == (200, "/* static */")
    assert answer.value("Content-Type") == "text/css; charset=utf-8"
    assert ask(site, "HEAD", "/static/css/app.css").value("Content-Length") == "12"


def test_a_blueprints_files_are_below_its_prefix(site: App) -> None:
    assert ask(site, target="/part/files/css/app.css").text == "/* part/files */"


def test_files_have_urls(site: App) -> None:
    with site.test_request_context():
        assert url_for("static", filename="css/ä b.css") == "/static/css/%C3%A4%20b.css"
        assert url_for("part.static", filename="css/app.css", v=2) == "/part/files/css/app.css?v=2"


@pytest.mark.parametrize(
    "path", ["../secret.txt", "css/../../secret.txt", "/etc/passwd", "css", "", "none.css", "..\\secret.txt", "a\0b"]
)
def test_what_is_no_file_of_the_folder_is_not_found(site: App, path: str) -> None:
    assert ask(site, target=f"/static/{path}").status in (404, 308)


def test_a_link_that_leads_out_of_the_folder_is_not_followed(site: App, tmp_path: Path) -> None:
    (tmp_path / "static" / "link.txt").symlink_to(tmp_path / "secret.txt")
    assert ask(site, target="/static/link.txt").status == 404


def test_a_file_that_is_unchanged_is_not_sent_again(site: App) -> None:
    etag = ask(site, target="/static/css/app.css").value("ETag")
    assert etag is not None
    assert ask(site, target="/static/css/app.css", headers={"If-None-Match": etag}).status == 304


def test_a_part_of_a_file_may_be_asked_for(site: App) -> None:
    answer = ask(site, target="/static/css/app.css", headers={"Range": "bytes=3-8"})
    assert (answer.status, answer.text, answer.value("Content-Range")) == (206, "static", "bytes 3-8/12")
    assert ask(site, target="/static/css/app.css", headers={"Range": "bytes=99-"}).status == 416


def test_other_methods_are_not_allowed(site: App) -> None:
    answer = ask(site, "POST", "/static/css/app.css")
    assert (answer.status, answer.value("Allow")) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize(("age", "field"), [(None, "no-cache"), (60, "public, max-age=60"), (0, "public, max-age=0")])
def test_the_setting_says_how_long_caches_keep_files(site: App, age: int | None, field: str) -> None:
    site.config["SEND_FILE_MAX_AGE_DEFAULT"] = age
    site.add_url_rule("/file", "file", lambda: send_file(site.root_path / "secret.txt"))
    assert ask(site, target="/static/css/app.css").value("Cache-Control") == field
    assert ask(site, target="/file").value("Cache-Control") == field


def test_an_application_may_say_it_for_each_file(site: App) -> None:
    site.config["SEND_FILE_MAX_AGE_DEFAULT"] = timedelta(hours=1)
    assert ask(site, target="/static/css/app.css").value("Cache-Control") == "public, max-age=3600"

    class Own(App):
        def get_send_file_max_age(self, filename: str | None) -> int | None:
            return 7 if filename == "app.css" else None

    own = Own(__name__, root_path=site.root_path)
    assert ask(own, target="/static/css/app.css").value("Cache-Control") == "public, max-age=7"


def test_a_folder_that_there_is_not_has_no_rule_and_its_links_say_so(tmp_path: Path) -> None:
    app = App(__name__, root_path=tmp_path)
    assert ask(app, target="/static/app.css").status == 404
    assert app.routes() == []
    with app.test_request_context(), pytest.raises(BuildError, match=f"no folder '{tmp_path}/static'"):
        url_for("static", filename="app.css")


def test_a_folder_may_be_anywhere_and_its_files_at_the_root(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "robots.txt").write_text("none")
    app = App(__name__, static_folder=tmp_path / "dist", static_url_path="")
    app.add_url_rule("/", "index", lambda: "index")
    assert ask(app, target="/robots.txt").text == "none"
    assert ask(app).text == "index"
    assert (app.static_folder, app.static_url_path) == (str(tmp_path / "dist"), "")


def test_a_folder_is_named_as_it_is_or_as_one_says(tmp_path: Path) -> None:
    app = App(__name__, static_folder="web/assets/", root_path=tmp_path)
    assert (app.static_folder, app.static_url_path) == (str(tmp_path / "web/assets"), "/assets")
    app.static_url_path = "/files/"
    assert app.static_url_path == "/files"
    with pytest.raises(ValueError, match="slash at its beginning"):
        app.static_url_path = "files"
    app.static_folder = None
    assert (app.static_folder, app.has_static_folder) == (None, False)
    with pytest.raises(RuntimeError, match="has no static folder"):
        app.send_static_file("a")


def test_two_folders_at_one_place_are_refused(site: App, tmp_path: Path) -> None:
    site.register_blueprint(Blueprint("other", static_folder="static", root_path=tmp_path))
    with pytest.raises(RuleError, match="answered by static"):
        site.freeze()


def test_hooks_see_static_files_too(site: App) -> None:
    seen: list[Any] = []
    site.before_request(lambda: seen.append(1))
    ask(site, target="/static/css/app.css")
    assert seen == [1]


def test_a_handler_may_send_a_static_file(site: App) -> None:
    site.add_url_rule("/style", "style", lambda: site.send_static_file("css/app.css"))
    assert ask(site, target="/style").text == "/* static */"


def test_what_is_beside_the_module_may_be_opened(site: App) -> None:
    with site.open_resource("secret.txt") as file:
        assert file.read() == b"secret"
    with site.open_resource("secret.txt", "r") as file:
        assert file.read() == "secret"
    with pytest.raises(ValueError, match="want 'r' or 'rb'"):
        site.open_resource("secret.txt", "w")
