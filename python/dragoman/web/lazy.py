"""Properties that are worked out when they are first asked for, and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, overload

__all__ = ["lazy"]

S = TypeVar("S", bound="Keeping")
T = TypeVar("T")


class Keeping(Protocol):
    """Has a dict for what was worked out."""

    made: dict[str, Any]


class lazy(Generic[S, T]):
    """A property whose function is called once for each object."""

    def __init__(self, function: Callable[[S], T]) -> None:
        self.function = function
        self.name = function.__name__
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> lazy[S, T]: ...
    @overload
    def __get__(self, instance: S, owner: type[Any]) -> T: ...
    def __get__(self, instance: S | None, owner: type[Any]) -> T | lazy[S, T]:
        if instance is None:
            return self
        made = instance.made
        try:
            value: T = made[self.name]
        except KeyError:
            value = made[self.name] = self.function(instance)
        return value

    def __set__(self, instance: S, value: T) -> None:
        raise AttributeError(f"{self.name} is what the client has sent, and is not set")
