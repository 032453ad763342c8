"""Serves the OpenAPI document, and the page that shows it: HTML, CSS and JavaScript of this package, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from dragoman.web.context import current_context, request_of
from dragoman.web.response import JSON, Response

if TYPE_CHECKING:
    from dragoman.web.app import App
    from dragoman.web.request import Request

__all__ = ["serve_openapi"]

ASSETS = Path(__file__).with_name("openapi_assets")
TYPES = {"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}
TYPES["model.js"] = TYPES["page.js"]
# Only what this origin serves, and nothing inline. Requests that the page tries may go to other servers of the API.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'{servers}; img-src 'self' data: blob:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{css}">
<script type="module" src="{js}"></script>
<body data-document="{document}">
<noscript><p>This page shows <a href="{document}">the OpenAPI document</a>, and needs JavaScript for it.</p></noscript>
"""


def serve_openapi(app: App, rule: str, docs: str | None, said: Mapping[str, Any]) -> None:
    """Add the rules; see `App.serve_openapi`."""
    made: list[dict[str, Any]] = []

    def document() -> dict[str, Any]:
        # Made once the application is frozen, and then kept.
        if not made:
            made.append(app.openapi(**said))
        return made[0]

    def openapi() -> Response:
        request = request_of(current_context("openapi"))
        shown = document()
        if "servers" not in shown:
            shown = {**shown, "servers": [{"url": request.script_root or "/"}]}
        return conditional(msgspec.json.encode(shown), JSON, request)

    app.add_url_rule(rule, "openapi", openapi)
    if docs is None:
        return
    base = docs.rstrip("/")

    def openapi_docs() -> Response:
        request = request_of(current_context("openapi_docs"))
        shown = document()
        page = PAGE.format(
            title=escape(str(shown["info"]["title"])),
            css=escape(app.url_for("openapi_asset", name="page.css")),
            js=escape(app.url_for("openapi_asset", name="page.js")),
            document=escape(app.url_for("openapi")),
        )
        response = conditional(page.encode(), "text/html; charset=utf-8", request)
        response.headers["Content-Security-Policy"] = POLICY.format(servers=origins_of(shown))
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    app.add_url_rule(docs, "openapi_docs", openapi_docs)
    app.add_url_rule(f"{base}/<any({', '.join(map(repr, TYPES))}):name>", "openapi_asset", asset())


def asset() -> Callable[[str], Response]:
    def openapi_asset(name: str) -> Response:
        request = request_of(current_context("openapi_asset"))
        return conditional((ASSETS / name).read_bytes(), TYPES[name], request)

    return openapi_asset


def conditional(body: bytes, content_type: str, request: Request) -> Response:
    """The body, or 304 where the client has it."""
    response = Response(body, content_type=content_type)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.add_etag()
    return response.make_conditional(request.environ)


def origins_of(document: Mapping[str, Any]) -> str:
    """The origins of servers elsewhere, as the policy has them."""
    urls = [str(one.get("url", "")) for one in document.get("servers", ())]
    found = ["/".join(url.split("/")[:3]) for url in urls if url.startswith(("https://", "http://"))]
    return "".join(f" {one}" for one in found if not set(one) & set(" ;,{}"))
