"""`Static` under servers."""

from __future__ import annotations

import gzip
import os
import tempfile
from pathlib import Path

from dragoman.middleware import Static
from tests.middleware.part import Part, Probe
from tests.support.wire import Response

LARGE = bytes(range(256)) * 8192
PAGE = b"<p>packed</p>" * 100


def directory() -> Path:
    """The files, made for each process: servers ask for the part once."""
    root = Path(tempfile.mkdtemp(prefix="dragoman-static-"))
    for name, content in {
        "large.bin": LARGE,
        "page.html": PAGE,
        "page.html.gz": gzip.compress(PAGE),
        "empty": b"",
    }.items():
        (root / name).write_bytes(content)
        os.utime(root / name, (1_700_000_000, 1_700_000_000))
    return root


def is_large(response: Response) -> None:
    assert (response.status, response.body) == (200, LARGE)
    assert response.value("Content-Type") == "application/octet-stream"


def has_no_body(response: Response) -> None:
    assert (response.status, response.body, response.value("Content-Length")) == (200, b"", str(len(LARGE)))


def is_one_byte(response: Response) -> None:
    assert (response.status, response.body, response.value("Content-Range")) == (206, b"\0", f"bytes 0-0/{len(LARGE)}")


def is_in_the_middle(response: Response) -> None:
    assert (response.status, response.body) == (206, LARGE[70_000:1_500_000])


def is_the_end(response: Response) -> None:
    assert (response.status, response.body) == (206, LARGE[-3:])


def is_two_parts(response: Response) -> None:
    assert response.status == 206 and (response.value("Content-Type") or "").startswith("multipart/byteranges")
    assert LARGE[:10] in response.body and LARGE[200_000:300_000] in response.body


def is_beyond(response: Response) -> None:
    assert (response.status, response.value("Content-Range")) == (416, f"bytes */{len(LARGE)}")


def is_packed(response: Response) -> None:
    assert (response.value("Content-Encoding"), gzip.decompress(response.body)) == ("gzip", PAGE)


def is_not_packed(response: Response) -> None:
    assert (response.value("Content-Encoding"), response.body) == (None, PAGE)


def is_empty(response: Response) -> None:
    assert (response.status, response.body, response.value("Content-Length")) == (200, b"", "0")


def is_known(response: Response) -> None:
    assert (response.status, response.body) == (304, b"")


def is_refused(response: Response) -> None:
    assert (response.status, response.value("Allow")) == (405, "GET, HEAD")


def is_of_the_application(response: Response) -> None:
    assert response.body == b"Hello, you"


PARTS = [
    Part(
        "static",
        lambda: Static(directory()),
        (
            Probe("/hello", is_of_the_application),
            Probe("/static/large.bin", is_large),
            Probe("/static/large.bin", has_no_body, method="HEAD"),
            Probe("/static/large.bin", is_one_byte, fields={"Range": "bytes=0-0"}),
            Probe("/static/large.bin", is_in_the_middle, fields={"Range": "bytes=70000-1499999"}),
            Probe("/static/large.bin", is_the_end, fields={"Range": "bytes=-3"}),
            Probe("/static/large.bin", is_two_parts, fields={"Range": "bytes=0-9,200000-299999"}),
            Probe("/static/large.bin", is_beyond, fields={"Range": f"bytes={len(LARGE)}-"}),
            Probe("/static/page.html", is_packed, fields={"Accept-Encoding": "gzip"}),
            Probe("/static/page.html", is_not_packed, fields={"Accept-Encoding": "gzip;q=0"}),
            Probe("/static/empty", is_empty),
            Probe("/static/page.html", is_known, fields={"If-None-Match": "*"}),
            Probe("/static/page.html", is_refused, method="POST", body=b"x"),
        ),
    )
]
