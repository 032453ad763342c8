"""Fields of a request, and facts of its environ, as attributes; and the limits that a request may have of its own."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, overload

from dragoman.http.fields import split_list
from dragoman.types import Environ, InputStream
from dragoman.web.context import APP, Context
from dragoman.web.late import Late
from dragoman.web.lazy import lazy
from dragoman.web.response_fields import datetime_of, number_of

if TYPE_CHECKING:
    from dragoman.http import cache_control, conditionals
    from dragoman.http.cache_control import CacheControl
    from dragoman.http.conditionals import ETag
    from dragoman.web.request import Request
else:
    cache_control = Late("dragoman.http.cache_control")
    conditionals = Late("dragoman.http.conditionals")

__all__ = ["ETags", "RequestFields", "UserAgent", "limit", "number_for"]


class UserAgent(str):
    """The field User-Agent; empty without it. A text, which Flask has as its attribute `string`."""

    __slots__ = ()

    @property
    def string(self) -> str:
        """The text."""
        return str(self)

    def to_header(self) -> str:
        """The text."""
        return str(self)


class ETags:
    """The entity tags of If-Match or If-None-Match.

    >>> tags = ETags('"a", W/"b"')
    >>> "a" in tags, "b" in tags, tags.contains_weak("b"), "a" in ETags("*")
    (True, False, True, True)
    """

    __slots__ = ("tags",)

    def __init__(self, value: str | None) -> None:
        self.tags = conditionals.parse_etags(value or "")

    @property
    def star_tag(self) -> bool:
        """Whether it says ``*``: any that there is."""
        return self.tags == "*"

    def listed(self) -> list[ETag]:
        """The tags; none for ``*``."""
        return [] if self.tags == "*" else self.tags

    def contains(self, tag: str) -> bool:
        """Whether this tag stands for the same bytes as one of them; `tag` is what stands between the quotes."""
        return self.star_tag or any(one.tag == tag and not one.is_weak for one in self.listed())

    def contains_weak(self, tag: str) -> bool:
        """The same, where it is enough that one is as good as the other."""
        return self.star_tag or any(one.tag == tag for one in self.listed())

    def __contains__(self, tag: object) -> bool:
        return isinstance(tag, str) and self.contains(tag)

    def __bool__(self) -> bool:
        return bool(self.tags)

    def to_header(self) -> str:
        """The field's value."""
        return "*" if self.star_tag else ", ".join(map(str, self.listed()))

    __str__ = to_header

    def __repr__(self) -> str:
        return f"<ETags {self}>"


class limit:
    """An attribute that is a setting of the application, unless it is set for one request, before its body is read."""

    def __init__(self, setting: str, default: int) -> None:
        self.setting = setting
        self.default = default
        self.__doc__ = f"How much is taken: the setting {setting}, or what is set here for this request; None: any."

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> limit: ...
    @overload
    def __get__(self, instance: Request, owner: type[Any]) -> int | None: ...
    def __get__(self, instance: Request | None, owner: type[Any]) -> limit | int | None:
        if instance is None:
            return self
        context: Context = instance.context
        app: Any = context[APP]
        of_app: int | None = self.default if app is None else app.config.get(self.setting, self.default)
        own: int | None = instance.made.get(self.setting, of_app)
        return own

    def __set__(self, instance: Request, value: int | None) -> None:
        instance.made[self.setting] = value


def number_for(most: int | None) -> int:
    """A number for a limit; None stands for none."""
    return 1 << 62 if most is None else int(most)


class RequestFields:
    """Attributes that are fields of the request, or facts of its environ."""

    __slots__ = ()

    if TYPE_CHECKING:
        environ: Environ
        made: dict[str, Any]

    @property
    def user_agent(self) -> UserAgent:
        """The field User-Agent; empty without it."""
        return UserAgent(self.environ.get("HTTP_USER_AGENT", ""))

    @property
    def referrer(self) -> str | None:
        """The field Referer."""
        return self.environ.get("HTTP_REFERER") or None

    @property
    def origin(self) -> str | None:
        """The field Origin."""
        return self.environ.get("HTTP_ORIGIN") or None

    @lazy
    def date(self) -> datetime | None:
        """The field Date."""
        return datetime_of(self.environ.get("HTTP_DATE", ""))

    # Of caches and conditions

    @lazy
    def cache_control(self) -> CacheControl:
        """The directives of the field Cache-Control."""
        return cache_control.parse_cache_control(self.environ.get("HTTP_CACHE_CONTROL", ""))

    @lazy
    def pragma(self) -> list[str]:
        """The members of the field Pragma."""
        return split_list(self.environ.get("HTTP_PRAGMA", ""))

    @lazy
    def if_none_match(self) -> ETags:
        """The tags of the field If-None-Match; `Response.make_conditional` looks at it."""
        return ETags(self.environ.get("HTTP_IF_NONE_MATCH"))

    @lazy
    def if_match(self) -> ETags:
        """The tags of the field If-Match."""
        return ETags(self.environ.get("HTTP_IF_MATCH"))

    @lazy
    def if_modified_since(self) -> datetime | None:
        """The field If-Modified-Since."""
        return datetime_of(self.environ.get("HTTP_IF_MODIFIED_SINCE", ""))

    @lazy
    def if_unmodified_since(self) -> datetime | None:
        """The field If-Unmodified-Since."""
        return datetime_of(self.environ.get("HTTP_IF_UNMODIFIED_SINCE", ""))

    @property
    def range(self) -> str | None:
        """The field Range; `dragoman.http.ranges.parse_ranges` reads it."""
        return self.environ.get("HTTP_RANGE")

    @property
    def if_range(self) -> str | None:
        """The field If-Range; `dragoman.http.conditionals.if_range_holds` reads it."""
        return self.environ.get("HTTP_IF_RANGE")

    # Others

    @property
    def content_encoding(self) -> str | None:
        """The field Content-Encoding. `dragoman.middleware.Decompress` unpacks the body, and takes it out."""
        return self.environ.get("HTTP_CONTENT_ENCODING") or None

    @property
    def max_forwards(self) -> int | None:
        """The field Max-Forwards."""
        return number_of(self.environ.get("HTTP_MAX_FORWARDS", ""))

    @lazy
    def access_control_request_headers(self) -> list[str]:
        """The names in the field Access-Control-Request-Headers. `dragoman.middleware.Cors` answers it."""
        return split_list(self.environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", ""))

    @property
    def access_control_request_method(self) -> str | None:
        """The field Access-Control-Request-Method."""
        return self.environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD") or None

    # Of the server

    @property
    def input_stream(self) -> InputStream:
        """The body as the server gives it, without a limit; `stream` has one."""
        stream: InputStream = self.environ["wsgi.input"]
        return stream

    @property
    def is_multithread(self) -> bool:
        """Whether other requests may be answered at the same time in this process."""
        return bool(self.environ["wsgi.multithread"])

    @property
    def is_multiprocess(self) -> bool:
        """Whether other processes answer requests, too."""
        return bool(self.environ["wsgi.multiprocess"])

    @property
    def is_run_once(self) -> bool:
        """Whether the process ends with this request, as under CGI."""
        return bool(self.environ["wsgi.run_once"])
