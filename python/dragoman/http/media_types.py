"""Media types and media ranges: ``text/html; charset=utf-8``, ``text/*`` (RFC 9110 §8.3.1, §12.5.1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dragoman.http.fields import is_token, parameters, quote_unless_token

__all__ = ["MediaType", "parse_media_type"]

# RFC 2046 §4.1.2: "The values of the charset parameter are not case sensitive"; of others only their type knows.
CASELESS = frozenset({"charset"})


@dataclass(frozen=True)
class MediaType:
    """A media type, or a media range: ``*`` is a subtype, or both parts, of a range.

    type, subtype   tokens, in lower case
    parameters      by name in lower case, values without their quotes; in the order of writing
    ``str()`` writes it as a field value. Raises ValueError when a part or a name is no token, or a value cannot be
    quoted.
    Source: RFC 9110 §8.3.1.

    >>> str(MediaType("text", "plain", {"charset": "utf-8"}))
    'text/plain; charset=utf-8'
    """

    type: str
    subtype: str
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for part in (self.type, self.subtype, *self.parameters):
            if not is_token(part) or part != part.lower():
                raise ValueError(f"media type {self.type}/{self.subtype}: {part!r}: want a token in lower case")
        for value in self.parameters.values():
            quote_unless_token(value)

    @property
    def essence(self) -> str:
        """Type and subtype without parameters: ``"text/html"``."""
        return f"{self.type}/{self.subtype}"

    @property
    def is_json(self) -> bool:
        """Whether it is JSON: ``application/json``, or a type of its own in that form, ``application/…+json``.

        Source: RFC 8259 §11, RFC 6839 §3.1.
        """
        return self.type == "application" and (self.subtype == "json" or self.subtype.endswith("+json"))

    def __str__(self) -> str:
        given = (f"; {name}={quote_unless_token(value)}" for name, value in self.parameters.items())
        return self.essence + "".join(given)

    def matches(self, media_range: "MediaType | str") -> bool:
        """Whether this type is in `media_range`: ``*/*``, ``text/*``, ``text/html``, ``text/html;level=1``.

        Each parameter of the range must be one of this type, with the same value; ``charset`` in any case.
        Raises ValueError when `media_range` is a str that is none.
        Source: RFC 9110 §12.5.1.

        >>> MediaType("text", "html", {"level": "1"}).matches("text/*")
        True
        >>> MediaType("text", "html").matches("text/html;level=1")
        False
        """
        if isinstance(media_range, str):
            parsed = parse_media_type(media_range)
            if parsed is None:
                raise ValueError(f"{media_range!r}: want a media range such as text/html, text/* or */*")
            media_range = parsed
        return (
            media_range.type in ("*", self.type)
            and media_range.subtype in ("*", self.subtype)
            and all(has_parameter(self, name, value) for name, value in media_range.parameters.items())
        )


def parse_media_type(text: str) -> MediaType | None:
    """The media type, or range, that a Content-Type field says; None when it says none.

    Parameters that are broken are left out, and of two of one name the second: a type is not unknown for their sake.
    ``*/html`` is none. Never raises.
    Source: RFC 9110 §8.3.1.

    >>> parse_media_type('Text/HTML;Charset="utf-8"')
    MediaType(type='text', subtype='html', parameters={'charset': 'utf-8'})
    >>> parse_media_type("html") is None
    True
    """
    essence, _, rest = text.partition(";")
    kind, _, subtype = essence.strip(" \t").lower().partition("/")
    if not is_token(kind) or not is_token(subtype) or (kind == "*" and subtype != "*"):
        return None
    return MediaType(kind, subtype, parameters(rest) if rest else {})


def has_parameter(media_type: MediaType, name: str, value: str) -> bool:
    own = media_type.parameters.get(name)
    return own == value or (name in CASELESS and own is not None and own.lower() == value.lower())
