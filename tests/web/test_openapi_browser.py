"""The page that shows an API, in a browser, from the real server: what it shows, what it sends, what it refuses."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct

from dragoman.testing import LiveServer
from dragoman.web import App, Query, Request, Response, describe
from tests.support.browser import Browser, Page, browsing

HOSTILE = "<script>window.broken = 1</script> <img src=x onerror='window.broken = 2'> `<b>`"
# One pixel.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
)
app = App(__name__)


class Note(Struct):
    title: Annotated[str, Meta(min_length=1, description=HOSTILE)]
    stars: int = 3


@app.get("/notes/<int:id>")
@describe(summary=f"A note {HOSTILE}", description=HOSTILE, tags=[HOSTILE])
def note(id: int, verbose: Query[bool] = False) -> dict[str, Any]:
    return {"id": id, "title": HOSTILE, "verbose": verbose}


@app.post("/notes")
def add_note(note: Note) -> tuple[Note, int]:
    """Add a note."""
    return note, 201


@app.get("/who")
@describe(openapi_extra={"security": [{"key": []}]})
def who(request: Request) -> dict[str, str]:
    return {"key": request.headers.get("X-Key", "nobody")}


@app.get("/picture")
def picture() -> Response:
    return Response(PICTURE, content_type="image/png")


app.serve_openapi(
    title=f"Notes {HOSTILE}",
    description=HOSTILE,
    openapi_extra={"components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}}},
)
NAMES = {"note", "add_note", "who", "picture"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as one:
        yield one


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with LiveServer(app) as server:
        yield server.url


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    one = browser.page()
    one.go(f"{url}/docs")
    # The document comes by a request of the script.
    one.run("await when(() => document.querySelector('.operation'));")
    yield one
    one.close()


def opened(name: str) -> str:
    """JavaScript that opens an operation; `form` is what tries it."""
    return f"""
    document.getElementById("op-{name}").open = true;
    const form = await when(() => document.querySelector("#op-{name} form.try"));
    const answer = form.querySelector(".answer");
    const labels = [...form.querySelectorAll("label")];
    const input = (name) => labels.find((one) => one.textContent.startsWith(name)).control;
    """


SENT = 'form.querySelector(".send").click(); await when(() => answer.childElementCount);'


def test_it_shows_each_operation_and_nothing_is_amiss(page: Page) -> None:
    shown = page.run("return [...document.querySelectorAll('.operation')].map((one) => one.id)")
    assert {one.removeprefix("op-") for one in shown} == NAMES and len(shown) == len(NAMES)
    assert page.run("return document.querySelector('#op-add_note .path').textContent") == "/notes"
    assert page.faults() == []


def test_a_request_is_sent_and_its_answer_is_shown(page: Page) -> None:
    told = page.run(
        f"{opened('note')} input('id').value = '7'; input('verbose').value = 'true'; {SENT} return answer.textContent"
    )
    assert told.startswith("200 OK") and '"id": 7' in told and '"verbose": true' in told
    assert "content-type: application/json" in told
    assert page.faults() == []


def test_a_body_is_sent_as_its_example_has_it_and_a_refusal_is_shown(page: Page) -> None:
    told = page.run(f"{opened('add_note')} {SENT} return answer.textContent")
    assert told.startswith("201 Created") and '"title": "text"' in told and '"stars": 3' in told
    assert page.faults() == []
    wrong = """form.querySelector("textarea").value = '{"title": ""}'; answer.replaceChildren();"""
    told = page.run(f"{opened('add_note')} {wrong} {SENT} return answer.textContent")
    assert told.startswith("422") and "title is too short" in told


def test_what_has_to_be_there_is_asked_for_before_anything_is_sent(page: Page) -> None:
    told = page.run(f"{opened('note')} input('id').value = ''; {SENT} return answer.textContent")
    assert told == "Missing: id"


def test_credentials_are_sent_where_they_are_wanted(page: Page) -> None:
    typed = 'const key = document.querySelector(".credentials input"); key.value = "k-1";'
    typed += 'key.dispatchEvent(new Event("input"));'
    assert '"key": "k-1"' in page.run(f"{typed} {opened('who')} {SENT} return answer.textContent")


def test_a_request_is_shown_as_a_command(page: Page) -> None:
    told = page.run(
        f"{opened('note')} input('id').value = '7'; form.querySelector('.plain').click();"
        "await when(() => answer.childElementCount); return answer.textContent"
    )
    assert told.startswith("curl") and "/notes/7'" in told


def test_a_picture_that_comes_is_shown(page: Page) -> None:
    load = 'const img = await when(() => answer.querySelector("img")); await img.decode();'
    assert page.run(f"{opened('picture')} {SENT} {load} return img.naturalWidth") == 1
    assert page.faults() == []


def test_operations_are_found_by_their_words(page: Page) -> None:
    found = page.run(
        """
        const search = document.querySelector("input[type=search]");
        search.value = "post notes";
        search.dispatchEvent(new Event("input"));
        return [...document.querySelectorAll(".operation")].filter((one) => !one.hidden).map((one) => one.id);
        """
    )
    assert found == ["op-add_note"]


def test_an_operation_has_an_address(browser: Browser, url: str) -> None:
    page = browser.page()
    page.go(f"{url}/docs#op-picture")
    assert page.run("return (await when(() => document.querySelector('.operation[open]'))).id") == "op-picture"
    page.close()


def test_markup_in_the_document_is_shown_as_text(page: Page) -> None:
    page.run(f"{opened('note')} input('id').value = '7'; {SENT}")
    page.run(opened("add_note"))
    texts = page.run(
        "return ['h1', 'h2', 'header p', '#op-note .what', '#op-note .operation-body > p', '#op-note .answer > pre',"
        " '#op-add_note .part p'].map((one) => document.querySelector(one).textContent)"
    )
    assert all("<script>window.broken = 1</script>" in text for text in texts), texts
    assert page.run("return [document.title, window.broken ?? null]") == [f"Notes {HOSTILE}", None]
    # What is marked as code is code, and holds text.
    assert page.run("return document.querySelector('header p code').innerHTML") == "&lt;b&gt;"
    assert page.run("return document.querySelectorAll('script').length + document.images.length") == 1
    assert page.faults() == []


def test_the_policy_refuses_a_script_that_got_in_all_the_same(page: Page) -> None:
    # The other tests say that there was none of these faults: here is one.
    page.run(
        "const script = document.createElement('script'); script.textContent = 'window.broken = 3';"
        "const told = new Promise((resolve) => document.addEventListener('securitypolicyviolation', resolve));"
        "document.body.append(script); await told;"
    )
    assert page.run("return window.broken ?? null") is None
    page.wait_for_fault("Content Security Policy")


def test_a_document_that_cannot_be_had_is_told(browser: Browser) -> None:
    closed = App("closed")
    closed.serve_openapi()

    @closed.before_request
    def guard() -> Any:
        from dragoman.web import request

        return ("no", 401) if request.path == "/openapi.json" else None

    with LiveServer(closed) as server:
        page = browser.page()
        page.go(f"{server.url}/docs")
        told = page.run("return (await when(() => document.querySelector('.bad'))).textContent")
        page.close()
    assert told == "The OpenAPI document at /openapi.json cannot be shown: 401 Unauthorized"
