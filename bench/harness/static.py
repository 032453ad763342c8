"""The static file that the servers send: written once, each byte telling its own offset."""

from __future__ import annotations

from harness.paths import STATIC

FILE = STATIC / "10m"
FILE_BYTES = 10 << 20


def prepare() -> None:
    """Write the file unless it is there in full."""
    if FILE.exists() and FILE.stat().st_size == FILE_BYTES:
        return
    STATIC.mkdir(parents=True, exist_ok=True)
    partial = FILE.with_suffix(".partial")
    # The same lines as apps/pattern.py and client/src/pattern.rs.
    partial.write_bytes(b"".join(b"%07x\n" % offset for offset in range(0, FILE_BYTES, 8)))
    partial.replace(FILE)
