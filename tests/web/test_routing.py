"""Which rule a path belongs to: against a naive matcher of regular expressions, and case by case."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.web import App, Request
from dragoman.web.converters import CONVERTERS, Converter, PathConverter
from dragoman.web.results import encoded_json
from dragoman.web.routing import MOST_SEGMENTS_TO_SPLIT, Missed, Tree, segments_of
from dragoman.web.rules import Rule, RuleError, parse_rule
from tests.middleware.kit import ask, environ_of
from tests.web.kit import head_of

# The naive matcher: segment by segment, each by one regular expression, all ways through all rules, the best one last.

FORMS = {"default": "[^/]+", "int": "[0-9]+", "path": "[^/].*", "any": "a|b", "string": "[^/]{2}"}
WEIGHTS = {"default": 100, "int": 50, "path": 200, "any": 40, "string": 100}
Key = tuple[Any, ...]
WANTS_SLASH = (3,)


class Known(NamedTuple):
    rule: Rule
    method: str
    plan: str


def ways(rule: Rule, segments: Sequence[str]) -> Iterator[tuple[Key, list[object]]]:
    """All ways to read `segments` by `rule`, with what makes one come before another, and the values as texts."""
    return ways_from(rule, 0, segments, 0)


def ways_from(rule: Rule, number: int, segments: Sequence[str], index: int) -> Iterator[tuple[Key, list[object]]]:
    if number == len(rule.segments):
        if index == len(segments):
            yield (), []
        return
    if index == len(segments):
        return
    segment = rule.segments[number]
    variables = [piece for piece in segment if not isinstance(piece, str)]
    names = [variable.converter or "default" for variable in variables]
    pattern = "".join(
        re.escape(piece) if isinstance(piece, str) else f"({FORMS[piece.converter or 'default']})" for piece in segment
    )
    literal = sum(len(piece) for piece in segment if isinstance(piece, str))
    ends = range(index + 1, len(segments) + 1) if "path" in names else [index + 1]
    for end in ends:
        text = "/".join(segments[index:end])
        if not variables:
            groups: tuple[str, ...] | None = () if segment == (text,) else None
            key: Key = (0,)
        elif segment == (variables[0],) and names[0] in ("default", "string"):
            # The whole of a segment, with slashes that were escaped.
            groups = (text,) if (len(text) == 2 if names[0] == "string" else text) else None
            key = (1, 0, 100, 1, 0)
        else:
            match = re.fullmatch(pattern, text, re.DOTALL)
            groups = match.groups() if match else None
            key = (2 if "path" in names else 1, -literal, sum(WEIGHTS[name] for name in names), len(names), end)
        if groups is None:
            continue
        for rest, values in ways_from(rule, number + 1, segments, end):
            made = [int(one) if name == "int" else one for name, one in zip(names, groups, strict=True)]
            yield (key, *rest), [*made, *values]


def naive(
    known: Sequence[Known], segments: Sequence[str], method: str
) -> tuple[list[tuple[str, tuple[object, ...]]], set[str], bool]:
    """The best plans (several of the same rank), the methods of all that fit, and whether a slash is wanting."""
    found: list[tuple[Key, str, tuple[object, ...]]] = []
    allowed = set()
    for one in known:
        for key, values in ways(one.rule, segments):
            allowed.add(one.method)
            if one.method == method:
                found.append((key, one.plan, tuple(values)))
        if one.method == method and one.rule.segments[-1] == ("",):
            shorter = Rule(one.rule.text, one.rule.segments[:-1], one.rule.variables)
            # After a rule that ends at the same place.
            found += [((*key, WANTS_SLASH), "", ()) for key, _ in ways(shorter, segments)]
    best = min((key for key, _, _ in found), default=())
    wants_slash = best[-1:] == (WANTS_SLASH,)
    plans = [] if wants_slash else [(plan, values) for key, plan, values in found if key == best]
    return plans, allowed, wants_slash


PARTS = [
    "a",
    "b",
    "é",
    "<{}>",
    "<int:{}>",
    "<string(length=2):{}>",
    "<any(a, b):{}>",
    "@<{}>",
    "<{}>.a",
    "<int:{}>-<{}>",
]
SPANS = [*PARTS, "<path:{}>", "<path:{}>.a"]
SEGMENTS = st.sampled_from(["a", "b", "é", "", "1", "12", "ab", "@a", "@1", "1.a", "1-b", "a/b", "/", "1/", "@a/b"])


def as_rule(parts: Sequence[str], has_slash: bool) -> str:
    numbers = itertools.count()
    filled = [re.sub(r"\{\}", lambda _: f"v{next(numbers)}", part) for part in parts]
    return "/" + "/".join([*filled, *([""] if has_slash or not parts else [])])


RULES = st.builds(as_rule, st.lists(st.sampled_from(PARTS) | st.sampled_from(SPANS), max_size=4), st.booleans())


@settings(max_examples=400)
@given(
    st.lists(st.tuples(RULES, st.sampled_from(["GET", "POST"])), max_size=6, unique=True),
    st.lists(SEGMENTS, min_size=1, max_size=5),
)
def test_the_tree_finds_what_the_naive_matcher_finds(given_rules: list[tuple[str, str]], path: list[str]) -> None:
    tree: Tree[str] = Tree()
    known = []
    for text, method in given_rules:
        rule = parse_rule(text)
        converters: dict[str, Converter] = {one.name: one.made(CONVERTERS) for one in rule.variables}
        if tree.add(rule, converters, method, f"{method} {text}") is None:
            known.append(Known(rule, method, f"{method} {text}"))
    found = tree.find([one.encode().decode("latin-1") for one in path], "GET")
    best, allowed, wants_slash = naive(known, path, "GET")
    if best:
        assert found in best
    elif wants_slash:
        assert isinstance(found, Missed) and found.wants_slash
    else:
        assert found == Missed(frozenset(allowed), wants_slash=False)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(RULES, st.sampled_from(["GET", "POST"])), max_size=5, unique=True),
    st.lists(SEGMENTS.filter(lambda text: "/" not in text), min_size=1, max_size=4),
    st.sampled_from(["GET", "POST"]),
)
def test_an_application_finds_what_its_tree_finds(
    given_rules: list[tuple[str, str]], path: list[str], method: str
) -> None:
    app = App(__name__)
    app.config["MERGE_SLASHES"] = False
    for index, (text, of_method) in enumerate(given_rules):
        app.add_url_rule(text, f"e{index}", lambda index=index, **values: {"n": index, **values}, methods=[of_method])
    try:
        tree = app.freeze().tree
    except RuleError:
        return
    native = "/" + "/".join(path).encode().decode("latin-1")
    found = tree.find(native.split("/")[1:], method)
    # Without an escape in sight there are shorter ways than the walk; with one there are none.
    for raw in ({}, {"RAW_URI": "/%"}):
        answer = ask(app, method, native, **raw)
        if isinstance(found, Missed):
            assert answer.status == (308 if found.wants_slash else 405 if found.allowed else 404)
        else:
            plan, values = found
            assert answer.text == encoded_json({"n": int(plan.endpoint[1:]), **plan.named(values)}).decode()


# The segments of a request's path

ESCAPED = st.lists(st.text(st.sampled_from("a/%é."), max_size=3), min_size=1, max_size=4)


@given(ESCAPED, st.integers(0, 4), st.sampled_from(["", "http://a", "HTTPS://a:8"]), st.sampled_from(["", "?a=/b%2F"]))
def test_escaped_slashes_stay_in_their_segments_wherever_the_application_is_mounted(
    parts: list[str], depth: int, before: str, query: str
) -> None:
    from urllib.parse import quote

    native = ["", *(part.encode().decode("latin-1") for part in parts)]
    raw = "/".join(quote(part, safe="") for part in ["", *parts])
    depth = min(depth, len(parts) - 1)
    script, path = "/".join(native[: depth + 1]), "/" + "/".join(native[depth + 1 :])
    environ = environ_of(SCRIPT_NAME=script, PATH_INFO=path, RAW_URI=before + raw + query)
    joined = "/".join(segments_of(environ))
    assert f"/{joined}" == path
    if "%2F" in raw:
        # Two ways to cut: where a prefix has an escaped slash of its own it may be cut elsewhere.
        if not any("/" in part for part in parts[:depth]) or script == "":
            assert segments_of(environ) == native[depth + 1 :]
    else:
        assert segments_of(environ) == path.split("/")[1:]


@pytest.mark.parametrize(
    ("environ", "segments"),
    [
        ({"PATH_INFO": "/a/b", "RAW_URI": "/a%2Fb"}, ["a/b"]),
        ({"PATH_INFO": "/a/b", "RAW_URI": "/a%2fb"}, ["a/b"]),
        ({"PATH_INFO": "/a/b", "RAW_URI": "http://host/a%2Fb?x"}, ["a/b"]),
        ({"PATH_INFO": "/a/b", "RAW_URI": "/%61%2Fb#x"}, ["a/b"]),
        ({"SCRIPT_NAME": "/m", "PATH_INFO": "/a/b", "RAW_URI": "/m/a%2Fb"}, ["a/b"]),
        ({"SCRIPT_NAME": "/m m", "PATH_INFO": "/a/b", "RAW_URI": "/m%20m/a%2Fb"}, ["a/b"]),
        ({"SCRIPT_NAME": "/m/n", "PATH_INFO": "/a/b", "RAW_URI": "/m%2Fn/a%2Fb"}, ["a/b"]),
        # The cut is within a segment as it was written: then the path alone counts.
        ({"SCRIPT_NAME": "/m", "PATH_INFO": "/a/b", "RAW_URI": "/m%2Fa/b"}, ["a", "b"]),
        # A layer in front has taken the path for another one.
        ({"PATH_INFO": "/c/d", "RAW_URI": "/a%2Fb"}, ["c", "d"]),
        ({"SCRIPT_NAME": "/x", "PATH_INFO": "/a/b", "RAW_URI": "/a%2Fb"}, ["a", "b"]),
        ({"PATH_INFO": "/a/b/", "RAW_URI": "/a%2Fb"}, ["a", "b", ""]),
        # What is no target of these forms.
        ({"PATH_INFO": "/a/b", "RAW_URI": "a%2Fb"}, ["a", "b"]),
        ({"PATH_INFO": "/a/b", "RAW_URI": "://a%2Fb"}, ["a", "b"]),
        ({"PATH_INFO": "/a/b", "RAW_URI": "*%2F"}, ["a", "b"]),
        # An escaped escape is no slash.
        ({"PATH_INFO": "/a%2Fb", "RAW_URI": "/a%252Fb"}, ["a%2Fb"]),
        ({"PATH_INFO": "", "RAW_URI": "/%2F"}, [""]),
        ({"PATH_INFO": ""}, [""]),
        ({"PATH_INFO": "//"}, ["", ""]),
        ({"PATH_INFO": "//", "RAW_URI": "/%2F"}, ["/"]),
        # What is broken stays.
        ({"PATH_INFO": "/%zz/b", "RAW_URI": "/%zz%2Fb"}, ["%zz/b"]),
    ],
)
def test_the_raw_target_counts_only_where_it_is_the_path_of_here(environ: dict[str, str], segments: list[str]) -> None:
    assert segments_of(environ) == segments


def test_an_escaped_slash_reaches_a_handler_through_a_mounted_application() -> None:
    inner = App("inner")

    @inner.get("/file/<name>")
    def file(name: str) -> str:
        return name

    @inner.get("/file/<name>/<part>")
    def part(name: str, part: str) -> str:
        return f"{name}+{part}"

    outer = App("outer")
    outer.mount("/m", inner)
    assert ask(outer, "GET", "/m/file/a/b", RAW_URI="/m/file/a%2Fb").text == "a/b"
    assert ask(outer, "GET", "/m/file/a/b", RAW_URI="/m/file/a/b").text == "a+b"
    assert ask(outer, "GET", "/m/file/a/b").text == "a+b"
    # As written the mount is another one; as it has come it is this one, and so it is for all that look at the path.
    assert ask(outer, "GET", "/m/file/a/b", RAW_URI="/m%2Ffile/a/b").text == "a+b"


# Case by case


def app_of(*rules: str, **options: Any) -> App:
    app = App(__name__)
    for index, rule in enumerate(rules):
        app.add_url_rule(
            rule, f"e{index}", lambda request_rule=rule, **values: {"rule": request_rule, **values}, **options
        )
    return app


def answered(app: App, path: str, method: str = "GET", **more: Any) -> Any:
    import json

    answer = ask(app, method, path.encode().decode("latin-1"), **more)
    return json.loads(answer.text) if answer.status == 200 else answer.status


def test_literals_come_before_numbers_and_numbers_before_texts_whatever_the_order() -> None:
    rules = ["/<path:p>", "/<x>", "/<int:n>", "/@<x>", "/me", "/<any(you, me):who>"]
    for order in itertools.permutations(rules):
        app = app_of(*order)
        assert answered(app, "/me") == {"rule": "/me"}
        assert answered(app, "/you") == {"rule": "/<any(you, me):who>", "who": "you"}
        assert answered(app, "/7") == {"rule": "/<int:n>", "n": 7}
        assert answered(app, "/@7") == {"rule": "/@<x>", "x": "7"}
        assert answered(app, "/seven") == {"rule": "/<x>", "x": "seven"}
        assert answered(app, "/se/ven") == {"rule": "/<path:p>", "p": "se/ven"}


def test_a_dead_end_is_left_for_the_next_way() -> None:
    app = app_of("/a/<x>/end", "/<y>/b/<z>", "/<path:p>/last", "/<path:p>")
    assert answered(app, "/a/b/end") == {"rule": "/a/<x>/end", "x": "b"}
    assert answered(app, "/a/b/c") == {"rule": "/<y>/b/<z>", "y": "a", "z": "c"}
    assert answered(app, "/a/b/c/last") == {"rule": "/<path:p>/last", "p": "a/b/c"}
    assert answered(app, "/a/b/c/d") == {"rule": "/<path:p>", "p": "a/b/c/d"}


@pytest.mark.parametrize("raw", [False, True])
def test_literals_beyond_ascii_are_found_with_and_without_variables(raw: bool) -> None:
    from urllib.parse import quote

    app = app_of("/über", "/größe/<x>", "/<x>.größe")
    for path, rule in [("/über", "/über"), ("/größe/é", "/größe/<x>"), ("/é.größe", "/<x>.größe")]:
        assert answered(app, path, **({"RAW_URI": quote(path)} if raw else {}))["rule"] == rule


def test_text_that_is_no_utf_8_is_not_found() -> None:
    app = app_of("/a/<x>", "/b/<path:x>", "/c/@<x>")
    for path in ("/a/\xff", "/b/\xff", "/c/@\xff", "/\xff"):
        assert ask(app, "GET", path).status == 404


def test_an_environ_may_leave_out_what_is_empty() -> None:
    app = App(__name__)

    @app.get("/")
    def root(request: Request) -> dict[str, Any]:
        return {"path": request.path, "url": request.url, "args": dict(request.args), "root": request.script_root}

    environ = environ_of()
    for key in ("PATH_INFO", "SCRIPT_NAME", "QUERY_STRING"):
        del environ[key]
    heads: list[str] = []
    body = b"".join(app(environ, lambda status, headers: heads.append(status)))  # type: ignore[arg-type,return-value]
    assert heads == ["200 OK"]
    assert body == b'{"path":"/","url":"http://shop.example/","args":{},"root":""}'
    assert ask(app, "GET", "", SCRIPT_NAME="/m").text.startswith('{"path":"/","url":"http://shop.example/m/"')


# Methods


def test_a_rule_of_another_method_does_not_hide_a_later_rule() -> None:
    app = App(__name__)
    app.add_url_rule("/user/me", "me", lambda: "me", methods=["GET"])
    app.add_url_rule("/user/<name>", "name", lambda name: f"deleted {name}", methods=["DELETE"])
    assert ask(app, "DELETE", "/user/me").text == "deleted me"


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/user/me", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("/user/you", "DELETE, OPTIONS"),
        ("/user/me/all", "OPTIONS, PATCH"),
    ],
)
def test_allow_tells_all_methods_of_a_path_for_405_and_for_options(path: str, allow: str) -> None:
    app = App(__name__)
    app.add_url_rule("/user/me", "me", lambda: "me", methods=["GET", "POST"])
    app.add_url_rule("/user/<name>", "name", lambda name: "", methods=["DELETE"])
    app.add_url_rule("/user/<path:rest>/all", "all", lambda rest: "", methods=["PATCH"])
    refused = ask(app, "PUT", path)
    assert (refused.status, refused.value("Allow")) == (405, allow)
    options = ask(app, "OPTIONS", path)
    assert (options.status, options.value("Allow"), options.body) == (200, allow, b"")
    assert options.value("Content-Length") == "0"
    assert options.value("Content-Type") is None


def test_options_of_the_handler_come_before_those_of_the_library() -> None:
    app = App(__name__)
    app.add_url_rule("/", "own", lambda: "own", methods=["OPTIONS"])
    app.add_url_rule("/", "get", lambda: "get")
    assert ask(app, "OPTIONS", "/").text == "own"


@pytest.mark.parametrize("order", [("GET", "HEAD"), ("HEAD", "GET")])
def test_a_handler_for_head_comes_before_that_for_get_in_any_order(order: tuple[str, str]) -> None:
    app = App(__name__)
    for method in order:
        app.add_url_rule("/", method, lambda method=method: ("text", {"X-By": method}), methods=[method])
    assert ask(app, "HEAD", "/").value("X-By") == "HEAD"
    assert ask(app, "GET", "/").value("X-By") == "GET"


def test_head_is_get_without_a_body_and_with_its_length() -> None:
    app = App(__name__)
    app.add_url_rule("/text", "text", lambda: "hello")
    app.add_url_rule("/json", "json", lambda: {"a": 1})
    app.add_url_rule("/pair", "pair", lambda: ("hello", 201))
    for path in ("/text", "/json", "/pair"):
        got, head = ask(app, "GET", path), ask(app, "HEAD", path)
        assert (head.status, head.headers, head.body) == (got.status, got.headers, b"")
        assert head.value("Content-Length") == str(len(got.body))


def test_methods_of_their_own_are_routed_as_they_are_written() -> None:
    app = App(__name__)
    app.add_url_rule("/", "index", lambda: "found", methods=["PROPFIND", "report"])
    assert ask(app, "PROPFIND", "/").text == "found"
    assert ask(app, "REPORT", "/").text == "found"
    # RFC 9110 §9.1: methods are case-sensitive.
    assert ask(app, "report", "/").status == 405


# Slashes


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize(
    ("rules", "target", "location"),
    [
        (["/a/"], "/a", "/a/"),
        (["/a/"], "/a?x=1&y=%20/", "/a/?x=1&y=%20/"),
        (["/a/b"], "//a/b", "/a/b"),
        (["/a/b"], "/a///b?q", "/a/b?q"),
        (["/b/"], "//b", "/b/"),
        (["/x/y/"], "/x//y?q", "/x/y/?q"),
        (["/<x>/"], "/é", "/%C3%A9/"),
        (["/<x>/"], "/evil.com", "/evil.com/"),
        (["/<x>/"], "/\\evil.com", "/%5Cevil.com/"),
        (["/<x>/<y>"], "//evil.com/b", "/evil.com/b"),
        (["/<path:x>/"], "/http:/evil", "/http:/evil/"),
        (["/a/"], "/a?x=\x7f\x01é", "/a/?x=%7F%01%C3%A9"),
        (["/a/"], "/a? x ", "/a/?%20x%20"),
    ],
)
def test_a_slash_too_few_or_too_many_is_mended_by_308(
    rules: list[str], target: str, location: str, method: str
) -> None:
    app = app_of(*rules, methods=["GET", "POST"])
    answer = ask(app, method, target.encode().decode("latin-1"))
    assert (answer.status, answer.value("Location")) == (308, location)
    mounted = ask(app, method, target.encode().decode("latin-1"), SCRIPT_NAME="/m é".encode().decode("latin-1"))
    assert mounted.value("Location") == f"/m%20%C3%A9{location}"


def test_no_redirect_leads_to_another_host() -> None:
    class Anything(Converter):
        regex = ".*"

    class Much(PathConverter):
        regex = ".*"

    app = App(__name__)
    app.converters.update(anything=Anything, much=Much)
    app.add_url_rule("/<anything:x>/<anything:y>/", "a", lambda x, y: "")
    app.add_url_rule("/p/<much:x>/", "b", lambda x: "")
    texts = ["", "/", "//", "\\", "evil.com", "/evil.com", "http:", "@", "%2F", "\t", "é"]
    for script, one, other in itertools.product(["", "/", "//evil.com"], texts, texts):
        for path in (f"/{one}/{other}", f"//{one}/{other}", f"/p/{one}/{other}"):
            environ = environ_of(PATH_INFO=path.encode().decode("latin-1"), SCRIPT_NAME=script)
            environ["RAW_URI"] = f"/{one}/{other}".replace("//", "/%2F")
            status, headers = head_of(app, environ)
            if status.startswith("308"):
                assert re.match(r"/(?![/\\])", headers["Location"]), (path, script, headers)


def test_a_path_without_its_slash_is_no_redirect_for_a_method_that_it_does_not_take() -> None:
    app = app_of("/a/", methods=["GET"])
    assert ask(app, "POST", "/a").status == 404
    assert ask(app, "POST", "/a/").status == 405


def test_a_path_with_a_slash_that_no_rule_has_is_not_found() -> None:
    assert ask(app_of("/a"), "GET", "/a/").status == 404


def test_a_rule_that_is_not_strict_takes_both() -> None:
    for rule in ("/a", "/a/", "/<x>", "/<x>/"):
        app = app_of(rule, strict_slashes=False)
        assert ask(app, "GET", "/a").status == 200
        assert ask(app, "GET", "/a/").status == 200
    app = App(__name__)
    app.config["STRICT_SLASHES"] = False
    app.add_url_rule("/a", "a", lambda: "a")
    assert ask(app, "GET", "/a/").status == 200


def test_both_forms_may_have_rules_of_their_own_where_slashes_are_not_strict() -> None:
    for order in ([("/a", "one"), ("/a/", "two")], [("/a/", "two"), ("/a", "one")]):
        app = App(__name__)
        app.config["STRICT_SLASHES"] = False
        for rule, text in order:
            app.add_url_rule(rule, text, lambda text=text: text)
        assert ask(app, "GET", "/a").text == "one"
        assert ask(app, "GET", "/a/").text == "two"


def test_merging_slashes_can_be_switched_off() -> None:
    app = app_of("/a/b")
    app.config["MERGE_SLASHES"] = False
    assert ask(app, "GET", "/a//b").status == 404


# Mounts


def test_a_mounted_application_gets_what_no_rule_is_for() -> None:
    def inner(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode("latin-1")]

    app = App(__name__)
    app.mount("/m", inner)
    app.mount("/m/deep", inner)
    app.mount("/é", inner)
    app.add_url_rule("/m/own", "own", lambda: "own")
    assert ask(app, "GET", "/m").text == "/m|"
    assert ask(app, "GET", "/m/").text == "/m|/"
    assert ask(app, "GET", "/m/x").text == "/m|/x"
    assert ask(app, "GET", "/m/deep/x", SCRIPT_NAME="/s").text == "/s/m/deep|/x"
    assert ask(app, "GET", "/m/own").text == "own"
    assert ask(app, "GET", "/mx").status == 404
    assert ask(app, "POST", "/m/own").status == 405
    assert ask(app, "GET", "/é/x".encode().decode("latin-1")).body.decode() == "/é|/x"


def test_what_a_mounted_application_leaves_in_the_environ_is_there_for_the_layers_around() -> None:
    inner = App("inner")
    inner.add_url_rule("/<int:id>", "id", lambda id: f"id {id}")
    app = App(__name__)
    app.mount("/m", inner)
    assert ask(app, "GET", "/m/7").environ["dragoman.web.plan"].route == "/<int:id>"


# Attacks: counts, not times


class Counting(Converter):
    """A converter that counts how often it is asked, and takes no text."""

    judges_text = True
    asked = 0

    def to_python(self, text: str) -> str:
        type(self).asked += 1
        raise ValueError("never")


class CountingSpan(Counting):
    spans_segments = True


@pytest.mark.parametrize("path", ["/" * 4000, "/a" * 2000, "/1" * 2000, "/a/" * 1300 + "x"])
def test_thousands_of_slashes_ask_converters_a_bounded_number_of_times(path: str) -> None:
    class Slow(CountingSpan):
        asked = 0

    app = App(__name__)
    app.converters["slow"] = Slow
    app.add_url_rule("/<path:a>/<path:b>/<path:c>/<slow:d>/x", "one", lambda **values: "")
    app.add_url_rule("/<slow:a>/<path:b>/<slow:c>/y", "two", lambda **values: "")
    assert ask(app, "GET", path).status == 404
    assert Slow.asked <= 2


def test_a_path_of_the_most_segments_that_are_split_is_tried_a_square_of_times_at_most() -> None:
    class Slow(CountingSpan):
        asked = 0

    app = App(__name__)
    app.converters["slow"] = Slow
    app.add_url_rule("/<path:a>/<path:b>/<path:c>/<slow:d>/x", "one", lambda **values: "")
    assert ask(app, "GET", "/a" * MOST_SEGMENTS_TO_SPLIT).status == 404
    assert 0 < Slow.asked <= MOST_SEGMENTS_TO_SPLIT**2 / 2


def test_segments_of_several_variables_are_tried_once_for_each_place_in_the_tree() -> None:
    class Slow(Counting):
        asked = 0

    app = App(__name__)
    app.converters["slow"] = Slow
    for depth in range(1, 8):
        for last in ("x", "y", "<slow:s>"):
            parts = [f"<v{n}>" if n % 2 else f"<int:v{n}>" for n in range(depth)]
            app.add_url_rule("/" + "/".join([*parts, last]), f"{depth}{last}", lambda **values: "")
    assert ask(app, "GET", "/1" * 8).status == 404
    assert Slow.asked == 7


@pytest.mark.parametrize(
    ("rule", "short", "long"),
    [
        ("/<a>-<b>.json", "a-b.json", "-" * 8000),
        ("/<a>-<b>-<c>.json", "a-b-c.json", "-" * 8000),
        ("/<a>-<b>-<c>-<d>-<int:e>.json", "a-b-c-d-5.json", "-" * 8000),
        ("/<path:a>-<path:b>-<c>.json", "a/x-b/y-c.json", "-/" * 4000),
    ],
)
def test_several_texts_in_one_segment_are_not_sought_in_long_ones(rule: str, short: str, long: str) -> None:
    # Each of these would take minutes and more.
    app = app_of(rule)
    assert ask(app, "GET", f"/{short}").status == 200
    assert ask(app, "GET", f"/{long}").status == 404


def test_one_text_beside_numbers_may_be_long() -> None:
    app = app_of("/<int:year>-<int:month>-<slug>.html")
    assert answered(app, f"/2024-05-{'a-' * 2000}.html")["slug"] == "a-" * 2000


def test_two_variables_want_a_literal_between_them() -> None:
    with pytest.raises(RuleError, match="want a literal between them"):
        app_of("/<a><b>").freeze()
