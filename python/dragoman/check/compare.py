"""Holds two answers to the same request against each other: pure, and blind to what may well differ."""

from dragoman.check.drive import Answer

__all__ = ["difference"]

# What says when or to whom, and not what.
VOLATILE = frozenset(
    [
        "age",
        "cf-ray",
        "date",
        "expires",
        "last-modified",
        "server-timing",
        "set-cookie",
        "x-amzn-trace-id",
        "x-correlation-id",
        "x-ratelimit-remaining",
        "x-request-id",
        "x-response-time",
        "x-runtime",
        "x-trace-id",
        "traceparent",
    ]
)
# Answers of who has enough to do: 429 Too Many Requests, 503 Service Unavailable.
BUSY = ("429", "503")
AROUND = 24


def difference(usual: Answer, other: Answer) -> str:
    """What `other` has otherwise than `usual`, in a few words; "" where they are the same."""
    if usual.status.startswith(BUSY) or other.status.startswith(BUSY):
        return ""
    if usual.status != other.status:
        return f"its status was {other.status!r} and is otherwise {usual.status!r}"
    fields, others = fields_of(usual), fields_of(other)
    for name in [*fields, *(name for name in others if name not in fields)]:
        was, is_now = fields.get(name), others.get(name)
        # The length says no more than that the body differs.
        if was != is_now and name != "content-length":
            return f"its {name} was {is_now!r} and is otherwise {was!r}"
    if usual.digest == other.digest:
        return ""
    if not usual.body or not other.body:
        return f"its body had {other.size} bytes and has otherwise {usual.size}"
    return f"its body had {window(other.body, usual.body)} where it has otherwise {window(usual.body, other.body)}"


def fields_of(answer: Answer) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in answer.headers:
        if name.lower() not in VOLATILE:
            found.setdefault(name.lower(), []).append(value)
    return found


def window(body: bytes, other: bytes) -> str:
    """The piece of `body` in which it begins to differ from `other`."""
    at = next((index for index, (a, b) in enumerate(zip(body, other, strict=False)) if a != b), len(other))
    at = min(at, len(body))
    begin = max(0, at - AROUND)
    piece = body[begin : at + AROUND].decode("utf-8", "replace")
    return f"{'…' if begin else ''}{piece}{'…' if at + AROUND < len(body) else ''}".__repr__()
