"""`Cors`: preflight requests, origins, credentials, Vary, and what flask-cors has got wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.middleware import Cors
from tests.middleware.kit import TEXT, Answered, Inner, ask

SHOP = "https://shop.example"
ALLOW = "Access-Control-Allow-Origin"
PREFLIGHT_VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


def asked(app: Any, origin: str | None = SHOP, path: str = "/") -> Answered:
    return ask(app, "GET", path, {} if origin is None else {"Origin": origin})


def preflight(app: Any, origin: str = SHOP, method: str = "PUT", headers: str = "", **more: str) -> Answered:
    fields = {"Origin": origin, "Access-Control-Request-Method": method, **more}
    if headers:
        fields["Access-Control-Request-Headers"] = headers
    return ask(app, "OPTIONS", "/", fields)


def cors_fields(answer: Answered) -> dict[str, str]:
    return {name: value for name, value in answer.headers if name.lower().startswith("access-control-")}


def test_a_page_of_an_origin_that_is_named_may_read() -> None:
    inner = Inner()
    answer = asked(Cors(inner, origins=[SHOP]))
    assert answer.headers == [TEXT, (ALLOW, SHOP), ("Vary", "Origin")]
    inner.settled()


@pytest.mark.parametrize("origin", [None, "https://evil.example", "http://shop.example", "https://shop.example:8443"])
def test_others_get_their_answer_without_the_word_and_caches_are_told(origin: str | None) -> None:
    answer = asked(Cors(Inner(), origins=[SHOP]), origin)
    assert (answer.status, answer.headers) == (200, [TEXT, ("Vary", "Origin")])


def test_everybody_is_one_answer_for_all_so_nothing_varies() -> None:
    for origin in (None, SHOP, "null"):
        assert asked(Cors(Inner(), origins="*"), origin).headers == [TEXT, (ALLOW, "*")]


def test_by_default_nobody_is_let_in() -> None:
    assert cors_fields(asked(Cors(Inner()))) == {}
    assert preflight(Cors(Inner())).status == 403


def test_vary_is_added_to_what_the_application_says() -> None:
    inner = Inner(headers=[TEXT, ("Vary", "Cookie"), ("vary", "origin")])
    assert asked(Cors(inner, origins=[SHOP])).values("Vary") == ["Cookie", "origin"]
    inner = Inner(headers=[TEXT, ("Vary", "Cookie")])
    assert asked(Cors(inner, origins=[SHOP])).values("Vary") == ["Cookie, Origin"]


def test_credentials_go_with_the_origin_itself() -> None:
    answer = asked(Cors(Inner(), origins=[SHOP], credentials=True))
    assert cors_fields(answer) == {ALLOW: SHOP, "Access-Control-Allow-Credentials": "true"}


def test_fields_that_scripts_may_read_are_listed() -> None:
    answer = asked(Cors(Inner(), origins=[SHOP], expose=["X-Total", "ETag"]))
    assert answer.value("Access-Control-Expose-Headers") == "X-Total, ETag"


def test_the_applications_own_fields_are_replaced() -> None:
    inner = Inner(headers=[TEXT, ("access-control-allow-origin", "*"), ("Access-Control-Allow-Credentials", "true")])
    assert cors_fields(asked(Cors(inner, origins=[SHOP]))) == {ALLOW: SHOP}
    assert cors_fields(asked(Cors(inner, origins=[SHOP]), "https://evil.example")) == {}


def test_a_preflight_request_is_answered_without_the_application() -> None:
    inner = Inner()
    answer = preflight(Cors(inner, origins=[SHOP], headers=["X-Token", "Content-Type"], credentials=True))
    assert (answer.status, answer.blocks, inner.calls) == (204, [], 0)
    assert answer.headers == [
        ("Vary", PREFLIGHT_VARY),
        (ALLOW, SHOP),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE"),
        ("Access-Control-Allow-Headers", "X-Token, Content-Type"),
        ("Access-Control-Max-Age", "600"),
    ]


def test_a_preflight_request_of_a_stranger_is_refused_and_varies_as_well() -> None:
    answer = preflight(Cors(Inner(), origins=[SHOP]), "https://evil.example")
    assert (answer.status, cors_fields(answer), answer.value("Vary")) == (403, {}, PREFLIGHT_VARY)


@pytest.mark.parametrize(
    "fields", [{}, {"Origin": SHOP}, {"Access-Control-Request-Method": "PUT"}], ids=["plain", "origin", "method"]
)
def test_options_that_is_no_preflight_is_the_applications(fields: dict[str, str]) -> None:
    inner = Inner()
    assert ask(Cors(inner, origins=[SHOP]), "OPTIONS", "/", fields).text == "Hello"
    assert inner.calls == 1


def test_any_header_is_what_is_asked_for_and_nothing_else_gets_in() -> None:
    app = Cors(Inner(), origins=[SHOP], headers="*", max_age_s=None)
    answer = preflight(app, headers="authorization, x-a,, x b, x-c")
    assert answer.value("Access-Control-Allow-Headers") == "authorization, x-a, x-c"
    assert answer.values("Access-Control-Max-Age") == []
    assert preflight(app).values("Access-Control-Allow-Headers") == []
    assert preflight(app, headers=",".join(f"x-{number}" for number in range(5000))).value(
        "Access-Control-Allow-Headers"
    ) == ", ".join(f"x-{number}" for number in range(64))


@pytest.mark.parametrize(
    ("pattern", "origin", "is_let_in"),
    [
        ("https://*.shop.example", "https://www.shop.example", True),
        ("https://*.shop.example", "https://a.b.shop.example", True),
        ("https://*.shop.example", "https://shop.example", False),
        ("https://*.shop.example", "https://evilshop.example", False),
        ("https://*.shop.example", "https://shop.example.evil.example", False),
        ("https://*.shop.example", "https://evil.example/.shop.example", False),
        ("https://*.shop.example", "https://evil.example#.shop.example", False),
        ("https://*.shop.example", "https://www.shopxexample", False),
        ("https://*.shop.example", "http://www.shop.example", False),
        ("https://*.shop.example", "https://www.shop.example:8443", False),
        ("https://*.shop.example", "https://www.shop.example\n", False),
        ("https://*.shop.example:8443", "https://www.shop.example:8443", True),
        ("http://localhost:*", "http://localhost:5173", True),
        ("http://localhost:*", "http://localhost", True),
        ("http://localhost:*", "http://localhost:5173.evil.example", False),
        ("http://localhost:*", "http://localhost.evil.example:1", False),
        ("http://[::1]:*", "http://[::1]:3000", True),
        (re.compile(r"https://[a-z]+\.shop\.example"), "https://www.shop.example", True),
        (re.compile(r"https://[a-z]+\.shop\.example"), "https://www.shop.example.evil.example", False),
        ("null", "null", True),
    ],
)
def test_a_pattern_is_for_the_whole_origin(pattern: Any, origin: str, is_let_in: bool) -> None:
    answer = asked(Cors(Inner(), origins=[pattern]), origin)
    assert answer.value(ALLOW) == (origin if is_let_in else None)
    assert answer.value("Vary") == "Origin"


@given(st.text(alphabet="abc.:/*-#@\\ \n\x00[]", max_size=30))
def test_whatever_the_origin_is_only_names_below_are_let_in(text: str) -> None:
    app = Cors(Inner(), origins=["https://*.shop.example"])
    policy = app.policies.default
    assert policy is not None
    origin = f"https://{text}.shop.example"
    if policy.has(origin):
        assert re.fullmatch(r"[abc.-]+", text) and not text.startswith(".") and ".." not in text


def test_paths_may_have_other_rules_and_none_at_all() -> None:
    inner = Inner(headers=[TEXT, (ALLOW, "own")])
    app = Cors(inner, by_path={"/api": {"origins": [SHOP]}, "/api/public": {"origins": "*"}, "/own": None})
    assert asked(app, path="/api/x").value(ALLOW) == SHOP
    assert asked(app, path="/api/public/x").value(ALLOW) == "*"
    assert asked(app, path="/own").headers == [TEXT, (ALLOW, "own")]
    assert asked(app, path="/").value(ALLOW) is None
    fields = {"Origin": SHOP, "Access-Control-Request-Method": "PUT"}
    assert ask(app, "OPTIONS", "/own", fields).text == "Hello"


def test_flask_cors_cve_2024_6221_private_networks_are_closed_unless_they_are_opened() -> None:
    private = {"Access-Control-Request-Private-Network": "true"}
    assert "Access-Control-Allow-Private-Network" not in cors_fields(
        preflight(Cors(Inner(), origins=[SHOP]), **private)
    )
    answer = preflight(Cors(Inner(), origins=[SHOP], private_network=True), **private)
    assert answer.value("Access-Control-Allow-Private-Network") == "true"
    assert answer.value("Vary") == f"{PREFLIGHT_VARY}, Access-Control-Request-Private-Network"
    unasked = preflight(Cors(Inner(), origins=[SHOP], private_network=True))
    assert unasked.values("Access-Control-Allow-Private-Network") == []


def test_flask_cors_cve_2024_6839_the_more_specific_path_wins_not_the_longer_pattern() -> None:
    app = Cors(Inner(), by_path={"/": {"origins": "*"}, "/a": {"origins": [SHOP]}})
    assert asked(app, "https://evil.example", "/a/x").value(ALLOW) is None
    assert asked(app, "https://evil.example", "/b").value(ALLOW) == "*"


def test_flask_cors_cve_2024_6844_a_plus_in_a_path_is_a_plus() -> None:
    app = Cors(Inner(), by_path={"/service+path": {"origins": [SHOP]}, "/service path": {"origins": "*"}})
    assert asked(app, "https://evil.example", "/service+path").value(ALLOW) is None
    assert asked(app, "https://evil.example", "/service path").value(ALLOW) == "*"


def test_flask_cors_cve_2024_6866_the_case_of_a_path_counts() -> None:
    app = Cors(Inner(), by_path={"/open": {"origins": "*"}})
    assert asked(app, "https://evil.example", "/OPEN").value(ALLOW) is None


def test_flask_cors_202_credentials_for_everybody_are_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="credentials: want a list of origins with it"):
        Cors(origins="*", credentials=True)
    with pytest.raises(ValueError, match="credentials: want a list of origins with it"):
        Cors(credentials=True, by_path={"/api": {"origins": "*"}})


def test_flask_cors_148_a_pattern_varies_as_a_list_does() -> None:
    assert asked(Cors(Inner(), origins=["https://*.shop.example"]), None).value("Vary") == "Origin"


def test_flask_cors_a_pattern_is_not_only_for_the_beginning() -> None:
    # flask-cors matches from the left, and takes what follows for good.
    pattern = re.compile(r"https://www\.shop\.example")
    assert asked(Cors(Inner(), origins=[pattern]), "https://www.shop.example.evil.example").value(ALLOW) is None


def test_flask_cors_an_answer_to_a_request_without_origin_is_not_given_to_all() -> None:
    # flask-cors sends a list of all origins then; no browser takes that, and it tells who they are.
    app = Cors(Inner(), origins=[SHOP, "https://other.example"])
    assert asked(app, None).headers == [TEXT, ("Vary", "Origin")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"origins": SHOP}, r'origins: want "\*" or a list of origins, got the text'),
        ({"origins": ["*", SHOP]}, r'origins: want origins="\*" for every page'),
        ({"origins": ["https://shop.example/"]}, "origins: want scheme, name and port as browsers send them"),
        ({"origins": ["shop.example"]}, "origins: want scheme, name and port"),
        ({"origins": ["https://Shop.example"]}, "in lower case"),
        ({"origins": ["https://shop.*"]}, r'want "\*" only for labels in front of a name'),
        ({"origins": ["https://*shop.example"]}, r'want "\*" only for labels in front'),
        ({"origins": ["https://*"]}, r'want "\*" only for labels in front'),
        ({"origins": ["null"], "credentials": True}, "lets in any page, from a sandboxed frame"),
        ({"origins": [re.compile(".*")], "credentials": True}, r"credentials: the pattern '\.\*' lets in any page"),
        ({"origins": [re.compile("null|https://a.example")], "credentials": True}, "lets in any page"),
        ({"origins": [re.compile("https?://.+")], "credentials": True}, "lets in any page"),
        ({"origins": [re.compile(r"https://.*\.com")], "credentials": True}, "lets in any page"),
        ({"origins": ["https://*.com"], "credentials": True}, "lets in any page"),
        ({"origins": ["https://shop.example:443"]}, "origins: want .* as browsers send them"),
        ({"origins": ["http://shop.example:80"]}, "origins: want .* as browsers send them"),
        ({"methods": "GET"}, "methods: want a list of names, got the text 'GET'"),
        ({"headers": ["X Y"]}, "headers: want names, got 'X Y'"),
        ({"expose": ["*", "ETag"]}, "expose: want .* alone"),
        ({"max_age_s": -1}, "max_age_s: want seconds or None, got -1"),
        ({"by_path": {"/api": {"origin": "*"}}}, "by_path: /api: want options by name, of origins, .*; got origin"),
    ],
)
def test_wrong_options_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Cors(**options)
