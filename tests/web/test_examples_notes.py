"""The notes of examples/notes: one suite for both of its forms, under the real server, with the contract's checker."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.site import FORMS, Site, example, served

BLOB = bytes(range(256)) * 64


@pytest.fixture(params=FORMS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    module = example("notes.{}.app", request.param)
    with served(lambda: module.create_app(str(tmp_path)), request.param) as site:
        yield site


@pytest.fixture
def ada(site: Site) -> Site:
    """A visitor who is logged in."""
    assert site.post("/people", json={"name": "ada", "password": "analytical"}).status == 201
    return site


def add(site: Site, title: str, text: str = "", tags: tuple[str, ...] = ()) -> dict[str, Any]:
    answer = site.post("/notes", json={"title": title, "text": text, "tags": list(tags)})
    assert answer.status == 201, answer.text
    made: dict[str, Any] = answer.json
    assert answer.headers["Location"] == f"/notes/{made['id']}"
    return made


# Who it is


def test_who_registers_is_logged_in(ada: Site) -> None:
    assert ada.get("/me").json == {"name": "ada"}


def test_who_logs_out_is_nobody_and_logs_in_again(ada: Site) -> None:
    out = ada.post("/logout")
    assert out.status == 204 and out.body == b""
    assert ada.get("/me").json == {"name": None}
    assert ada.post("/login", json={"name": "ada", "password": "analytical"}).json == {"name": "ada"}
    assert ada.get("/me").json == {"name": "ada"}


def test_a_wrong_password_and_a_wrong_name_get_the_same_answer(ada: Site) -> None:
    wrong_password = ada.post("/login", json={"name": "ada", "password": "difference"})
    wrong_name = ada.post("/login", json={"name": "charles", "password": "analytical"})
    assert wrong_password.status == wrong_name.status == 401
    assert wrong_password.json == wrong_name.json


def test_a_session_that_somebody_else_has_signed_is_none(ada: Site) -> None:
    [(name, value)] = ada.cookies.items()
    stranger = ada.visitor()
    stranger.cookies[name] = value[:-4] + ("aaaa" if value[-4:] != "aaaa" else "bbbb")
    assert stranger.get("/me").json == {"name": None}


def test_an_answer_that_depends_on_the_session_says_so_to_caches(ada: Site) -> None:
    assert "cookie" in ada.get("/me").headers["Vary"].lower()


def test_programs_give_name_and_password_with_each_request(ada: Site) -> None:
    program = ada.visitor()
    credentials = base64.b64encode(b"ada:analytical").decode()
    assert program.get("/me", headers={"Authorization": f"Basic {credentials}"}).json == {"name": "ada"}
    assert program.get("/notes", headers={"Authorization": "Basic !!!"}).status == 401


def test_a_name_is_taken_once(ada: Site) -> None:
    again = ada.post("/people", json={"name": "ada", "password": "otherwise"})
    assert again.status == 409 and again.json == {"error": "The name ada is taken."}


def test_notes_are_for_people_who_are_logged_in(site: Site) -> None:
    refused = site.get("/notes")
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"].lower().startswith("basic realm=")
    assert "Log in" in refused.json["error"]
    assert site.post("/notes", json={"title": "x"}).status == 401


# Notes


def test_a_note_is_made_read_changed_and_removed(ada: Site) -> None:
    made = add(ada, "Engines", "of differences", ("idea",))
    path = f"/notes/{made['id']}"
    expected = {"id": made["id"], "title": "Engines", "text": "of differences", "tags": ["idea"], "attachments": []}
    assert made == ada.get(path).json == expected
    changed = ada.ask("PUT", path, json={"title": "Ängines ☃"}).json
    assert changed == ada.get(path).json == {**expected, "title": "Ängines ☃", "text": "", "tags": []}
    assert ada.ask("DELETE", path).status == 204
    assert ada.get(path).status == 404


def test_a_note_that_has_not_changed_is_not_sent_again(ada: Site) -> None:
    path = f"/notes/{add(ada, 'Engines')['id']}"
    first = ada.get(path)
    again = ada.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304 and again.body == b""
    ada.ask("PUT", path, json={"title": "Looms"})
    assert ada.get(path, headers={"If-None-Match": first.headers["ETag"]}).status == 200


def test_the_notes_of_others_are_not_there(ada: Site) -> None:
    path = f"/notes/{add(ada, 'mine')['id']}"
    charles = ada.visitor()
    charles.post("/people", json={"name": "charles", "password": "difference"})
    for method, options in (("GET", {}), ("PUT", {"json": {"title": "his"}}), ("DELETE", {})):
        assert charles.ask(method, path, **options).status == 404
    assert charles.get("/notes").json["items"] == []
    assert ada.get(path).json["title"] == "mine"


def test_pages_lead_through_all_notes_the_newest_first(ada: Site) -> None:
    for number in range(5):
        add(ada, f"note {number}")
    path, seen = "/notes?per_page=2", []
    while path:
        answer = ada.get(path)
        assert (answer.json["total"], answer.json["pages"]) == (5, 3)
        seen += [one["title"] for one in answer.json["items"]]
        link = answer.headers["Link"] or ""
        assert not link or link.endswith('>; rel="next"')
        path = link.partition(">")[0].lstrip("<")
    assert seen == [f"note {number}" for number in (4, 3, 2, 1, 0)]


def test_notes_are_found_by_words_and_tags_and_pages_keep_to_that(ada: Site) -> None:
    for number in range(3):
        add(ada, f"Loom {number}", tags=("weaving & more",))
    add(ada, "Engine", "has no loom", ("idea",))
    assert ada.get("/notes?q=LOOM").json["total"] == 4
    assert ada.get("/notes?tag=idea").json["total"] == 1
    first = ada.get("/notes?q=loom&tag=weaving+%26+more&per_page=2")
    following = first.headers["Link"].partition(">")[0].lstrip("<")
    assert [one["title"] for one in ada.get(following).json["items"]] == ["Loom 0"]


@pytest.mark.parametrize("query", ["page=0", "page=-1", "per_page=0", "per_page=101"])
def test_a_page_that_cannot_be_is_refused(ada: Site, query: str) -> None:
    answer = ada.get(f"/notes?{query}")
    assert answer.status == 422 and set(answer.json["fields"]) == {"page", "per_page"}


@pytest.mark.parametrize("query", ["page=x", "page=", "per_page=1e3"])
def test_a_page_that_is_no_number_is_the_first_one(ada: Site, query: str) -> None:
    assert ada.get(f"/notes?{query}").json["page"] == 1


# What is wanted of a body


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": 7}, "title"),
        ({"title": ""}, "title"),
        ({"title": "x" * 101}, "title"),
        ({"title": "x", "text": None}, "text"),
        ({"title": "x", "tags": "idea"}, "tags"),
    ],
)
def test_a_wrong_field_is_told_by_its_name(ada: Site, body: dict[str, Any], field: str) -> None:
    answer = ada.post("/notes", json=body)
    assert answer.status == 422 and list(answer.json["fields"]) == [field], answer.text
    assert ada.get("/notes").json["total"] == 0


def test_a_short_password_is_refused(site: Site) -> None:
    answer = site.post("/people", json={"name": "ada", "password": "xyzzy"})
    assert answer.status == 422 and "password" in answer.json["fields"]
    assert "xyzzy" not in answer.text


def test_a_body_that_is_no_json_is_400_and_one_of_another_type_415(ada: Site) -> None:
    assert ada.post("/notes", body=b"{", headers={"Content-Type": "application/json"}).status == 400
    assert ada.post("/notes", body=b"title", headers={"Content-Type": "text/plain"}).status == 415


def test_errors_are_json_too(ada: Site) -> None:
    assert ada.get("/nowhere").json["error"]
    wrong = ada.ask("PATCH", "/notes")
    assert wrong.status == 405 and wrong.json["error"]
    assert {"GET", "POST"} <= set(wrong.headers["Allow"].split(", "))
    assert ada.get("/notes/no-number").status == 404


# Attachments


def attach(site: Site, note: dict[str, Any], *files: tuple[str, str, bytes]) -> list[dict[str, Any]]:
    answer = site.post(f"/notes/{note['id']}/attachments", files=[("file", *file) for file in files])
    assert answer.status == 201, answer.text
    made: list[dict[str, Any]] = answer.json
    return made


def test_files_are_attached_and_come_back_as_they_were(ada: Site, tmp_path: Path) -> None:
    note = add(ada, "with files")
    made = attach(ada, note, ("blob.bin", "application/octet-stream", BLOB), ("ä b.txt", "text/plain", b"text"))
    assert [(one["name"], one["size"]) for one in made] == [("blob.bin", len(BLOB)), ("ä b.txt", 4)]
    assert ada.get(f"/notes/{note['id']}").json["attachments"] == made
    answer = ada.get(f"/notes/{note['id']}/attachments/{made[0]['id']}")
    assert answer.body == BLOB
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert "attachment" in answer.headers["Content-Disposition"] and "blob.bin" in answer.headers["Content-Disposition"]
    second = ada.get(f"/notes/{note['id']}/attachments/{made[1]['id']}")
    assert second.headers["Content-Disposition"].endswith("filename*=UTF-8''%C3%A4%20b.txt")


def test_the_name_of_a_file_is_no_path_on_the_server(ada: Site, tmp_path: Path) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    attach(ada, add(ada, "x"), ("../../evil.sh", "text/plain", b"evil"))
    [new] = {path.name for path in tmp_path.iterdir()} - before
    assert "evil" not in new and not (tmp_path.parent / "evil.sh").exists()


def test_a_part_of_an_attachment_can_be_had(ada: Site) -> None:
    note = add(ada, "x")
    [made] = attach(ada, note, ("blob.bin", "application/octet-stream", BLOB))
    path = f"/notes/{note['id']}/attachments/{made['id']}"
    part = ada.get(path, headers={"Range": "bytes=10-19"})
    assert part.status == 206 and part.body == BLOB[10:20]
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(BLOB)}"
    whole = ada.get(path)
    assert ada.get(path, headers={"If-None-Match": whole.headers["ETag"]}).status == 304


def test_what_is_removed_leaves_no_file(ada: Site, tmp_path: Path) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    note = add(ada, "x")
    first, _ = attach(ada, note, ("a", "text/plain", b"a"), ("b", "text/plain", b"b"))
    assert ada.ask("DELETE", f"/notes/{note['id']}/attachments/{first['id']}").status == 204
    assert ada.get(f"/notes/{note['id']}/attachments/{first['id']}").status == 404
    assert ada.ask("DELETE", f"/notes/{note['id']}").status == 204
    assert {path.name for path in tmp_path.iterdir()} == before


def test_an_upload_without_a_file_and_one_that_is_too_large_are_refused(ada: Site, tmp_path: Path) -> None:
    note = add(ada, "x")
    before = {path.name for path in tmp_path.iterdir()}
    path = f"/notes/{note['id']}/attachments"
    assert ada.post(path, form={"a": "b"}).json["fields"].keys() == {"file"}
    large = ada.post(path, files=[("file", "large", "text/plain", bytes(1 << 20))])
    assert large.status == 413 and large.json["error"]
    assert {path.name for path in tmp_path.iterdir()} == before
