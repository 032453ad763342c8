"""A head that is none reaches the server through every part: what is wrong with it is the server's to say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from dragoman.middleware.passing import is_head
from tests.middleware.kit import TEXT, Inner, environ_of
from tests.middleware.part import Part, Probe, all_parts

# These answer every request of their probes themselves, or take the head of an error for their own.
ANSWER = {"force-https", "force-https-all", "maintenance"}
HEADS: tuple[tuple[Any, Any], ...] = (
    (200, [TEXT]),
    (None, None),
    ("200 OK", (TEXT,)),
    ("200 OK", None),
    ("200 OK", [("Content-Type",)]),
    ("200 OK", [["Content-Type", "text/plain"]]),
    ("200 OK", [("Content-Type", "text/plain"), ("Content-Length", 5)]),
    ("200 OK", [("Cache-Control", 5), ("ETag", None), ("Vary", b"Accept"), ("Date", 0)]),
)


class Refused(AssertionError):
    """What a server says of such a head."""


def passes(part: Part) -> Probe:
    """The request that the part lets in."""
    for probe in part.probes:
        inner = Inner()
        asked(part, probe, inner, [])
        if inner.calls:
            return probe
    raise AssertionError(f"no probe of {part.name} reaches the application")


def asked(part: Part, probe: Probe, inner: Any, heads: list[Any]) -> None:
    def start_response(status: object, headers: object, exc_info: Any = None, /) -> Any:
        heads.append((status, headers))
        if not is_head(status, headers):
            raise Refused
        return print

    environ = environ_of(probe.method, probe.target, probe.fields, probe.body or b"")
    result = part.make().around(inner)(environ, start_response)
    for _ in result:
        pass
    if hasattr(result, "close"):
        result.close()


@pytest.mark.parametrize("part", [part for part in all_parts() if part.name not in ANSWER], ids=lambda part: part.name)
def test_a_head_that_is_none_reaches_the_server(part: Part) -> None:
    probe = passes(part)
    for status, headers in HEADS:
        for blocks in (list, iter):
            given = list(headers) if type(headers) is list else headers

            def inner(
                environ: Any, start_response: Any, head: Any = (status, given), blocks: Any = blocks
            ) -> list[bytes] | Iterator[bytes]:
                start_response(*head)
                return blocks([b"12345"])  # type: ignore[no-any-return]

            heads: list[Any] = []
            with suppress(Refused):
                asked(part, probe, inner, heads)
            if type(headers) is list:
                # Others may have been added to it; the wrong one is still in it.
                assert all(one in heads[0][1] for one in headers), heads
            else:
                # A part that adds to whatever can be added to makes a list of a tuple.
                assert heads[0][0] == status
                assert heads[0][1] == headers or heads[0][1][:1] == [*headers]
