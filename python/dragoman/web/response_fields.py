"""Fields of a response as attributes: dates, numbers and lists instead of texts, under the names that Flask has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, overload

from dragoman.http.dates import http_date, parse_http_date
from dragoman.http.fields import split_list
from dragoman.web.late import Late

if TYPE_CHECKING:
    from dragoman.http import cache_control
    from dragoman.http.cache_control import CacheControl
    from dragoman.web.headers import Headers
else:
    cache_control = Late("dragoman.http.cache_control")

__all__ = ["CacheControlField", "ListField", "ResponseFields", "datetime_of", "seconds_of"]

T = TypeVar("T")
S = TypeVar("S")


class WithHeaders(Protocol):
    """Has fields."""

    headers: Headers


class field(Generic[T, S]):
    """An attribute that is a field.

    read    makes a value of the field's text; what it cannot read is None
    write   makes the text of a value; None takes the field out
    """

    def __init__(self, name: str, read: Callable[[str], T | None], write: Callable[[S], str]) -> None:
        self.name = name
        self.read = read
        self.write = write
        self.__doc__ = f"The field {name}."

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> field[T, S]: ...
    @overload
    def __get__(self, instance: WithHeaders, owner: type[Any]) -> T | None: ...
    def __get__(self, instance: WithHeaders | None, owner: type[Any]) -> T | field[T, S] | None:
        if instance is None:
            return self
        text = instance.headers.get(self.name)
        return None if text is None else self.read(text)

    def __set__(self, instance: WithHeaders, value: S | None) -> None:
        if value is None:
            del instance.headers[self.name]
        else:
            instance.headers[self.name] = self.write(value)


class ListField:
    """The members of a field that is a list, as a set without regard to case; what is done to it is done to the field.

    >>> from dragoman.web import Response
    >>> response = Response()
    >>> response.vary.add("Cookie")
    >>> response.headers["Vary"], "cookie" in response.vary
    ('Cookie', True)
    """

    __slots__ = ("_headers", "_name")

    def __init__(self, headers: Headers, name: str) -> None:
        self._headers = headers
        self._name = name

    def __iter__(self) -> Iterator[str]:
        return iter([one for value in self._headers.getlist(self._name) for one in split_list(value)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, member: object) -> bool:
        return isinstance(member, str) and member.lower() in {one.lower() for one in self}

    def add(self, member: str) -> None:
        """Add a member, unless it is there."""
        self.update([member])

    def update(self, members: Iterable[str]) -> None:
        """Add members, those that are not there."""
        new = list(self)
        for member in members:
            if member.lower() not in {one.lower() for one in new}:
                new.append(member)
        if new:
            self._headers[self._name] = ", ".join(new)

    def discard(self, member: str) -> None:
        """Take a member out, if it is there."""
        left = [one for one in self if one.lower() != member.lower()]
        if left:
            self._headers[self._name] = ", ".join(left)
        else:
            del self._headers[self._name]

    def remove(self, member: str) -> None:
        """Take a member out. Raises KeyError where it is not there."""
        if member not in self:
            raise KeyError(member)
        self.discard(member)

    def clear(self) -> None:
        """Take the field out."""
        del self._headers[self._name]

    def as_set(self) -> set[str]:
        """The members in lower case."""
        return {one.lower() for one in self}

    def to_header(self) -> str:
        """The field's value."""
        return ", ".join(self)

    __str__ = to_header

    def __repr__(self) -> str:
        return f"<{self._name}: {self}>"


class list_field:
    """An attribute that is a `ListField`; it is set to a text or to the members."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.__doc__ = f"The members of the field {name}."

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> list_field: ...
    @overload
    def __get__(self, instance: WithHeaders, owner: type[Any]) -> ListField: ...
    def __get__(self, instance: WithHeaders | None, owner: type[Any]) -> ListField | list_field:
        return self if instance is None else ListField(instance.headers, self.name)

    def __set__(self, instance: WithHeaders, value: str | Iterable[str] | None) -> None:
        members = value if isinstance(value, str) else ", ".join(value or ())
        if members:
            instance.headers[self.name] = members
        else:
            del instance.headers[self.name]


class CacheControlField:
    """The directives of Cache-Control as attributes, those of `dragoman.http.cache_control.CacheControl`.

    Each that is set is set in the field: ``response.cache_control.max_age = 60``.
    """

    __slots__ = ("_headers",)
    _headers: Headers

    def __init__(self, headers: Headers) -> None:
        object.__setattr__(self, "_headers", headers)

    @property
    def directives(self) -> CacheControl:
        """All of them."""
        return cache_control.parse_cache_control(", ".join(self._headers.getlist("Cache-Control")))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.directives, name)

    def __setattr__(self, name: str, value: Any) -> None:
        before = self.directives
        if name not in before.__dataclass_fields__:
            known = ", ".join(before.__dataclass_fields__)
            raise AttributeError(f"cache_control.{name}: there is no such directive; there are {known}")
        if isinstance(getattr(before, name), bool):
            value = bool(value)
        written = str(replace(before, **{name: value}))
        if written:
            self._headers["Cache-Control"] = written
        else:
            del self._headers["Cache-Control"]

    def __str__(self) -> str:
        return str(self.directives)

    def __repr__(self) -> str:
        return f"<Cache-Control: {self}>"


def datetime_of(text: str) -> datetime | None:
    """The time that a field says; None where it says none."""
    seconds = parse_http_date(text)
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)


def seconds_of(value: float | datetime | None) -> float | None:
    """Seconds since 1970; a datetime without a zone is taken for one of UTC."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).timestamp()
    return value


def date_text(value: float | datetime) -> str:
    return http_date(seconds_of(value) or 0)


def span_of(text: str) -> timedelta | None:
    return timedelta(seconds=int(text)) if text.isascii() and text.isdigit() and len(text) < 11 else None


def span_text(value: int | timedelta) -> str:
    return str(int(value.total_seconds()) if isinstance(value, timedelta) else value)


def later(text: str) -> datetime | None:
    """RFC 9110 §10.2.3: Retry-After is a date, or seconds from now."""
    span = span_of(text)
    return datetime_of(text) if span is None else datetime.fromtimestamp(time.time(), timezone.utc) + span


def later_text(value: int | datetime | timedelta) -> str:
    return date_text(value) if isinstance(value, datetime) else span_text(value)


def number_of(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def text_field(name: str) -> field[str, str]:
    return field(name, str, str)


class ResponseFields:
    """Attributes of a response that are fields; each is None without its field, and None takes it out."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def headers(self) -> Headers: ...

    accept_ranges = text_field("Accept-Ranges")
    age: field[timedelta, int | timedelta] = field("Age", span_of, span_text)
    content_encoding = text_field("Content-Encoding")
    content_location = text_field("Content-Location")
    content_range = text_field("Content-Range")
    content_security_policy = text_field("Content-Security-Policy")
    content_security_policy_report_only = text_field("Content-Security-Policy-Report-Only")
    cross_origin_embedder_policy = text_field("Cross-Origin-Embedder-Policy")
    cross_origin_opener_policy = text_field("Cross-Origin-Opener-Policy")
    date: field[datetime, float | datetime] = field("Date", datetime_of, date_text)
    expires: field[datetime, float | datetime] = field("Expires", datetime_of, date_text)
    last_modified: field[datetime, float | datetime] = field("Last-Modified", datetime_of, date_text)
    location = text_field("Location")
    retry_after: field[datetime, int | datetime | timedelta] = field("Retry-After", later, later_text)
    www_authenticate = text_field("WWW-Authenticate")

    access_control_allow_origin = text_field("Access-Control-Allow-Origin")
    access_control_max_age: field[int, int] = field("Access-Control-Max-Age", number_of, str)

    access_control_allow_headers = list_field("Access-Control-Allow-Headers")
    access_control_allow_methods = list_field("Access-Control-Allow-Methods")
    access_control_expose_headers = list_field("Access-Control-Expose-Headers")
    allow = list_field("Allow")
    content_language = list_field("Content-Language")
    vary = list_field("Vary")

    @property
    def access_control_allow_credentials(self) -> bool:
        """Whether the field Access-Control-Allow-Credentials is there: its one value is ``true``."""
        return "Access-Control-Allow-Credentials" in self.headers

    @access_control_allow_credentials.setter
    def access_control_allow_credentials(self, value: bool | None) -> None:
        if value:
            self.headers["Access-Control-Allow-Credentials"] = "true"
        else:
            del self.headers["Access-Control-Allow-Credentials"]

    @property
    def cache_control(self) -> CacheControlField:
        """The directives of the field Cache-Control, to be read and set: ``response.cache_control.no_store = True``."""
        return CacheControlField(self.headers)
