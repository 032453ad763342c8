"""`Redirects`: a table of old places and new ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from dragoman.middleware.layer import Layer
from dragoman.middleware.paths import path_of
from dragoman.middleware.targets import PATH_SAFE, STATUSES, local, query_of, redirect
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["Redirects"]

# In a query these would begin another parameter, or be a blank.
VALUE_SAFE = "".join(sorted(set(PATH_SAFE) - set("&=+;")))

GROUP = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Redirects(Layer):
    """Sends requests for old paths to new ones.

    exact       path → target
    prefixes    prefix of whole segments → target, to which the rest of the path is added; the longest one wins
    patterns    regular expression for the whole path → target, in which ``{name}`` is the group of that name
    permanent   308, which clients remember, or 307; both keep the method and the body
    status      301, 302, 303, 307 or 308 in place of that
    keep_query  whether the query goes along, when the target has none of its own

    A target is a path of this host, or a URL with https or http. What is taken from the request only ever stands in
    its path, or as a value in its query: nobody is sent to a host that the table does not name. Exact paths are looked
    at first, then prefixes, then patterns in their order. Paths are compared from the root of the host on, decoded.
    Raises ValueError for a target of another shape, a group that there is not, and a row that leads to itself.

        app = Redirects(app, exact={"/old": "/new"}, prefixes={"/blog": "https://blog.example/"})
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        exact: Mapping[str, str] | None = None,
        prefixes: Mapping[str, str] | None = None,
        patterns: Mapping[str | re.Pattern[str], str] | None = None,
        permanent: bool = True,
        status: int | None = None,
        keep_query: bool = True,
    ) -> None:
        super().__init__(app)
        if status is not None and status not in STATUSES:
            raise ValueError(f"status: want one of {', '.join(map(str, STATUSES))}, got {status!r}")
        self.status = status or (308 if permanent else 307)
        self.keep_query = keep_query
        self.exact = {latin(path): target(path, to) for path, to in (exact or {}).items()}
        # The longest first.
        rows = [(latin(path).rstrip("/"), target(path, to)) for path, to in (prefixes or {}).items()]
        self.prefixes = sorted(rows, key=lambda row: -len(row[0]))
        self.patterns = [pattern(expression, to) for expression, to in (patterns or {}).items()]
        refuse_loops(self.exact, rows)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request for an old path, pass on any other."""
        to = self.new_place(path_of(environ))
        if to is None:
            return self.app(environ, start_response)
        query = query_of(environ) if self.keep_query else ""
        if query and "?" not in to:
            front, hash_sign, fragment = to.partition("#")
            to = f"{front}?{query}{hash_sign}{fragment}"
        return redirect(self.status, to)(environ, start_response)

    def new_place(self, path: str) -> str | None:
        """Where `path` is now, None for one that is where it was."""
        if (found := self.exact.get(path)) is not None:
            return found
        for prefix, to in self.prefixes:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                rest = quote(path[len(prefix) :].lstrip("/\\").encode("latin-1"), PATH_SAFE)
                front, tail = parted(to)
                return absolute(f"{front.rstrip('/')}/{rest}{tail}" if rest else to)
        for one in self.patterns:
            if match := one.expression.fullmatch(path):
                front, tail = parted(one.target)
                return absolute(filled(front, match, PATH_SAFE) + filled(tail, match, VALUE_SAFE))
        return None


class Pattern(NamedTuple):
    """A row for paths that `expression` fits."""

    expression: re.Pattern[str]
    target: str


def latin(path: str) -> str:
    """`path` as paths come: its bytes as latin-1. Raises ValueError."""
    if not isinstance(path, str) or not path.startswith("/"):
        raise ValueError(f'want a path that begins with "/", got {path!r}')
    return path.encode().decode("latin-1")


def target(source: object, to: str) -> str:
    """`to` in ASCII. Raises ValueError for what is neither a path nor a URL."""
    if not isinstance(to, str) or re.search(r"[\s\\\x00-\x1f\x7f]", to):
        raise ValueError(f"{source}: want a path or a URL without blanks, got {to!r}")
    try:
        parts = urlsplit(to)
        host = parts.hostname
    except ValueError:
        host, parts = None, urlsplit("")
    if not (to.startswith("/") and not to.startswith("//")) and not (parts.scheme in ("https", "http") and host):
        raise ValueError(f'{source}: want a path such as "/new" or a URL such as "https://new.example/", got {to!r}')
    if "{" in parts.netloc:
        raise ValueError(f"{source}: want the host as it is, without a group: {to!r} would send visitors anywhere")
    return quote(to, PATH_SAFE + "?#%[]{}")


def pattern(expression: str | re.Pattern[str], to: str) -> Pattern:
    try:
        compiled = re.compile(expression)
    except (re.error, TypeError) as error:
        raise ValueError(f"{expression!r}: want a regular expression: {error}") from None
    asked = GROUP.findall(made := target(compiled.pattern, to))
    if unknown := [name for name in asked if name not in compiled.groupindex]:
        raise ValueError(f"{compiled.pattern}: want a group (?P<{unknown[0]}>…) for {{{unknown[0]}}} of {to!r}")
    if GROUP.sub("", made).count("{") or GROUP.sub("", made).count("}"):
        raise ValueError(f"{compiled.pattern}: want groups as {{name}}, got {to!r}")
    return Pattern(compiled, made)


def filled(part: str, match: re.Match[str], safe: str) -> str:
    """A part of a target with the groups in it, escaped for that part."""
    return part.format_map(
        {name: quote((value or "").encode("latin-1"), safe) for name, value in match.groupdict().items()}
    )


def refuse_loops(exact: Mapping[str, str], prefixes: Iterable[tuple[str, str]]) -> None:
    """Raises ValueError for a row whose target it holds for again."""
    for path, to in exact.items():
        if parted(to)[0] == quote(path.encode("latin-1"), PATH_SAFE):
            raise ValueError(f"{path}: leads to itself")
    for prefix, to in prefixes:
        if f"{parted(to)[0].rstrip('/')}/".startswith(f"{quote(prefix.encode('latin-1'), PATH_SAFE)}/"):
            raise ValueError(f"{prefix or '/'}: leads below itself, again and again: {to}")


def parted(to: str) -> tuple[str, str]:
    """A target up to its path, and its query and fragment."""
    front = re.split("[?#]", to, maxsplit=1)[0]
    return front, to[len(front) :]


def absolute(to: str) -> str:
    """A path made of parts stays one of this host."""
    return local(to) if to.startswith("/") else to
