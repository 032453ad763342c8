"""URLs of endpoints: `url_for`, and what is wrong with a name that is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes, urlencode

from dragoman.web.converters import Converter
from dragoman.web.plan import View
from dragoman.web.quoting import SAFE_IN_VALUE
from dragoman.web.routing import Matcher
from dragoman.web.rules import Rule

__all__ = ["BuildError", "Target", "Targets"]


class BuildError(LookupError):
    """A URL that cannot be made; the text says what is missing, and which name may have been meant."""


class Target(NamedTuple):
    """A rule of an endpoint, for making URLs.

    matchers   of its segments; None of those without variables
    """

    rule: Rule
    matchers: Sequence[Matcher | None]
    converters: Mapping[str, Converter]
    methods: tuple[str, ...]
    defaults: Mapping[str, Any]
    view: View

    @property
    def names(self) -> set[str]:
        """Of its variables."""
        return {variable.name for variable in self.rule.variables}

    @property
    def order(self) -> tuple[int, int]:
        """Of several rules that fit the one that says most is taken, and of these the one whose path says least."""
        return -len(self.names | self.defaults.keys()), -len(self.defaults)

    def path(self, values: Mapping[str, Any]) -> str:
        """The path, percent-encoded. Raises ValueError for a value that the rule would not match."""
        segments = []
        for segment, match in zip(self.rule.segments, self.matchers, strict=True):
            parts = [
                quote(piece, safe=SAFE_IN_VALUE)
                if isinstance(piece, str)
                else self.converters[piece.name].to_url(values[piece.name])
                for piece in segment
            ]
            text = "".join(parts)
            if match is not None:
                match(unquote_to_bytes(text).decode("latin-1"))
            segments.append(text)
        return "/" + "/".join(segments)

    def fits(self, values: Mapping[str, Any], method: str | None) -> bool:
        """Whether all its variables are there, and no default is contradicted."""
        return (
            all(values.get(name) is not None for name in self.names)
            and (method is None or method in self.methods)
            and all(name in self.names or values.get(name, value) == value for name, value in self.defaults.items())
        )


class Targets:
    """All rules by endpoint."""

    def __init__(self) -> None:
        self.by_endpoint: dict[str, list[Target]] = {}
        # Why there is no such endpoint, of those that there could be.
        self.absent: dict[str, str] = {}

    def add(self, endpoint: str, target: Target) -> None:
        """Put in a rule; of several the first one that fits is taken, in their order and then that of registration."""
        targets = self.by_endpoint.setdefault(endpoint, [])
        targets.append(target)
        targets.sort(key=lambda one: one.order)

    def path(self, endpoint: str, values: Mapping[str, Any], method: str | None = None) -> str:
        """Path and query of an endpoint; values that the rule has no variable for go into the query.

        Raises BuildError for an endpoint that there is not, and for values that are missing or do not fit.
        """
        targets = self.by_endpoint.get(endpoint)
        if targets is None:
            raise BuildError(self.unknown(endpoint, self.by_endpoint))
        for target in targets:
            if target.fits(values, method):
                rest = {
                    name: value
                    for name, value in values.items()
                    if name not in target.names and name not in target.defaults and value is not None
                }
                try:
                    return f"{target.path(values)}?{urlencode(rest, doseq=True)}" if rest else target.path(values)
                except (ValueError, TypeError) as error:
                    given = {name: values[name] for name in sorted(target.names)}
                    raise BuildError(
                        f"url_for({endpoint!r}): {target.rule.text} would not match {given!r}: {error}"
                    ) from error
        raise BuildError(lacking(endpoint, targets, values, method))

    def unknown(self, endpoint: str, known: Iterable[str]) -> str:
        """What is said of an endpoint that is none of `known`."""
        if endpoint in self.absent:
            return f"url_for({endpoint!r}): there is no such endpoint, since {self.absent[endpoint]}"
        return unknown(endpoint, known)


def unknown(endpoint: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415

    near = get_close_matches(endpoint, list(known), n=3, cutoff=0.5)
    last = endpoint.rpartition(".")[2]
    near += [one for one in known if one.rpartition(".")[2] == last and one not in near]
    hint = (
        f"did you mean {' or '.join(repr(one) for one in near)}?"
        if near
        else f"there are {', '.join(sorted(known)) or 'none'}"
    )
    return f"url_for({endpoint!r}): there is no such endpoint; {hint}"


def lacking(endpoint: str, targets: Sequence[Target], values: Mapping[str, Any], method: str | None) -> str:
    rules = ", ".join(f"{target.rule.text} ({', '.join(target.methods)})" for target in targets)
    given = {name for name, value in values.items() if value is not None}
    fewest: set[str] = min((target.names - given for target in targets), key=len)
    missing = sorted(fewest)
    if missing:
        return f"url_for({endpoint!r}): {', '.join(missing)} missing; its rules: {rules}"
    return (
        f"url_for({endpoint!r}): no rule fits {dict(values)!r}{f' and {method}' if method else ''}; its rules: {rules}"
    )
