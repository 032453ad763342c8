"""The body bytes that the load client expects: every byte tells its own offset."""

from __future__ import annotations

PATTERN_BYTES = 2 << 20


def pattern(size_bytes: int) -> bytes:
    """Lines of eight bytes, each holding its offset in hexadecimal; ``client/src/pattern.rs`` builds the same."""
    return b"".join(b"%07x\n" % offset for offset in range(0, size_bytes, 8))


PATTERN = pattern(PATTERN_BYTES)
