"""Reads the cases of `tests/corpus/http1`, whose format is described in `tests/corpus/README.md`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "corpus" / "http1"
REFUSALS = Path(__file__).resolve().parents[2] / "docs" / "refusals.md"

_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|([rnt0s\\]))")
_REPEAT = re.compile(rb"\\\{(\d+)\*([^}]*)\}")
_SHORT = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"s": b" ", b"\\": b"\\"}


@dataclass(frozen=True)
class Case:
    """One message with the expectations that its file states, their bytes as latin-1."""

    name: str
    message: bytes
    expected: dict[str, str]


def cases(kind: str) -> list[Case]:
    """All cases of `accept` or `reject`, by name."""
    return [_case(path) for path in sorted((ROOT / kind).glob("*.txt"))]


def refusal_statuses() -> dict[str, int]:
    """Status of each refusal code, from the generated table."""
    rows = re.findall(r"^\| (\d{3}) \| `([^`]+)` \|", REFUSALS.read_text(), re.MULTILINE)
    return {code: int(status) for status, code in rows}


def _case(path: Path) -> Case:
    _, rest = path.read_bytes().split(b"--- bytes\n", 1)
    escaped, expect = rest.split(b"--- expect\n", 1)
    lines = [line.split(b": ", 1) for line in expect.splitlines() if b": " in line]
    expected = {key.decode(): _unescape(value).decode("latin-1") for key, value in lines}
    return Case(path.stem, _unescape(escaped.replace(b"\n", b"")), expected)


def _unescape(text: bytes) -> bytes:
    parts = []
    position = 0
    for match in _REPEAT.finditer(text):
        parts.append(_plain(text[position : match.start()]))
        parts.append(_plain(match[2]) * int(match[1]))
        position = match.end()
    parts.append(_plain(text[position:]))
    return b"".join(parts)


def _plain(text: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]) if match[1] else _SHORT[match[2]], text)
