"""Names with one or more values each: a query, a form, the files of an upload."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from dragoman.web.errors import MissingKey

__all__ = ["MultiDict"]

V = TypeVar("V")
T = TypeVar("T")
D = TypeVar("D")

# What werkzeug's has for changing it.
CHANGING = frozenset(
    {"add", "clear", "copy", "deepcopy", "pop", "popitem", "popitemlist", "poplist", "setdefault", "setlist"}
    | {"setlistdefault", "update"}
)


class MultiDict(Mapping[str, V], Generic[V]):
    """The values of a request by name, in the order of the request. It is not changed.

    As a mapping it gives the first value of each name; a name that is missing raises `MissingKey`, which is a KeyError
    and, if nobody catches it, the answer 400.

    >>> args = MultiDict([("tag", "a"), ("tag", "b"), ("page", "2")])
    >>> args["tag"], args.getlist("tag"), args.get("page", type=int)
    ('a', ['a', 'b'], 2)
    """

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[str, V]] = ()) -> None:
        values: dict[str, list[V]] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(value)
        self._values = values

    def __getitem__(self, name: str) -> V:
        try:
            return self._values[name][0]
        except KeyError:
            raise MissingKey(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in CHANGING:
                raise AttributeError(
                    f"MultiDict has no {name!r}, as werkzeug's has: what a client has sent is not changed; to_dict(),"
                    " or to_dict(flat=False) with all values, is a dict of your own"
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @overload
    def get(self, key: str, /) -> V | None: ...
    @overload
    def get(self, key: str, /, default: V | D) -> V | D: ...
    @overload
    def get(self, key: str, /, *, type: Callable[[V], T]) -> T | None: ...
    @overload
    def get(self, key: str, /, default: D, type: Callable[[V], T]) -> T | D: ...
    def get(self, key: str, /, default: Any = None, type: Callable[[V], Any] | None = None) -> Any:
        """The first value called `key`, else `default`.

        type   makes something of the value: ``int``; where it raises ValueError or TypeError, `default` is the result
        """
        values = self._values.get(key)
        if values is None:
            return default
        if type is None:
            return values[0]
        try:
            return type(values[0])
        except (ValueError, TypeError):
            return default

    @overload
    def getlist(self, key: str) -> list[V]: ...
    @overload
    def getlist(self, key: str, type: Callable[[V], T]) -> list[T]: ...
    def getlist(self, key: str, type: Callable[[V], Any] | None = None) -> list[Any]:
        """All values called `key`, in their order; those that `type` refuses are left out."""
        values = self._values.get(key, [])
        if type is None:
            return list(values)
        made = []
        for value in values:
            try:
                made.append(type(value))
            except (ValueError, TypeError):
                continue
        return made

    @overload
    def items(self) -> ItemsView[str, V]: ...
    @overload
    def items(self, multi: Literal[True]) -> list[tuple[str, V]]: ...
    def items(self, multi: bool = False) -> Any:
        """Each name with its first value; `multi`: each value with its name, as `pairs`."""
        return self.pairs() if multi else super().items()

    def listvalues(self) -> list[list[V]]:
        """For each name all its values."""
        return [list(values) for values in self._values.values()]

    def lists(self) -> list[tuple[str, list[V]]]:
        """Each name with all its values."""
        return [(name, list(values)) for name, values in self._values.items()]

    def pairs(self) -> list[tuple[str, V]]:
        """Each value with its name, name by name."""
        return [(name, value) for name, values in self._values.items() for value in values]

    @overload
    def to_dict(self) -> dict[str, V]: ...
    @overload
    def to_dict(self, flat: bool) -> dict[str, Any]: ...
    def to_dict(self, flat: bool = True) -> dict[str, Any]:
        """A dict of the first values, or, without `flat`, of the lists of all."""
        return {name: values[0] if flat else list(values) for name, values in self._values.items()}

    def __eq__(self, other: object) -> bool:
        if isinstance(other, MultiDict):
            return self._values == other._values
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.pairs()!r})"
