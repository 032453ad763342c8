"""The body bytes that the load client expects: every byte tells its own offset."""

from __future__ import annotations

PATTERN_BYTES = 2 << 20

PATTERN = b"".join(b"%07d\n" % offset for offset in range(0, PATTERN_BYTES, 8))
"""Lines of eight bytes, each holding its offset; ``client/src/pattern.rs`` builds the same."""
