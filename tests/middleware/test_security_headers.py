"""`SecurityHeaders`: which fields go out, what the application decides itself, nonces, paths, and refused options."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dragoman.middleware import SecurityHeaders
from tests.middleware.kit import TEXT, Inner, ask

CSP = "Content-Security-Policy"
HSTS = "Strict-Transport-Security"
HTTPS: dict[str, Any] = {"wsgi.url_scheme": "https"}


def test_the_defaults_are_sane_and_nothing_more() -> None:
    inner = Inner()
    assert ask(SecurityHeaders(inner), **HTTPS).headers == [
        TEXT,
        (CSP, "base-uri 'self'; object-src 'none'; frame-ancestors 'self'"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "SAMEORIGIN"),
        ("Referrer-Policy", "strict-origin-when-cross-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin-allow-popups"),
        (HSTS, "max-age=31536000"),
    ]
    inner.settled()


def test_hsts_is_not_sent_over_http() -> None:
    assert ask(SecurityHeaders(Inner())).values(HSTS) == []


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"hsts": 60}, "max-age=60"),
        # Taking it back.
        ({"hsts": 0}, "max-age=0"),
        ({"hsts_subdomains": True}, "max-age=31536000; includeSubDomains"),
        ({"hsts_subdomains": True, "hsts_preload": True}, "max-age=31536000; includeSubDomains; preload"),
        ({"hsts": None}, None),
    ],
)
def test_what_hsts_says(options: dict[str, Any], value: str | None) -> None:
    assert ask(SecurityHeaders(Inner(), **options), **HTTPS).value(HSTS) == value


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"default-src": "'self'"}, "default-src 'self'"),
        ({"default-src": ["'self'", "cdn.example"], "img-src": "*"}, "default-src 'self' cdn.example; img-src *"),
        ({"script-src": "'self' 'unsafe-inline'"}, "script-src 'self' 'unsafe-inline'"),
        ({"upgrade-insecure-requests": ""}, "upgrade-insecure-requests"),
        ({"sandbox": []}, "sandbox"),
        ("default-src 'none'", "default-src 'none'"),
        (None, None),
        ({}, None),
    ],
)
def test_a_policy_is_a_dict_or_a_text(given: Any, value: str | None) -> None:
    answer = ask(SecurityHeaders(Inner(), csp=given, csp_report_only=given))
    assert answer.value(CSP) == value
    assert answer.value(f"{CSP}-Report-Only") == value


def test_both_policies_go_out_each_with_its_own() -> None:
    answer = ask(SecurityHeaders(Inner(), csp="default-src *", csp_report_only={"default-src": "'self'"}))
    assert (answer.value(CSP), answer.value(f"{CSP}-Report-Only")) == ("default-src *", "default-src 'self'")


def test_a_nonce_is_new_for_each_request_and_the_same_in_all_policies() -> None:
    inner = Inner()
    policy = {"script-src": ["'self'", "'nonce'"], "style-src": "'nonce'"}
    app = SecurityHeaders(inner, csp=policy, csp_report_only="script-src 'nonce'")
    answers = [ask(app), ask(app)]
    nonces = [environ["dragoman.csp_nonce"] for environ in inner.environs]
    assert nonces[0] != nonces[1]
    for answer, nonce in zip(answers, nonces, strict=True):
        assert answer.value(CSP) == f"script-src 'self' 'nonce-{nonce}'; style-src 'nonce-{nonce}'"
        assert answer.value(f"{CSP}-Report-Only") == f"script-src 'nonce-{nonce}'"
        # CSP Level 3, section 2.3.1: base64-value; section 7.1: 128 bits at least.
        assert re.fullmatch(r"[A-Za-z0-9+/_-]{22,}={0,2}", nonce)


def test_flask_talisman_12_a_nonce_stands_only_in_the_directives_that_ask_for_it() -> None:
    answer = ask(SecurityHeaders(Inner(), csp={"script-src": "'nonce'", "style-src": "'self'", "img-src": "*"}))
    nonce = answer.environ["dragoman.csp_nonce"]
    assert answer.value(CSP) == f"script-src 'nonce-{nonce}'; style-src 'self'; img-src *"


def test_flask_talisman_15_a_nonce_has_128_bits_at_least() -> None:
    assert len(ask(SecurityHeaders(Inner(), csp="script-src 'nonce'")).environ["dragoman.csp_nonce"]) * 6 >= 128


def test_without_a_place_for_it_there_is_no_nonce() -> None:
    assert "dragoman.csp_nonce" not in ask(SecurityHeaders(Inner())).environ


def test_what_the_application_has_set_stays_whatever_its_case() -> None:
    own = [TEXT, ("content-security-policy", "default-src *"), ("X-FRAME-OPTIONS", "DENY"), ("referrer-policy", "")]
    answer = ask(SecurityHeaders(Inner(headers=own)))
    assert answer.values(CSP) == ["default-src *"]
    assert answer.values("X-Frame-Options") == ["DENY"]
    assert answer.values("Referrer-Policy") == [""]
    assert answer.values("X-Content-Type-Options") == ["nosniff"]


def test_paths_may_have_other_values_and_keep_the_rest() -> None:
    app = SecurityHeaders(
        Inner(),
        corp="same-site",
        by_path={"/embed": {"frame": None, "csp": {"frame-ancestors": "*"}}, "/raw": None, "/": {"coop": None}},
    )
    embed = ask(app, "GET", "/embed/video")
    assert (embed.value("X-Frame-Options"), embed.value(CSP)) == (None, "frame-ancestors *")
    assert embed.value("Cross-Origin-Resource-Policy") == "same-site"
    assert ask(app, "GET", "/raw").headers == [TEXT]
    assert ask(app, "GET", "/embedded").value("Cross-Origin-Opener-Policy") is None
    # Where it is mounted counts, not what is left of the path.
    assert ask(app, "GET", "/x", SCRIPT_NAME="/raw").headers == [TEXT]


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"camera": [], "geolocation": ["self"]}, "camera=(), geolocation=(self)"),
        (
            {"fullscreen": "*", "payment": ["self", "https://pay.example"]},
            'fullscreen=*, payment=(self "https://pay.example")',
        ),
        ("camera=()", "camera=()"),
        (None, None),
    ],
)
def test_permissions_are_written_as_structured_fields(given: Any, value: str | None) -> None:
    assert ask(SecurityHeaders(Inner(), permissions=given)).value("Permissions-Policy") == value


def test_every_field_can_be_left_out_and_others_added() -> None:
    names = ("hsts", "csp", "frame", "referrer", "coop")
    off: dict[str, Any] = dict.fromkeys(names)
    assert ask(SecurityHeaders(Inner(), nosniff=False, **off), **HTTPS).headers == [TEXT]
    app = SecurityHeaders(Inner(), nosniff=False, **off, extra={"X-Robots-Tag": "noindex"}, coep="require-corp")
    assert ask(app).headers == [TEXT, ("Cross-Origin-Embedder-Policy", "require-corp"), ("X-Robots-Tag", "noindex")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hsts": -1}, "hsts: want seconds, such as 31536000, or None, got -1"),
        ({"hsts": True}, "hsts: want seconds"),
        ({"hsts": "1 year"}, "hsts: want seconds"),
        ({"hsts_preload": True}, "hsts_preload: want hsts of 31536000 at least and hsts_subdomains=True with it"),
        ({"csp": ["default-src"]}, "csp: want a dict such as"),
        ({"csp": {"default-src": "self"}}, """csp: default-src: want "'self'", with quotes, got 'self'"""),
        ({"csp": {"script-src": ["nonce"]}}, "with quotes"),
        ({"csp": {"default-src": ["a; script-src *"]}}, "without blanks, commas and semicolons"),
        ({"csp": {"Default Src": "*"}}, "want the name of a directive"),
        ({"csp": {"default-src": []}}, "want sources; none at all are written"),
        ({"csp": "a\r\nSet-Cookie: b"}, "want a field of printable text"),
        ({"csp_report_only": {"default-src": "none"}}, "csp_report_only: default-src: want"),
        ({"frame": "ALLOW-FROM https://a.example"}, "frame: want DENY, SAMEORIGIN or None"),
        ({"referrer": "none"}, "referrer: want of no-referrer"),
        ({"coop": "same_origin"}, "coop: want same-origin, same-origin-allow-popups"),
        ({"coep": "yes"}, "coep: want require-corp, credentialless"),
        ({"corp": "none"}, "corp: want same-origin, same-site"),
        ({"permissions": {"camera": "none"}}, r"permissions: camera: want a list such as \[\]"),
        ({"permissions": {"camera": ["a.example"]}}, 'want "self" or an origin'),
        ({"permissions": {"Camera!": []}}, "want features such as camera"),
        ({"extra": {"X Y": "z"}}, "X Y: want a field"),
        ({"csp": {"script-src": "'none' 'self'"}}, "csp: script-src: want \"'none'\" alone"),
        ({"by_path": {"embed": {}}}, 'by_path: want paths that begin with "/"'),
        ({"by_path": {"/embed": {"frames": None}}}, "by_path: /embed: want options by name, of hsts, .*; got frames"),
        ({"by_path": {"/embed": {"frame": "x"}}}, "by_path: /embed: frame: want DENY"),
        ({"by_path": {"/embed": "DENY"}}, "by_path: /embed: want options by name"),
    ],
)
def test_what_no_browser_understands_is_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SecurityHeaders(**options)
