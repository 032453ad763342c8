"""Header fields as a mapping whose names have no case: those of a request, read, and those of a response, written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar, overload

from dragoman.http import fields
from dragoman.types import Environ
from dragoman.web.errors import MissingKey

__all__ = ["GivenHeaders", "Headers", "RequestHeaders"]

T = TypeVar("T")
D = TypeVar("D")

GivenHeaders: TypeAlias = "Headers | Mapping[str, str | list[str]] | Iterable[tuple[str, str]]"
"""What header fields are made of; in a mapping a list stands for several fields of one name."""

# CGI (RFC 3875 §4.1) has these two without HTTP_.
UNPREFIXED = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


class RequestHeaders(Mapping[str, str]):
    """The header fields of a request, as they stand in its environ. Fields that came several times are joined.

    A field that is missing raises `MissingKey`, which is a KeyError and, if nobody catches it, the answer 400.

    >>> RequestHeaders({"HTTP_USER_AGENT": "curl/8"})["User-Agent"]
    'curl/8'
    """

    __slots__ = ("_environ",)

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        value: str | None = self._environ.get(environ_key(name))
        # CGI: an empty text stands for a field that is missing.
        if value is None or (not value and name.lower() in UNPREFIXED):
            raise MissingKey(name)
        return value

    @overload
    def get(self, key: str, /) -> str | None: ...
    @overload
    def get(self, key: str, /, default: str | D) -> str | D: ...
    @overload
    def get(self, key: str, /, default: D = ..., *, type: Callable[[str], T]) -> T | D: ...
    def get(self, key: str, /, default: Any = None, type: Callable[[str], Any] | None = None) -> Any:
        """The value of the field, else `default`; `type` makes something of it, as in `MultiDict.get`."""
        try:
            return self[key] if type is None else type(self[key])
        except (KeyError, ValueError, TypeError):
            return default

    def getlist(self, name: str) -> list[str]:
        """The value of the field, which is that of all of its name, joined with commas by WSGI; empty without it."""
        value = self.get(name)
        return [] if value is None else [value]

    get_all = getlist

    def __iter__(self) -> Iterator[str]:
        for key, value in self._environ.items():
            if key.startswith("HTTP_"):
                yield key[5:].replace("_", "-").title()
            elif key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
                yield key.replace("_", "-").title()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __repr__(self) -> str:
        return f"<RequestHeaders {', '.join(self)}>"


def environ_key(name: str) -> str:
    return UNPREFIXED.get(name.lower()) or "HTTP_" + name.upper().replace("-", "_")


class Headers:
    """The header fields of a response, in the order of sending.

    Names are compared without regard to case. What cannot be sent, a line break in a value first of all, raises
    ValueError where it is set.

    >>> headers = Headers({"X-Part": "1"})
    >>> headers.add("x-part", "2")
    >>> headers["X-PART"], headers.getlist("X-Part")
    ('1', ['1', '2'])
    """

    __slots__ = ("pairs",)

    def __init__(self, given: GivenHeaders = ()) -> None:
        self.pairs: list[tuple[str, str]] = []
        self.extend(given)

    @classmethod
    def of(cls, pairs: list[tuple[str, str]]) -> Headers:
        """A view of fields that are known to be right: what is set goes into that very list."""
        made = cls.__new__(cls)
        made.pairs = pairs
        return made

    def __getitem__(self, name: str) -> str:
        value = fields.get(self.pairs, name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str | int) -> None:
        fields.put(self.pairs, name, text_of(name, value))

    def __delitem__(self, name: str) -> None:
        fields.remove(self.pairs, name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and fields.has(self.pairs, name)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.pairs == other.pairs

    __hash__ = None  # type: ignore[assignment]

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: str | D) -> str | D: ...
    @overload
    def get(self, name: str, default: D = ..., *, type: Callable[[str], T]) -> T | D: ...
    def get(self, name: str, default: Any = None, type: Callable[[str], Any] | None = None) -> Any:
        """The value of the first field of that name, else `default`; `type` makes something of it."""
        value = fields.get(self.pairs, name)
        if value is None or type is None:
            return default if value is None else value
        try:
            return type(value)
        except (ValueError, TypeError):
            return default

    def getlist(self, name: str) -> list[str]:
        """The values of all fields of that name."""
        return fields.get_all(self.pairs, name)

    get_all = getlist

    def add(self, name: str, value: str | int, /, **parameters: str | int | None) -> None:
        """Add a field, beside others of its name; `parameters` come after the value, as of Content-Disposition.

        >>> headers = Headers()
        >>> headers.add("Content-Disposition", "attachment", filename="a b.txt")
        >>> headers["Content-Disposition"]
        'attachment; filename="a b.txt"'
        """
        fields.add(self.pairs, name, with_parameters(text_of(name, value), parameters))

    add_header = add

    def set(self, name: str, value: str | int, /, **parameters: str | int | None) -> None:
        """Make this the only field of its name; `parameters` as of `add`."""
        self[name] = with_parameters(text_of(name, value), parameters)

    def setlist(self, name: str, values: Iterable[str | int]) -> None:
        """Make these the only fields of their name."""
        self.remove(name)
        for value in values:
            self.add(name, value)

    def setdefault(self, name: str, value: str | int) -> str:
        """The field's value; it is set where there is none."""
        if name not in self:
            self[name] = value
        return self[name]

    def remove(self, name: str) -> None:
        """Take out all fields of that name, if there are any."""
        del self[name]

    def pop(self, name: str, *default: Any) -> Any:
        """The value of the first field of that name; all are taken out. Raises KeyError without one and a default."""
        value = fields.get(self.pairs, name)
        if value is None:
            if default:
                return default[0]
            raise KeyError(name)
        del self[name]
        return value

    def clear(self) -> None:
        """Take out all fields."""
        self.pairs.clear()

    def copy(self) -> Headers:
        """Other fields with the same names and values."""
        return Headers(self)

    def extend(self, given: GivenHeaders) -> None:
        """Add fields, beside those of their names."""
        for name, value in items_of(given):
            self.add(name, value)

    def update(self, given: GivenHeaders) -> None:
        """Set fields, in place of those of their names. A name given several times keeps all that are given."""
        # What cannot be sent is refused before anything is taken out.
        added = Headers(given).pairs
        names = {name.lower() for name, _ in added}
        self.pairs[:] = [pair for pair in self.pairs if pair[0].lower() not in names] + added

    def vary_on(self, name: str) -> None:
        """Say in Vary that the answer depends on the request's field `name`."""
        fields.add_token(self.pairs, "Vary", name)

    def keys(self) -> list[str]:
        """The names, in the order of sending."""
        return [name for name, _ in self.pairs]

    def values(self) -> list[str]:
        """The values, in the order of sending."""
        return [value for _, value in self.pairs]

    def items(self) -> list[tuple[str, str]]:
        """The fields, in the order of sending."""
        return list(self.pairs)

    def to_wsgi_list(self) -> list[tuple[str, str]]:
        """The fields as PEP 3333 wants them."""
        return list(self.pairs)

    def __repr__(self) -> str:
        return f"Headers({self.pairs!r})"


def items_of(given: GivenHeaders) -> Iterable[tuple[str, str]]:
    if isinstance(given, Mapping):
        for name, value in given.items():
            for one in value if isinstance(value, list | tuple) else (value,):
                yield name, one
    else:
        yield from given


def text_of(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    raise TypeError(f"{name}: want str or int, got {value!r}")


def with_parameters(value: str, parameters: Mapping[str, str | int | None]) -> str:
    """A value with parameters; of their names ``_`` stands for ``-``, and one that is None is left out."""
    written = [
        f"{name.replace('_', '-')}={fields.quote_unless_token(str(given))}"
        for name, given in parameters.items()
        if given is not None
    ]
    return "; ".join([value, *written])
