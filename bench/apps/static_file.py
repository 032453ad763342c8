"""One file of known content by ``wsgi.file_wrapper``; ``harness/static.py`` wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

FILE = Path(__file__).resolve().parent.parent / "out" / "static" / "10m"
LENGTH = str(FILE.stat().st_size)
BLOCK_BYTES = 65536


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """``/10m`` is the file; nothing else exists."""
    if environ["PATH_INFO"] != "/10m":
        start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return []
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", LENGTH)])
    file = FILE.open("rb")
    # PEP 3333, "Optional Platform-Specific File Handling": the server closes it.
    wrapper = environ.get("wsgi.file_wrapper")
    return wrapper(file, BLOCK_BYTES) if wrapper else _blocks(file)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while block := file.read(BLOCK_BYTES):
            yield block
