"""`flash` and `get_flashed_messages`: texts for the visitor's next page, kept in the session until they are shown."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any, Literal, overload

from dragoman.web.context import request_of
from dragoman.web.contexts import in_hand

__all__ = ["flash", "get_flashed_messages", "taken"]

KEY = "_flashes"
# Third of an item whose text is HTML already: markupsafe.Markup.
IS_HTML = "html"


def flash(message: Any, category: str = "message") -> None:
    """Show `message` on the next page that asks for messages.

    message    a text, a `Markup`, or what else JSON can say
    category   such as ``"error"``
    """
    session = request_of(in_hand("flash")).session
    item = [category, str(message), IS_HTML] if hasattr(message, "__html__") else [category, message]
    session[KEY] = [*session.get(KEY, []), item]


@overload
def get_flashed_messages(with_categories: Literal[False] = ..., category_filter: Iterable[str] = ...) -> list[Any]: ...
@overload
def get_flashed_messages(
    with_categories: Literal[True], category_filter: Iterable[str] = ...
) -> list[tuple[str, Any]]: ...
def get_flashed_messages(with_categories: bool = False, category_filter: Iterable[str] = ()) -> list[Any]:
    """What `flash` has left for this visitor. It is taken out of the session, and stays the same for this request.

    with_categories   gives pairs of category and message
    category_filter   those of these categories alone
    """
    wanted = [category_filter] if isinstance(category_filter, str) else list(category_filter)
    found = [pair for pair in request_of(in_hand("get_flashed_messages")).flashes if not wanted or pair[0] in wanted]
    return found if with_categories else [message for _, message in found]


def taken(session: MutableMapping[str, Any]) -> list[tuple[str, Any]]:
    """The messages of a session with their categories, taken out of it."""
    items = session.pop(KEY, [])
    return [(category, as_html(message) if kind else message) for category, message, *kind in items]


def as_html(text: str) -> Any:
    from markupsafe import Markup  # noqa: PLC0415

    return Markup(text)
