"""`Cors`: which pages of other origins may read this application's answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from dragoman.http.fields import add_token, is_token, remove, split_list
from dragoman.middleware.answer import Answer, plain
from dragoman.middleware.layer import Layer
from dragoman.middleware.overrides import ByPath
from dragoman.middleware.passing import Headers, editing
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["Cors"]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
ALLOW_ORIGIN = "Access-Control-Allow-Origin"
# What the part decides; an application's own would stand beside it, and browsers refuse two.
OURS = (
    ALLOW_ORIGIN, "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers", "Access-Control-Max-Age", "Access-Control-Allow-Private-Network",
)  # fmt: skip
# What a preflight's answer depends on.
PREFLIGHT_VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
# RFC 6454, section 6.2, and "null", which sandboxed frames and files send.
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?|null")
# The same with a wildcard for the front labels of the name, and one for the port.
PATTERN = re.compile(r"([a-z][a-z0-9+.-]*)://(\*\.)?([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5}|:\*)?")
OWN_PORT = re.compile(r"http://.*:80|https://.*:443")
# Whoever lets these in lets in everybody: a sandboxed frame of any page, and a name that nobody has meant.
ANYBODY = (
    "null",
    *(f"{scheme}://nobody-has-meant-this.{top}" for scheme in ("https", "http") for top in ("invalid", "com", "org")),
)
LABELS = r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+"
MOST_HEADERS = 64


class Cors(Layer):
    """Answers preflight requests, and lets pages of `origins` read answers.

    origins          ``"*"`` for every page, or a list: ``"https://shop.example"``, ``"https://*.shop.example"`` for all
                     names below, ``"http://localhost:*"`` for all ports, or a compiled pattern for the whole origin.
                     Nobody's by default
    methods          methods that a preflight request is granted
    headers          request fields that it is granted; ``"*"`` is what it asks for
    credentials      whether cookies and Authorization may be sent; not together with ``origins="*"``
    expose           response fields that a page's script may read
    max_age_s        seconds for which a browser may remember a preflight's answer; None: its own default
    private_network  whether public pages may ask this private address
    by_path          prefix of the path → other values for any of these; None: no CORS there, and nothing is touched

    Fields for CORS that the application sets itself are replaced where this part decides.
    Raises ValueError for what is no origin, method or field, and for combinations that browsers refuse or that give
    cookies to everybody.
    Source: Fetch, section 3.3 (HTTP CORS protocol); Private Network Access.

        app = Cors(app, origins=["https://shop.example"], credentials=True)
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        origins: Sequence[str | re.Pattern[str]] | str = (),
        methods: Sequence[str] = METHODS,
        headers: Sequence[str] | str = (),
        credentials: bool = False,
        expose: Sequence[str] = (),
        max_age_s: int | None = 600,
        private_network: bool = False,
        by_path: Mapping[str, Mapping[str, Any] | None] | None = None,
    ) -> None:
        super().__init__(app)
        options: dict[str, Any] = {
            "origins": origins,
            "methods": methods,
            "headers": headers,
            "credentials": credentials,
            "expose": expose,
            "max_age_s": max_age_s,
            "private_network": private_network,
        }
        self.policies = ByPath(options, policy_of, by_path)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a preflight request, pass on any other."""
        policy = self.policies.of(environ)
        if policy is None:
            return self.app(environ, start_response)
        origin = environ.get("HTTP_ORIGIN")
        if (
            environ.get("REQUEST_METHOD") == "OPTIONS"
            and origin is not None
            and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
        ):
            return preflight(policy, origin, environ)(environ, start_response)
        fields = granted(policy, origin)

        def edit(status: str, headers: Headers) -> tuple[str, Headers]:
            names = [name.lower() for name, _ in headers]
            if any(name.startswith("access-control-") for name in names):
                for name in OURS:
                    remove(headers, name)
            headers += fields
            # Also where this request had no Origin: a cache would give its answer to those that have one.
            if policy.is_public:
                return status, headers
            if "vary" in names:
                add_token(headers, "Vary", "Origin")
            else:
                headers.append(("Vary", "Origin"))
            return status, headers

        return self.app(environ, editing(start_response, edit))


class Policy(NamedTuple):
    """What is granted to whom."""

    # "*" for everybody; the answer depends on the Origin field if not.
    is_public: bool
    exact: frozenset[str]
    patterns: tuple[re.Pattern[str], ...]
    methods: tuple[str, ...]
    # None: whatever is asked for.
    headers: tuple[str, ...] | None
    credentials: bool
    expose: str
    max_age_s: int | None
    private_network: bool

    def has(self, origin: str) -> bool:
        """Whether pages of `origin` are let in."""
        return self.is_public or origin in self.exact or any(one.fullmatch(origin) for one in self.patterns)


def granted(policy: Policy, origin: str | None) -> list[tuple[str, str]]:
    """The fields of an answer that is no preflight's."""
    if policy.is_public:
        allowed = "*"
    elif origin is not None and policy.has(origin):
        allowed = origin
    else:
        return []
    fields = [(ALLOW_ORIGIN, allowed)]
    if policy.credentials:
        fields.append(("Access-Control-Allow-Credentials", "true"))
    if policy.expose:
        fields.append(("Access-Control-Expose-Headers", policy.expose))
    return fields


def preflight(policy: Policy, origin: str, environ: Environ) -> Answer:
    """The answer to a preflight request. One that is not granted says nothing, and the browser refuses."""
    asks_private = environ.get("HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK") == "true"
    vary = f"{PREFLIGHT_VARY}, Access-Control-Request-Private-Network" if policy.private_network else PREFLIGHT_VARY
    if not policy.has(origin):
        return plain("403 Forbidden", "CORS: pages of this origin may not ask here.", ("Vary", vary))
    fields = [("Vary", vary), (ALLOW_ORIGIN, "*" if policy.is_public else origin)]
    if policy.credentials:
        fields.append(("Access-Control-Allow-Credentials", "true"))
    fields.append(("Access-Control-Allow-Methods", ", ".join(policy.methods)))
    if headers := allowed_headers(policy, environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")):
        fields.append(("Access-Control-Allow-Headers", headers))
    if policy.max_age_s is not None:
        fields.append(("Access-Control-Max-Age", str(policy.max_age_s)))
    if policy.private_network and asks_private:
        fields.append(("Access-Control-Allow-Private-Network", "true"))
    return Answer("204 No Content", tuple(fields))


def allowed_headers(policy: Policy, asked: str) -> str:
    if policy.headers is not None:
        return ", ".join(policy.headers)
    # "*" itself would not mean Authorization, and with credentials it means a field of that name.
    return ", ".join([one for one in split_list(asked)[:MOST_HEADERS] if is_token(one)])


def policy_of(
    *,
    origins: Sequence[str | re.Pattern[str]] | str,
    methods: Sequence[str],
    headers: Sequence[str] | str,
    credentials: bool,
    expose: Sequence[str],
    max_age_s: int | None,
    private_network: bool,
) -> Policy:
    """The policy of a set of options. Raises ValueError."""
    if isinstance(origins, str) and origins != "*":
        raise ValueError(f'origins: want "*" or a list of origins, got the text {origins!r}')
    if origins != "*" and "*" in origins:
        raise ValueError('origins: want origins="*" for every page, not "*" among others')
    if origins == "*" and credentials:
        raise ValueError(
            'credentials: want a list of origins with it: with "*" any page could read what belongs to your visitors,'
            " and browsers refuse it"
        )
    if "null" in origins and credentials:
        raise ValueError('origins: "null" with credentials lets in any page, from a sandboxed frame')
    if max_age_s is not None and (isinstance(max_age_s, bool) or not isinstance(max_age_s, int) or max_age_s < 0):
        raise ValueError(f"max_age_s: want seconds or None, got {max_age_s!r}")
    texts = () if origins == "*" else tuple(origins)
    exact = frozenset(one for one in texts if isinstance(one, str) and "*" not in one)
    if bad := [one for one in exact if not ORIGIN.fullmatch(one) or OWN_PORT.fullmatch(one)]:
        raise ValueError(
            f'origins: want scheme, name and port as browsers send them, such as "https://shop.example", in lower case,'
            f" without a path and without the scheme's own port; got {sorted(bad)[0]!r}"
        )
    patterns = tuple(pattern_of(one) for one in texts if not isinstance(one, str) or "*" in one)
    if credentials and (wide := [one.pattern for one in patterns if any(map(one.fullmatch, ANYBODY))]):
        raise ValueError(
            f"credentials: the pattern {wide[0]!r} lets in any page, which could read what belongs to your visitors"
        )
    everything = headers == "*"
    return Policy(
        is_public=origins == "*",
        exact=exact,
        patterns=patterns,
        methods=tokens(methods, "methods"),
        headers=None if everything else tokens(headers, "headers"),
        credentials=credentials,
        expose=", ".join(tokens(expose, "expose")),
        max_age_s=max_age_s,
        private_network=private_network,
    )


def pattern_of(one: str | re.Pattern[str]) -> re.Pattern[str]:
    if isinstance(one, re.Pattern):
        return one
    match = PATTERN.fullmatch(one)
    if match is None:
        raise ValueError(
            f'origins: {one!r}: want "*" only for labels in front of a name or for the port:'
            ' "https://*.shop.example", "http://localhost:*"'
        )
    scheme, labels, name, port = match.groups()
    any_port = r"(?::[0-9]{1,5})?"
    return re.compile(
        f"{re.escape(scheme)}://{LABELS if labels else ''}{re.escape(name)}"
        f"{any_port if port == ':*' else re.escape(port or '')}"
    )


def tokens(names: Sequence[str] | str, what: str) -> tuple[str, ...]:
    if isinstance(names, str):
        raise ValueError(f"{what}: want a list of names, got the text {names!r}")
    if bad := [name for name in names if not isinstance(name, str) or not is_token(name)]:
        raise ValueError(f"{what}: want names, got {bad[0]!r}")
    if what == "expose" and "*" in names and len(names) > 1:
        raise ValueError('expose: want ["*"] alone')
    return tuple(names)
