"""`SecurityHeaders`: what browsers are told to refuse, in every response that does not say so itself."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from dragoman.http.fields import is_field_value
from dragoman.middleware.layer import Layer
from dragoman.middleware.overrides import ByPath
from dragoman.middleware.passing import with_fields
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["CSP_NONCE", "DEFAULT_CSP", "SecurityHeaders"]

CSP_NONCE = "dragoman.csp_nonce"
"""The environ's key for the nonce of this request's scripts and styles; there where the policy has ``'nonce'``."""

NONCE = "'nonce'"
YEAR_S = 31_536_000

Csp: TypeAlias = Mapping[str, str | Sequence[str]] | str | None

DEFAULT_CSP: Mapping[str, str] = {"base-uri": "'self'", "object-src": "'none'", "frame-ancestors": "'self'"}
"""What hardly an application misses: no plug-ins, no foreign ``<base>``, no foreign frame around it."""

DIRECTIVE = re.compile(r"[a-z][a-z-]*")
# Values that browsers take; whatever else is written is a mistake that they do not tell of.
CHOICES = {
    "frame": ("DENY", "SAMEORIGIN"),
    "coop": ("same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none"),
    "coep": ("require-corp", "credentialless", "unsafe-none"),
    "corp": ("same-origin", "same-site", "cross-origin"),
}
REFERRER = {
    "no-referrer", "no-referrer-when-downgrade", "origin", "origin-when-cross-origin", "same-origin", "strict-origin",
    "strict-origin-when-cross-origin", "unsafe-url",
}  # fmt: skip
# CSP Level 3, section 6 and the specifications that extend it: those that have no value.
VALUELESS = {"upgrade-insecure-requests", "block-all-mixed-content"}


class SecurityHeaders(Layer):
    """Adds the security fields to each response; one that the application has set itself stays as it is.

    hsts              seconds for Strict-Transport-Security, on https only; None: not sent
    hsts_subdomains   whether it holds for subdomains, too
    hsts_preload      whether browsers may build it in; wants a year and subdomains
    csp               Content-Security-Policy: a dict of directives, a text, or None. The source ``'nonce'`` becomes
                      the nonce of the request, which is ``environ["dragoman.csp_nonce"]``
    csp_report_only   a second policy of which breaches are only reported
    frame             X-Frame-Options: ``"DENY"``, ``"SAMEORIGIN"`` or None
    nosniff           whether X-Content-Type-Options: nosniff is sent
    referrer          Referrer-Policy, or None
    permissions       Permissions-Policy: a dict such as ``{"camera": [], "geolocation": ["self"]}``, a text, or None
    coop, coep, corp  Cross-Origin-Opener-Policy, -Embedder-Policy, -Resource-Policy, or None
    extra             further fields, by name
    by_path           prefix of the path → other values for any of these; None: nothing is added there

    Raises ValueError for what no browser understands.
    Source: RFC 6797; CSP Level 3; RFC 7034; Referrer Policy; Permissions Policy; HTML, "Cross-origin opener policies".

        app = SecurityHeaders(app, csp={"default-src": "'self'", "script-src": ["'self'", "'nonce'"]})
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        hsts: int | None = YEAR_S,
        hsts_subdomains: bool = False,
        hsts_preload: bool = False,
        csp: Csp = DEFAULT_CSP,
        csp_report_only: Csp = None,
        frame: str | None = "SAMEORIGIN",
        nosniff: bool = True,
        referrer: str | None = "strict-origin-when-cross-origin",
        permissions: Mapping[str, Sequence[str] | str] | str | None = None,
        coop: str | None = "same-origin-allow-popups",
        coep: str | None = None,
        corp: str | None = None,
        extra: Mapping[str, str] | None = None,
        by_path: Mapping[str, Mapping[str, Any] | None] | None = None,
    ) -> None:
        super().__init__(app)
        options: dict[str, Any] = {
            "hsts": hsts,
            "hsts_subdomains": hsts_subdomains,
            "hsts_preload": hsts_preload,
            "csp": csp,
            "csp_report_only": csp_report_only,
            "frame": frame,
            "nosniff": nosniff,
            "referrer": referrer,
            "permissions": permissions,
            "coop": coop,
            "coep": coep,
            "corp": corp,
            "extra": extra,
        }
        self.policies = ByPath(options, policy_of, by_path)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request with the fields that its path has."""
        policy = self.policies.of(environ)
        if policy is None:
            return self.app(environ, start_response)
        fields = policy.over_https if environ.get("wsgi.url_scheme") == "https" else policy.over_http
        if policy.has_nonce:
            nonce = environ.get(CSP_NONCE) or secrets.token_urlsafe(24)
            environ[CSP_NONCE] = nonce
            fields = {key: (name, value.replace(NONCE, f"'nonce-{nonce}'")) for key, (name, value) in fields.items()}

        return self.app(environ, with_fields(start_response, fields, replaces=False))


Fields: TypeAlias = dict[str, tuple[str, str]]


class Policy(NamedTuple):
    """Fields in the order of sending, by their names in lower case."""

    over_http: Fields
    over_https: Fields
    has_nonce: bool


def policy_of(
    *,
    hsts: int | None,
    hsts_subdomains: bool,
    hsts_preload: bool,
    csp: Csp,
    csp_report_only: Csp,
    frame: str | None,
    nosniff: bool,
    referrer: str | None,
    permissions: Mapping[str, Sequence[str] | str] | str | None,
    coop: str | None,
    coep: str | None,
    corp: str | None,
    extra: Mapping[str, str] | None,
) -> Policy:
    """The fields of a set of options. Raises ValueError."""
    values = {
        "Content-Security-Policy": csp_value(csp, "csp"),
        "Content-Security-Policy-Report-Only": csp_value(csp_report_only, "csp_report_only"),
        "X-Content-Type-Options": "nosniff" if nosniff else None,
        "X-Frame-Options": choice("frame", frame and frame.upper()),
        "Referrer-Policy": referrer_value(referrer),
        "Permissions-Policy": permissions_value(permissions),
        "Cross-Origin-Opener-Policy": choice("coop", coop),
        "Cross-Origin-Embedder-Policy": choice("coep", coep),
        "Cross-Origin-Resource-Policy": choice("corp", corp),
        **(extra or {}),
    }
    over_http = {name.lower(): (name, checked(name, value)) for name, value in values.items() if value}
    # RFC 6797, section 7.2: not over http, where anybody could have put it in.
    strict = hsts_value(hsts, hsts_subdomains, hsts_preload)
    over_https = {**over_http, "strict-transport-security": ("Strict-Transport-Security", strict)}
    has_nonce = any(
        NONCE in value for key, (_, value) in over_http.items() if key.startswith("content-security-policy")
    )
    return Policy(over_http, over_https if strict else over_http, has_nonce)


def checked(name: str, value: str) -> str:
    if not isinstance(value, str) or not is_field_value(value) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name):
        raise ValueError(f"{name}: want a field of printable text, got {value!r}")
    return value


def choice(name: str, value: str | None) -> str | None:
    if value is not None and value not in CHOICES[name]:
        raise ValueError(f"{name}: want {', '.join(CHOICES[name])} or None, got {value!r}")
    return value


def hsts_value(seconds: int | None, has_subdomains: bool, is_preloaded: bool) -> str:
    if seconds is None:
        return ""
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 0:
        raise ValueError(f"hsts: want seconds, such as {YEAR_S}, or None, got {seconds!r}")
    # The conditions of hstspreload.org; with less the word means nothing, and takes effect when nobody thinks of it.
    if is_preloaded and (seconds < YEAR_S or not has_subdomains):
        raise ValueError(f"hsts_preload: want hsts of {YEAR_S} at least and hsts_subdomains=True with it")
    subdomains = "; includeSubDomains" if has_subdomains else ""
    return f"max-age={seconds}{subdomains}{'; preload' if is_preloaded else ''}"


def csp_value(policy: Csp, what: str) -> str | None:
    if not policy:
        return None
    if isinstance(policy, str):
        return policy
    if not isinstance(policy, Mapping):
        raise ValueError(f'{what}: want a dict such as {{"default-src": "\'self\'"}}, a text or None, got {policy!r}')
    directives = []
    for name, given in policy.items():
        sources = given.split() if isinstance(given, str) else list(given)
        if not DIRECTIVE.fullmatch(name) or not all(isinstance(one, str) for one in sources):
            raise ValueError(f"{what}: {name}: want the name of a directive and its sources, got {given!r}")
        if bad := [one for one in sources if re.search(r"[\s;,]", one)]:
            raise ValueError(f"{what}: {name}: want sources without blanks, commas and semicolons, got {bad[0]!r}")
        if bad := [one for one in sources if one in UNQUOTED]:
            # The browser takes it for a host of that name, and blocks what was meant to be let in.
            raise ValueError(f"{what}: {name}: want \"'{bad[0]}'\", with quotes, got {bad[0]!r}")
        if "'none'" in sources and len(sources) > 1:
            raise ValueError(f"{what}: {name}: want \"'none'\" alone: beside others it means nothing")
        if not sources and name not in VALUELESS | {"sandbox"}:
            raise ValueError(f"{what}: {name}: want sources; none at all are written \"'none'\"")
        directives.append(" ".join([name, *sources]))
    return "; ".join(directives)


UNQUOTED = {
    "self", "none", "nonce", "unsafe-inline", "unsafe-eval", "strict-dynamic", "unsafe-hashes", "report-sample",
    "wasm-unsafe-eval",
}  # fmt: skip


def referrer_value(value: str | None) -> str | None:
    # A list is a fallback for browsers that do not know its last word.
    if value is not None and not (words := {one.strip() for one in value.split(",")}) <= REFERRER:
        raise ValueError(f"referrer: want of {', '.join(sorted(REFERRER))}, got {', '.join(sorted(words - REFERRER))}")
    return value


def permissions_value(given: Mapping[str, Sequence[str] | str] | str | None) -> str | None:
    """Permissions Policy, section 5.2: a dictionary of RFC 9651, whose members are ``*`` or lists of origins."""
    if not given:
        return None
    if isinstance(given, str):
        return given
    members = []
    for feature, allowed in given.items():
        if not DIRECTIVE.fullmatch(feature):
            raise ValueError(f"permissions: want features such as camera, got {feature!r}")
        if allowed == "*":
            members.append(f"{feature}=*")
            continue
        if isinstance(allowed, str):
            raise ValueError(f'permissions: {feature}: want a list such as [] or ["self"], or "*", got {allowed!r}')
        words = [one if one in ("self", "src", "*") else f'"{origin(feature, one)}"' for one in allowed]
        members.append(f"{feature}=({' '.join(words)})")
    return ", ".join(members)


def origin(feature: str, text: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.*:\[\]-]+", text):
        raise ValueError(f'permissions: {feature}: want "self" or an origin such as "https://a.example", got {text!r}')
    return text
