"""Server-sent events, and hints that a browser gets before the answer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from dragoman.middleware.passing import close_of
from dragoman.web.background import AsyncBlocks
from dragoman.web.context import ENVIRON
from dragoman.web.contexts import after_this_request, in_hand
from dragoman.web.headers import Headers
from dragoman.web.response import Response
from dragoman.web.results import encoded_json

__all__ = ["Event", "EventStream", "early_hints", "preload"]

# HTML, "Interpreting an event stream": what ends a line there. str.splitlines knows others.
LINE_END = re.compile("\r\n|\r|\n")
HEARTBEAT = b":\n\n"
# Of HTML, "link type preload".
KINDS = ("document", "audio", "font", "image", "script", "style", "track", "video", "worker", "fetch")


@dataclass(frozen=True)
class Event:
    r"""One event of a stream.

    data       a text, of one line or several; anything else is sent as JSON; None for an event that scripts do not see
    event      its name, for ``addEventListener``; None stands for ``message``
    id         what a client that comes back sends as Last-Event-ID
    retry_ms   after how many milliseconds a client comes back when the connection is lost
    comment    what nobody but a person sees who looks at the stream

    >>> Event("a\nb", event="news", id="7").encoded()
    b'event: news\nid: 7\ndata: a\ndata: b\n\n'
    """

    data: Any = None
    event: str | None = None
    id: str | int | None = None
    retry_ms: int | None = None
    comment: str | None = None

    def encoded(self) -> bytes:
        """Its lines. Raises ValueError for a name or an id that would end its line, and for a wrong time."""
        lines = [] if self.comment is None else [f": {line}" for line in LINE_END.split(self.comment)]
        if self.event is not None:
            lines.append(f"event: {one_line('event', self.event)}")
        if self.id is not None:
            lines.append(f"id: {one_line('id', str(self.id))}")
        if self.retry_ms is not None:
            if isinstance(self.retry_ms, bool) or not isinstance(self.retry_ms, int) or self.retry_ms < 0:
                raise ValueError(f"retry_ms={self.retry_ms!r}: want a whole number of milliseconds")
            lines.append(f"retry: {self.retry_ms}")
        if self.data is not None:
            lines += [f"data: {line}" for line in LINE_END.split(text_of(self.data))]
        return "\n".join([*lines, "", ""]).encode() if lines else HEARTBEAT


Item: TypeAlias = "Event | str | Mapping[str, Any] | list[Any] | None"
"""What a stream gives: an event, or the data of one; None for a comment that keeps the connection alive."""


class EventStream(Response):
    """Server-sent events, for ``new EventSource(url)`` in a browser.

    events     a generator of events, of their data as text or as what JSON can say, or of None: a comment, so that
               nobody on the way takes the connection for dead. An asynchronous one will do
    retry_ms   after how many milliseconds clients come back when the connection is lost
    The fields go out at once, with a first comment. `Request.last_event_id` is where a client that comes back was.
    """

    def __init__(
        self,
        events: Iterable[Item] | AsyncIterable[Item],
        status: int | str | None = None,
        headers: Headers | Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        *,
        retry_ms: int | None = None,
    ) -> None:
        super().__init__(None, status, headers, content_type="text/event-stream")
        # What is stored or held back is no stream of events: caches, and nginx, which has a field of its own for it.
        self.headers.setdefault("Cache-Control", "no-store")
        self.headers["X-Accel-Buffering"] = "no"
        self.stream = Frames(events, Event(retry_ms=retry_ms).encoded())


class Frames:
    """The blocks of a stream of events; close() closes what gives them."""

    def __init__(self, events: Iterable[Item] | AsyncIterable[Item], first: bytes) -> None:
        if isinstance(events, str | bytes | Mapping) or not isinstance(events, Iterable | AsyncIterable):
            raise TypeError(f"EventStream: want a generator of events, got {type(events).__name__}")
        self.events: Any = AsyncBlocks(events.__aiter__()) if isinstance(events, AsyncIterable) else events
        self.first = first

    def __iter__(self) -> Iterator[bytes]:
        yield self.first
        for item in self.events:
            yield encoded(item)

    def close(self) -> None:
        """The client has gone, or the stream has ended."""
        close_of(self.events)


def encoded(item: Item) -> bytes:
    if item is None:
        return HEARTBEAT
    return (item if isinstance(item, Event) else Event(item)).encoded()


def text_of(data: Any) -> str:
    if isinstance(data, str):
        return data
    if isinstance(data, bytes | bytearray | memoryview):
        raise TypeError("the data of an event is bytes: want a text, or what JSON can say")
    return encoded_json(data).decode()


def one_line(what: str, text: str) -> str:
    """Raises ValueError for a text with line ends: what is behind them would be another field, or another event."""
    if LINE_END.search(text) or "\0" in text:
        raise ValueError(f"{what} {text!r}: want a text of one line")
    return text


def preload(url: str, kind: str, *, crossorigin: bool | None = None) -> str:
    """A link for `early_hints`: fetch `url`, the page will use it.

    kind          ``"style"``, ``"script"``, ``"font"``, ``"image"``, …
    crossorigin   whether it is fetched without cookies, as fonts always are; None: for fonts alone

    >>> preload("/static/app.css", "style")
    '</static/app.css>; rel=preload; as=style'
    """
    if kind not in KINDS:
        raise ValueError(f"preload: kind {kind!r}: want one of {', '.join(KINDS)}")
    if re.search(r"[\x00-\x20<>\x7f]", url):
        raise ValueError(f"preload: {url!r}: want a URL, percent-encoded")
    is_apart = kind == "font" if crossorigin is None else crossorigin
    return f"<{url}>; rel=preload; as={kind}{'; crossorigin' if is_apart else ''}"


def early_hints(*links: str) -> bool:
    """Send 103 with links to what the page will need, while the answer is still being made.

    links   values of the field Link, RFC 8288: those of `preload`, or ``"<https://cdn.example>; rel=preconnect"``
    The answer gets the same links, since what is said in 103 is no part of it (RFC 8297 §2). A server that offers no
    ``wsgi.early_hints`` sends them with the answer alone; gives whether 103 was sent.
    Raises ValueError for what is no link.
    """
    fields = Headers()
    for link in links:
        if not (link.startswith("<") and ">" in link):
            raise ValueError(f"early_hints: {link!r}: want '<url>; rel=preload; as=style', as preload(url, 'style') is")
        fields.add("Link", link)
    context = in_hand("early_hints")

    @after_this_request
    def with_links(response: Response) -> Response:
        if response.status_code < 400:
            for link in links:
                response.headers.add("Link", link)
        return response

    send = context[ENVIRON].get("wsgi.early_hints")
    if send is None or not links:
        return False
    send(fields.pairs[:])
    return True
