"""Entity tags, and what a conditional request gets: the whole answer, 304 or 412 (RFC 9110 §8.8, §13)."""

import math
import re
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from dragoman.http.dates import parse_http_date

__all__ = ["ETag", "Outcome", "evaluate", "if_range_holds", "parse_etag", "parse_etags"]

# RFC 9110 §8.8.3: entity-tag = [ %s"W/" ] DQUOTE *etagc DQUOTE; a backslash is a character like others.
OPAQUE = re.compile(r"[\x21\x23-\x7e\x80-\xff]*")
ENTITY_TAG = re.compile(rf'(W/)?"({OPAQUE.pattern})"')
PIECES = re.compile(r',|"[^"]*(?:"|\Z)|[^,"]+')
OWS = " \t"
MOST_TAGS = 100

# RFC 9110 §13.2.1: for methods that neither select nor modify a representation preconditions mean nothing.
UNCONDITIONAL_METHODS = frozenset({"CONNECT", "OPTIONS", "TRACE"})
READING_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class ETag:
    """An entity tag; ``str()`` writes it as a field value.

    tag       what stands between the quotes: visible characters but ``"``, up to U+00FF; may be empty
    is_weak   whether it only says that representations are as good as one another, not the same bytes
    Raises ValueError for another character in `tag`.
    Source: RFC 9110 §8.8.3.

    >>> str(ETag("a")), str(ETag("a", is_weak=True))
    ('"a"', 'W/"a"')
    """

    tag: str
    is_weak: bool = False

    def __post_init__(self) -> None:
        if OPAQUE.fullmatch(self.tag) is None:
            raise ValueError(
                f"entity tag {self.tag!r}: want visible characters without quotes and blanks, up to U+00FF"
            )

    def __str__(self) -> str:
        return f'{"W/" if self.is_weak else ""}"{self.tag}"'

    def is_strongly(self, other: "ETag") -> bool:
        """Whether both stand for the same bytes: neither is weak, and the tags are equal.

        Source: RFC 9110 §8.8.3.2.

        >>> ETag("a").is_strongly(ETag("a")), ETag("a", is_weak=True).is_strongly(ETag("a", is_weak=True))
        (True, False)
        """
        return self.tag == other.tag and not self.is_weak and not other.is_weak

    def is_weakly(self, other: "ETag") -> bool:
        """Whether one will do for the other: the tags are equal, weak or not.

        Source: RFC 9110 §8.8.3.2.

        >>> ETag("a", is_weak=True).is_weakly(ETag("a"))
        True
        """
        return self.tag == other.tag


class Outcome(Enum):
    """What preconditions make of a request; the value is the status to answer with, 0 for that of the method.

    Source: RFC 9110 §13.2.2.

    >>> Outcome.NOT_MODIFIED.value
    304
    """

    PROCEED = 0
    NOT_MODIFIED = 304
    PRECONDITION_FAILED = 412


def parse_etag(text: str) -> ETag | None:
    """The entity tag that an ETag field says; None when it says none.

    Never raises. ``w/"a"`` and ``a`` without quotes are none.
    Source: RFC 9110 §8.8.3.

    >>> parse_etag('W/"a"')
    ETag(tag='a', is_weak=True)
    >>> parse_etag("a") is None
    True
    """
    match = ENTITY_TAG.fullmatch(text.strip(OWS))
    return ETag(match[2], match[1] is not None) if match else None


def parse_etags(value: str) -> list[ETag] | Literal["*"]:
    """The entity tags of If-Match or If-None-Match, or ``"*"``.

    What is none is left out, and what comes after the first 100: fewer tags match less, and less that matches means
    412 for If-Match and a whole answer for If-None-Match, which nobody is hurt by.
    Never raises.
    Source: RFC 9110 §13.1.1, §13.1.2.

    >>> parse_etags('"a,b", W/"c", d')
    [ETag(tag='a,b', is_weak=False), ETag(tag='c', is_weak=True)]
    >>> parse_etags("*")
    '*'
    """
    if value.strip(OWS) == "*":
        return "*"
    found: list[ETag] = []
    member = ""
    for piece in (*PIECES.findall(value), ","):
        if piece != ",":
            member += piece
            continue
        tag = parse_etag(member)
        if tag is not None:
            found.append(tag)
            if len(found) == MOST_TAGS:
                break
        member = ""
    return found


def evaluate(
    method: str,
    *,
    if_match: str | None = None,
    if_none_match: str | None = None,
    if_modified_since: str | None = None,
    if_unmodified_since: str | None = None,
    etag: ETag | None = None,
    last_modified: float | None = None,
    exists: bool = True,
    now: float | None = None,
) -> Outcome:
    """What the preconditions of a request make of it.

    method          of the request, in its case
    if_...          the field values; None for a field that is missing
    etag            of the representation as it is now; None when it has none
    last_modified   seconds since 1970, of the representation as it is now; fractions are cut off, as in the field;
                    None when it is not known
    exists          whether there is a representation now: False for a PUT that makes one
    now             seconds since 1970, for dates with years of two digits
    Ask only when the answer without preconditions would be a 2xx. Send ETag, Last-Modified, Cache-Control, Vary,
    Date, Expires and Content-Location with 304 if they would have been sent with 200.
    Never raises. A date that is none is a field that is missing; of tags see `parse_etags`.
    Source: RFC 9110 §13.2.2, step by step.

    >>> evaluate("GET", if_none_match='W/"a"', etag=ETag("a"))
    <Outcome.NOT_MODIFIED: 304>
    >>> evaluate("PUT", if_none_match="*")
    <Outcome.PRECONDITION_FAILED: 412>
    """
    if method in UNCONDITIONAL_METHODS:
        return Outcome.PROCEED
    is_reading = method in READING_METHODS
    modified_s = None if last_modified is None else math.floor(last_modified)
    unmodified_since = parsed_date(if_unmodified_since, now)
    modified_since = parsed_date(if_modified_since, now)
    # (the field counts, its condition is true, what it means when the condition is false)
    steps: tuple[tuple[bool, bool, Outcome], ...] = (
        (
            if_match is not None,
            matches_any(if_match, etag, exists, is_strong=True),
            Outcome.PRECONDITION_FAILED,
        ),
        (
            if_match is None and unmodified_since is not None and modified_s is not None,
            not is_later(modified_s, unmodified_since),
            Outcome.PRECONDITION_FAILED,
        ),
        (
            if_none_match is not None,
            not matches_any(if_none_match, etag, exists, is_strong=False),
            Outcome.NOT_MODIFIED if is_reading else Outcome.PRECONDITION_FAILED,
        ),
        (
            is_reading and if_none_match is None and modified_since is not None and modified_s is not None,
            is_later(modified_s, modified_since),
            Outcome.NOT_MODIFIED,
        ),
    )
    return next((otherwise for counts, is_true, otherwise in steps if counts and not is_true), Outcome.PROCEED)


def if_range_holds(
    if_range: str | None, etag: ETag | None, last_modified: float | None, date: float | None = None
) -> bool:
    """Whether the Range field of a GET counts, as If-Range has it: False = send the whole representation.

    if_range        field value; None when the field is missing: then it holds
    etag            of the representation as it is now; a weak one never holds
    last_modified   seconds since 1970, of the representation as it is now; the date must be this very second
    date            seconds since 1970 of this answer; when given, a representation that changed within the second
                    before it does not hold: it may change once more within that second, and its date stay the same
    Never raises.
    Source: RFC 9110 §13.1.5, §8.8.2.2.

    >>> if_range_holds('"a"', ETag("a"), None), if_range_holds('W/"a"', ETag("a", is_weak=True), None)
    (True, False)
    >>> if_range_holds("Sun, 06 Nov 1994 08:49:37 GMT", None, 784111777.5)
    True
    """
    if if_range is None:
        return True
    tag = parse_etag(if_range)
    if tag is not None:
        return etag is not None and tag.is_strongly(etag)
    seconds = parsed_date(if_range, date)
    if seconds is None or last_modified is None:
        return False
    modified_s = math.floor(last_modified)
    return seconds == modified_s and (date is None or modified_s + 1 <= date)


def matches_any(value: str | None, etag: ETag | None, exists: bool, *, is_strong: bool) -> bool:
    if value is None or not exists:
        return False
    tags = parse_etags(value)
    if tags == "*":
        return True
    if etag is None:
        return False
    return any(tag.is_strongly(etag) if is_strong else tag.is_weakly(etag) for tag in tags)


def is_later(modified_s: int | None, date_s: int | None) -> bool:
    return modified_s is not None and date_s is not None and modified_s > date_s


def parsed_date(value: str | None, now: float | None) -> int | None:
    return None if value is None else parse_http_date(value.strip(OWS), now)
