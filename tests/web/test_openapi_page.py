"""The OpenAPI document and its page are served whole from this origin, and the page's requests fit the application."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dragoman.middleware import Mount
from dragoman.web import App
from dragoman.web.openapi_page import ASSETS
from tests.middleware.kit import ask
from tests.web.test_openapi import site

NODE = shutil.which("node")


def served(**said: Any) -> App:
    app = site()
    app.serve_openapi(**said)
    return app


def test_the_document_is_served_with_its_types_and_can_be_kept() -> None:
    app = served(title="Shop", version="3")
    answer = ask(app, "GET", "/openapi.json")
    assert answer.status == 200 and answer.value("Content-Type") == "application/json"
    document = json.loads(answer.body)
    assert document["info"] == {"title": "Shop", "version": "3"} and "/notes" in document["paths"]
    again = ask(app, "GET", "/openapi.json", {"If-None-Match": answer.value("ETag") or ""})
    assert again.status == 304 and again.body == b""


def test_what_serves_it_is_not_in_it() -> None:
    document = json.loads(ask(served(), "GET", "/openapi.json").body)
    assert not {"/openapi.json", "/docs", "/docs/{name}"} & document["paths"].keys()


@pytest.mark.parametrize(("rule", "docs"), [("/api/v1.json", "/api/"), ("/x.json", "/a/b")])
def test_both_may_be_elsewhere(rule: str, docs: str) -> None:
    app = served(rule=rule, docs=docs)
    page = ask(app, "GET", docs).text
    assert f'data-document="{rule}"' in page and f'src="{docs.rstrip("/")}/page.js"' in page
    assert ask(app, "GET", f"{docs.rstrip('/')}/page.js").status == 200


def test_the_page_may_be_left_out() -> None:
    app = served(docs=None)
    assert ask(app, "GET", "/openapi.json").status == 200
    assert ask(app, "GET", "/docs").status == 404


def test_the_page_loads_only_what_is_served_here_and_has_nothing_inline() -> None:
    app = served()
    answer = ask(app, "GET", "/docs")
    assert answer.status == 200 and answer.value("Content-Type") == "text/html; charset=utf-8"
    assert answer.value("Content-Security-Policy") == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert not re.search(r"<style|\son\w+=|\sstyle=|<script(?![^>]* src=)|//", answer.text)
    loaded = re.findall(r'(?:href|src)="([^"]+)"', answer.text)
    assert loaded == ["data:,", "/docs/page.css", "/docs/page.js", "/openapi.json"]
    for path in loaded[1:]:
        assert ask(app, "GET", path).status == 200
    script = ask(app, "GET", "/docs/page.js")
    assert script.value("Content-Type") == "text/javascript; charset=utf-8"
    assert script.value("X-Content-Type-Options") == "nosniff"
    for name in re.findall(r'from "\./([^"]+)"', script.text):
        assert ask(app, "GET", f"/docs/{name}").status == 200


@pytest.mark.parametrize("name", ["openapi_page.py", "../app.py", "..%2fapp.py", "", "page"])
def test_nothing_else_of_the_package_is_served(name: str) -> None:
    assert ask(served(), "GET", f"/docs/{name}").status in (404, 308)


def test_a_title_is_no_markup() -> None:
    page = ask(served(title='</title><script src="//evil">'), "GET", "/docs").text
    assert "<title>&lt;/title&gt;&lt;script src=&quot;//evil&quot;&gt;</title>" in page


def test_servers_elsewhere_may_be_asked_by_the_page() -> None:
    app = served(servers=["https://api.example/v1", "/v2", "https://{host}/x", "https://a.example; script-src *"])
    policy = ask(app, "GET", "/docs").value("Content-Security-Policy") or ""
    assert "connect-src 'self' https://api.example; img-src" in policy


def test_below_a_prefix_all_addresses_have_it() -> None:
    app = Mount(None, mounts={"/shop": served()})
    page = ask(app, "GET", "/shop/docs").text
    assert re.findall(r'(?:src|data-document)="([^"]+)"', page) == ["/shop/docs/page.js", "/shop/openapi.json"]
    assert json.loads(ask(app, "GET", "/shop/openapi.json").body)["servers"] == [{"url": "/shop"}]
    outer = App("outer")
    outer.mount("/inner", served())
    assert json.loads(ask(outer, "GET", "/inner/openapi.json").body)["servers"] == [{"url": "/inner"}]


def test_hooks_of_the_application_may_refuse_both() -> None:
    app = served()
    app.before_request(lambda: ("who are you?", 401))
    assert [ask(app, "GET", path).status for path in ("/openapi.json", "/docs", "/docs/page.js")] == [401, 401, 401]


def test_the_page_writes_no_markup() -> None:
    # Texts of the document go in as text; what would read them as markup is not used.
    for name in ("page.js", "model.js"):
        source = (ASSETS / name).read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|DOMParser", source
        )
        assert not re.search(r"https?://(?!example\.com)", source)


def run_in_node(tmp_path: Path, program: str, **given: Any) -> Any:
    """What the last expression of a program with the names of model.js gives."""
    if NODE is None:
        pytest.skip(
            "NODE IS MISSING: the JavaScript of the OpenAPI page is NOT tested here; install Node.js 18 or later"
        )
    shutil.copy(ASSETS / "model.js", tmp_path / "model.mjs")
    names = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in given.items())
    source = f'import * as model from "./model.mjs";\n{names}console.log(JSON.stringify((() => {{ {program} }})()));\n'
    (tmp_path / "program.mjs").write_text(source, encoding="utf-8")
    done = subprocess.run([NODE, "program.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_page_shows_each_operation_by_tag(tmp_path: Path) -> None:
    program = "return model.groupsOf(doc).map((group) => [group.tag, group.operations.map((one) => one.id).join(' ')])"
    assert run_in_node(tmp_path, program, doc=site().openapi()) == [
        ["", "index note put_note add_note search secret shape numbers photo users_get users_post"],
        ["shop", "shop.of_all_kinds shop.of_more_kinds"],
        ["danger", "drop"],
    ]


FILLED = """
return model.groupsOf(doc).flatMap((group) => group.operations).map((operation) => {
  const parameters = Object.fromEntries(
    operation.parameters
      .filter((one) => one.required)
      .map((one) => [`${one.in} ${one.name}`, model.inputText(doc, one)]),
  );
  const [mediaType, content] = Object.entries(operation.body?.content ?? {})[0] ?? [];
  const body = content && JSON.stringify(model.exampleOf(doc, content.schema));
  return model.requestOf(doc, operation, { server: "/", parameters, mediaType, body });
});
"""


def test_requests_that_the_page_fills_in_are_answered(tmp_path: Path) -> None:
    app = site()
    requests = run_in_node(tmp_path, FILLED, doc=app.openapi())
    answers = {}
    for one in requests:
        assert one["missing"] == []
        body = one.get("body", "").encode()
        answers[one["method"], one["url"]] = ask(app, one["method"], one["url"], one["headers"], body).status
    refused = {key: status for key, status in answers.items() if status >= 300}
    # A file is not in a text, and a pattern has no example.
    assert {url.split("/")[1] for _, url in refused} == {"photos", "shop"}, refused
    assert len(requests) == 14


def test_a_request_of_the_page_escapes_what_was_typed(tmp_path: Path) -> None:
    program = """
    const [group] = model.groupsOf(doc);
    return group.operations.map((operation) => model.requestOf(doc, operation, { server: "/api/", ...inputs }));
    """
    doc = {
        "paths": {
            "/a/{b}": {
                "parameters": [{"name": "b", "in": "path", "required": True}],
                "get": {
                    "parameters": [{"name": "q", "in": "query"}, {"name": "X-A", "in": "header"}, {"$ref": "#/x/y~1z"}],
                    "security": [{"one": []}, {"two": []}],
                },
            }
        },
        "x": {"y/z": {"name": "n", "in": "query", "required": True}},
        "components": {
            "securitySchemes": {
                "one": {"type": "http", "scheme": "basic"},
                "two": {"type": "apiKey", "in": "header", "name": "K"},
            }
        },
    }
    inputs = {
        "parameters": {"path b": "x/y ?#é", "query q": ["1&2", "ü"], "header X-A": "v"},
        "credentials": {"two": "secret"},
    }
    [request] = run_in_node(tmp_path, program, doc=doc, inputs=inputs)
    assert request == {
        "url": "/api/a/x%2Fy%20%3F%23%C3%A9?q=1%262&q=%C3%BC",
        "method": "GET",
        "headers": [["X-A", "v"], ["K", "secret"]],
        "missing": ["n"],
    }
    inputs["credentials"] = {"one": "me:pässword"}
    [request] = run_in_node(tmp_path, program, doc=doc, inputs=inputs)
    assert request["headers"][1] == ["Authorization", "Basic bWU6cMOkc3N3b3Jk"]


def test_a_command_for_the_shell_is_quoted(tmp_path: Path) -> None:
    program = """return model.curlOf({
        url: "/a?b=c", method: "POST", headers: [["X", "it's"]], body: "{\\"a\\": \\"$(rm)\\"}",
    }, "https://shop.example/docs")"""
    assert run_in_node(tmp_path, program).split(" \\\n  ") == [
        "curl",
        "-X POST",
        "'https://shop.example/a?b=c'",
        r"-H 'X: it'\''s'",
        """--data-binary '{"a": "$(rm)"}'""",
    ]


def test_schemas_that_contain_themselves_and_references_to_nothing_end(tmp_path: Path) -> None:
    doc = {
        "components": {
            "schemas": {
                "Tree": {
                    "type": "object",
                    "properties": {"down": {"$ref": "#/components/schemas/Tree"}, "n": {"type": "integer"}},
                },
                "Loop": {"$ref": "#/components/schemas/Loop"},
            }
        }
    }
    program = """
    const refs = ["Tree", "Loop", "None"].map((name) => ({ $ref: `#/components/schemas/${name}` }));
    return [...refs, { $ref: "https://elsewhere" }, { $ref: "#/__proto__/x" }].map((one) => model.exampleOf(doc, one));
    """
    tree, *others = run_in_node(tmp_path, program, doc=doc)
    assert tree["n"] == 1 and tree["down"]["n"] == 1 and others == [None] * 4


def test_schemas_are_told_in_words(tmp_path: Path) -> None:
    told = {
        "integer ≥ 1, ≤ 9": {"type": "integer", "minimum": 1, "maximum": 9},
        "array of Note": {"type": "array", "items": {"$ref": "#/components/schemas/Note"}},
        "Note or null": {"anyOf": [{"$ref": "#/components/schemas/Note"}, {"type": "null"}]},
        '"a" | "b"': {"enum": ["a", "b"]},
        "string length 2": {"type": "string", "minLength": 2, "maxLength": 2},
        "string (uuid)": {"type": "string", "format": "uuid"},
        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
        "any value": {},
        "string or null": {"type": ["string", "null"]},
    }
    assert run_in_node(tmp_path, "return schemas.map(model.typeText)", schemas=list(told.values())) == list(told)


def test_descriptions_are_paragraphs_lists_and_code(tmp_path: Path) -> None:
    text = "One *two*\nthree.\n\n- a `b`\n- c\n\n    code <b>\n"
    assert run_in_node(tmp_path, "return model.blocksOf(text)", text=text) == [
        {"kind": "text", "lines": [[{"code": False, "text": "One two three."}]]},
        {
            "kind": "list",
            "lines": [[{"code": False, "text": "a "}, {"code": True, "text": "b"}], [{"code": False, "text": "c"}]],
        },
        {"kind": "code", "lines": [[{"code": False, "text": "code <b>"}]]},
    ]
