"""Byte ranges: which a client asks for, and how one or several are answered (RFC 9110 §14)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dragoman.http.fields import is_field_value

__all__ = ["ByteRange", "Multipart", "Piece", "content_range", "parse_ranges", "unsatisfied"]

# RFC 9110 §14.1.2: int-range = first-pos "-" [ last-pos ], suffix-range = "-" suffix-length; digits of ASCII.
SPEC = re.compile(r"([0-9]*)-([0-9]*)")
OWS = " \t"
# RFC 9110 §14.2, §17.15: a field that asks for more is one of many small ranges, and is ignored.
MOST_RANGES = 100
# RFC 9110 §15.3.7.2: ranges with a gap smaller than what a part costs are better sent as one.
PART_COSTS_BYTES = 80
# More digits than any length has; int() takes time with the square of their number, and refuses more than 4,300.
MOST_DIGITS = 19
# RFC 2046 §5.1.1: boundary := 0*69<bchars> bcharsnospace, here those that need no quotes in a parameter.
BOUNDARY = re.compile(r"[0-9A-Za-z'+_.-]{1,70}")


class ByteRange(NamedTuple):
    """Bytes of a representation: `count` of them from `start` on; start >= 0, count >= 1.

    Source: RFC 9110 §14.1.2, where the last position is inclusive.

    >>> ByteRange(start=0, count=1).last
    0
    """

    start: int
    count: int  # type: ignore[assignment]  # nobody counts the items of such a tuple

    @property
    def last(self) -> int:
        """The position of the last byte."""
        return self.start + self.count - 1


class Piece(NamedTuple):
    """What is sent next: `head`, then `count` bytes of the representation from `start` on; count >= 0.

    Source: RFC 9110 §14.6.

    >>> Piece(b"--a--", start=0, count=0).count
    0
    """

    head: bytes
    start: int
    count: int  # type: ignore[assignment]  # nobody counts the items of such a tuple


def parse_ranges(value: str, size_bytes: int) -> list[ByteRange] | None:
    """The ranges that a Range field asks for, as they should be sent.

    value        field value, e.g. ``"bytes=0-99,-1"``
    size_bytes   length of the representation, >= 0
    Returns a list with at least one range to answer with 206; an empty list = nothing in it can be satisfied, answer
    416 with ``Content-Range: unsatisfied(size_bytes)``; None = ignore the field, answer 200 with everything.
    It is ignored when its unit is not bytes, when anything in it cannot be read, a last position before the first
    among it, and when it lists more than 100 ranges. Ranges that overlap, touch, or leave a gap of less than 80 bytes
    are joined, so that together they are never longer than the representation; the others keep their order.
    Honour it for GET alone, and only when `conditionals.if_range_holds`.
    Never raises for any `value`.
    Source: RFC 9110 §14.1.1, §14.1.2, §14.2, §15.3.7.2, §17.15.

    >>> parse_ranges("bytes=0-0", 1000), parse_ranges("bytes=-500,0-0", 1000)
    ([ByteRange(start=0, count=1)], [ByteRange(start=500, count=500), ByteRange(start=0, count=1)])
    >>> parse_ranges("bytes=1000-", 1000), parse_ranges("lines=1-2", 1000)
    ([], None)
    """
    unit, sign, listed = value.partition("=")
    specs = [spec for one in listed.split(",", 3 * MOST_RANGES) if (spec := one.strip(OWS))]
    # RFC 9110 §14.1: range-unit names are case-insensitive.
    if unit.strip(OWS).lower() != "bytes" or not sign or not 1 <= len(specs) <= MOST_RANGES:
        return None
    found = []
    for spec in specs:
        match = SPEC.fullmatch(spec)
        if match is None or spec == "-":
            return None
        first, last = match.groups()
        if not first:
            count = min(position(last), size_bytes)
            # A suffix of nothing is satisfied by nothing, which no Content-Range can say: 200 with the empty whole.
            if size_bytes == 0 and position(last) > 0:
                return None
            start, end = size_bytes - count, size_bytes
        else:
            start = position(first)
            end = min(position(last) + 1, size_bytes) if last else size_bytes
            if last and is_less(last, first):
                return None
        if start < end:
            found.append(ByteRange(start, end - start))
    return joined(found)


def content_range(byte_range: ByteRange, size_bytes: int) -> str:
    """The Content-Range field of a 206 with one range.

    size_bytes   length of the whole representation
    Raises ValueError for a range that is empty or not within it.
    Source: RFC 9110 §14.4.

    >>> content_range(ByteRange(0, 1), 1000)
    'bytes 0-0/1000'
    """
    if not (byte_range.start >= 0 and byte_range.count >= 1 and byte_range.last < size_bytes):
        raise ValueError(f"{byte_range}: want a range of 1 byte or more within 0 to {size_bytes - 1}")
    return f"bytes {byte_range.start}-{byte_range.last}/{size_bytes}"


def unsatisfied(size_bytes: int) -> str:
    """The Content-Range field of a 416.

    Source: RFC 9110 §14.4, §15.5.17.

    >>> unsatisfied(1000)
    'bytes */1000'
    """
    return f"bytes */{size_bytes}"


@dataclass(frozen=True)
class Multipart:
    r"""The body of a 206 with several ranges, as pieces that a caller sends without it all being in memory.

    ranges         two or more, each within the representation; they are sent in this order
    size_bytes     length of the whole representation
    content_type   of the representation; empty for none
    boundary       1 to 70 letters, digits and ``'+_.-``, which the representation does not hold: draw it at random
    The answer has `media_type` as its Content-Type and no Content-Range of its own.
    Raises ValueError for a range outside of the representation, another boundary, or a type that is no field value.
    Source: RFC 9110 §14.6, §15.3.7.2; RFC 2046 §5.1.

    >>> body = Multipart([ByteRange(0, 1), ByteRange(998, 2)], 1000, "text/plain", "3d6b")
    >>> body.media_type, body.length_bytes
    ('multipart/byteranges; boundary=3d6b', 155)
    >>> list(body.pieces())[-1]
    Piece(head=b'\r\n--3d6b--\r\n', start=0, count=0)
    """

    ranges: Sequence[ByteRange]
    size_bytes: int
    content_type: str
    boundary: str

    def __post_init__(self) -> None:
        if BOUNDARY.fullmatch(self.boundary) is None:
            raise ValueError(f"boundary {self.boundary!r}: want 1 to 70 letters, digits and '+_.-")
        if not is_field_value(self.content_type):
            raise ValueError(f"content type {self.content_type!r}: want a field value such as text/plain")
        if not self.ranges:
            raise ValueError("want at least one range")
        for one in self.ranges:
            content_range(one, self.size_bytes)

    @property
    def media_type(self) -> str:
        """The Content-Type of the answer."""
        return f"multipart/byteranges; boundary={self.boundary}"

    @property
    def length_bytes(self) -> int:
        """The Content-Length of the answer."""
        return sum(len(piece.head) + piece.count for piece in self.pieces())

    def pieces(self) -> Iterator[Piece]:
        """The body from its first byte to its last; the last piece has a head alone."""
        # RFC 2046 §5.1.1: the line end before a boundary belongs to it.
        delimiter = f"--{self.boundary}\r\n"
        kind = f"Content-Type: {self.content_type}\r\n" if self.content_type else ""
        for one in self.ranges:
            head = f"{delimiter}{kind}Content-Range: {content_range(one, self.size_bytes)}\r\n\r\n"
            yield Piece(head.encode("latin-1"), one.start, one.count)
            delimiter = f"\r\n--{self.boundary}\r\n"
        yield Piece(f"\r\n--{self.boundary}--\r\n".encode("latin-1"), 0, 0)


def position(digits: str) -> int:
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= MOST_DIGITS else 10**MOST_DIGITS


def is_less(one: str, other: str) -> bool:
    """Whether the number `one` is less than `other`, however many digits they have."""
    first, second = one.lstrip("0"), other.lstrip("0")
    return (len(first), first) < (len(second), second)


def joined(ranges: Sequence[ByteRange]) -> list[ByteRange]:
    """The ranges without overlaps and small gaps; one made of several stands where the first of them stood."""
    groups: list[tuple[int, int, int]] = []
    for start, count, index in sorted((one.start, one.count, index) for index, one in enumerate(ranges)):
        end = start + count
        if groups and start < groups[-1][2] + PART_COSTS_BYTES:
            first_index, first_start, last_end = groups[-1]
            groups[-1] = (min(first_index, index), first_start, max(last_end, end))
        else:
            groups.append((index, start, end))
    return [ByteRange(start, end - start) for _, start, end in sorted(groups)]
