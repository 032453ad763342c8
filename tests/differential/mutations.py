"""Makes messages of the corpus into others, by a seed: what is sent depends on it and on the corpus alone."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.support.corpus import cases

LONGEST = 4096
"""Longer cases are about limits, which are settings: each server has its own."""
ACCEPTED_SHARE = 0.75

# What is put in the place of what a case has: written as one string, split at the bars.
BYTES = b'\r|\n|\r\n|\x00| |\t|\x0b|\x0c|\x1f|\x7f|\x80|\xff|:|,|;|"'.split(b"|")
SIZES = (
    b'0x5|+5|-5| 5|5 |5\t|05|5_0|5;|5;a|5;a=b|5;a="\r\n"|5;a\n|5\n|5\r||g|5,5|00000000000000005|'
    b"10000000000000005|ffffffffffffffff|5 ;a|5; a|A|a"
).split(b"|")
LENGTHS = b"5|05|+5|-5|5 |\t5|5,5|5, 5|0x5|5.0||5 5|1e1|\x0b5|18446744073709551621|\xb25|5_0".split(b"|")
CODINGS = (
    b"chunked|Chunked|chunked |\tchunked|chunked,|, chunked|chunked, chunked|identity|chunked, identity|"
    b'identity, chunked|gzip, chunked|chunked;q=1|"chunked"|xchunked|chunked\x0b|\x0bchunked||chunke|'
    b"chunked\x00"
).split(b"|")
HOSTS = b"a||a:80|a:|a:x|a, b|a b|a@b|a/b|[::1]|[::1|a:65536|a\tb|%61|a_b|a..b|127.0.0.1:8000|\xff".split(b"|")
TARGETS = (
    b"/|http://a/|HTTP://a/x|http://b/|http://a|http:///x|http://u@a/|ftp://a/|*|a|//a/b|/%zz|/%00|/a#b|"
    b'/\xff|/?a=b c|/../..|/./a|?a|/a?%zz|http://a:x/|http://[::1]/|/a\\b|/"|/{}|/%2f'
).split(b"|")
FIELDS = (
    b"Content-Length: 5|Content-Length: 0|Transfer-Encoding: chunked|transfer-encoding:chunked|"
    b"Transfer_Encoding: chunked|Content_Length: 7|Content-Length : 5|Transfer-Encoding : chunked|"
    b" Transfer-Encoding: chunked|X: a\r\n b|Host: b|Connection: close|Connection: keep-alive|"
    b"Connection: Transfer-Encoding|Expect: 100-continue|TE: trailers|Upgrade: h2c|X:|:|: x|X|Trailer: X|"
    b"Content-Length:5|\x00: x"
).split(b"|")
METHODS = b"GET|POST|get|OPTIONS|HEAD|CONNECT|G@T|PRI|A|M-SEARCH|DELETE|TRACE|P\xd6ST|!#$%&".split(b"|")
VERSIONS = (
    b"HTTP/1.1|HTTP/1.0|HTTP/1.2|HTTP/2.0|HTTP/0.9|HTTP/1.1 | HTTP/1.1|http/1.1|HTTP/1.10|HTTP/01.1|HTTP/1,1|"
).split(b"|")


@dataclass(frozen=True)
class Message:
    """Bytes to send, and how they came about."""

    data: bytes
    origin: str


def corpus() -> list[Message]:
    """Every case that is no longer than `LONGEST`."""
    found = [(kind, case) for kind in ("accept", "reject") for case in cases(kind)]
    return [Message(case.message, f"{kind}/{case.name}") for kind, case in found if len(case.message) <= LONGEST]


def mutations(seed: int, count: int) -> Iterator[Message]:
    """So many messages, each of one to three changes to a case."""
    rng = random.Random(seed)
    bases = corpus()
    accepted = [base for base in bases if base.origin.startswith("accept/")]
    for number in range(count):
        # Only what is accepted can differ: most messages come of what was.
        base = rng.choice(accepted if rng.random() < ACCEPTED_SHARE else bases)
        data, names = base.data, []
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
            change = rng.choice(CHANGES)
            data = change(rng, data)
            names.append(change.__name__)
        yield Message(data, f"{seed}:{number} {base.origin} {' '.join(names)}")


def flip_byte(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) or 1)
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def flip_bit(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) or 1)
    return data[:at] + bytes(byte ^ (1 << rng.randrange(8)) for byte in data[at : at + 1]) + data[at + 1 :]


def insert_byte(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(BYTES) + data[at:]


def drop_byte(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) or 1)
    return data[:at] + data[at + 1 :]


def change_line_end(rng: random.Random, data: bytes) -> bytes:
    return replace_one(rng, data, rb"\r\n", rng.choice([b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"\r\n\r\n", b" \r\n"]))


def double_a_line(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    at = rng.randrange(len(lines))
    return b"\r\n".join(lines[: at + 1] + lines[at:])


def drop_a_line(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    at = rng.randrange(len(lines))
    return b"\r\n".join(lines[:at] + lines[at + 1 :])


def fold_a_field(rng: random.Random, data: bytes) -> bytes:
    return replace_one(rng, data, rb": ", rng.choice([b":\r\n ", b":\n ", b":\r\n\t", b": a\r\n "]))


def add_a_field(rng: random.Random, data: bytes) -> bytes:
    return replace_one(rng, data, rb"\r\n(?=.*\r\n\r\n)", b"\r\n" + rng.choice(FIELDS) + b"\r\n")


def change_length(rng: random.Random, data: bytes) -> bytes:
    return replace_one(rng, data, rb"(?i)(?<=content-length: )[^\r\n]*", rng.choice(LENGTHS))


def change_coding(rng: random.Random, data: bytes) -> bytes:
    return replace_one(rng, data, rb"(?i)(?<=transfer-encoding: )[^\r\n]*", rng.choice(CODINGS))


def change_chunk_size(rng: random.Random, data: bytes) -> bytes:
    return replace_one(rng, data, rb"(?<=\r\n)[0-9A-Fa-f]+(?=\r\n|;)", rng.choice(SIZES))


def change_host(rng: random.Random, data: bytes) -> bytes:
    return replace_one(rng, data, rb"(?i)(?<=host: )[^\r\n]*", rng.choice(HOSTS))


def change_target(rng: random.Random, data: bytes) -> bytes:
    return replace_one(rng, data, rb"(?<= )[^ \r\n]+(?= HTTP/)", rng.choice(TARGETS))


def change_method(rng: random.Random, data: bytes) -> bytes:
    return replace_one(rng, data, rb"\A[^ \r\n]+", rng.choice(METHODS))


def change_version(rng: random.Random, data: bytes) -> bytes:
    return replace_one(rng, data, rb"HTTP/[0-9.]+(?=\r\n)", rng.choice(VERSIONS))


def change_case(rng: random.Random, data: bytes) -> bytes:
    head, end, rest = data.partition(b"\r\n\r\n")
    return (head.upper() if rng.random() < 0.5 else head.lower()) + end + rest


def put_another_behind(rng: random.Random, data: bytes) -> bytes:
    return data + rng.choice(corpus_bytes())


def cut_the_end(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def replace_one(rng: random.Random, data: bytes, pattern: bytes, by: bytes) -> bytes:
    """One of the matches becomes `by`; without a match nothing changes."""
    matches = list(re.finditer(pattern, data, re.DOTALL))
    if not matches:
        return data
    match = rng.choice(matches)
    return data[: match.start()] + by + data[match.end() :]


_CORPUS: list[bytes] = []


def corpus_bytes() -> list[bytes]:
    if not _CORPUS:
        _CORPUS.extend(message.data for message in corpus())
    return _CORPUS


CHANGES: list[Callable[[random.Random, bytes], bytes]] = [
    flip_byte,
    flip_bit,
    insert_byte,
    insert_byte,
    drop_byte,
    change_line_end,
    double_a_line,
    drop_a_line,
    fold_a_field,
    add_a_field,
    add_a_field,
    change_length,
    change_coding,
    change_chunk_size,
    change_chunk_size,
    change_host,
    change_target,
    change_method,
    change_version,
    change_case,
    put_another_behind,
    cut_the_end,
]
"""What can be done to a message; twice is twice as often."""
