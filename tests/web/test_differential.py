"""Random applications in both forms, dragoman.web's and Flask's: the same requests have the same answers and hooks.

What is different, as docs/from-flask.md has it, is left out of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import flask
import werkzeug.exceptions
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from dragoman import web
from dragoman.web import errors
from dragoman.web.rules import RuleError
from tests.web.environs import environ_for


class Base(Exception):
    """What the handlers and hooks of these applications raise."""


class Derived(Base):
    pass


class Part(NamedTuple):
    """An application or a blueprint.

    rules     their texts, methods, and what the handlers do
    hooks     what they are, and what they do
    errors    what error handlers are for, and what they do
    is_twice  whether it is put in a second time, under another name and prefix
    """

    prefix: str
    rules: list[tuple[str, tuple[str, ...], str, dict[str, Any]]]
    hooks: list[tuple[str, str]]
    errors: list[tuple[str, str]]
    inner: list[Part]
    is_twice: bool


RULES = st.sampled_from(
    [
        "/", "/a", "/a/", "/a/b", "/b/<name>", "/b/<int:n>", "/b/x", "/b/<name>/", "/c/<path:rest>",
        "/b/<name>/<int:n>", "/<name>", "/d/<float:x>", "/d/<any(e, f):x>", "/d/<uuid:x>", "/d/@<name>", "/é",
        "/c/<path:rest>/end",
    ]
)  # fmt: skip
METHODS = st.sampled_from([("GET",), ("POST",), ("GET", "POST"), ("PUT",), ("OPTIONS",), ("HEAD",), ("DELETE", "GET")])
RAISING = ["raises", "raises derived", "aborts 403", "aborts 404", "aborts 409", "aborts 500"]
DOES = st.sampled_from(
    [
        *["text"] * 5, *RAISING, "json", "list", "bytes", "status", "fields", "both", "response", "redirect", "stream",
        "empty", "exception", "aborts with response", "status line",
    ]
)  # fmt: skip
HOOKS = st.tuples(
    st.sampled_from(
        ["before_request", "before_app_request", "url_value_preprocessor", "after_request", "after_app_request",
         "teardown_request", "teardown_app_request", "teardown_appcontext"]
    ),
    st.sampled_from([*["notes"] * 6, "answers", "after this", *RAISING]),
)  # fmt: skip
OPTIONS: Any = st.sampled_from([{}, {}, {"defaults": {"more": 1}}])
ERRORS = st.tuples(
    st.sampled_from(
        [
            "403",
            "404",
            "405",
            "409",
            "500",
            "Base",
            "Derived",
            "HTTPException",
            "Exception",
            "NotFound",
            "app 404",
            "app Base",
        ]
    ),
    st.sampled_from([*["text"] * 4, "status", "itself", "again", "raises", "aborts 403"]),
)
PREFIXES = st.sampled_from(["", "/p", "/q", "/p/<name>"])


def parts(depth: int) -> st.SearchStrategy[Part]:
    inner = st.lists(parts(depth - 1), max_size=2) if depth else st.just([])
    rules = st.lists(st.tuples(RULES, METHODS, DOES, OPTIONS), min_size=1, max_size=4)
    hooks, handlers = st.lists(HOOKS, max_size=3), st.lists(ERRORS, max_size=3)
    return st.builds(Part, PREFIXES, rules, hooks, handlers, inner, st.integers(0, 7).map(lambda one: one == 7))


# Those that rules are for, and others.
BELOW = st.sampled_from(
    [
        "/",
        "/a",
        "/a/",
        "/a/b",
        "/b/k",
        "/b/7",
        "/b/x",
        "/b/x/",
        "/c/x/y",
        "/c/x/end",
        "/b/k/7",
        "/k",
        "/d/1.5",
        "/d/e",
        "/d/@k",
        "/é",
    ]
)
ABOVE = st.lists(st.sampled_from(["/p", "/q", "/p/k", "/r"]), max_size=2).map("".join)
OTHERS = st.lists(st.sampled_from(["p", "a", "b", "x", "7", "é", ".."]), max_size=4).map("/".join)
REQUESTS = st.tuples(
    st.sampled_from([*["GET"] * 3, "POST", "HEAD", "OPTIONS", "PUT", "DELETE"]),
    st.builds(str.__add__, ABOVE, BELOW) | OTHERS.map("/{}".format),
)


@dataclass
class Framework:
    """A framework, and what an application of it has noted."""

    name: str
    module: Any
    exceptions: Any
    noted: list[Any] = field(default_factory=list)

    def app_of(self, part: Part) -> Any:
        app = (flask.Flask if self.name == "flask" else web.App)("app", static_folder=None)
        app.config["PROPAGATE_EXCEPTIONS"] = False
        app.logger.disabled = True
        self.fill(app, part, "app")
        return app

    def fill(self, target: Any, part: Part, name: str) -> None:
        is_app = name == "app"
        for index, (rule, methods, does, options) in enumerate(part.rules):
            target.add_url_rule(rule, f"e{index}", self.handler(f"{name}.e{index}", does), methods=methods, **options)
        for index, (kind, does) in enumerate(part.hooks):
            self.hook(target, kind, f"{name} {kind} {index}", does, is_app)
        for index, (given_key, does) in enumerate(part.errors):
            made = self.error_handler(f"{name} error {index}", does)
            *of_app, key = given_key.split()
            register = target.app_errorhandler if of_app and not is_app else target.errorhandler
            register(self.key(key))(made)
        for index, one in enumerate(part.inner):
            inner = self.module.Blueprint(f"{name}{index}", "app")
            self.fill(inner, one, f"{name}{index}")
            target.register_blueprint(inner, url_prefix=one.prefix)
            if one.is_twice:
                target.register_blueprint(inner, url_prefix=f"/r{one.prefix}", name=f"{name}{index}again")

    def key(self, text: str) -> Any:
        kinds = {"Base": Base, "Derived": Derived, "Exception": Exception}
        return int(text) if text.isdigit() else kinds.get(text) or getattr(self.exceptions, text)

    def handler(self, name: str, does: str) -> Callable[..., Any]:
        def view(**values: Any) -> Any:
            self.noted.append(name)
            return self.do(does, f"by {name} {sorted((key, repr(value)) for key, value in values.items())}")

        return view

    def do(self, does: str, text: str) -> Any:
        module = self.module
        if does == "raises":
            raise Base(text)
        if does == "raises derived":
            raise Derived(text)
        if does == "aborts with response":
            module.abort(module.Response(text, 410))
        if does.startswith("aborts"):
            module.abort(int(does.split()[1]), text)
        if does == "stream":
            return self.blocks(text)
        return {
            "text": text,
            "json": {"by": text},
            "list": [text],
            "bytes": text.encode(),
            "status": (text, 202),
            "status line": (text, "299 Own Words"),
            "fields": (text, {"X-Own": "own"}),
            "both": ({"by": text}, 203, [("X-Own", "a"), ("Content-Type", "application/own+json")]),
            "response": module.Response(text, 201, {"X-Own": "own"}, mimetype="text/plain"),
            "redirect": module.redirect("/b/x?é"),
            "empty": ("", 204),
            "exception": self.exceptions.NotFound(text),
        }[does]

    def blocks(self, text: str) -> Iterator[str]:
        yield text
        yield " and more"

    def hook(self, target: Any, kind: str, name: str, does: str, is_app: bool) -> None:
        if is_app:
            kind = kind.replace("_app_request", "_request")
        elif kind == "teardown_appcontext":
            kind = "teardown_app_request"

        def before(*values: Any) -> Any:
            request = self.module.request
            if kind == "url_value_preprocessor" and request.endpoint is None:
                # Flask calls it for paths that no rule is for, too.
                return None
            self.noted.append((name, request.endpoint, request.blueprints, dict(request.view_args or {})))
            if does == "after this":
                self.module.after_this_request(lambda response: after(response, f"{name} of this"))
            if does == "answers":
                return f"by {name}"
            return None if does in ("notes", "after this") else self.do(does, f"by {name}")

        def after(response: Any, name: str = name) -> Any:
            self.noted.append((name, response.status_code))
            response.headers.add("X-After", name)
            if does == "answers":
                return self.module.Response(f"by {name}", 211)
            # What it raises would come to error handlers of its class here, and in Flask to those of 500 alone.
            return response

        def teardown(error: BaseException | None) -> None:
            self.noted.append((name, type(error).__name__))

        hook = before if "before" in kind else after if "after" in kind else teardown
        if kind == "url_value_preprocessor":
            hook = before
        getattr(target, kind)(hook)

    def error_handler(self, name: str, does: str) -> Callable[[Any], Any]:
        def handler(error: Any) -> Any:
            self.noted.append((name, type(error).__name__, getattr(error, "code", None)))
            if does == "again":
                raise error
            if does == "itself" and isinstance(error, self.exceptions.HTTPException):
                return error
            return self.do("text" if does == "itself" else does, f"by {name}")

        return handler

    def answer(self, app: Any, method: str, path: str) -> dict[str, Any]:
        """What is the same in both frameworks, or has to be."""
        self.noted.clear()
        heads: list[Any] = []
        environ = environ_for(path.encode().decode("latin-1"), method)
        environ["wsgi.errors"].close()
        try:
            result = app(environ, lambda status, headers, exc_info=None: heads.append((status, headers)))
            body = b"".join(result)
            if hasattr(result, "close"):
                result.close()
        except Exception:
            return {"raised": True, "noted": list(self.noted)}
        status, headers = heads[-1]
        fields = {}
        for key, value in headers:
            fields.setdefault(key.lower(), []).append(value)
        is_own = body.startswith((b"by ", b'{"by', b'["by'))
        for key in ("content-length", "vary"):
            fields.pop(key, None)
        if "allow" in fields:
            fields["allow"] = sorted(one.strip() for one in ",".join(fields["allow"]).split(","))
        kind = fields.pop("content-type", None)
        # A redirect to the path with a slash has the host of the request in Flask.
        fields["location"] = [one.removeprefix("http://localhost") for one in fields.get("location", [])]
        return {
            "status": int(status[:3]),
            "body": None if not is_own else json.loads(body) if body.startswith((b"{", b"[")) else body,
            "kind": kind if is_own else None,
            "fields": fields,
            "noted": list(self.noted),
        }


FLASK = Framework("flask", flask, werkzeug.exceptions)
OURS = Framework("dragoman.web", web, errors)


@settings(max_examples=150)
@given(parts(2), st.lists(REQUESTS, min_size=4, max_size=8))
def test_a_random_application_answers_as_it_does_in_flask(part: Part, requests: list[tuple[str, str]]) -> None:
    ours = OURS.app_of(part)
    try:
        ours.freeze()
    except RuleError:
        # Two handlers for one path are refused here; Flask takes the first.
        assume(False)
    theirs = FLASK.app_of(part)
    for method, path in requests:
        expected = FLASK.answer(theirs, method, path)
        answer = OURS.answer(ours, method, path)
        event(str(expected.get("status", "raised")))
        if "raised" in expected:
            # An error handler that fails itself: Flask leaves that to the server, and here there is a page.
            assert "status" in answer
            continue
        assert answer == expected, (method, path)
