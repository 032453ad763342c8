"""What a client would take, as Accept and its relatives say it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import overload

from dragoman.http.negotiation import best_encoding, best_language, best_media_type, media_type_quality, qualities

__all__ = ["Accept", "accept_encodings", "accept_languages", "accept_mimetypes"]


class Accept:
    """One of the fields Accept, Accept-Language and Accept-Encoding, read.

    >>> accept_mimetypes("text/html, application/json;q=0.5").best_match(["application/json", "text/plain"])
    'application/json'
    """

    __slots__ = ("_best", "_quality", "value")

    def __init__(
        self,
        value: str | None,
        best: Callable[[str | None, Sequence[str]], str | None],
        quality: Callable[[str | None, str], float],
    ) -> None:
        self.value = value
        self._best = best
        self._quality = quality

    def best_match(self, offers: Iterable[str], default: str | None = None) -> str | None:
        """The one of `offers` that the client likes best, the first among equals; `default` where it takes none."""
        listed = list(offers)
        found = self._best(self.value, listed)
        # Of encodings "identity" may be found that nobody has offered.
        return found if found in listed else default

    def quality(self, offer: str) -> float:
        """How much the client likes one, from 0.0 to 1.0. Without the field it takes everything."""
        return self._quality(self.value, offer)

    @overload
    def __getitem__(self, wanted: str) -> float: ...
    @overload
    def __getitem__(self, wanted: int) -> tuple[str, float]: ...
    def __getitem__(self, wanted: str | int) -> float | tuple[str, float]:
        """`quality` of an offer; by a number, what is listed there with its quality, the best first."""
        return self.quality(wanted) if isinstance(wanted, str) else list(self)[wanted]

    def __contains__(self, offer: str) -> bool:
        return self._best(self.value, [offer]) == offer

    def values(self) -> list[str]:
        """What is listed, the best first, without what is refused."""
        listed = [(quality, name) for name, quality in qualities(self.value or "") if quality > 0]
        return [name for _, name in sorted(listed, key=lambda one: -one[0])]

    def __iter__(self) -> Iterator[tuple[str, float]]:
        """What is listed with its quality, the best first."""
        return iter(sorted(qualities(self.value or ""), key=lambda one: -one[1]))

    def __len__(self) -> int:
        return len(qualities(self.value or ""))

    @property
    def best(self) -> str | None:
        """What is listed as the best; None where nothing is."""
        return next(iter(self.values()), None)

    @property
    def accept_json(self) -> bool:
        """Whether JSON is taken."""
        return "application/json" in self

    @property
    def accept_html(self) -> bool:
        """Whether HTML is taken."""
        return "text/html" in self

    @property
    def accept_xhtml(self) -> bool:
        """Whether XHTML is taken."""
        return "application/xhtml+xml" in self

    def to_header(self) -> str:
        """The field's value."""
        return self.value or ""

    __str__ = to_header


def accept_mimetypes(value: str | None) -> Accept:
    """The field Accept."""
    return Accept(value, best_media_type, media_type_quality)


def accept_languages(value: str | None) -> Accept:
    """The field Accept-Language."""
    return Accept(value, best_language, listed_quality)


def accept_encodings(value: str | None) -> Accept:
    """The field Accept-Encoding."""
    return Accept(value, best_encoding, listed_quality)


def listed_quality(value: str | None, offer: str) -> float:
    """The quality of the longest that is listed and that a coding or language begins with, else that of ``*``."""
    if value is None:
        return 1.0
    listed = dict(reversed(qualities(value)))
    name = offer.lower()
    while name:
        if name in listed:
            return listed[name]
        name = name.rpartition("-")[0]
    return listed.get("*", 0.0)
