"""Byte ranges: what is asked for, what is joined, refused or ignored, and how several are sent."""

import email
import email.policy
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.http.ranges import ByteRange, Multipart, content_range, parse_ranges, unsatisfied

HUGE = "9" * 5000
SPECS = st.one_of(
    st.tuples(st.integers(0, 3000), st.integers(0, 3000)).map(lambda one: f"{min(one)}-{max(one)}"),
    st.integers(0, 3000).map(lambda first: f"{first}-"),
    st.integers(0, 3000).map(lambda count: f"-{count}"),
)


@pytest.mark.parametrize("size_bytes", [1, 2, 1000])
def test_the_first_byte_alone_is_a_range_of_one(size_bytes: int) -> None:
    # Elsewhere this has been answered with 416, by a last position that was taken to be exclusive.
    assert parse_ranges("bytes=0-0", size_bytes) == [ByteRange(0, 1)]


@pytest.mark.parametrize(
    ("value", "ranges"),
    [
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-999", [(500, 500)]),
        ("bytes=999-999", [(999, 1)]),
        ("bytes=0-", [(0, 1000)]),
        ("bytes=0-5000", [(0, 1000)]),
        ("bytes=-1", [(999, 1)]),
        ("bytes=-5000", [(0, 1000)]),
        ("BYTES=0-0", [(0, 1)]),
        ("bytes= 0-0 ,\t, 900-", [(0, 1), (900, 100)]),
        ("bytes=0000-0000", [(0, 1)]),
        (f"bytes=0-{HUGE}", [(0, 1000)]),
        (f"bytes=-{HUGE}", [(0, 1000)]),
        (f"bytes={'0' * 5000}1-2", [(1, 2)]),
        ("bytes=0-0,2000-", [(0, 1)]),
        ("bytes=-0,0-0", [(0, 1)]),
    ],
)
def test_ranges_are_read(value: str, ranges: list[tuple[int, int]]) -> None:
    assert parse_ranges(value, 1000) == [ByteRange(*one) for one in ranges]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=1-0",
        "bytes=0-0,1-0",
        f"bytes={HUGE}-1",
        f"bytes={HUGE}1-{HUGE}",
        "bytes=0-0,x",
        "bytes=0 - 0",
        "bytes=+0-0",
        "bytes=0-0-0",
        "bytes=\u0661-",
        "bytes=0-0\n",
        "bytes 0-0",
        "lines=0-0",
        "bytes=0x0-1",
        "bytes=1_0-",
    ],
)
def test_a_field_that_cannot_be_read_is_ignored(value: str) -> None:
    assert parse_ranges(value, 1000) is None


@pytest.mark.parametrize(
    ("value", "size_bytes"),
    [
        ("bytes=1000-", 1000),
        ("bytes=1000-2000", 1000),
        ("bytes=2000-,3000-", 1000),
        ("bytes=-0", 1000),
        ("bytes=-0", 0),
        ("bytes=0-", 0),
        ("bytes=0-0", 0),
        (f"bytes={HUGE}-", 1000),
        (f"bytes={HUGE}-{HUGE}", 1000),
    ],
)
def test_what_lies_behind_the_end_is_not_satisfiable(value: str, size_bytes: int) -> None:
    assert parse_ranges(value, size_bytes) == []


def test_the_end_of_nothing_is_the_empty_whole() -> None:
    assert parse_ranges("bytes=-1", 0) is None


@pytest.mark.parametrize(
    ("value", "ranges"),
    [
        ("bytes=0-99,50-149", [(0, 150)]),
        ("bytes=50-149,0-99", [(0, 150)]),
        ("bytes=0-99,100-199", [(0, 200)]),
        ("bytes=0-99,179-199", [(0, 200)]),
        ("bytes=0-99,180-199", [(0, 100), (180, 20)]),
        ("bytes=0-999,10-20,-1", [(0, 1000)]),
        ("bytes=900-,0-0", [(900, 100), (0, 1)]),
        ("bytes=900-,400-499,0-0,450-500", [(900, 100), (400, 101), (0, 1)]),
        ("bytes=400-499,900-,300-399", [(300, 200), (900, 100)]),
    ],
)
def test_ranges_that_overlap_or_nearly_touch_are_joined_and_the_order_stays(
    value: str, ranges: list[tuple[int, int]]
) -> None:
    assert parse_ranges(value, 1000) == [ByteRange(*one) for one in ranges]


def test_more_than_a_hundred_ranges_are_ignored() -> None:
    # CVE-2011-3192: a field of a thousand overlapping ranges made a server hold as many copies.
    spread = [f"{1000 * index}-{1000 * index}" for index in range(101)]
    assert len(parse_ranges("bytes=" + ",".join(spread[:100]), 1 << 20) or []) == 100
    assert parse_ranges("bytes=" + ",".join(spread), 1 << 20) is None
    assert parse_ranges("bytes=" + "0-," * 1300, 1 << 20) is None


def test_content_range_is_of_a_range_within() -> None:
    assert content_range(ByteRange(0, 1), 1) == "bytes 0-0/1"
    assert unsatisfied(0) == "bytes */0"
    for wrong in (ByteRange(0, 0), ByteRange(-1, 1), ByteRange(0, 2), ByteRange(1, 1)):
        with pytest.raises(ValueError, match="want a range"):
            content_range(wrong, 1)


@given(st.lists(SPECS, min_size=1, max_size=12), st.integers(0, 2000))
def test_what_is_asked_for_is_sent_once(specs: list[str], size_bytes: int) -> None:
    ranges = parse_ranges("bytes=" + ",".join(specs), size_bytes)
    if ranges is None:
        assert size_bytes == 0
        return
    wanted = set()
    for spec in specs:
        first, _, last = spec.partition("-")
        start = int(first) if first else max(size_bytes - int(last), 0)
        end = int(last) + 1 if first and last else size_bytes
        wanted |= set(range(start, min(end, size_bytes)))
    sent = [byte for one in ranges for byte in range(one.start, one.start + one.count)]
    assert len(sent) == len(set(sent)) <= size_bytes
    assert wanted <= set(sent)
    for one, other in pairwise(sorted(ranges)):
        assert other.start - (one.last + 1) >= 80
    # What was not asked for lies in small gaps between what was.
    for one in ranges:
        assert {one.start, one.last} <= wanted


@given(st.text(), st.integers(0, 2000))
def test_any_text_asks_for_ranges_within_or_nothing(text: str, size_bytes: int) -> None:
    for value in (text, f"bytes={text}"):
        for one in parse_ranges(value, size_bytes) or []:
            assert content_range(one, size_bytes)


@given(
    st.binary(min_size=400, max_size=600),
    st.lists(st.tuples(st.integers(0, 399), st.integers(1, 50)), min_size=1, max_size=5),
    st.sampled_from(["", "text/plain", "application/octet-stream"]),
)
def test_a_body_of_several_ranges_is_read_by_a_mail_parser(
    content: bytes, ranges: list[tuple[int, int]], content_type: str
) -> None:
    inside = [ByteRange(start, min(count, len(content) - start)) for start, count in ranges]
    multipart = Multipart(inside, len(content), content_type, "0f4e7a.b-c_d'+")
    body = b"".join(piece.head + content[piece.start : piece.start + piece.count] for piece in multipart.pieces())
    assert len(body) == multipart.length_bytes
    delimiter = b"--" + multipart.boundary.encode()
    parts = (b"\r\n" + body).split(b"\r\n" + delimiter)
    assert parts[0] == b"" and parts[-1] == b"--\r\n"
    for part, one in zip(parts[1:-1], inside, strict=True):
        head, _, payload = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        fields = email.message_from_bytes(head + b"\r\n\r\n", policy=email.policy.HTTP)
        assert payload == content[one.start : one.last + 1]
        assert fields["Content-Range"] == content_range(one, len(content))
        assert fields.get("Content-Type", "") == content_type
    whole = email.message_from_bytes(f"Content-Type: {multipart.media_type}\r\n\r\n".encode() + body)
    assert len(whole.get_payload()) == len(inside)


@pytest.mark.parametrize("boundary", ["", "a b", "a\r\n", 'a"', "a" * 71, "é", "a/b", "a\n"])
def test_a_boundary_that_would_need_care_is_an_error(boundary: str) -> None:
    with pytest.raises(ValueError, match="boundary"):
        Multipart([ByteRange(0, 1)], 1, "text/plain", boundary)


def test_a_body_of_what_is_not_there_is_an_error() -> None:
    for ranges, content_type in (([], "a/b"), ([ByteRange(0, 2)], "a/b"), ([ByteRange(0, 1)], "a/b\r\nX: y")):
        with pytest.raises(ValueError, match="want"):
            Multipart(ranges, 1, content_type, "a")
