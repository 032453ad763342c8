"""Finds the applications inside of an application, and puts a checker before each: who of them errs shows then."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dragoman.contract.checked import Checked

__all__ = ["Slot", "inner_applications", "is_application", "layers_checked", "slots_of"]

# Layers of middleware; deeper than any project's, and an end where one holds itself.
DEPTH = 40


@dataclass(frozen=True)
class Slot:
    """A place in which a middleware holds an application.

    prefix   where it is mounted, relative to the middleware
    put      replaces the application; None where that cannot be
    """

    application: Any
    prefix: str = ""
    put: Callable[[Any], object] | None = None


class Between(Checked):
    """A checker that stands in the place of an application which others may look at."""

    def __getattr__(self, name: str) -> Any:
        if name == "app":
            raise AttributeError(name)
        return getattr(self.app, name)


def is_application(value: object) -> bool:
    """Whether it is a WSGI application by its signature: two arguments, the second one named as start_response is."""
    if not callable(value) or isinstance(value, type):
        return False
    try:
        parameters = list(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [one for one in parameters if one.default is one.empty and one.kind in kinds]
    return len(needed) == 2 and needed[1].name.lstrip("_").startswith("start")


def slots_of(application: Any) -> Iterator[Slot]:
    """Where `application` holds others: attributes and their dictionaries, closures, a partial's arguments."""
    called = application
    if isinstance(called, functools.partial):
        yield from (Slot(value) for value in (*called.args, *called.keywords.values()) if is_application(value))
        called = called.func
    if inspect.ismethod(called):
        # What calls it holds nothing but its object.
        yield from of_attributes(called.__self__)
        called = called.__func__
    if inspect.isfunction(called):
        yield from of_closure(called)
    elif called is application:
        yield from of_attributes(called)


def of_attributes(holder: Any) -> Iterator[Slot]:
    for name in (*vars_of(holder), *slot_names(type(holder))):
        try:
            value = getattr(holder, name)
        except Exception:  # a property, or a slot that is empty
            continue
        if is_application(value):
            yield Slot(value, "", functools.partial(setattr, holder, name))
        elif type(value) is dict:
            for key, one in list(value.items()):
                if is_application(one):
                    # A dispatcher's mounts, by their prefixes.
                    prefix = key.rstrip("/") if isinstance(key, str) and key.startswith("/") else ""
                    yield Slot(one, prefix, functools.partial(value.__setitem__, key))


def vars_of(holder: Any) -> tuple[str, ...]:
    return tuple(getattr(holder, "__dict__", ()))


def slot_names(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        names = vars(base).get("__slots__", ())
        yield from (names,) if isinstance(names, str) else names


def of_closure(function: Any) -> Iterator[Slot]:
    for cell in function.__closure__ or ():
        try:
            value = cell.cell_contents
        except ValueError:  # not filled yet
            continue
        if is_application(value):
            yield Slot(value, "", functools.partial(setattr, cell, "cell_contents"))


def inner_applications(application: Any) -> Iterator[tuple[Any, str]]:
    """`application` and everything that it holds, each with where it is mounted; the outermost first."""
    seen: set[int] = set()
    waiting = [(application, "", DEPTH)]
    while waiting:
        one, prefix, depth = waiting.pop(0)
        if key_of(one) in seen or depth == 0:
            continue
        seen.add(key_of(one))
        yield one, prefix
        if inspect.isfunction(one):
            waiting += [(value, prefix, depth - 1) for value in globals_of(one)]
        waiting += [(slot.application, prefix + slot.prefix, depth - 1) for slot in slots_of(one)]


def key_of(application: Any) -> int:
    """What says that two are the same: a bound method is made anew each time that it is asked for."""
    return id(getattr(application, "__self__", application))


def globals_of(function: Any) -> Iterator[Any]:
    """The applications among the globals that a function names."""
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if is_application(value):
            yield value


@contextmanager
def layers_checked(application: Any, name: str, **arguments: Any) -> Iterator[Checked]:
    """`application` with a checker before it and before each one that it holds; they are taken out at the end.

    name        what the application was loaded as
    arguments   what `Checked` takes
    """
    placed: list[Slot] = []
    entered: set[int] = set()
    root = key_of(application)

    def place(holder: Any) -> None:
        # Flask's own `wsgi_app` is a method of what holds the middleware around it.
        if key_of(holder) in entered or len(entered) > DEPTH:
            return
        entered.add(key_of(holder))
        for slot in slots_of(holder):
            if slot.put is None or isinstance(slot.application, Checked):
                continue
            # The inside first: a checker looks for others in what it wraps when it is made.
            place(slot.application)
            own = name if key_of(slot.application) == root else ""
            try:
                slot.put(Between(slot.application, name=own, **arguments))
            except Exception:  # a frozen object
                continue
            placed.append(slot)

    place(application)
    try:
        yield Checked(application, name=name, **arguments)
    finally:
        for slot in reversed(placed):
            if slot.put is not None:
                slot.put(slot.application)
