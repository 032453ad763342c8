"""A `Cache` around an application that counts its calls, and what it told of an answer."""

from __future__ import annotations

from typing import Any

from dragoman.middleware import Cache
from tests.middleware.kit import Answered, Inner

NOW = 1_790_000_000.0
DATE = "Mon, 21 Sep 2026 14:13:20 GMT"
TEXT = ("Content-Type", "text/plain")


def inner_of(value: str | None = "max-age=60", *more: tuple[str, str], **options: Any) -> Inner:
    said = [] if value is None else [("Cache-Control", value)]
    return Inner(headers=[TEXT, *said, *more], **options)


def cached(inner: Any, **options: Any) -> Cache:
    return Cache(inner, **{"wait_s": 0.0, **options})


def told(answered: Answered) -> str:
    return (answered.value("Cache-Status") or "").removeprefix("dragoman; ")
