"""`RequestId` under servers."""

from __future__ import annotations

import re

from dragoman.middleware import RequestId
from tests.middleware.part import Part, Probe
from tests.support.wire import Response

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def has_a_new_id(response: Response) -> None:
    assert UUID7.fullmatch(response.value("X-Request-ID") or "")


def has_the_given_id(response: Response) -> None:
    assert response.value("X-Request-ID") == "from-the-proxy"


PARTS = [
    Part(
        "request-id",
        lambda: RequestId(trusted=["127.0.0.1"]),
        (
            Probe("/hello", has_a_new_id),
            Probe("/hello", has_the_given_id, fields={"X-Request-ID": "from-the-proxy"}),
            Probe("/hello", has_a_new_id, fields={"X-Request-ID": "<script>"}),
        ),
    )
]
